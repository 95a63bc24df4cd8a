//! `PATCH …/connectors/{scriptName}`.

use connectory_server::Options;
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
async fn the_own_patch_of_this_server_changes_status_name_type_class_and_connection_in_place() {
    let app = TestApp::start().await;
    let script_name = app.create("HR").await;
    app.create("IT").await;
    let (own, path) = (format!("/connectory/v1/connectors/{script_name}"), format!("/connectors/v1/{script_name}"));
    let before = app.get(&path).await.ok();
    let replace = |member: &str, value: serde_json::Value| json!([{"op": "replace", "path": format!("/{member}"), "value": value}]);
    let mut expected = before.clone();
    for (member, value) in [
        ("status", json!("DEPRECATED")),
        ("name", json!("Human Resources")),
        ("type", json!("LDAP")),
        ("className", json!("x.Z")),
        ("directConnect", json!(false)),
    ] {
        expected[member] = value.clone();
        let patched = app.patch(&own, &replace(member, value)).await.ok();
        assert_eq!(patched, expected, "{member}");
        assert_eq!(app.get(&path).await.ok(), expected, "{member}");
    }
    let list = app.get("/v3/connectors?statuses=all&custom=true").await.ok();
    let listed: Vec<_> =
        list.as_array().unwrap().iter().map(|item| (item["name"].clone(), item["status"].clone())).collect();
    assert_eq!(listed, [(json!("Human Resources"), json!("DEPRECATED")), (json!("IT"), json!("RELEASED"))]);
    assert_eq!(app.get("/v3/connectors?filters=name%20co%20hr&statuses=all&custom=true").await.ok(), json!([]));
    // The old name is free, and gives another script name.
    let again = app.post("/v3/connectors", &json!({"name": "HR", "className": "x.Y"})).await.ok();
    assert_eq!(again["scriptName"], "hr-2");
    // A connector keeps its own name in another spelling.
    assert_eq!(app.patch(&own, &replace("name", json!("human resources"))).await.ok()["name"], "human resources");
    let built_in = app.get("/v3/connectors/github-organization").await.ok()["name"].as_str().unwrap().to_lowercase();
    for (path, patch, status, reason) in [
        (own.as_str(), replace("name", json!("it")), 400, "`name` is taken: a connector of this name exists already"),
        (own.as_str(), replace("name", json!("Hr")), 400, "`name` is taken"),
        (own.as_str(), replace("name", json!(built_in)), 400, "`name` is taken"),
        (
            "/connectory/v1/connectors/github-organization",
            replace("status", json!("DEMO")),
            400,
            "is a built-in connector",
        ),
        ("/connectory/v1/connectors/none", replace("status", json!("DEMO")), 404, "there is no connector"),
        (path.as_str(), replace("status", json!("DEMO")), 400, "`/status` cannot be changed"),
        (&format!("{own}?dry-run=true"), json!([]), 400, "the parameter `dry-run` is unknown; this operation has none"),
    ] {
        let refusal = app.patch(path, &patch).await.refusal(status);
        assert!(refusal.contains(reason), "{refusal}");
    }
    assert_eq!(app.get("/connectory/v1/connectors/hr").await.status, 405);
}

#[tokio::test]
async fn numbers_are_compared_by_their_values_and_none_loses_digits() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let send = async |operations: &str| {
        app.call(Method::PATCH, &path, "application/json-patch+json", operations.to_owned()).await
    };
    // A byte order mark in front of a body is no part of it.
    let add =
        "\u{feff}[{\"op\": \"add\", \"path\": \"/connectorMetadata/n\", \"value\": [1, 18446744073709551615, 0.10]}]";
    assert_eq!(send(add).await.ok()["connectorMetadata"]["n"].to_string(), "[1,18446744073709551615,0.1]");
    let test = "[{\"op\": \"test\", \"path\": \"/connectorMetadata/n\", \"value\": [1.0, 18446744073709551615, 1e-1]}]";
    send(test).await.ok();
    for number in ["18446744073709551617", "-9223372036854775809", "0.1234567890123456789"] {
        for op in ["add", "test"] {
            let operations = format!("[{{\"op\": \"{op}\", \"path\": \"/connectorMetadata/n\", \"value\": {number}}}]");
            let refusal = send(&operations).await.refusal(400);
            assert!(refusal.contains(&format!("the body: the number `{number}` at line 1, column ")), "{refusal}");
        }
        let create =
            format!("{{\"name\": \"IT\", \"className\": \"x.Y\", \"connectorMetadata\": {{\"a\": {number}}}}}");
        let refusal = app.call(Method::POST, "/v3/connectors", "application/json", create).await.refusal(400);
        assert!(refusal.contains("would lose digits; "), "{refusal}");
    }
}

