//! The history and the events: against a real server, and against one that breaks connections.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

mod support;

use std::pin::pin;
use std::time::Duration;

use connectory_client::{
    ActivityEntry, Client, DeletedConnector, Duplicate, Environment, Event, EventKind, ImportResult, NewConnector,
    Open, Patch, Retries, RevisionAction, RevisionAuthorKind, Status,
};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;
use tokio::time::timeout;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Server, unlimited};

fn category(value: &str) -> Patch {
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}]);
    serde_json::from_value(patch).unwrap()
}

#[tokio::test]
async fn what_was_is_read_compared_and_restored() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    client.create(&NewConnector::new("HR", "x.Y")).await.unwrap();
    for value in ["a", "b", "c"] {
        client.patch("hr", &category(value)).await.unwrap();
    }
    let history = client.history("hr").page_size(3).all().await.unwrap();
    assert_eq!(history.iter().map(|revision| revision.revision).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(history[3].action, Open::Known(RevisionAction::Create));
    assert_eq!((&history[0].author.kind, history[0].body), (&Open::Known(RevisionAuthorKind::Client), true));
    let found =
        client.revisions().author("id").action(RevisionAction::Update).before(4).page_size(1).all().await.unwrap();
    assert_eq!(found.iter().map(|revision| revision.revision).collect::<Vec<_>>(), [3, 2]);
    let found = client.revisions().since("2999-01-01T00:00:00Z").all().await.unwrap();
    assert_eq!(found, []);
    assert_eq!(client.revision("hr", 2).await.unwrap().connector_metadata["category"], "a");
    let diff = client.diff("hr", Some(2), None).await.unwrap();
    assert!(diff.contains("\n-  category: a\n+  category: c\n"), "{diff}");
    assert_eq!(client.restore("hr", 2).await.unwrap().connector_metadata["category"], "a");
    let export = client.export_at("3").await.unwrap();
    assert_eq!((export.revision, &export.connectors[0].connector_metadata["category"]), (3, &json!("b")));
    assert!(client.revision("hr", 99).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn what_was_deleted_is_found_and_there_again() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    for name in ["HR", "Payroll", "Payroll North"] {
        client.create(&NewConnector::new(name, "x.Y")).await.unwrap();
    }
    for script_name in ["hr", "payroll", "payroll-north"] {
        client.delete(script_name).await.unwrap();
    }
    let names = |deleted: Vec<DeletedConnector>| deleted.into_iter().map(|of| of.name.unwrap()).collect::<Vec<_>>();
    let all = client.deleted_connectors().page_size(1).all().await.unwrap();
    assert_eq!(names(all.clone()), ["Payroll North", "Payroll", "HR"]);
    let found = client.deleted_connectors().search(&"PAYROLL".parse().unwrap()).before(6).all().await.unwrap();
    assert_eq!(names(found), ["Payroll"]);
    client.restore(all[2].script_name.as_str(), all[2].deletion.revision).await.unwrap();
    assert_eq!(names(client.deleted_connectors().page().await.unwrap()), ["Payroll North", "Payroll"]);
}

#[tokio::test]
async fn several_connectors_are_changed_compared_copied_and_put_back() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    client.create(&NewConnector::new("HR", "x.Y")).await.unwrap();
    let copy = client.duplicate("hr", &Duplicate::named("Payroll").status(Status::Demo).at(1)).await.unwrap();
    assert_eq!((copy.script_name.as_str(), &copy.status), ("payroll", &Open::Known(Status::Demo)));
    let names = ["hr", "payroll"].map(|name| name.parse().unwrap());
    let patched = client.patch_each(&names, &category("a")).await.unwrap();
    assert_eq!((patched.changed, patched.revision), (2, 4));
    let zip = client.export_zip(&names).await.unwrap();
    let diff = client.compare(("hr", Some(1)), ("payroll", None)).await.unwrap();
    assert!(diff.contains("\n-name: HR\n") && diff.contains("\n+name: Payroll\n"), "{diff}");
    assert_eq!(client.undo(patched.revision).await.unwrap().changed, 2);
    assert_eq!(client.undo(patched.revision).await.unwrap_err().api_error().unwrap().status.as_u16(), 409);
    assert_eq!(client.delete_each(&names[..1]).await.unwrap().deleted, 1);
    for imported in [client.check_zip(&zip).await.unwrap(), client.import_zip(&zip).await.unwrap()] {
        assert_eq!((imported.applied.created, imported.applied.changed), (1, 1));
        let payroll = &imported.connectors[1];
        assert_eq!(
            (payroll.result, &payroll.changed[..]),
            (ImportResult::Changed, &["connectorMetadata".to_owned()][..])
        );
    }
    assert_eq!(client.get("hr", None).await.unwrap().connector_metadata["category"], "a");
}

