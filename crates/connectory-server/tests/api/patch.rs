//! `PATCH …/connectors/{scriptName}`.

use http::Method;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn every_patchable_member_is_patched_and_answered() {
    let app = TestApp::start().await;
    let path = format!("/connectors/v1/{}", app.create("HR").await);
    let config = "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd' fileUpload='false'/>";
    let patch = json!([
        {"op": "test", "path": "/className", "value": "x.Y"},
        {"op": "test", "path": "/provisioningPolicies", "value": []},
        {"op": "add", "path": "/connectorMetadata/category", "value": "HR"},
        {"op": "copy", "from": "/name", "path": "/connectorMetadata/original"},
        {"op": "replace", "path": "/applicationXml", "value": "<Application featuresString='SYNC'/>"},
        {"op": "replace", "path": "/correlationConfigXml", "value": "<CorrelationConfig/>"},
        {"op": "replace", "path": "/sourceConfigXml", "value": config},
    ]);
    let patched = app.patch(&path, &patch).await.ok();
    assert_eq!(patched, app.get(&path).await.ok());
    assert_eq!(patched["connectorMetadata"], json!({"category": "HR", "original": "HR"}));
    assert_eq!((&patched["sourceConfigXml"], &patched["fileUpload"]), (&json!(config), &json!(false)));
    let list = app.get("/v3/connectors?filters=category%20eq%20hr%20and%20features%20ca%20sync").await.ok();
    assert_eq!(list[0]["scriptName"], "hr");
    let as_json = app.call(Method::PATCH, &path, "application/json; charset=utf-8", "[]").await.ok();
    assert_eq!(as_json, patched);
}

#[tokio::test]
async fn a_refused_patch_names_the_operation_and_changes_nothing() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let before = app.get(&path).await.ok();
    let good = json!({"op": "add", "path": "/connectorMetadata/a", "value": 1});
    let table = [
        (
            json!({"op": "replace", "path": "/name", "value": "x"}),
            "operation 1 (replace /name): `/name` cannot be changed",
        ),
        (
            json!({"op": "increment", "path": "/connectorMetadata/a"}),
            "operation 1 (increment /connectorMetadata/a): unknown op",
        ),
        (
            json!({"op": "add", "path": "/connectorMetadata/b"}),
            "operation 1 (add /connectorMetadata/b): `value` is missing",
        ),
        (
            json!({"op": "test", "path": "/connectorMetadata/a", "value": 2}),
            "operation 1 (test /connectorMetadata/a): the test failed: the path holds the number 1",
        ),
        (
            json!({"op": "remove", "path": "/connectorMetadata/b"}),
            "operation 1 (remove /connectorMetadata/b): the path does not exist",
        ),
        (
            json!({"op": "replace", "path": "/applicationXml", "value": "<A"}),
            "after operation 1 (replace /applicationXml): `applicationXml`: line 1, column",
        ),
    ];
    for (operation, expected) in table {
        let refusal = app.patch(&path, &json!([good, operation])).await.refusal(400);
        assert!(refusal.starts_with(expected), "{refusal}");
        assert_eq!(app.get(&path).await.ok(), before);
    }
    let empty = app.call(Method::PATCH, &path, "application/json-patch+json", "").await.refusal(400);
    assert_eq!(empty, "the body is empty; expected JSON");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let refusal = app.call(Method::PATCH, &path, "application/json-patch+json", deep).await.refusal(400);
    assert!(refusal.starts_with("the body is not JSON: recursion limit exceeded"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_patches_all_arrive() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let patches = (0..24).map(|n| {
        let (app, path) = (&app, &path);
        async move {
            let patch = json!([{"op": "add", "path": format!("/connectorMetadata/k{n}"), "value": n}]);
            app.patch(path, &patch).await.ok()
        }
    });
    futures_util::future::join_all(patches).await;
    assert_eq!(app.get(&path).await.ok()["connectorMetadata"].as_object().unwrap().len(), 24);
}
