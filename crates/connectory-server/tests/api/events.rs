//! The stream of events: nothing missing, nothing twice, and an end.

use std::time::Duration;

use axum::body::BodyDataStream;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::EVENT_STREAMS_PER_CLIENT;
use connectory_server::options::Reads;
use connectory_server::{Options, Service};
use connectory_store::{RevisionId, RevisionNumber, TenantId};
use futures_util::StreamExt;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::TestApp;

const PATH: &str = "/connectory/v1/events";

/// A stream, as a client reads it.
struct Stream {
    body: BodyDataStream,
    text: String,
    /// The id of the last event.
    last: String,
}

/// An event: its kind and its data.
type Event = (String, Value);

impl Stream {
    async fn open(app: &TestApp, authorization: &str, last: Option<&str>) -> Result<Self, StatusCode> {
        let mut request =
            Request::get(PATH).header(header::AUTHORIZATION, authorization).header(header::HOST, "a.test");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let response = app.service().answer(request.body(axum::body::Body::empty()).unwrap(), address).await;
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let body = response.into_body().into_data_stream();
        Ok(Self { body, text: String::new(), last: last.unwrap_or_default().to_owned() })
    }

    async fn of(app: &TestApp, last: Option<&str>) -> Self {
        Self::open(app, &app.authorization(), last).await.unwrap()
    }

    /// The next event. None at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned())) {
                self.text = rest;
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let Some(id) = field("id: ") {
                    self.last = id;
                }
                if let (Some(kind), Some(data)) = (field("event: "), field("data: ")) {
                    return Some((kind, serde_json::from_str(&data).unwrap()));
                }
            }
            let part = timeout(Duration::from_secs(20), self.body.next()).await.expect("an event or the end")?;
            self.text.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
        }
    }

    async fn revisions(&mut self, count: usize) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        while found.len() < count {
            let (kind, data) = self.next().await.unwrap();
            found.push((kind, data["revision"].as_u64().unwrap()));
        }
        found
    }
}

/// The place before the first revision of the first tenant.
fn start() -> RevisionId {
    RevisionId { tenant: TenantId::new(1).unwrap(), number: RevisionNumber::ZERO }
}

async fn set(app: &TestApp, value: &str) {
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}]);
    app.patch("/v3/connectors/hr", &patch).await.ok();
}