#[tokio::test]
async fn the_activity_is_read_to_its_end_and_kinds_of_newer_servers_are_left_out() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    for name in ["A", "B", "C"] {
        client.create(&NewConnector::new(name, "x.Y")).await.unwrap();
    }
    client.delete("b").await.unwrap();
    let changes = |entries: Vec<ActivityEntry>| {
        let change = |entry| match entry {
            ActivityEntry::Change(change) => Some(change.change),
            ActivityEntry::Access(_) | ActivityEntry::Refused(_) => None,
        };
        entries.into_iter().filter_map(change).collect::<Vec<_>>()
    };
    assert_eq!(changes(client.activity().page_size(1).all().await.unwrap()), [4, 3, 2, 1]);
    assert_eq!(changes(client.activity().what("delete").author("id").all().await.unwrap()), [4]);
    let of_b = client.activity().script_name(&"b".parse().unwrap()).since("2020-01-01T00:00:00Z");
    assert_eq!(changes(of_b.all().await.unwrap()), [4, 2]);

    let service = MockServer::start().await;
    let token = json!({"access_token": "t", "expires_in": 600});
    Mock::given(path("/oauth/token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(token))
        .mount(&service)
        .await;
    let entry = json!({"kind": "refused", "created": "", "clientId": "c", "address": "::1", "count": 2, "more": 1});
    let answer = ResponseTemplate::new(200).set_body_json(json!([{"kind": "praise"}, entry]));
    Mock::given(path("/connectory/v1/activity")).respond_with(answer).mount(&service).await;
    let (client_id, client_secret) = ("id".to_owned(), "secret".to_owned());
    let environment = Environment { base_url: service.uri(), client_id, client_secret };
    let found = Client::builder(environment).build().unwrap().activity().all().await.unwrap();
    assert!(matches!(&found[..], [ActivityEntry::Refused(refused)] if refused.count == 2), "{found:?}");
}

#[test]
fn code_without_async_has_the_history_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start(unlimited()));
    let client = connectory_client::blocking::Client::new(server.client());
    let incarnation = runtime.block_on(server.state.store.incarnation()).unwrap();
    let first = std::thread::spawn({
        let client = connectory_client::blocking::Client::new(server.client());
        move || {
            let mut first = None;
            let start = format!("0-{}-{incarnation}", "0".repeat(32));
            client
                .events(
                    |events| events.after(start),
                    |event| {
                        first = Some(event);
                        std::ops::ControlFlow::Break(())
                    },
                )
                .unwrap();
            first.unwrap()
        }
    });
    client.create(&NewConnector::new("HR", "x.Y")).unwrap();
    assert!(matches!(first.join().unwrap(), Event::Changed { kind: EventKind::Created, .. }));
    client.delete("hr").unwrap();
    assert_eq!(client.history("hr").unwrap().len(), 2);
    assert_eq!(client.revisions(|revisions| revisions.action(RevisionAction::Delete)).unwrap().len(), 1);
    assert_eq!(client.activity(|activity| activity.what("delete")).unwrap().len(), 1);
    assert_eq!(client.deleted_connectors(|deleted| deleted).unwrap()[0].script_name.as_str(), "hr");
    assert_eq!(client.restore("hr", 1).unwrap().name, "HR");
    assert_eq!(client.revision("hr", 1).unwrap().name, "HR");
    assert_eq!(client.export_at("2").unwrap().connectors, []);
    assert_eq!(client.diff("hr", Some(1), Some(3)).unwrap(), "");
}

#[tokio::test]
async fn events_come_as_they_happen_and_go_on_where_a_stream_ended() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    let told = |event: Event| match event {
        Event::Changed { kind, revision, .. } => (kind, revision.revision),
        other => panic!("{other:?}"),
    };
    let mut events = pin!(client.events().stream());
    let next = async {
        let first = events.try_next().await.unwrap().unwrap();
        let id = first.id().to_owned();
        (told(first), id)
    };
    let change = async {
        // The stream begins when it is read.
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.create(&NewConnector::new("HR", "x.Y")).await.unwrap();
        client.patch("hr", &category("a")).await.unwrap();
        client.delete("hr").await.unwrap();
    };
    let ((first, id), ()) = tokio::join!(next, change);
    assert_eq!(first, (EventKind::Created, 1));
    assert_eq!(told(events.try_next().await.unwrap().unwrap()), (EventKind::Updated, 2));
    let again: Vec<_> = client.events().after(id).stream().take(2).try_collect().await.unwrap();
    assert_eq!(again.into_iter().map(told).collect::<Vec<_>>(), [(EventKind::Updated, 2), (EventKind::Deleted, 3)]);
    let first = client.events().after("9-1").stream().take(1).try_collect::<Vec<_>>().await.unwrap();
    assert!(matches!(&first[..], [Event::Reset { reset, .. }] if reset.revision == 3), "{first:?}");
}

