//! The activity of a tenant: changes, access and refused sign-ins in one list, its filters and its pages.

use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{ACTIVITY_PARTS, ACTIVITY_SCANNED, REVISIONS_SCANNED};
use connectory_store::{Author, AuthorKind, Change, Edit, Origin, RefusedSignIns};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{TestApp, operator};

const ACTIVITY: &str = "/connectory/v1/activity";

async fn activity(app: &TestApp, query: &str) -> Vec<Value> {
    app.get(&format!("{ACTIVITY}?{query}")).await.ok().as_array().unwrap().clone()
}

/// The numbers of the changes of a list.
fn changes(list: &[Value]) -> Vec<u64> {
    list.iter().filter_map(|entry| entry["change"].as_u64()).collect()
}

/// What the entries are: their actions, or their kinds.
fn words(list: &[Value]) -> Vec<String> {
    let word = |entry: &Value| entry["action"].as_str().or(entry["kind"].as_str()).unwrap().to_owned();
    list.iter().map(word).collect()
}

/// Creates connectors with one commit.
async fn create_together(app: &TestApp, author: &str, names: impl IntoIterator<Item = String>) {
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    let edits = names.into_iter().map(|name| {
        let list = json!([{"name": name}]).to_string();
        let connector = connectory_model::import::from_json(list.as_bytes()).unwrap().remove(0);
        Edit::new(Change::Create, &connector, &["sourceConfigXml".to_owned()], None)
    });
    let author = Author { kind: AuthorKind::Person, id: author.to_owned(), name: None };
    let origin = Origin { author, tracking_id: None };
    app.server.store.commit(tenant, edits.collect(), origin).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_is_one_entry_with_its_parts() {
    let app = TestApp::start().await;
    app.create("HR").await;
    create_together(&app, "ada", (0..7).map(|number| format!("C {number}"))).await;
    app.create("CRM").await;
    let list = activity(&app, "what=changes").await;
    assert_eq!(changes(&list), [9, 8, 1]);
    let sizes: Vec<_> = list
        .iter()
        .map(|entry| (entry["size"].as_u64().unwrap(), entry["revisions"].as_array().unwrap().len()))
        .collect();
    assert_eq!(sizes, [(1, 1), (7, ACTIVITY_PARTS), (1, 1)]);
    assert_eq!(list[1]["revisions"][0]["scriptName"], "c-6");
    // A filter leaves out parts, and the size stays that of the change.
    let list = activity(&app, "scriptName=c-3").await;
    assert_eq!((list.len(), &list[0]["size"], list[0]["revisions"].as_array().unwrap().len()), (1, &json!(7), 1));
    // All its parts.
    let parts = app.get("/connectory/v1/revisions?change=8").await.ok();
    assert_eq!(parts.as_array().unwrap().len(), 7);
    assert_eq!(app.get("/connectory/v1/revisions?change=7").await.ok(), json!([]), "no change ends here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_larger_than_a_read_is_one_entry_too() {
    let app = TestApp::start().await;
    for large in ["a", "b"] {
        create_together(&app, "ada", (0..400).map(|number| format!("{large} {number}"))).await;
    }
    app.create("HR").await;
    let list = activity(&app, "what=changes&limit=250").await;
    assert_eq!(changes(&list), [801, 800, 400]);
    let first = app.get(&format!("{ACTIVITY}?what=changes&limit=2")).await;
    let next = next(first.header("link").unwrap());
    assert_eq!(changes(&first.json().as_array().unwrap().clone()), [801, 800]);
    let second = app.get(&next).await;
    assert_eq!((changes(&second.json().as_array().unwrap().clone()), second.header("link")), (vec![400], None));
}

/// The address in a link.
fn next(link: &str) -> String {
    link.strip_prefix('<').unwrap().split_once(">; rel=\"next\"").unwrap().0.to_owned()
}

async fn refuse(app: &TestApp, minutes: impl IntoIterator<Item = i64>) {
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    let refused = |(minute, client): (i64, &str)| RefusedSignIns {
        tenant,
        minute,
        client_id: client.to_owned(),
        address: "2001:db8::7".parse().unwrap(),
        count: 3,
    };
    let each = minutes.into_iter().flat_map(|minute| [(minute, "a,b"), (minute, "first")]);
    app.server.store.add_refused_sign_ins(each.map(refused).collect()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_activity_is_filtered() {
    let app = TestApp::start().await;
    let other = app.client("other", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    app.create("HR").await;
    let body = json!({"name": "CRM", "className": "x.Y"}).to_string();
    app.call_as(&other, Method::POST, "/v3/connectors", "application/json", body).await.ok();
    app.put("/v3/connectors/hr/translations/de", b"a=b\n").await.ok();
    app.delete("/v3/connectors/hr").await;
    refuse(&app, [1, 2]).await;
    let found = async |query: &str| words(&activity(&app, query).await);
    let all = found("").await;
    assert_eq!(all[..4], ["change"; 4]);
    assert_eq!(
        all[4..],
        ["client_created", "client_created", "tenant_created", "refused", "refused", "refused", "refused"]
    );
    let numbers = async |query: &str| changes(&activity(&app, query).await);
    assert_eq!(numbers("what=create").await, [2, 1]);
    assert_eq!(numbers("what=delete&author=first").await, [4]);
    assert_eq!(numbers("what=delete&author=other").await, Vec::<u64>::new());
    assert_eq!(numbers("author=client%20other").await, [2], "a name");
    assert_eq!(numbers("what=translations").await, [3]);
    assert_eq!(numbers("what=translations/de&scriptName=hr").await, [3]);
    assert_eq!(found("what=translations/fr").await, [""; 0]);
    assert_eq!(numbers("scriptName=hr").await, [4, 3, 1]);
    assert_eq!(found("what=access").await, ["client_created", "client_created", "tenant_created"]);
    assert_eq!(found("what=client_created&author=test").await.len(), 2);
    assert_eq!(found("author=a,b").await, ["refused", "refused"]);
    assert_eq!(found("what=refused").await.len(), 4);
    assert_eq!(found("what=refused&since=1970-01-01T00:01:00.001Z").await.len(), 2, "those of the second minute");
    assert_eq!(found("what=refused&until=1970-01-01T00:01:59.999Z").await.len(), 2);
    assert_eq!(found("until=2001-01-01T00:00:00Z").await.len(), 4);
    assert_eq!(found("since=2001-01-01T00:00:00Z").await.len(), 7);
    assert_eq!(found("since=2999-01-01T00:00:00Z").await, [""; 0]);
    let refused = &activity(&app, "what=refused&limit=1").await[0];
    let expected = json!({"kind": "refused", "created": "1970-01-01T00:02:00.000Z", "clientId": "first",
                          "address": "2001:db8::7", "count": 3});
    assert_eq!(*refused, expected);
    let created = &activity(&app, "what=client_created&limit=1").await[0];
    assert_eq!((&created["subject"], &created["address"]), (&json!("other"), &Value::Null));
    assert_eq!(created["author"], json!({"kind": "operator", "id": "test", "name": null}));
    for (query, expected) in [
        ("what=destroy", "`what` must be one of `changes`, `create`, "),
        ("cursor=1", "`cursor` must be that of the header `Link` of an answer; got `1`"),
        ("cursor=1,-1", "`cursor` must be "),
        ("cursor=1,1,1,here,me", "`cursor` must be "),
        ("scriptName=a%2Fb", "`scriptName`: `a/b` cannot be a script name"),
        ("since=yesterday", "`since` must be a time of RFC 3339"),
        ("limit=0", "`limit` must be an integer from 1 to 250, got `0`"),
        ("author=%FF", "`author` is not UTF-8; write a character such as `ö`"),
        ("before=1", "the parameter `before` is unknown; this operation has `limit`, `cursor`, `author`, `what`"),
    ] {
        let refusal = app.get(&format!("{ACTIVITY}?{query}")).await.refusal(400);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_is_for_those_who_manage_clients_and_every_tenant_has_its_own() {
    let app = TestApp::start().await;
    app.create("HR").await;
    refuse(&app, [1]).await;
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let list = app.get_as(&reader, ACTIVITY).await;
    assert_eq!(
        (words(&list.json().as_array().unwrap().clone()), list.header("link")),
        (vec!["change".to_owned()], None)
    );
    for what in ["access", "sign_in", "client_created", "refused"] {
        let refused = app.get_as(&reader, &format!("{ACTIVITY}?what={what}")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{what}");
    }
    let with_cursor = app.get_as(&reader, &format!("{ACTIVITY}?cursor=9,9,9,192.0.2.1,z")).await.ok();
    assert_eq!(words(&with_cursor.as_array().unwrap().clone()), ["change"]);
    app.access().create_tenant("neighbour", &operator()).unwrap();
    let theirs = app.client("theirs", "neighbour", UserLevel::OrgAdmin, &[Scope::All]).await;
    let list = app.get_as(&theirs, ACTIVITY).await.ok();
    assert_eq!(words(&list.as_array().unwrap().clone()), ["client_created", "tenant_created"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_repeat_nothing_and_leave_nothing_out() {
    let app = TestApp::start().await;
    for number in 0..4 {
        app.create(&format!("A {number}")).await;
        app.client(&format!("client {number}"), "default", UserLevel::OrgAdmin, &[Scope::All]).await;
        create_together(&app, "ada", (0..3).map(|part| format!("B {number} {part}"))).await;
    }
    refuse(&app, [1, 2, 3, 99_999_999]).await;
    for filter in ["", "author=ada", "what=sourceConfigXml", "what=access", "what=refused", "author=first"] {
        let all = activity(&app, &format!("{filter}&limit=250")).await;
        for limit in [1, 2, 3, 7] {
            let (mut path, mut pages) = (Some(format!("{ACTIVITY}?{filter}&limit={limit}")), Vec::new());
            while let Some(at) = path.take() {
                let answer = app.get(&at).await;
                path = answer.header("link").map(next);
                let page = answer.ok().as_array().unwrap().clone();
                assert!(page.len() == limit || path.is_none(), "{at}");
                pages.extend(page);
            }
            assert_eq!(pages, all, "{filter} {limit}");
        }
    }
    // What is new does not shift the pages of one who reads.
    let first = app.get(&format!("{ACTIVITY}?limit=3&what=changes")).await;
    let path = next(first.header("link").unwrap());
    let second = app.get(&path).await.ok();
    app.create("New").await;
    assert_eq!(app.get(&path).await.ok(), second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_ends_after_so_many_revisions_and_goes_on_where_it_ended() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let parts = REVISIONS_SCANNED / 4 + 10;
    for commit in 0..4 {
        create_together(&app, "ada", (0..parts).map(|part| format!("C {commit} {part}"))).await;
    }
    for (path, most) in [(ACTIVITY, ACTIVITY_SCANNED), ("/connectory/v1/revisions", REVISIONS_SCANNED)] {
        let (mut at, mut pages, mut found) = (format!("{path}?author=first"), 0, Vec::new());
        loop {
            let answer = app.get(&at).await;
            let link = answer.header("link").map(next);
            found.extend(answer.ok().as_array().unwrap().clone());
            let Some(link) = link else { break };
            assert_eq!(found, [Value::Null; 0], "what is older than what was looked at waits");
            (at, pages) = (link, pages + 1);
        }
        assert_eq!(pages, (4 * parts + 1) / most, "{path}");
        assert!(found.iter().any(|entry| entry["change"] == 1), "{path} {found:?}");
    }
    // The whole activity needs no search.
    let list = app.get(ACTIVITY).await;
    assert_eq!(changes(&list.json().as_array().unwrap().clone()).len(), 5);
}