fn told(events: &[(&str, u64)]) -> Vec<(String, u64)> {
    events.iter().map(|(kind, number)| (format!("connector.{kind}"), *number)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_is_sent_once_and_in_order() {
    let app = TestApp::start().await;
    app.create("Before").await;
    let mut stream = Stream::of(&app, None).await;
    app.create("HR").await;
    let (kind, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["revision"], &data["scriptName"]), ("connector.created", &json!(2), &json!("hr")));
    assert_eq!(data, app.get("/connectory/v1/connectors/hr/revisions").await.ok()[0]);
    set(&app, "a").await;
    app.delete("/v3/connectors/hr").await;
    app.call(http::Method::POST, "/connectory/v1/connectors/hr/revisions/2/restore", "", "").await.ok();
    set(&app, "b").await;
    app.call(http::Method::POST, "/connectory/v1/connectors/hr/revisions/2/restore", "", "").await.ok();
    let expected = told(&[("updated", 3), ("deleted", 4), ("created", 5), ("updated", 6), ("updated", 7)]);
    assert_eq!(stream.revisions(5).await, expected);
    // More than are read at once, while they are made.
    let mut behind = Stream::of(&app, Some(&stream.last)).await;
    let writing = async {
        for at in 0..250 {
            set(&app, &format!("v{at}")).await;
        }
    };
    let ((), sent) = tokio::join!(writing, behind.revisions(250));
    let numbers: Vec<_> = sent.into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, (8..258).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_after_the_last_event_and_after_a_restart() {
    let app = TestApp::start().await;
    let mut stream = Stream::of(&app, None).await;
    app.create("HR").await;
    stream.next().await.unwrap();
    let last = stream.last.clone();
    drop(stream);
    set(&app, "a").await;
    let mut again = Stream::of(&app, Some(&last)).await;
    assert_eq!(again.revisions(1).await, told(&[("updated", 2)]));
    drop(again);
    let app = app.restart(Service::new).await;
    set(&app, "b").await;
    let mut after = Stream::of(&app, Some(&last)).await;
    assert_eq!(after.revisions(2).await, told(&[("updated", 2), ("updated", 3)]));
    // From the begin of a tenant that had nothing.
    let (_, incarnation) = last.rsplit_once('-').unwrap();
    let start = format!("0-{}-{incarnation}", "0".repeat(32));
    let mut empty = Stream::of(&app, Some(&start)).await;
    assert_eq!(empty.revisions(1).await, told(&[("created", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_not_of_this_database_is_a_reset() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let incarnation = app.server.store.incarnation().await.unwrap();
    let commit = app.server.store.revisions_after(start(), 1).await.unwrap()[0].commit.unwrap().simple();
    let ids = [
        format!("1-8e03978e40d543ddbc936894a57f9324-{incarnation}"),
        format!("99-{commit}-{incarnation}"),
        format!("1-{}-{incarnation}", "0".repeat(32)),
        format!("1-{commit}-{}", "a".repeat(32)),
        format!("1-{commit}"),
        "x".to_owned(),
        String::new(),
    ];
    for id in ids {
        let mut stream = Stream::of(&app, Some(&id)).await;
        let (kind, data) = stream.next().await.unwrap();
        let revision = data["revision"].as_u64().unwrap();
        assert_eq!(kind, "reset", "{id}");
        // It goes on from there.
        let last = stream.last.clone();
        let mut after = Stream::of(&app, Some(&last)).await;
        set(&app, &format!("after {id}")).await;
        let expected = told(&[("updated", revision + 1)]);
        assert_eq!((stream.revisions(1).await, after.revisions(1).await), (expected.clone(), expected), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_token_and_with_its_client() {
    let app = TestApp::start().await;
    let other = app.client("other", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let mut ended = Stream::open(&app, &format!("Bearer {other}"), None).await.unwrap();
    let mut stays = Stream::of(&app, None).await;
    app.access().delete_client("other", &crate::support::operator()).unwrap();
    let ends = timeout(Duration::from_secs(6), ended.next()).await;
    assert_eq!(ends.expect("it ends within seconds"), None);
    app.create("HR").await;
    assert!(stays.next().await.is_some());
    app.clock().turn(Duration::from_hours(24));
    assert_eq!(timeout(Duration::from_secs(6), stays.next()).await.expect("its token has expired"), None);
    assert_eq!(Stream::open(&app, "Bearer x", None).await.err(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(app.get(&format!("{PATH}?since=1")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_has_so_many_streams_and_a_slow_reader_costs_little() {
    let app = TestApp::start().await;
    let mut streams = Vec::new();
    for _ in 0..EVENT_STREAMS_PER_CLIENT {
        streams.push(Stream::of(&app, None).await);
    }
    assert_eq!(Stream::open(&app, &app.authorization(), None).await.err(), Some(StatusCode::TOO_MANY_REQUESTS));
    drop(streams.pop());
    let mut last = Stream::of(&app, None).await;
    app.create("HR").await;
    assert!(last.next().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_ends_its_streams() {
    let app = TestApp::with(Options { rate_limit: None, ..Options::default() }).await;
    let mut stream = Stream::of(&app, None).await;
    app.server.options.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(timeout(Duration::from_secs(3), stream.next()).await.expect("it ends"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_one_server_has_what_others_commit_and_goes_on_at_another() {
    let stale = Reads::Local { max_staleness: Duration::from_mins(1) };
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, stale]).await else { return };
    let mut stream = Stream::of(&two, None).await;
    one.create("HR").await;
    assert_eq!(stream.revisions(1).await, told(&[("created", 1)]));
    let last = stream.last.clone();
    set(&one, "a").await;
    assert_eq!(stream.revisions(1).await, told(&[("updated", 2)]));
    let mut other = Stream::of(&one, Some(&last)).await;
    assert_eq!(other.revisions(1).await, told(&[("updated", 2)]));
    // The history is another one.
    one.psql("UPDATE revisions SET commit_id = gen_random_uuid() WHERE number = 2");
    let (kind, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["revision"]), ("reset", &json!(2)));
}
