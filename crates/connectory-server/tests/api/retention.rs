//! What the API answers about revisions whose bodies retention removed.

use std::time::Duration;

use connectory_store::{LeasedWork, Retention};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::TestApp;

const BASE: &str = "/connectory/v1/connectors";

/// Removes all but the newest bodies of each connector, as if a year had passed.
async fn retain(app: &TestApp, min: usize) -> u64 {
    let store = &app.server.store;
    let mut pass = Retention { age: Duration::from_hours(24), min }.begin(store).await.unwrap();
    let lease = store.lease(LeasedWork::Retention, Duration::from_secs(30)).await.unwrap().unwrap();
    let (later, mut removed) = (Timestamp::now().as_millisecond() + 365 * 24 * 3_600_000, 0);
    while !pass.is_done() {
        removed += store.retain(&mut pass, &lease, later).await.unwrap().bodies;
    }
    removed
}

async fn set(app: &TestApp, script_name: &str, value: &str) {
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}]);
    app.patch(&format!("/v3/connectors/{script_name}"), &patch).await.ok();
}

/// Revisions 1 to 4 are those of `hr`, 5 and 6 those of `gone`, which is deleted.
async fn app() -> TestApp {
    let app = TestApp::start().await;
    app.create("HR").await;
    for value in ["a", "b", "c"] {
        set(&app, "hr", value).await;
    }
    app.create("Gone").await;
    app.delete("/v3/connectors/gone").await;
    // Cached before their bodies are removed.
    for number in 1..=3 {
        app.get(&format!("{BASE}/hr/revisions/{number}")).await.ok();
    }
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_whose_body_was_removed_is_gone_and_its_record_stays() {
    let app = app().await;
    let before = app.get(&format!("{BASE}/hr/revisions")).await.ok();
    let now = app.get("/v3/connectors/hr").await.ok();
    assert_eq!(retain(&app, 2).await, 2);
    let after = app.get(&format!("{BASE}/hr/revisions")).await.ok();
    let mut expected = before;
    for revision in &mut expected.as_array_mut().unwrap()[2..] {
        revision["body"] = Value::Bool(false);
    }
    assert_eq!(after, expected);
    let created = after[3]["created"].as_str().unwrap();
    let removed = app.get(&format!("{BASE}/hr/revisions/1")).await.refusal(410);
    assert!(removed.starts_with(&format!("revision 1, of {created}, has no connector any more")), "{removed}");
    app.get(&format!("{BASE}/hr/revisions/2")).await.refusal(410);
    app.get(&format!("{BASE}/hr/revisions/9")).await.refusal(404);
    let third = app.get(&format!("{BASE}/hr/revisions/3")).await.ok();
    assert_eq!(third["connectorMetadata"]["category"], "b");
    assert_eq!(app.get("/v3/connectors/hr").await.ok(), now);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_and_restores_need_bodies() {
    let app = app().await;
    assert_eq!(retain(&app, 2).await, 2);
    let last = app.get(&format!("{BASE}/hr/diff")).await;
    assert!(last.text().contains("category: c"), "{}", last.text());
    for query in ["?from=1", "?from=2&to=4", "?to=2"] {
        app.get(&format!("{BASE}/hr/diff{query}")).await.refusal(410);
    }
    // The state before the third is not there any more.
    let refusal = app.get(&format!("{BASE}/hr/diff?to=3")).await.refusal(410);
    assert!(refusal.starts_with("revision 2, of "), "{refusal}");
    let restore = async |name: &str, number: u64| {
        app.call(Method::POST, &format!("{BASE}/{name}/revisions/{number}/restore"), "", "").await
    };
    restore("hr", 2).await.refusal(410);
    assert_eq!(restore("hr", 3).await.ok()["connectorMetadata"]["category"], "b");
    assert_eq!(retain(&app, 1).await, 3);
    // A deleted connector has a body too.
    restore("gone", 5).await.refusal(410);
    assert_eq!(restore("gone", 6).await.ok()["name"], "Gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_a_moment_needs_the_bodies_of_then() {
    let app = app().await;
    assert_eq!(retain(&app, 2).await, 2);
    let refusal = app.get("/connectory/v1/connectors?at=2").await.refusal(410);
    assert!(refusal.starts_with("`hr` as it was at revision 2 was removed by the retention"), "{refusal}");
    for at in [3, 4, 5, 6] {
        let answer = app.get(&format!("/connectory/v1/connectors?at={at}")).await;
        assert_eq!(answer.status, 200, "{at}");
        assert!(answer.text().contains("\"HR\""), "{at}");
    }
    assert_eq!(app.get("/connectory/v1/connectors?at=0").await.status, 200, "before the first");
    app.get("/connectory/v1/connectors?at=1").await.refusal(410);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_not_taken_back_without_the_connector_before_it() {
    let app = app().await;
    retain(&app, 1).await;
    let undo = async |change: u64| {
        app.call(Method::POST, &format!("/connectory/v1/changes/{change}/undo"), "", axum::body::Body::empty()).await
    };
    let text = undo(4).await.refusal(410);
    assert!(text.starts_with("revision 3, of "), "{text}");
    assert_eq!(undo(6).await.ok()["created"], 1, "the newest body of a connector stays");
}
