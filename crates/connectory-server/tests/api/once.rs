//! `Idempotency-Key`: a request that is repeated is done once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::ONCE_KEPT;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, CLIENT_ID, FORM, TestApp, form, operator};

const LIST: &str = "/v2025/connectors";
const PATCH: &str = "application/json-patch+json";

/// A request with a key.
#[derive(Clone)]
struct Keyed<'a> {
    authorization: String,
    method: Method,
    path: &'a str,
    content_type: &'a str,
    key: &'a str,
    body: String,
}

impl<'a> Keyed<'a> {
    fn post(app: &TestApp, key: &'a str, body: &Value) -> Self {
        Self::new(app, Method::POST, LIST, key, "application/json", body.to_string())
    }

    fn patch(app: &TestApp, path: &'a str, key: &'a str, body: &Value) -> Self {
        Self::new(app, Method::PATCH, path, key, PATCH, body.to_string())
    }

    fn delete(app: &TestApp, path: &'a str, key: &'a str) -> Self {
        Self::new(app, Method::DELETE, path, key, "", String::new())
    }

    fn new(app: &TestApp, method: Method, path: &'a str, key: &'a str, content_type: &'a str, body: String) -> Self {
        Self { authorization: app.authorization(), method, path, content_type, key, body }
    }

    fn by(self, token: &str) -> Self {
        Self { authorization: format!("Bearer {token}"), ..self }
    }

    async fn send(&self, app: &TestApp) -> Answer {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path)
            .header(header::AUTHORIZATION, &self.authorization)
            .header("Idempotency-Key", self.key);
        if !self.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, self.content_type);
        }
        app.send(request.body(Body::from(self.body.clone())).unwrap()).await
    }

    /// Sends it for the first time, and then again: the answers must be the same.
    async fn twice(&self, app: &TestApp) -> Answer {
        let first = self.send(app).await;
        assert!(first.status.is_success(), "{}", first.text());
        assert_eq!(first.header("idempotency-replayed"), None);
        self.again(app, &first).await;
        first
    }

    async fn again(&self, app: &TestApp, first: &Answer) {
        let again = self.send(app).await;
        assert_eq!((again.status, again.text()), (first.status, first.text()));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
}

fn new(name: &str) -> Value {
    json!({"name": name, "className": "x.Y"})
}

fn category(value: &str) -> Value {
    json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}])
}

/// The actions of all revisions, the newest first.
async fn actions(app: &TestApp) -> Vec<&'static str> {
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    let revisions = app.server.store.revisions(tenant, None, None, 100).await.unwrap();
    revisions.iter().map(|revision| revision.action.as_str()).collect()
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_is_answered_as_the_first() {
    let app = TestApp::start().await;
    let path = &format!("{LIST}/hr");
    let create = Keyed::post(&app, "create", &new("HR"));
    let created = create.twice(&app).await;
    let patch = Keyed::patch(&app, path, "patch", &category("first"));
    let patched = patch.twice(&app).await;
    assert_eq!(patched.json()["connectorMetadata"]["category"], "first");
    assert_eq!(actions(&app).await, ["update", "create"]);

    // The connector is another one by now. The answers are those of the first requests.
    app.patch(path, &category("second")).await.ok();
    create.again(&app, &created).await;
    patch.again(&app, &patched).await;
    let delete = Keyed::delete(&app, path, "delete");
    let deleted = delete.twice(&app).await;
    assert_eq!(deleted.status.as_u16(), 204);
    create.again(&app, &created).await;
    patch.again(&app, &patched).await;
    app.create("hr").await;
    delete.again(&app, &deleted).await;
    assert_eq!(actions(&app).await, ["create", "delete", "update", "update", "create"]);
    assert_eq!(app.get(path).await.ok()["name"], "hr");
}