#[tokio::test]
async fn a_remove_with_a_value_is_refused_where_another_value_is() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let set = json!([{"op": "add", "path": "/connectorMetadata/f", "value": "a"}]);
    let before = app.patch(&path, &set).await.ok();
    let remove = |value: &str| json!([{"op": "remove", "path": "/connectorMetadata/f", "value": value}]);
    for path in [path.clone(), path.replace("/v3", "/connectory/v1")] {
        let refusal = app.patch(&path, &remove("b")).await.refusal(400);
        assert!(refusal.contains("operation 0 (remove /connectorMetadata/f): nothing is removed"), "{refusal}");
    }
    assert_eq!(app.get(&path).await.ok(), before);
    assert_eq!(app.patch(&path, &remove("a")).await.ok()["connectorMetadata"], json!({}));
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

#[tokio::test]
async fn copies_that_would_double_a_document_are_refused_before_they_are_made() {
    let app = TestApp::start().await;
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    let config = format!("<Application a='{}'/>", "x".repeat(1024 * 1024));
    app.put(&format!("{path}/source-template"), config.as_bytes()).await.ok();
    let start = std::time::Instant::now();
    let array = json!({"op": "replace", "path": "/applicationXml", "value": ["x"]});
    let copy = |from: &str, to: &str| json!({"op": "copy", "from": from, "path": to});
    for (patch, expected) in [
        (
            json!([array, copy("/applicationXml", "/applicationXml/-")]),
            "operation 1 (copy /applicationXml/-): `/applicationXml/-` cannot be changed",
        ),
        (json!([array]), "operation 0 (replace /applicationXml): `applicationXml`: it must be a string, got an array"),
        (
            json!([copy("", "/connectorMetadata/x")]),
            "operation 0 (copy /connectorMetadata/x): `` is larger than all of the metadata may be, 64 KiB",
        ),
        (
            json!(vec![copy("/applicationXml", "/sourceConfigXml"); 60]),
            "operation 31 (copy /sourceConfigXml): the copies of this patch have more than 32 MiB",
        ),
    ] {
        let refusal = app.patch(&path, &patch).await.refusal(400);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_of_too_many_values_is_refused_while_it_is_read() {
    let app = TestApp::start().await;
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    let zeros = format!("[{}0]", "0,".repeat(5 * 1024 * 1024 - 2));
    for (method, path, media_type) in [
        (Method::PATCH, path.as_str(), "application/json-patch+json"),
        (Method::POST, "/v2025/connectors", "application/json"),
    ] {
        let start = std::time::Instant::now();
        let refusal = app.call(method, path, media_type, zeros.clone()).await.refusal(400);
        assert!(refusal.starts_with("the body has more than 100000 values; send at most 100000"), "{refusal}");
        assert!(start.elapsed().as_secs() < 3, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_connector_that_becomes_too_large_is_refused_with_the_bound() {
    let app = TestApp::with(Options { rate_limit: None, max_connector: 20_000, ..Options::default() }).await;
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    let before = app.get(&path).await.ok();
    let texts = |count: usize| (0..count).map(|n| format!("k{n}=\n")).collect::<Vec<_>>().concat();
    let translations = format!("{path}/translations/de");
    let metadata = |member: &str, value: serde_json::Value| json!([{"op": "add", "path": format!("/connectorMetadata/{member}"), "value": value}]);
    let features = |features: String| json!([{"op": "replace", "path": "/applicationXml", "value": format!("<Application featuresString='{features}'/>")}]);
    let refusal = app.put(&translations, texts(4000).as_bytes()).await.refusal(413);
    assert!(
        refusal.starts_with("the connector as JSON has ") && refusal.ends_with("it may have at most 20000"),
        "{refusal}"
    );
    for (patch, expected) in [
        (
            metadata("labels", json!(vec!["a"; 101])),
            "`connectorMetadata.labels` has 101 labels; it may have at most 100",
        ),
        (metadata("shortDesc", json!("x".repeat(4097))), "`connectorMetadata.shortDesc` has 4097 bytes"),
        (metadata("category", json!("x".repeat(1021))), "`connectorMetadata.category` has 1021 bytes"),
        (features(vec!["A"; 201].join(",")), "`featuresString` has 201 features; it may have at most 200"),
        (features("A".repeat(256)), "the longest feature has 256 bytes; it may have at most 255"),
    ] {
        let refusal = app.patch(&path, &patch).await.refusal(413);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    assert_eq!(app.get(&path).await.ok(), before);
    app.put(&translations, texts(100).as_bytes()).await.ok();

    let app = TestApp::start().await;
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    let refusal = app.put(&format!("{path}/translations/de"), texts(10_001).as_bytes()).await.refusal(413);
    assert_eq!(refusal, "the locale `de` has 10001 keys; it may have at most 10000");
}
