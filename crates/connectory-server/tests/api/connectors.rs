//! Create, get and delete.

use connectory_model::document::FORM_NAMESPACE;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_new_connector_is_complete() {
    let app = TestApp::start().await;
    let created = app.post("/v2025/connectors", &json!({"name": "Größe & <Co>", "className": "x.Y"})).await;
    assert_eq!(
        created.ok(),
        json!({
            "name": "Größe & <Co>", "type": "custom Größe & <Co>", "scriptName": "grosse-co", "className": "x.Y",
            "features": [], "directConnect": true, "status": "RELEASED", "connectorMetadata": {}
        })
    );
    let detail = app.get("/v2025/connectors/grosse-co").await.ok();
    for (member, expected) in [
        ("s3Location", json!("custom-connector/grosse-co")),
        ("sourceConfigFrom", json!("sp-connect")),
        ("uploadedFiles", json!([])),
        ("fileUpload", json!(true)),
        ("translationProperties", json!({})),
    ] {
        assert_eq!(detail[member], expected, "{member}");
    }
    for member in ["sourceConfigXml", "applicationXml", "correlationConfigXml", "sourceConfig"] {
        assert!(detail[member].as_str().unwrap().contains("name=\"Größe &amp; &lt;Co&gt;"), "{member}: {detail}");
    }
    assert!(detail["sourceConfigXml"].as_str().unwrap().contains(FORM_NAMESPACE));
    assert_eq!(detail.get("provisioningPolicies"), None);
    assert_eq!(app.get("/connectors/v1/grosse-co").await.ok()["provisioningPolicies"], json!([]));
}

#[tokio::test]
async fn provisioning_policies_come_from_the_template_under_the_newest_api() {
    let app = TestApp::start().await;
    let policies = app.get("/connectors/v1/scim-2").await.ok()["provisioningPolicies"].clone();
    assert_eq!((&policies[0]["name"], &policies[0]["usageType"]), (&json!("account"), &json!("CREATE")));
    assert_eq!(
        policies[0]["fields"][0],
        json!({"name": "userName", "transform": {}, "attributes": {}, "isRequired": true, "type": "string",
               "isMultiValued": false})
    );
}

#[tokio::test]
async fn names_are_unique_without_case_and_script_names_avoid_each_other() {
    let app = TestApp::start().await;
    assert_eq!(app.create("HR").await, "hr");
    assert_eq!(app.create("H-R").await, "h-r");
    assert_eq!(app.create("hr!").await, "hr-2");
    assert_eq!(app.create("Straße").await, "strasse");
    for taken in ["hr", "SCIM 2.0", "STRASSE"] {
        let body = json!({"name": taken, "className": "x.Y"});
        let refusal = app.post("/v3/connectors", &body).await.refusal(400);
        assert_eq!(refusal, "`name` is taken: a connector of this name exists already");
    }
    let created = futures_util::future::join_all((0..20).map(|n| {
        let body = json!({"name": format!("Same{}", "!".repeat(n)), "className": "x.Y"});
        let app = &app;
        async move { app.post("/v3/connectors", &body).await.ok()["scriptName"].as_str().unwrap().to_owned() }
    }));
    let mut script_names = created.await;
    script_names.sort();
    script_names.dedup();
    assert_eq!(script_names.len(), 20);
}

#[tokio::test]
async fn a_create_request_that_is_wrong_is_refused_by_member() {
    let app = TestApp::start().await;
    let table = [
        (json!({"className": "x"}), "`name` is required and must not be blank"),
        (json!({"name": "  ", "className": "x"}), "`name` is required and must not be blank"),
        (json!({"name": "a"}), "`className` is required and must not be blank"),
        (json!({"name": ["a"], "className": "x"}), "`name` must be a string, got an array"),
        (json!({"name": "a", "className": "x", "directConnect": "maybe"}), "`directConnect` must be true or false"),
        (json!({"name": "a", "className": "x", "status": "NEW"}), "`status`: `NEW` is not a status"),
        (json!([]), "expected an object"),
    ];
    for (body, expected) in table {
        let refusal = app.post("/v3/connectors", &body).await.refusal(400);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    assert_eq!(app.get("/v3/connectors?statuses=all&custom=true").await.ok(), json!([]));
}

#[tokio::test]
async fn a_deleted_connector_is_gone_everywhere() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let deleted = app.delete(&path).await;
    assert_eq!((deleted.status.as_u16(), deleted.text()), (204, ""));
    for path in ["", "/source-config", "/source-template", "/correlation-config", "/translations/en"] {
        let refusal = app.get(&format!("/v3/connectors/hr{path}")).await.refusal(404);
        assert_eq!(refusal, "there is no connector with the script name `hr` in this tenant");
    }
    app.delete(&path).await.refusal(404);
    app.patch(&path, &json!([])).await.refusal(404);
    app.put(&format!("{path}/source-template"), b"<Application/>").await.refusal(404);
    assert_eq!(app.create("HR").await, "hr");
}

#[tokio::test]
async fn built_in_connectors_cannot_be_changed_or_deleted() {
    let app = TestApp::start().await;
    let before = app.get("/v3/connectors/ldap").await.ok();
    assert_eq!(before["s3Location"], "connector/ldap");
    let patch = json!([{"op": "add", "path": "/connectorMetadata/x", "value": 1}]);
    for answer in [
        app.delete("/v3/connectors/ldap").await,
        app.patch("/v3/connectors/ldap", &patch).await,
        app.put("/v3/connectors/ldap/source-template", b"<Application/>").await,
        app.put("/v3/connectors/ldap/source-config", b"<Wrong/>").await,
        app.put("/v3/connectors/ldap/translations/en", b"a=b").await,
    ] {
        assert!(answer.refusal(400).starts_with("`ldap` is a built-in connector"));
    }
    assert_eq!(app.get("/v3/connectors/ldap").await.ok(), before);
}

#[tokio::test]
async fn the_source_config_is_localized_and_the_stored_one_is_not() {
    let app = TestApp::start().await;
    let english = app.get("/v3/connectors/scim-2").await.ok();
    let german = app.get("/v3/connectors/scim-2?locale=de").await.ok();
    let unknown = app.get("/v3/connectors/scim-2?locale=xx").await.ok();
    assert_eq!(english, unknown);
    assert_eq!(english["sourceConfigXml"], german["sourceConfigXml"]);
    assert!(english["sourceConfig"].as_str().unwrap().contains("label=\"Connection Settings\""));
    assert!(german["sourceConfig"].as_str().unwrap().contains("label=\"Verbindungseinstellungen\""));
    let locales: Vec<_> = english["translationProperties"].as_object().unwrap().keys().collect();
    assert_eq!(locales, ["de", "en", "es", "fr", "ja"]);
}