#[tokio::test]
async fn a_key_is_the_same_with_and_without_quotation_marks() {
    let app = TestApp::start().await;
    let bare = Keyed::post(&app, "8e03978e-40d5", &new("HR"));
    let created = bare.send(&app).await;
    let quoted = Keyed { key: "\"8e03978e-40d5\"", ..bare };
    quoted.again(&app, &created).await;
    Keyed::post(&app, "8E03978E-40D5", &new("IT")).send(&app).await.ok();
    assert_eq!(actions(&app).await, ["create", "create"]);
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let app = TestApp::start().await;
    let path = &format!("{LIST}/hr");
    Keyed::post(&app, "k", &new("HR")).send(&app).await.ok();
    let others = [
        Keyed::post(&app, "k", &new("IT")),
        Keyed { path: "/v3/connectors", ..Keyed::post(&app, "k", &new("HR")) },
        Keyed { content_type: "application/json; charset=utf-8", ..Keyed::post(&app, "k", &new("HR")) },
        Keyed { body: "not JSON".to_owned(), ..Keyed::post(&app, "k", &new("HR")) },
        Keyed::patch(&app, path, "k", &category("x")),
        Keyed::delete(&app, path, "k"),
    ];
    for other in others {
        let refusal = other.send(&app).await.refusal(422);
        assert_eq!(
            refusal,
            "this `Idempotency-Key` was sent with another request in the last day: use a new key for each change, and \
             send a repeat exactly as the first request, with the same method, path, content type and body"
        );
    }
    assert_eq!(actions(&app).await, ["create"]);
}

#[tokio::test]
async fn a_malformed_key_is_refused_where_keys_are_read() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let path = &format!("{LIST}/hr");
    let longest = "x".repeat(255);
    for key in ["", "\"\"", "a b", "\"a", "ä", &format!("{longest}x")] {
        let requests = [
            Keyed::post(&app, key, &new("IT")),
            Keyed::patch(&app, path, key, &category("x")),
            Keyed::delete(&app, path, key),
        ];
        for request in requests {
            let refusal = request.send(&app).await.refusal(400);
            assert!(refusal.contains("1 to 255 visible ASCII characters"), "{refusal}");
        }
    }
    assert_eq!(actions(&app).await, ["create"]);
    Keyed::post(&app, &longest, &new("IT")).twice(&app).await;
    // Reads and uploads do not read it.
    Keyed::new(&app, Method::GET, path, "", "", String::new()).send(&app).await.ok();
    let upload = String::from_utf8(form("file", b"a=b")).unwrap();
    let translations = &format!("{path}/translations/de");
    for status in ["UPDATED", "UNCHANGED"] {
        let put = Keyed::new(&app, Method::PUT, translations, "a b", FORM, upload.clone());
        assert_eq!(put.send(&app).await.ok()["status"], status);
    }
}

#[tokio::test]
async fn a_request_that_commits_nothing_leaves_its_key_free() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let path = &format!("{LIST}/hr");
    app.patch(path, &category("a")).await.ok();
    let unchanged = Keyed::patch(&app, path, "unchanged", &category("a"));
    for _ in 0..2 {
        let answer = unchanged.send(&app).await;
        assert_eq!(answer.header("idempotency-replayed"), None);
        assert_eq!(answer.ok()["connectorMetadata"]["category"], "a");
    }
    let taken = Keyed::post(&app, "taken", &new("hr"));
    taken.send(&app).await.refusal(400);
    let missing = Keyed::delete(&app, "/v2025/connectors/it", "missing");
    missing.send(&app).await.refusal(404);
    assert_eq!(actions(&app).await, ["update", "create"]);

    // What was refused or unchanged is done now, and once.
    app.patch(path, &category("b")).await.ok();
    unchanged.twice(&app).await;
    app.delete(path).await;
    taken.twice(&app).await;
    app.create("it").await;
    missing.twice(&app).await;
}

