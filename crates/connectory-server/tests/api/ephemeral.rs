use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use bytes::Bytes;
use connectory_model::access::{Scope, UserLevel};
use connectory_server::Options;
use connectory_server::clock::Clock;
use connectory_server::ephemeral::{Ephemeral, EphemeralError, Setup};
use connectory_store::{AccessDb, NewClient};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, operator};

async fn send(server: &Ephemeral, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "registry.test");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        request = request.header(header::CONTENT_TYPE, "application/json");
        body.to_string().into()
    };
    let response = server.answer(request.body(body).unwrap(), Ipv4Addr::LOCALHOST.into()).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn token_request(server: &Ephemeral, id: &str) -> Answer {
    let query = format!("/oauth/token?grant_type=client_credentials&client_id={id}&client_secret=test");
    send(server, "", Method::POST, &query, &Value::Null).await
}

async fn token_of(server: &Ephemeral, id: &str) -> String {
    token_request(server, id).await.ok()["access_token"].as_str().unwrap().to_owned()
}

async fn token(server: &Ephemeral) -> String {
    token_of(server, "test").await
}

async fn names(server: &Ephemeral, token: &str) -> Vec<String> {
    let list = send(server, token, Method::GET, "/v3/connectors?custom=true&statuses=all", &Value::Null).await.ok();
    list.as_array().unwrap().iter().map(|item| item["scriptName"].as_str().unwrap().to_owned()).collect()
}

fn connector_folder(path: &Path, name: &str) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("connector.yaml"), format!("name: {name}\nclassName: x.Y\n")).unwrap();
    fs::write(path.join("correlation-config.xml"), "<CorrelationConfig name=\"loaded\"/>").unwrap();
}

/// The file of the server's database.
fn database(server: &Ephemeral) -> PathBuf {
    let location = server.service().load().server().store.location();
    location.strip_prefix("sqlite:").unwrap().into()
}

#[tokio::test]
async fn a_reset_brings_back_what_was_loaded_and_tokens_stay_valid() {
    let folder = tempfile::tempdir().unwrap();
    connector_folder(&folder.path().join("hr"), "HR");
    let file = folder.path().join("more.json");
    fs::write(&file, r#"[{"name": "Payroll", "scriptName": "pay", "status": "DEVELOPMENT"}]"#).unwrap();
    let limit = Some("3/10s".parse().unwrap());
    let options = Options { rate_limit: limit, ..Options::default() };
    let load = vec![folder.path().to_owned(), file];
    let server = Ephemeral::start(Setup { load, options, ..Setup::default() }).await.unwrap();
    let token = token(&server).await;
    assert_eq!(names(&server, &token).await, ["hr", "pay"]);
    let detail = send(&server, &token, Method::GET, "/v3/connectors/hr", &Value::Null).await.ok();
    assert!(detail["correlationConfigXml"].as_str().unwrap().contains("loaded"), "{detail}");

    let reset = async || send(&server, &token, Method::POST, "/connectory/v1/reset", &Value::Null).await.status;
    for round in 0..3 {
        assert_eq!(reset().await, StatusCode::NO_CONTENT);
        let new = json!({"name": "New", "className": "x.Y"});
        send(&server, &token, Method::POST, "/v3/connectors", &new).await.ok();
        assert_eq!(send(&server, &token, Method::DELETE, "/v3/connectors/hr", &Value::Null).await.status, 204);
        assert_eq!(names(&server, &token).await, ["new", "pay"], "round {round}");
        let limited = send(&server, &token, Method::GET, "/v3/connectors", &Value::Null).await;
        assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS, "the limit begins anew");
        let state = Arc::clone(server.service().load().server());
        let tenant = state.store.tenant(None).await.unwrap().unwrap().id;
        let numbers = state.store.revisions(tenant, None, None, 9).await.unwrap();
        let numbers: Vec<_> = numbers.iter().map(|revision| revision.number.get()).collect();
        assert_eq!(numbers, [4, 3, 2, 1], "revisions begin anew");
    }
    // A client that was created since the start is gone, with its tokens.
    let database = database(&server);
    let name = "later".to_owned();
    let new = NewClient::with_known_secret(name.clone(), "test", name, UserLevel::OrgAdmin, [Scope::All].into());
    AccessDb::open(&database).unwrap().create_client("default", &new, &operator()).unwrap();
    let later = token_of(&server, "later").await;
    assert_eq!(names(&server, &later).await, ["new", "pay"]);
    assert_eq!(reset().await, StatusCode::NO_CONTENT);
    assert_eq!(send(&server, &later, Method::GET, "/v3/connectors", &Value::Null).await.status, 401);
    assert_eq!(names(&server, &token).await, ["hr", "pay"]);

    let folder = database.ancestors().nth(2).unwrap().to_owned();
    eventually(|| databases(&folder).len() == 2, "old databases are removed").await;
    drop(server);
    eventually(|| !folder.exists(), "the folder is removed").await;
}