/// A service that gives a token, and answers the stream of events as `answers` say, one after the other.
async fn odd(answers: Vec<(Option<&str>, ResponseTemplate)>) -> (MockServer, Client) {
    let service = MockServer::start().await;
    let token = json!({"access_token": "t", "expires_in": 600});
    Mock::given(path("/oauth/token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(token))
        .mount(&service)
        .await;
    for (last, answer) in answers {
        let mock = Mock::given(method("GET")).and(path("/connectory/v1/events"));
        let mock = match last {
            Some(last) => mock.and(header("last-event-id", last)),
            None => mock,
        };
        mock.respond_with(answer).up_to_n_times(1).mount(&service).await;
    }
    let (client_id, client_secret) = ("id".to_owned(), "secret".to_owned());
    let environment = Environment { base_url: service.uri(), client_id, client_secret };
    let retries = Retries { first_pause: Duration::from_millis(1), ..Retries::default() };
    let client = Client::builder(environment).retries(retries).build().unwrap();
    (service, client)
}

fn event(number: u64) -> String {
    let data = json!({"revision": number, "change": number, "scriptName": "hr", "action": "someday", "changed": [],
                      "author": {"kind": "robot", "id": "r", "name": null}, "trackingId": null, "created": "", "body": true});
    format!("id: {number}-x\nevent: connector.updated\ndata: {data}\n\n")
}

fn sent(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(text.to_owned(), "text/event-stream")
}

#[tokio::test]
async fn a_stream_connects_again_and_loses_nothing() {
    let unknown = "id: 3-x\nevent: connector.praised\ndata: {}\n\n: a comment\n\n";
    let (_service, client) = odd(vec![
        (None, sent(&event(1))),
        // It breaks in the middle of an event.
        (Some("1-x"), sent(&format!("{}id: 3-x\nevent: connector.upd", event(2)))),
        // More often than a call is repeated.
        (Some("2-x"), ResponseTemplate::new(503)),
        (Some("2-x"), ResponseTemplate::new(503)),
        (Some("2-x"), ResponseTemplate::new(503)),
        (Some("2-x"), ResponseTemplate::new(502)),
        (Some("2-x"), ResponseTemplate::new(503)),
        (Some("2-x"), ResponseTemplate::new(503)),
        (Some("2-x"), sent(unknown)),
        (Some("3-x"), ResponseTemplate::new(401)),
        (Some("3-x"), sent("id: 4-x\n\n")),
        (Some("4-x"), sent(&event(5))),
    ])
    .await;
    let stream = client.events().stream().take(3).map_ok(|event| event.id().to_owned());
    let ids: Vec<_> = timeout(Duration::from_secs(20), stream.try_collect()).await.unwrap().unwrap();
    assert_eq!(ids, ["1-x", "2-x", "5-x"]);
}

#[tokio::test]
async fn a_stream_ends_where_the_service_refuses_it_or_sends_no_events() {
    let (_service, client) = odd(vec![(None, ResponseTemplate::new(403))]).await;
    let first = pin!(client.events().stream()).next().await.unwrap();
    assert_eq!(first.unwrap_err().api_error().unwrap().status.as_u16(), 403);
    let wrong = "id: 1-x\nevent: connector.updated\ndata: {\n\n";
    let (_service, client) = odd(vec![(None, sent(wrong))]).await;
    let first = pin!(client.events().stream()).next().await.unwrap();
    assert!(first.unwrap_err().to_string().starts_with("cannot read the answer of /connectory/v1/events"));
    // An event without an end fills no memory.
    let endless = format!("data: {}", "x".repeat(3 << 20));
    let (service, client) = odd(vec![(None, sent(&endless)), (None, sent(&event(1)))]).await;
    let first =
        timeout(Duration::from_secs(20), pin!(client.events().stream()).next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.id(), "1-x");
    assert_eq!(service.received_requests().await.unwrap().len(), 3);
}