#[tokio::test]
async fn keys_of_different_clients_never_meet() {
    let app = TestApp::start().await;
    app.access().create_tenant("other", &operator()).unwrap();
    let all = [Scope::All];
    let colleague = app.client("colleague", "default", UserLevel::OrgAdmin, &all).await;
    let neighbour = app.client("neighbour", "other", UserLevel::OrgAdmin, &all).await;
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let create = |name| Keyed::post(&app, "k", &new(name));
    create("HR").twice(&app).await;
    create("IT").by(&colleague).twice(&app).await;
    create("HR").by(&neighbour).twice(&app).await;
    // Neither the same nor another request tells a client that may not change anything whether there is a key.
    for name in ["HR", "IT", "new"] {
        create(name).by(&reader).send(&app).await.refusal(403);
    }
    assert_eq!(actions(&app).await, ["create", "create"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_requests_with_one_key_one_is_done_and_all_get_its_answer() {
    let app = Arc::new(TestApp::start().await);
    app.create("Other").await;
    let label = json!([{"op": "add", "path": "/connectorMetadata/labels", "value": ["a"]}]);
    app.patch("/v2025/connectors/other", &label).await.ok();
    // Without a key, each of them would make a revision, and be answered differently.
    let label = json!([{"op": "add", "path": "/connectorMetadata/labels/-", "value": "b"}]);
    // The first would be refused by its `test` if it were done again.
    let tested = json!([{"op": "test", "path": "/connectorMetadata/category", "value": "x"}, {"op": "remove", "path": "/connectorMetadata/category"}]);
    app.create("Tested").await;
    app.patch("/v2025/connectors/tested", &category("x")).await.ok();
    let before = actions(&app).await.len();
    let (other, of_test) = ("/v2025/connectors/other", "/v2025/connectors/tested");
    let requests = [
        Keyed::post(&app, "create", &new("HR")),
        Keyed::patch(&app, other, "label", &label),
        Keyed::patch(&app, of_test, "test", &tested),
        Keyed::patch(&app, of_test, "same", &category("y")),
        Keyed::delete(&app, other, "delete"),
    ];
    for (at, request) in requests.into_iter().enumerate() {
        let key = request.key;
        let sent: Vec<_> = (0..50)
            .map(|_| {
                let (app, request) = (Arc::clone(&app), request.clone());
                tokio::spawn(async move { request.send(&app).await })
            })
            .collect();
        let (mut answers, mut replayed) = (BTreeSet::new(), 0);
        for answer in sent {
            let answer = answer.await.unwrap();
            assert!(answer.status.is_success(), "{key}: {}", answer.text());
            replayed += usize::from(answer.header("idempotency-replayed").is_some());
            answers.insert((answer.status.as_u16(), answer.text().to_owned()));
        }
        assert_eq!((answers.len(), replayed), (1, 49), "{key}");
        assert_eq!(actions(&app).await.len(), before + at + 1, "{key}");
    }
}

#[tokio::test]
async fn a_key_is_kept_for_a_day_and_over_a_restart() {
    let app = TestApp::start().await;
    let created = Keyed::post(&app, "k", &new("HR")).send(&app).await;
    let app = app.restart(connectory_server::Service::new).await;
    app.clock().turn(ONCE_KEPT.saturating_sub(Duration::from_secs(5)));
    let token = app.token_of(CLIENT_ID).await;
    Keyed::post(&app, "k", &new("HR")).by(&token).again(&app, &created).await;
    app.clock().turn(Duration::from_secs(10));
    let refusal = Keyed::post(&app, "k", &new("HR")).by(&token).send(&app).await.refusal(400);
    assert!(refusal.contains("`name` is taken"), "{refusal}");
    Keyed::post(&app, "k", &new("IT")).by(&token).twice(&app).await;
}

#[tokio::test]
async fn a_client_hears_with_its_token_that_keys_are_kept() {
    let app = TestApp::start().await;
    let form = "grant_type=client_credentials&client_id=first&client_secret=";
    let ask = async |form: String| {
        let request = Request::post("/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        app.send(request.body(form.into()).unwrap()).await
    };
    let secret: String = form_urlencoded::byte_serialize(crate::support::SECRET.as_bytes()).collect();
    let told = ask(format!("{form}{secret}")).await;
    assert_eq!((told.status.as_u16(), told.header("connectory-idempotency-key")), (200, Some("86400")));
    let refused = ask(format!("{form}wrong")).await;
    assert_eq!((refused.status.as_u16(), refused.header("connectory-idempotency-key")), (401, None));
    let capabilities = app.get("/connectory/v1").await.ok()["capabilities"].clone();
    assert!(capabilities.as_array().unwrap().contains(&json!("idempotencyKey")), "{capabilities}");
}