/// Waits until something is so.
async fn eventually(is_so: impl Fn() -> bool, what: &str) {
    for _ in 0..200 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

/// The folders of databases in the folder of a server.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("database-")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_ends_on_its_database_whatever_resets_come() {
    let server = Ephemeral::start(Setup::default()).await.unwrap();
    let token = token(&server).await;
    let folder = database(&server).ancestors().nth(2).unwrap().to_owned();
    let (rest, body) = tokio::sync::oneshot::channel::<Bytes>();
    let body = futures_util::stream::once(async { Ok::<_, std::io::Error>(body.await.unwrap()) });
    let request = Request::post("/v3/connectors")
        .header(header::HOST, "registry.test")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(body))
        .unwrap();
    let in_flight = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.answer(request, Ipv4Addr::LOCALHOST.into()).await.status() }
    });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    for _ in 0..4 {
        assert_eq!(send(&server, &token, Method::POST, "/connectory/v1/reset", &Value::Null).await.status, 204);
    }
    rest.send(Bytes::from(r#"{"name": "Late", "className": "x.Y"}"#)).unwrap();
    assert_eq!(in_flight.await.unwrap(), StatusCode::OK);
    assert!(names(&server, &token).await.is_empty(), "it is on the database that it began on");
    eventually(|| databases(&folder).len() == 2, "its database is removed after it").await;
}

#[tokio::test]
async fn a_reset_that_fails_leaves_nothing_and_the_server_as_it_is() {
    let server = Ephemeral::start(Setup::default()).await.unwrap();
    let token = token(&server).await;
    let folder = database(&server).ancestors().nth(2).unwrap().to_owned();
    send(&server, &token, Method::POST, "/v3/connectors", &json!({"name": "HR", "className": "x.Y"})).await.ok();
    let reset = async || send(&server, &token, Method::POST, "/connectory/v1/reset", &Value::Null).await;
    fs::rename(folder.join("loaded.db"), folder.join("away.db")).unwrap();
    for _ in 0..3 {
        reset().await.refusal(500);
        assert_eq!((databases(&folder).len(), names(&server, &token).await.len()), (1, 1));
    }
    fs::rename(folder.join("away.db"), folder.join("loaded.db")).unwrap();
    server.service().load().server().options.stopping.store(true, Ordering::Relaxed);
    assert_eq!(reset().await.status, StatusCode::NO_CONTENT);
    assert!(names(&server, &token).await.is_empty());
    let ready = send(&server, "", Method::GET, "/health/ready", &Value::Null).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "a server that stops does so after a reset too");
}

