//! Duplicating connectors: custom ones, built-in ones, and those that were.

use connectory_model::access::{Scope, UserLevel};
use connectory_server::Options;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, TestApp};

const BASE: &str = "/connectory/v1/connectors";

async fn duplicate(app: &TestApp, script_name: &str, body: &Value) -> Answer {
    app.post(&format!("{BASE}/{script_name}/duplicate"), body).await
}

/// The detail of an answer that must be a 201.
#[track_caller]
fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

async fn detail(app: &TestApp, script_name: &str) -> Value {
    app.get(&format!("/connectors/v1/{script_name}")).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_has_all_that_the_original_has_and_its_own_name() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": "People"}]);
    app.patch("/v3/connectors/hr", &patch).await.ok();
    app.put("/v3/connectors/hr/translations/de", "a=\u{fc}\n# b\n".as_bytes()).await.ok();
    app.put("/v3/connectors/hr/source-template", b"<Application name='HR' type='ours' x='HR'/>").await.ok();
    let item = created(&duplicate(&app, "hr", &json!({"name": " HR copy "})).await);
    assert_eq!(
        ["name", "scriptName", "type", "status"].map(|member| item[member].clone()),
        ["HR copy", "hr-copy", "custom HR copy", "DEVELOPMENT"]
    );
    let (original, copy) = (detail(&app, "hr").await, detail(&app, "hr-copy").await);
    for member in ["className", "directConnect", "connectorMetadata", "translationProperties"] {
        assert_eq!(copy[member], original[member], "{member}");
    }
    assert_eq!(copy["applicationXml"], "<Application name='HR copy' type='ours' x='HR'/>");
    assert!(copy["sourceConfigXml"].as_str().unwrap().contains("connectorName=\"HR copy\""));
    assert!(copy["correlationConfigXml"].as_str().unwrap().contains("HR copy Account Correlation Config"));
    // The history of the duplicate begins with it.
    let history = app.get(&format!("{BASE}/hr-copy/revisions")).await.ok();
    assert_eq!((&history[0]["action"], history.as_array().unwrap().len()), (&json!("create"), 1));
    assert!(history[0]["changed"].as_array().unwrap().contains(&json!("translations/de")));
    // A script name that is taken gets a number.
    let item = created(&duplicate(&app, "hr", &json!({"name": "hr: copy", "status": "RELEASED"})).await);
    assert_eq!((&item["scriptName"], &item["status"]), (&json!("hr-copy-2"), &json!("RELEASED")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_is_duplicated_as_it_was() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let patch = json!([{"op": "replace", "path": "/className", "value": "new.One"}]);
    app.patch(&format!("{BASE}/hr"), &patch).await.ok();
    created(&duplicate(&app, "hr", &json!({"name": "Then", "revision": 1})).await);
    assert_eq!(detail(&app, "then").await["className"], "x.Y");
    app.delete("/v3/connectors/hr").await;
    duplicate(&app, "hr", &json!({"name": "Now"})).await.refusal(404);
    for (revision, class_name) in [(1, "x.Y"), (2, "new.One"), (4, "new.One")] {
        let name = format!("At {revision}");
        created(&duplicate(&app, "hr", &json!({"name": name, "revision": revision})).await);
        assert_eq!(detail(&app, &format!("at-{revision}")).await["className"], class_name);
    }
    for (script_name, revision) in [("hr", 3), ("hr", 99), ("jdbc", 1), ("nothing", 1)] {
        duplicate(&app, script_name, &json!({"name": "X", "revision": revision})).await.refusal(404);
    }
}

/// The lines that differ between two connectors.
async fn different_lines(app: &TestApp, from: &str, to: &str) -> Vec<String> {
    let answer = app.get(&format!("/connectory/v1/compare?from={from}&to={to}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let is_changed = |line: &&str| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---");
    answer.text().lines().filter(is_changed).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_built_in_connector_can_be_duplicated() {
    let app = TestApp::start().await;
    let built_in = app.get("/v3/connectors?custom=false&statuses=all").await.ok();
    let built_in = built_in.as_array().unwrap();
    assert!(built_in.len() >= 12, "{}", built_in.len());
    for item in built_in {
        let (name, script_name) = (item["name"].as_str().unwrap(), item["scriptName"].as_str().unwrap());
        let copy = created(&duplicate(&app, script_name, &json!({"name": format!("Copy of {name}")})).await);
        assert_eq!(copy["status"], "DEVELOPMENT");
        let lines = different_lines(&app, script_name, copy["scriptName"].as_str().unwrap()).await;
        let is_told = |line: &String| line.contains(name) || line.contains("status: ");
        assert!(lines.len() >= 4 && lines.iter().all(is_told), "{script_name}: {lines:#?}");
        // It is a connector like any other: an upload of a document that it has is accepted.
        let detail = detail(&app, copy["scriptName"].as_str().unwrap()).await;
        for (path, member) in [
            ("source-config", "sourceConfigXml"),
            ("source-template", "applicationXml"),
            ("correlation-config", "correlationConfigXml"),
        ] {
            let path = format!("/v3/connectors/{}/{path}", copy["scriptName"].as_str().unwrap());
            let answer = app.put(&path, detail[member].as_str().unwrap().as_bytes()).await.ok();
            assert_eq!(answer["status"], "UNCHANGED", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_documents_of_a_catalog_are_copied_as_they_are() {
    const FORM: &str =
        "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_1_0.xsd' name='Old' connectorName='Old'/>";
    let catalog = TempDir::new().unwrap();
    let folder = catalog.path().join("old");
    std::fs::create_dir(&folder).unwrap();
    for (file, text) in [
        ("connector.yaml", "name: Old\nclassName: x.Y\n"),
        ("source-config.xml", FORM),
        ("source-template.xml", "<Other name='Old'/>"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    let catalogs = vec![catalog.path().to_owned()];
    let app = TestApp::with(Options { rate_limit: None, catalogs, ..Options::default() }).await;
    created(&duplicate(&app, "old", &json!({"name": "New"})).await);
    let copy = detail(&app, "new").await;
    assert_eq!(copy["sourceConfigXml"], FORM.replace("'Old'", "'New'"));
    assert!(copy["applicationXml"].as_str().unwrap().starts_with("<Other "), "{copy}");
    // All else of it can be changed. An upload of such a document is refused as ever.
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": "x"}]);
    assert_eq!(app.patch("/v3/connectors/new", &patch).await.ok()["sourceConfigXml"], copy["sourceConfigXml"]);
    created(&duplicate(&app, "new", &json!({"name": "Newer"})).await);
    let answer = app.put("/v3/connectors/new/source-config", FORM.as_bytes()).await.ok();
    assert_eq!(answer["status"], "ERROR", "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_request_is_told_and_nothing_is_created() {
    let app = TestApp::start().await;
    app.create("HR").await;
    for (body, status, expected) in [
        (json!({}), 400, "`name` is required and must not be blank"),
        (json!({"name": "hR"}), 400, "`name` is taken: a connector of this name exists already"),
        (json!({"name": "jdbc"}), 400, "`name` is taken: a connector of this name exists already"),
        (json!({"name": "a", "type": "b"}), 400, "the member `type` is unknown; expected `name`, `status`, `revision`"),
        (
            json!({"name": "a", "status": "DEPRECATED"}),
            400,
            "`status` is DEPRECATED; a new connector is DEVELOPMENT, DEMO or RELEASED",
        ),
        (
            json!({"name": "a", "revision": 9_000_000_000_000_000_u64}),
            400,
            "`revision` must be the number of a revision, such as 42; got `9000000000000000`",
        ),
        (
            json!({"name": "a", "revision": 9}),
            404,
            "this connector has no revision 9; numbers are those of the tenant, and its history has those of the connector",
        ),
    ] {
        assert_eq!(duplicate(&app, "hr", &body).await.refusal(status), expected);
    }
    duplicate(&app, "nothing", &json!({"name": "a"})).await.refusal(404);
    app.post(&format!("{BASE}/hr/duplicate?dry-run=true"), &json!({"name": "a"})).await.refusal(400);
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let path = format!("{BASE}/hr/duplicate");
    let refused = app.call_as(&reader, Method::POST, &path, "application/json", r#"{"name": "a"}"#).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // Another tenant does not have it.
    app.access().create_tenant("other", &crate::support::operator()).unwrap();
    let theirs = app.client("theirs", "other", UserLevel::OrgAdmin, &[Scope::All]).await;
    let refused = app.call_as(&theirs, Method::POST, &path, "application/json", r#"{"name": "a"}"#).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get("/connectory/v1/revisions").await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_with_a_key_is_made_once() {
    let app = TestApp::start().await;
    let send = async |name: &str| {
        let request = Request::post(format!("{BASE}/jdbc/duplicate"))
            .header(header::AUTHORIZATION, app.authorization())
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "one");
        app.send(request.body(json!({ "name": name }).to_string().into()).unwrap()).await
    };
    let first = created(&send("Copy").await);
    let again = send("Copy").await;
    assert_eq!((again.header("idempotency-replayed"), created(&again)), (Some("true"), first));
    assert_eq!(send("Another").await.status.as_u16(), 422);
}
