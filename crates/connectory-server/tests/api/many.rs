//! One change to several connectors, and the undo of a change.

use axum::body::Body;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::EXPORT_NAMES;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const BASE: &str = "/connectory/v1/connectors";

/// The path for these connectors.
fn of(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| ["scriptName=", name].concat()).collect();
    format!("{BASE}?{}", names.join("&"))
}

fn status(status: &str) -> Value {
    json!([{"op": "replace", "path": "/status", "value": status}])
}

async fn undo(app: &TestApp, change: u64) -> Answer {
    app.call(Method::POST, &format!("/connectory/v1/changes/{change}/undo"), "", Body::empty()).await
}

async fn statuses(app: &TestApp) -> Vec<(String, String)> {
    let list = app.get("/v2025/connectors?statuses=all&custom=true").await.ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|item| (text(&item["scriptName"]), text(&item["status"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

fn applied(before: u64, [created, changed, deleted, unchanged]: [u64; 4]) -> Value {
    json!({"before": before, "revision": before + created + changed + deleted,
           "created": created, "changed": changed, "deleted": deleted, "unchanged": unchanged})
}

/// The reasons for the refusal of connectors.
#[track_caller]
fn causes(answer: &Answer, status: u16) -> Vec<String> {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    let body = answer.json();
    body["causes"].as_array().unwrap().iter().map(|cause| cause["text"].as_str().unwrap().to_owned()).collect()
}

/// A server with the connectors a, b and c, at the revisions 1 to 3.
async fn app() -> TestApp {
    let app = TestApp::start().await;
    for name in ["a", "b", "c"] {
        app.create(name).await;
    }
    app
}

#[tokio::test]
async fn several_connectors_are_patched_in_one_change_and_it_is_taken_back() {
    let app = app().await;
    let done = app.patch(&of(&["a", "b", "a"]), &status("DEPRECATED")).await.ok();
    assert_eq!(done, applied(3, [0, 2, 0, 0]));
    let expected = pairs(&[("a", "DEPRECATED"), ("b", "DEPRECATED"), ("c", "RELEASED")]);
    assert_eq!(statuses(&app).await, expected);
    let revisions = app.get("/connectory/v1/revisions?change=5").await.ok();
    assert_eq!(revisions.as_array().unwrap().len(), 2, "one change: {revisions}");

    let unchanged = app.patch(&of(&["a", "c"]), &status("DEPRECATED")).await.ok();
    assert_eq!(unchanged, applied(5, [0, 1, 0, 1]));
    let nothing = app.patch(&of(&["a", "c"]), &status("DEPRECATED")).await.ok();
    assert_eq!(nothing, applied(6, [0, 0, 0, 2]));

    // One was not changed by the last change, so the first one can be taken back.
    assert_eq!(undo(&app, 5).await.ok(), applied(6, [0, 2, 0, 0]));
    assert_eq!(statuses(&app).await, pairs(&[("a", "RELEASED"), ("b", "RELEASED"), ("c", "DEPRECATED")]));
    let action = app.get("/connectory/v1/revisions?limit=1").await.ok()[0]["action"].clone();
    assert_eq!(action, "restore");
    // An undo is a change too.
    assert_eq!(undo(&app, 8).await.ok(), applied(8, [0, 2, 0, 0]));
    assert_eq!(statuses(&app).await, pairs(&[("a", "DEPRECATED"), ("b", "DEPRECATED"), ("c", "DEPRECATED")]));
}

#[tokio::test]
async fn all_or_none_are_changed_and_each_refusal_names_its_connector() {
    let app = app().await;
    let long = "x".repeat(5000);
    let patch = json!([{"op": "add", "path": "/connectorMetadata/shortDesc", "value": long}]);
    let refused = app.patch(&of(&["a", "nothing", "active-directory"]), &patch).await;
    let causes_of = causes(&refused, 400);
    assert_eq!(causes_of.len(), 3, "{causes_of:?}");
    assert!(causes_of[0].starts_with("`a`: "), "{causes_of:?}");
    assert_eq!(causes_of[1], "`nothing`: there is no connector with the script name `nothing` in this tenant");
    assert!(refused.text().contains("3 of 3 connectors are refused, and nothing was changed"), "{}", refused.text());
    let named = json!([{"op": "replace", "path": "/name", "value": "One"}]);
    let twice = causes(&app.patch(&of(&["a", "b"]), &named).await, 400);
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(twice[0].starts_with("`b`: "), "{twice:?}");
    causes(&app.delete(&of(&["a", "nothing"])).await, 400);
    assert_eq!(statuses(&app).await.len(), 3);
    assert_eq!(app.get("/connectory/v1/revisions?limit=1").await.ok()[0]["revision"], 3);
}

#[tokio::test]
async fn deleted_connectors_are_there_again_after_an_undo_unless_they_are_others() {
    let app = app().await;
    assert_eq!(app.delete(&of(&["a", "c"])).await.ok(), applied(3, [0, 0, 2, 0]));
    assert_eq!(statuses(&app).await, pairs(&[("b", "RELEASED")]));
    assert_eq!(undo(&app, 5).await.ok(), applied(5, [2, 0, 0, 0]));
    assert_eq!(statuses(&app).await.len(), 3);
    // The undo of an undo deletes them again.
    assert_eq!(undo(&app, 7).await.ok(), applied(7, [0, 0, 2, 0]));
    assert_eq!(statuses(&app).await, pairs(&[("b", "RELEASED")]));
    app.create("a").await;
    let refused = undo(&app, 9).await;
    assert_eq!(causes(&refused, 409), ["`a`: it was changed since, in revision 10"]);
    assert_eq!(statuses(&app).await.len(), 2, "all or none");
    // Only the whole change is taken back, and a number within it names none.
    assert_eq!(
        undo(&app, 8).await.refusal(404),
        "the tenant has no change 8; a change has the number of its last revision"
    );
    assert_eq!(undo(&app, 99).await.status, StatusCode::NOT_FOUND);
    // The creation of a connector is a change.
    assert_eq!(undo(&app, 10).await.ok(), applied(10, [0, 0, 1, 0]));
    // Its name may be that of another one by then.
    app.create("A").await;
    let script_name = app.get("/connectory/v1/revisions?limit=1").await.ok()[0]["scriptName"].clone();
    assert_eq!(script_name, "a");
    assert_eq!(causes(&undo(&app, 11).await, 409), ["`a`: it was changed since, in revision 12"]);
}

#[tokio::test]
async fn a_name_that_was_given_away_is_not_taken_back() {
    let app = app().await;
    let named = |name: &str| json!([{"op": "replace", "path": "/name", "value": name}]);
    app.patch(&format!("{BASE}/a"), &named("other")).await.ok();
    app.patch(&format!("{BASE}/b"), &named("a")).await.ok();
    let refused = causes(&undo(&app, 4).await, 400);
    assert_eq!(refused, ["`a`: `name` is taken: a connector of this name exists already"]);
}

#[tokio::test]
async fn connectors_are_named_and_nothing_else_is() {
    let app = app().await;
    for (path, expected) in [
        (BASE.to_owned(), "name the connectors to be deleted with `?scriptName=…`"),
        (format!("{BASE}?scriptName="), "`scriptName`: "),
        (format!("{BASE}?scriptname=a"), "the parameter `scriptname` is unknown"),
        (format!("{BASE}?scriptName=%F6"), "`scriptName` is not UTF-8"),
        (
            of(&(0..=EXPORT_NAMES)
                .map(|number| format!("x{number}"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()),
            "`scriptName` has more than 250 connectors",
        ),
    ] {
        let text = app.delete(&path).await.refusal(400);
        assert!(text.starts_with(expected), "{text}");
    }
    let text = app.patch(BASE, &status("DEMO")).await.refusal(400);
    assert!(text.starts_with("name the connectors to be updated"), "{text}");
    assert_eq!(app.call(Method::PATCH, &of(&["a"]), "text/plain", "[]").await.status.as_u16(), 415);
    app.patch(&of(&["a"]), &json!({"op": "remove", "path": "/status"})).await.refusal(400);
    assert_eq!(statuses(&app).await.len(), 3);
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    for (method, path) in [
        (Method::PATCH, of(&["a"])),
        (Method::DELETE, of(&["a"])),
        (Method::POST, "/connectory/v1/changes/1/undo".to_owned()),
    ] {
        let answer = app.call_as(&reader, method, &path, "application/json", "[]").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn with_a_key_a_change_to_several_connectors_is_made_once() {
    let app = app().await;
    let send = async |method: Method, path: &str, body: &Value, key: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, app.authorization())
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key);
        app.send(request.body(Body::from(if body.is_null() { String::new() } else { body.to_string() })).unwrap()).await
    };
    let changes = [
        (Method::PATCH, of(&["a", "b"]), status("DEMO"), applied(3, [0, 2, 0, 0])),
        (Method::DELETE, of(&["a", "b"]), Value::Null, applied(5, [0, 0, 2, 0])),
        (Method::POST, "/connectory/v1/changes/7/undo".to_owned(), Value::Null, applied(7, [2, 0, 0, 0])),
    ];
    for (at, (method, path, body, expected)) in changes.iter().enumerate() {
        for replayed in [None, Some("true")] {
            let answer = send(method.clone(), path, body, &format!("k{at}")).await;
            assert_eq!(answer.header("idempotency-replayed"), replayed);
            assert_eq!(answer.ok(), *expected);
        }
    }
    let other = send(Method::PATCH, &of(&["a", "c"]), &status("DEMO"), "k0").await;
    assert!(other.refusal(422).contains("another request"), "the connectors are a part of the request");
}