#[tokio::test]
async fn a_reset_needs_the_right_to_change_and_knows_no_fields() {
    let server = Ephemeral::start(Setup::default()).await.unwrap();
    let token = token(&server).await;
    let reset = async |token: &str, query: &str, body: Value| {
        send(&server, token, Method::POST, &format!("/connectory/v1/reset{query}"), &body).await
    };
    assert_eq!(reset("", "", Value::Null).await.status, StatusCode::UNAUTHORIZED);
    let database = database(&server);
    let (name, scopes) = ("reader".to_owned(), [Scope::ReadConnectors].into());
    let new = NewClient::with_known_secret(name.clone(), "test", name, UserLevel::OrgAdmin, scopes);
    AccessDb::open(&database).unwrap().create_client("default", &new, &operator()).unwrap();
    let reader = token_of(&server, "reader").await;
    let denied = reset(&reader, "", Value::Null).await.refusal(403);
    assert!(denied.contains("scope"), "{denied}");
    assert_eq!(
        reset(&token, "?hard=true", Value::Null).await.refusal(400),
        "the parameter `hard` is unknown; this operation has none"
    );
    assert_eq!(
        reset(&token, "", json!({"to": 1})).await.refusal(400),
        "the member `to` is unknown; this operation has none"
    );
    reset(&token, "", json!([])).await.refusal(400);
    assert_eq!(reset(&token, "", json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(token_request(&server, "reader").await.status, StatusCode::UNAUTHORIZED, "it came after the start");
}

#[tokio::test]
async fn only_a_server_for_tests_can_be_reset_and_says_so() {
    let capabilities = |info: Value| info["capabilities"].to_string();
    let server = Ephemeral::start(Setup::default()).await.unwrap();
    let info = send(&server, "", Method::GET, "/connectory/v1", &Value::Null).await.ok();
    assert!(capabilities(info).contains("\"reset\""));
    let app = TestApp::start().await;
    assert!(!capabilities(app.get("/connectory/v1").await.ok()).contains("reset"));
    let refused = app.post("/connectory/v1/reset", &json!({})).await.refusal(404);
    assert_eq!(refused, "only a server that was started with --ephemeral can be reset");
    let unknown = app.get("/connectory/v1?verbose=1").await.refusal(400);
    assert_eq!(unknown, "the parameter `verbose` is unknown; this operation has none");
}

#[tokio::test]
async fn what_cannot_be_loaded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = async |file: &str, text: &str| {
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        let started = Ephemeral::start(Setup { load: vec![path.clone()], ..Setup::default() }).await;
        let error = started.map(drop).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(path.to_str().unwrap()), "{text}");
        (error, text)
    };
    let (error_, text) = error("built-in.json", r#"[{"name": "Mine", "scriptName": "jdbc"}]"#).await;
    assert!(matches!(error_, EphemeralError::Load { .. }));
    assert!(text.ends_with("`jdbc`: there is a connector with this script name already; script names are unique, also among the built-in connectors"), "{text}");
    let two = r#"[{"name": "Same", "scriptName": "one"}, {"name": "SAME", "scriptName": "two"}]"#;
    assert!(
        error("twice.json", two).await.1.ends_with("`two`: `name` is taken: a connector of this name exists already")
    );
    assert!(error("none.json", "{}").await.1.ends_with("expected an array of connectors, got an object"));
}

#[tokio::test]
async fn a_catalog_may_replace_the_built_in_connectors() {
    let folder = tempfile::tempdir().unwrap();
    connector_folder(&folder.path().join("jdbc"), "Our own JDBC");
    let options = Options { embedded_catalog: false, catalogs: vec![folder.path().to_owned()], ..Options::default() };
    let server = Ephemeral::start(Setup { options, ..Setup::default() }).await.unwrap();
    let token = token(&server).await;
    let list = send(&server, &token, Method::GET, "/v3/connectors", &Value::Null).await.ok();
    let listed: Vec<_> = list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(listed, ["Our own JDBC"]);
}

#[tokio::test]
async fn a_clock_that_is_off_is_in_the_tokens() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for offset in [-3600_i64, 3600] {
        let options = Options { clock: Clock::with_offset(offset), ..Options::default() };
        let server = Ephemeral::start(Setup { options, ..Setup::default() }).await.unwrap();
        let token = token(&server).await;
        let claims = token.split('.').nth(1).unwrap();
        let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, claims).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert!(claims["iat"].as_u64().unwrap().abs_diff(now.saturating_add_signed(offset)) < 60, "{claims}");
        assert!(names(&server, &token).await.is_empty(), "the server itself goes by its clock");
    }
}
