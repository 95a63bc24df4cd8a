//! The console, with requests that browsers make and requests that they do not make.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../connectory-server/tests/api/support.rs"]
#[allow(dead_code, reason = "the server's tests use more of it")]
mod support;

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use connectory_console::Console;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::document::FORM_NAMESPACE;
use connectory_model::limits::{CLIENTS_PER_TENANT, PROVIDER_REQUESTS};
use connectory_server::options::{Environment, EnvironmentColour, OidcOptions, PlayedNodes, Reads};
use connectory_server::{Options, ServerState, Service};
use connectory_store::{Ended, NewClient, RefusedFilter, RefusedSignIns, SessionHash, Unavailable};
use futures_util::FutureExt;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use self::support::{Answer, CLIENT_ID, SECRET, TestApp, new_client, operator};

async fn start() -> TestApp {
    with(Options { rate_limit: None, ..Options::default() }).await
}

/// A server with the console.
async fn with(options: Options) -> TestApp {
    TestApp::serving(options, console).await
}

fn console(server: Arc<ServerState>) -> Service {
    let console = Console::new(Arc::clone(&server), None).unwrap();
    Service::with_pages(server, connectory_console::routes(console))
}

/// A session of a client: its cookie and its token.
struct Session<'a> {
    app: &'a TestApp,
    cookie: String,
    token: String,
}

impl<'a> Session<'a> {
    async fn of(app: &'a TestApp, id: &str) -> Self {
        Self::instead_of(app, id, "").await
    }

    /// A session that begins in a browser with this cookie.
    async fn instead_of(app: &'a TestApp, id: &str, cookie: &str) -> Self {
        let signed_in = sign_in(app, id, cookie).await;
        assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{}", signed_in.text());
        let cookie = signed_in.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Lax; Path=/"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let this = Self { app, cookie, token: String::new() };
        let page = this.get("/").await;
        let rest = page.text().split_once("name=\"csrf\" value=\"").unwrap().1;
        Self { token: rest.split('"').next().unwrap().to_owned(), ..this }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, &self.cookie);
        self.app.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [&[("csrf", self.token.as_str())], fields].concat();
        post(self.app, path, &self.cookie, &fields).await
    }
}

async fn sign_in(app: &TestApp, id: &str, cookie: &str) -> Answer {
    post(app, "/console/sign-in", cookie, &[("client_id", id), ("client_secret", SECRET)]).await
}

async fn post(app: &TestApp, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    app.send(request.body(form.into()).unwrap()).await
}

#[tokio::test]
async fn without_a_session_nothing_is_told_and_nothing_changes() {
    let app = start().await;
    let name = "/console/connectors/jdbc";
    let [history, download] = ["history", "download"].map(|page| format!("{name}/{page}"));
    let export = "/console/export?scriptName=jdbc";
    for path in [
        "/",
        name,
        &history,
        &download,
        export,
        "/console/activity",
        "/console/clients",
        "/console/new",
        "/console/import",
        "/console/many/status",
        "/console/many/labels",
        "/console/many/delete",
        "/console/compare",
    ] {
        let request = Request::get(path).header(header::COOKIE, "connectory_session=made-up");
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header("location").unwrap().starts_with("/console/sign-in?back="), "{path}");
    }
    let forms = ["delete", "duplicate", "metadata", "metadata/compare", "documents/source-config/compare"];
    let forms = forms.map(|form| format!("{name}/{form}"));
    let others = [
        "/console/new",
        "/console/clients",
        "/console/import",
        "/console/import/apply",
        "/console/many/delete",
        "/console/activity/changes/1/undo",
    ];
    for path in others.into_iter().chain(forms.iter().map(String::as_str)) {
        assert_eq!(post(&app, path, "", &[("name", "x")]).await.status, StatusCode::SEE_OTHER, "{path}");
    }
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let app = start().await;
    app.access().create_tenant("other", &operator()).unwrap();
    app.access()
        .create_client("other", &new_client("stranger", UserLevel::OrgAdmin, [Scope::All].into()), &operator())
        .unwrap();
    let (owner, stranger) = (Session::of(&app, CLIENT_ID).await, Session::of(&app, "stranger").await);
    // The owner's Payroll has the number 2, the stranger's 1.
    owner.post("/console/new", &[("name", "Secret"), ("className", "x.Y")]).await;
    for session in [&owner, &stranger] {
        let created = session.post("/console/new", &[("name", "Payroll"), ("className", "x.Y")]).await;
        assert_eq!(created.header("location"), Some("/console/connectors/payroll?done=created"));
    }
    assert_eq!(owner.get("/console/connectors/payroll/history/2").await.status, StatusCode::OK);
    for path in
        ["/console/connectors/secret", "/console/connectors/secret/history", "/console/connectors/payroll/history/2"]
    {
        assert_eq!(stranger.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/console/connectors/payroll/history/2/restore", "/console/connectors/secret/delete"] {
        assert_eq!(stranger.post(path, &[("name", "Secret")]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!stranger.get("/console/activity").await.text().contains("secret"));
    assert!(!stranger.get("/console/clients").await.text().contains(CLIENT_ID));
    let refused = stranger.post(&format!("/console/clients/{CLIENT_ID}/delete"), &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text());
    assert_eq!(owner.get("/console/connectors/secret").await.status, StatusCode::OK);
}

#[tokio::test]
async fn rights_are_the_apis() {
    let app = start().await;
    for (id, level, scope, read, write, clients) in [
        ("admin", UserLevel::OrgAdmin, Scope::All, 200, 303, 200),
        ("source", UserLevel::SourceAdmin, Scope::All, 200, 303, 403),
        ("manager", UserLevel::OrgAdmin, Scope::ManageConnectors, 200, 303, 403),
        ("reader", UserLevel::OrgAdmin, Scope::ReadConnectors, 200, 403, 403),
    ] {
        app.access().create_client("default", &new_client(id, level, [scope].into()), &operator()).unwrap();
        let session = Session::of(&app, id).await;
        assert_eq!(session.get("/").await.status.as_u16(), read, "{id}");
        let fields = [("name", id), ("className", "x.Y")];
        assert_eq!(session.post("/console/new", &fields).await.status.as_u16(), write, "{id}");
        assert_eq!(session.get("/console/clients").await.status.as_u16(), clients, "{id}");
        let fields = [("name", "n"), ("level", "ORG_ADMIN"), ("scope", "sp:scopes:all")];
        assert_eq!(session.post("/console/clients", &fields).await.status.as_u16(), clients, "{id}");
    }
}

#[tokio::test]
async fn an_error_page_has_the_tracking_id_and_the_headers_of_every_page() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    let missing = session.get("/console/connectors/nothing").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.text().contains(missing.header("slpt-request-id").unwrap()));
    for answer in [missing, session.get("/").await] {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(session.get("/console").await.header("location"), Some("/"));
    let script = session.get("/console/assets/console.js").await;
    assert_eq!(script.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let font = session.get("/console/assets/inter-latin-5.3.0.woff2").await;
    assert_eq!(font.header("content-type"), Some("font/woff2"));
    assert_eq!(session.get("/console/assets/..%2Fmod.rs").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_environment_is_on_every_page_and_its_name_is_a_text() {
    let environment = Environment { name: "<b>Prod</b>".to_owned(), colour: EnvironmentColour::Red };
    let options = Options { rate_limit: None, environment: Some(Arc::new(environment)), ..Options::default() };
    let app = with(options).await;
    let session = Session::of(&app, CLIENT_ID).await;
    let signed_out = get(&app, "/console/sign-in", "").await;
    for answer in [signed_out, session.get("/").await, session.get("/console/connectors/nothing").await] {
        let page = answer.text();
        assert!(page.contains("<title>[&lt;b&gt;Prod&lt;/b&gt;] "), "{page}");
        assert_eq!(page.matches("<div class=\"env\" data-colour=\"red\">").count(), 1, "{page}");
    }
    assert!(session.get("/console/settings").await.text().contains("<dd>&lt;b&gt;Prod&lt;/b&gt;</dd>"));
    let without = start().await;
    assert!(!get(&without, "/console/sign-in", "").await.text().contains("class=\"env\""));
}

#[tokio::test]
async fn a_page_beyond_the_last_one_says_which_the_last_one_is() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let beyond = page(&session, "/?page=99&q=hr").await;
    assert!(beyond.contains("There is no page 99. The last page is 1."), "{beyond}");
    assert!(beyond.contains("<a class=\"button\" href=\"/?q=hr\">Last page</a>"), "{beyond}");
    assert!(page(&session, "/?q=nobody").await.contains("No connector matches."));
}

#[tokio::test]
async fn a_revision_of_the_settings_shows_them_before_and_after() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let patch = json!([{"op": "replace", "path": "/status", "value": "DEPRECATED"}]);
    app.patch("/connectory/v1/connectors/hr", &patch).await.ok();
    let shown = page(&session, "/console/connectors/hr/history/2").await;
    assert!(shown.contains("<h3>settings</h3>"), "{shown}");
    for side in ["removed", "added"] {
        assert_eq!(shown.matches(&format!("<td class=\"{side}\">")).count(), 1, "only the status: {shown}");
    }
}

#[tokio::test]
async fn a_german_reader_sees_errors_in_german() {
    let app = with(Options { rate_limit: None, max_document: 10, ..Options::default() }).await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let session = Session { cookie: format!("{}; connectory_preferences=de.auto", session.cookie), ..session };
    let new = [("name", "HR"), ("className", "x.Y")];
    for (answer, status, german) in [
        (session.get("/console/connectors/nothing").await, 404, "keinen Konnektor mit dem Skriptnamen `nothing`"),
        (session.get("/console/connectors/hr/history/x").await, 404, "Diese Revision gibt es nicht."),
        (session.post("/console/new", &new).await, 400, "Der Name ist vergeben"),
        (session.post("/console/connectors/jdbc/delete", &[]).await, 400, "`jdbc` ist ein mitgelieferter Konnektor"),
        (
            session.post("/console/connectors/hr/documents/source-config", &[("text", "<Form></Form>")]).await,
            413,
            "Das Dokument `sourceConfigXml` ist größer als 10 Bytes.",
        ),
        (session.get("/console/preferences").await, 405, "Der Server meldet: „"),
    ] {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert!(answer.text().contains(german), "{}", answer.text());
    }
}

#[tokio::test]
async fn the_pages_that_oauth_info_names_are_shown_and_only_a_form_signs_out() {
    let app = with(Options { pages: connectory_console::PAGES, ..Options::default() }).await;
    let info = get(&app, "/oauth/info", "").await.ok();
    let page = |member: &str| info[member].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned();
    let (sign_in, sign_out) = (page("authorizeEndpoint"), page("logoutUrl"));
    let request = format!("{sign_in}?client_id=x&response_type=code&redirect_uri=https://evil.example");
    assert!(get(&app, &request, "").await.text().contains("name=\"client_secret\""));
    let out = get(&app, &sign_out, "").await;
    assert!(out.status == StatusCode::OK && out.text().contains("You are not signed in."), "{}", out.text());

    let session = Session::of(&app, CLIENT_ID).await;
    let shown = session.get(&sign_out).await;
    let form = shown.text().split("<main").nth(1).unwrap();
    assert!(form.contains("action=\"/console/sign-out\"") && form.contains(&session.token), "{form}");
    assert_eq!(session.get("/").await.status, StatusCode::OK, "a GET signs nobody out");
    assert_eq!(post(&app, &sign_out, &session.cookie, &[("csrf", "made-up")]).await.header("location"), Some("/"));
    assert_eq!(session.get("/").await.status, StatusCode::OK, "nor does a form without the token");
    assert_eq!(session.post(&sign_out, &[]).await.header("location"), Some("/console/sign-in"));
    assert_eq!(session.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_neither_cached_nor_logged() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Mutex::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(writer).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    let fields = [("name", "n"), ("level", "ORG_ADMIN"), ("scope", "sp:scopes:all")];
    let created = session.post("/console/clients", &fields).await;
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let secret = created.text().split_once("id=\"new-secret\">").unwrap().1.split('<').next().unwrap();
    assert!(secret.len() > 20, "{secret}");
    assert!(!session.get("/console/clients").await.text().contains(secret));
    let cookie = session.cookie.split_once('=').unwrap().1;
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("client created"), "{log}");
    for private in [secret, "s3cret", cookie, &session.token] {
        assert!(!log.contains(private), "{private} in {log}");
    }
}

#[tokio::test]
async fn a_form_that_is_sent_again_creates_no_second_client() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    let key_of = |page: &str| page.split_once("name=\"key\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let key = key_of(session.get("/console/clients").await.text());
    assert_ne!(key, key_of(session.get("/console/clients").await.text()));
    let fields = |key| [("name", "twice"), ("level", "ORG_ADMIN"), ("scope", "sp:scopes:all"), ("key", key)];
    let rows = |page: &str| page.matches("<th scope=\"row\">twice</th>").count();
    let created = session.post("/console/clients", &fields(&key)).await;
    let secret = created.text().split_once("id=\"new-secret\">").unwrap().1.split('<').next().unwrap();
    for line in ["export SAIL_BASE_URL=", "export SAIL_CLIENT_ID=", &format!("export SAIL_CLIENT_SECRET={secret}")] {
        // On the page and in the button that copies it.
        assert_eq!(created.text().matches(line).count(), 2, "{line}");
    }
    let again = session.post("/console/clients", &fields(&key)).await;
    assert!(again.text().contains("This client was already created. Its secret is shown only once."));
    assert!(!again.text().contains("new-secret") && rows(again.text()) == 1, "{}", again.text());
    // The same key is another client's in another session, and another key is in this one.
    let next_key = key_of(again.text());
    assert!(session.post("/console/clients", &fields(&next_key)).await.text().contains("new-secret"));
    let other = Session::of(&app, CLIENT_ID).await.post("/console/clients", &fields(&key)).await;
    assert!(other.text().contains("new-secret") && rows(other.text()) == 3, "{}", other.text());
}

fn source_config(body: &str) -> String {
    format!("<Form xmlns='{FORM_NAMESPACE}'><Menu label='m'><Section label='s'>{body}</Section></Menu></Form>")
}

#[tokio::test]
async fn what_someone_signed_in_sends_counts_for_the_share_of_their_client() {
    let app = with(Options { rate_limit: None, max_bodies: 160 * 1024, ..Options::default() }).await;
    app.create("Mine").await;
    let session = Session::of(&app, CLIENT_ID).await;
    // Each counts for a quarter of the budget, and never ends.
    let stalled = || {
        let body = Full::new(Bytes::from(vec![b'x'; 56 * 1024])).with_trailers(std::future::pending());
        let request = Request::post("/console/connectors/mine/metadata")
            .header(header::COOKIE, &session.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        Box::pin(app.send(request.body(Body::new(body)).unwrap()))
    };
    let mut forms = [stalled(), stalled()];
    for form in &mut forms {
        assert!(tokio::time::timeout(Duration::from_millis(50), form).await.is_err(), "it waits for the rest");
    }
    let template = format!("<Application><!--{}--></Application>", "x".repeat(56 * 1024));
    let upload = || app.put("/v3/connectors/mine/source-template", template.as_bytes());
    assert_eq!(upload().await.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(forms);
    assert_eq!(upload().await.ok()["status"], "UPDATED");
}

/// Texts that a function makes of numbers.
fn many(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect::<Vec<_>>().concat()
}

/// A server with a built-in connector `big` that has no bounds, because it is part of a catalog.
async fn with_big(members: Value) -> TestApp {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("catalog.json");
    let mut big = json!({"name": "Big"});
    big.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    std::fs::write(&path, json!([big]).to_string()).unwrap();
    with(Options { rate_limit: None, catalogs: vec![path], ..Options::default() }).await
}

/// The text of a page that is there within some seconds.
async fn page(session: &Session<'_>, path: &str) -> String {
    let start = Instant::now();
    let answer = session.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    assert!(start.elapsed() < Duration::from_secs(15), "{path}: {:?}", start.elapsed());
    answer.text().to_owned()
}

#[tokio::test]
async fn a_form_of_many_fields_is_shown_in_time_and_in_part() {
    let fields = many(12_000, |n| {
        format!("<Field name='f{n}' defaultValue='1' parentKey='f{}' parentValue='1'/>", (n + 1) % 12_000)
    });
    let app = with_big(json!({"sourceConfigXml": source_config(&fields)})).await;
    let session = Session::of(&app, CLIENT_ID).await;
    let start = Instant::now();
    for path in ["preview", "documents/source-config"] {
        let text = page(&session, &format!("/console/connectors/big/{path}")).await;
        assert!(text.contains("the preview shows its first part"), "{path}");
        assert!(text.matches("data-name=").count() < 2000, "{path}");
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_long_text_in_many_places_does_not_grow_a_page_or_an_answer() {
    let fields = "<Field name='f' displayName='k' helpKey='k'/>".repeat(2000);
    let texts = format!("k={}", "x".repeat(200_000));
    let members = json!({"sourceConfigXml": source_config(&fields), "translationProperties": {"en": texts}});
    let app = with_big(members).await;
    let session = Session::of(&app, CLIENT_ID).await;
    for path in ["preview", "documents/source-config", "translations"] {
        let text = page(&session, &format!("/console/connectors/big/{path}")).await;
        assert!(text.len() < 3 * 1024 * 1024, "{path}: {}", text.len());
    }
    assert!(page(&session, "/console/connectors/big").await.len() < 100_000);
    let detail = app.get("/v2025/connectors/big").await.ok();
    assert_eq!(detail["sourceConfig"], detail["sourceConfigXml"], "keys stay where texts would be too long");
}

#[tokio::test]
async fn translations_have_pages_that_keep_the_locales() {
    let english = many(6000, |n| format!("k{n:05}=t{n}\n"));
    let german = many(3000, |n| format!("k{n:05}=u{n}\n"));
    let members = json!({"translationProperties": {"en": english, "de": german, "fr": "k00000=v"}});
    let app = with_big(members).await;
    let session = Session::of(&app, CLIENT_ID).await;
    let path = "/console/connectors/big/translations";
    // The short description comes before the others.
    let first = page(&session, &format!("{path}?locale=de")).await;
    assert!(first.contains("Keys 1–100 of 6001") && first.contains("k00098") && !first.contains("k00099"));
    assert!(first.contains("href=\"/console/connectors/big/translations?locale=de&amp;page=2\""));
    assert!(!first.contains("rel=\"prev\"") && first.matches("<tr>").count() == 101);
    assert!(first.contains("id=\"coverage-de\">3000 of 6001") && first.contains("id=\"coverage-en\">6000 of 6001"));
    let second = page(&session, &format!("{path}?locale=de&page=2")).await;
    assert!(second.contains("Keys 101–200 of 6001") && second.contains("u198") && !second.contains(">v<"));
    assert!(second.contains("rel=\"prev\" href=\"/console/connectors/big/translations?locale=de\""));
    assert!(second.contains("?locale=de&amp;page=3\""));
    let last = page(&session, &format!("{path}?page=99999999999999999999999")).await;
    assert!(last.contains("Keys 1–100 of 6001"), "no number is the first page");
    let last = page(&session, &format!("{path}?page=999999")).await;
    assert!(last.contains("Keys 6001–6001 of 6001") && !last.contains("rel=\"next\""));
    let overview = page(&session, "/console/connectors/big").await;
    assert!(overview.contains("value=\"49\" aria-label=\"German\"") && overview.contains("3000 of 6001"));
}

#[tokio::test]
async fn a_few_keys_need_no_pages_and_long_ones_are_not_edited() {
    let app = start().await;
    app.create("HR").await;
    let (key, text) = ("k".repeat(300), "x".repeat(10_001));
    let texts = format!("a=b\n{key}=long\nlong={text}\n");
    app.put("/v2025/connectors/hr/translations/en", texts.as_bytes()).await.ok();
    let session = Session::of(&app, CLIENT_ID).await;
    let page = page(&session, "/console/connectors/hr/translations").await;
    assert!(!page.contains("class=\"pages\""));
    assert_eq!(
        (
            page.matches("<textarea rows=\"1\" name=\"text\"").count(),
            page.matches("Too long to be edited here").count()
        ),
        (2, 2)
    );
    assert!(!page.contains(&text) && !page.contains(&key));
    let fields = [("key", "long"), ("was", "y"), ("text", "z")];
    let late = session.post("/console/connectors/hr/translations/en/text", &fields).await;
    assert!(late.text().contains("Someone else changed this meanwhile") && !late.text().contains(&text));
}

#[tokio::test]
async fn a_page_of_differences_is_bounded_over_all_files() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let lines = |word: &str| many(2000, |n| format!("{word}{}=x\n", n * 7919 % 2003));
    for locale in ["cs", "da", "de", "en", "es", "fi", "fr", "hu", "it", "ja", "ko", "nl"] {
        app.put(&format!("/v2025/connectors/hr/translations/{locale}"), lines(locale).as_bytes()).await.ok();
    }
    session.post("/console/connectors/hr/delete", &[("name", "HR")]).await;
    let activity = page(&session, "/console/connectors/hr/history").await;
    let newest = activity.split("/history/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let differences = page(&session, &format!("/console/connectors/hr/history/{newest}")).await;
    assert!(differences.contains("translations/nl.properties"));
    assert!(differences.contains("Too large to be compared here"), "what is beyond is told");
    assert!(differences.matches("class=\"diff\"").count() >= 8);
}

#[tokio::test]
async fn a_check_answers_a_bounded_number_of_findings_in_time() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let fields = many(10_000, |n| format!("<Field name='name{n}' x='1' parentKey='nobody{n}'/>\n"));
    let start = Instant::now();
    let fields = [("text", source_config(&fields)), ("locale", "en".to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let result = session.post("/console/connectors/hr/documents/source-config/check", &fields).await.ok();
    assert_eq!(result["findings"].as_array().unwrap().len(), 500);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let json = format!("[{}0]", "0,".repeat(100_000));
    let refused = session.post("/console/connectors/hr/metadata", &[("others", &json)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("more than 32768 values"));
}

#[tokio::test]
async fn no_answer_repeats_a_long_text_of_an_error() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let long = "n\"é".repeat(30_000);
    for operation in [json!({"op": long, "path": "/"}), json!({"op": "test", "path": "/name", "value": long})] {
        let answer = app.patch("/v2025/connectors/hr", &json!([operation])).await;
        assert_eq!((answer.status, answer.text().len() < 2000), (StatusCode::BAD_REQUEST, true), "{operation:.100}");
    }
    let long = "n".repeat(100_000);
    let documents = [
        format!("<{long}></b>"),
        format!("<a b='' {long}='' {long}=''/>"),
        format!("<{long}:a/>"),
        format!("<a>&{long};</a>"),
        format!("<{long}/>"),
        format!("<?xml version='1.0' encoding='{long}'?><a>ä</a>"),
        source_config(&format!("<Field name='{long}' type='{long}' parentKey='{long}'/><Field name='{long}'/>")),
    ];
    for document in documents {
        let answer = app.put("/v2025/connectors/hr/source-config", document.as_bytes()).await;
        assert!(answer.text().len() < 2000, "{} {:.300}", answer.status, answer.text());
        let fields = [("text", document.as_str()), ("locale", "en")];
        let checked = session.post("/console/connectors/hr/documents/source-config/check", &fields).await.ok();
        let findings = checked["findings"].to_string();
        assert!(!findings.contains(&long[..1000]) && findings.len() < 5000, "{findings:.300}");
    }
    let fields = [("name", "n"), ("level", &long[..250]), ("scope", "sp:scopes:all")];
    assert!(session.post("/console/clients", &fields).await.text().len() < 10_000);
    let address = session.get(&format!("/console/nothing?{}", &long[..50_000])).await;
    assert!(address.status == StatusCode::NOT_FOUND && address.text().len() < 10_000);
    let sign_in = session.get(&format!("/console/sign-in?back=/{}", &long[..50_000])).await;
    assert!(sign_in.text().len() < 10_000);
}

#[tokio::test]
async fn a_field_that_is_too_long_is_not_shown_again() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let long = "\"".repeat(1024 * 1024);
    for (path, others, max, names) in [
        ("new", [("name", "a"), ("className", "b")], 255, &["name", "className", "type", "status"][..]),
        ("clients", [("name", "a"), ("level", "ORG_ADMIN")], 255, &["name", "level", "scope"]),
        ("connectors/hr/delete", [("", ""); 2], 255, &["name"]),
        ("connectors/hr/metadata", [("", ""); 2], 1020, &["category"]),
        ("connectors/hr/metadata", [("", ""); 2], 4096, &["description"]),
        ("connectors/hr/metadata", [("", ""); 2], 102_100, &["labels"]),
        ("connectors/hr/metadata", [("", ""); 2], 262_144, &["others"]),
        ("connectors/hr/translations", [("", ""); 2], 255, &["locale"]),
        ("connectors/hr/translations/en/text", [("key", "a"), ("was", "")], 10_000, &["text"]),
        ("connectors/hr/translations/en/text", [("text", "a"), ("was", "")], 255, &["key"]),
    ] {
        for name in names {
            let others = others.into_iter().filter(|(other, _)| other != name);
            let fields: Vec<_> = std::iter::once((*name, long.as_str())).chain(others).collect();
            let answer = session.post(&format!("/console/{path}"), &fields).await;
            let told = format!("The field `{name}` is too long: it has at most {max} characters.");
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path} {name}");
            assert!(answer.text().contains(&told), "{path} {name}: {:.2000}", answer.text());
            // The translations are a whole page.
            assert!(answer.text().len() < 40_000, "{path} {name}");
        }
    }
}

#[tokio::test]
async fn metadata_that_is_refused_is_shown_again() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let labels = "label\n".repeat(15_000);
    let refused = session.post("/console/connectors/hr/metadata", &[("others", "[]"), ("labels", &labels)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("not a JSON object") && refused.text().contains(&labels));
}

/// What a form sends back to show what it began with.
async fn base_of(session: &Session<'_>, path: &str) -> String {
    base_in(&page(session, path).await)
}

fn base_in(text: &str) -> String {
    let (_, rest) = text.split_once("name=\"base\" value=\"").unwrap_or_else(|| panic!("no base in {text}"));
    rest.split_once("\">").unwrap().0.replace("&quot;", "\"")
}

#[tokio::test]
async fn a_form_that_began_with_something_else_shows_both_and_saves_nothing() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let path = "/console/connectors/hr/documents/correlation-config";
    let xml = |name: &str| format!("<CorrelationConfig name=\"{name}\"/>");
    let stored = async || app.get("/v3/connectors/hr/correlation-config").await;
    let base = base_of(&session, path).await;
    assert_eq!(Some(base.as_str()), stored().await.header("etag"), "it is the entity tag that the API has");
    // Another document and the metadata change, which does not matter.
    app.put("/v3/connectors/hr/source-template", b"<Application name='x'/>").await.ok();
    let category = |value: &str| json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}]);
    app.patch("/v3/connectors/hr", &category("a")).await.ok();
    let save = async |text: &str, base: &str| session.post(path, &[("text", text), ("base", base)]).await;
    assert_eq!(save(&xml("mine"), &base).await.header("location"), Some(format!("{path}?done=saved").as_str()));
    for base in [&base, "", "*", "made-up"] {
        let conflict = save(&xml("other"), base).await;
        assert_eq!(conflict.status, StatusCode::CONFLICT, "{base}");
        let text = conflict.text();
        assert!(text.contains("Someone else") && text.contains("mine") && text.contains("other"), "{text:.3000}");
        assert_eq!(stored().await.text(), xml("mine"));
    }
    // What is stored already needs no choice.
    assert_eq!(save(&xml("mine"), &base).await.header("location"), Some(format!("{path}?done=unchanged").as_str()));

    let path = "/console/connectors/hr/metadata";
    let base = base_of(&session, path).await;
    app.put("/v3/connectors/hr/source-template", b"<Application name='y'/>").await.ok();
    let save = async |category: &str, base: &str| {
        session.post(path, &[("category", category), ("others", "{}"), ("base", base)]).await
    };
    assert_eq!(save("mine", &base).await.header("location"), Some(format!("{path}?done=saved").as_str()));
    let conflict = save("other", &base).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    assert!(conflict.text().contains("Someone else") && conflict.text().contains("mine"), "{:.3000}", conflict.text());
    assert_eq!(save("mine", &base).await.header("location"), Some(format!("{path}?done=unchanged").as_str()));
    assert_eq!(app.get("/v3/connectors/hr").await.ok()["connectorMetadata"]["category"], "mine");
}

/// A form that is refused for another reason is shown again, and still notices the change.
#[tokio::test]
async fn a_refused_form_keeps_what_it_began_with() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let path = "/console/connectors/hr/documents/correlation-config";
    let base = base_of(&session, path).await;
    app.put("/v3/connectors/hr/correlation-config", b"<CorrelationConfig name='theirs'/>").await.ok();
    let refused = session.post(path, &[("text", "<CorrelationConfig>"), ("base", &base)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(base_in(refused.text()), base);

    let path = "/console/connectors/hr/metadata";
    let base = base_of(&session, path).await;
    let theirs = json!([{"op": "add", "path": "/connectorMetadata/category", "value": "theirs"}]);
    app.patch("/v3/connectors/hr", &theirs).await.ok();
    for others in ["{", r#"{"connectorName": 1}"#] {
        let refused = session.post(path, &[("others", others), ("base", &base)]).await;
        if refused.status == StatusCode::UNPROCESSABLE_ENTITY {
            assert_eq!(base_in(refused.text()), base, "{others}");
        }
    }
    let conflict = session.post(path, &[("others", "{}"), ("base", &base)]).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    assert_ne!(base_in(conflict.text()), base, "its reader has seen what is stored now");
}

/// Sends a form with headers of a browser.
async fn post_with(app: &TestApp, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn signing_in_comes_back_to_the_page_of_the_form_that_was_sent() {
    let app = start().await;
    let editor = "/console/connectors/hr/documents/source-config";
    let page = format!("https://connectory.example{editor}");
    for (sent, referrer, back) in [
        (editor.to_owned(), page.clone(), editor.to_owned()),
        // There is no page at the address of an upload. And nothing was saved this time.
        (format!("{editor}/file"), format!("{page}?done=saved#x"), editor.to_owned()),
        (
            "/console/connectors/hr/translations".to_owned(),
            format!("{page}?locale=de&page=2"),
            format!("{editor}?locale=de&page=2"),
        ),
        (editor.to_owned(), "https://evil.example//evil.example/x".to_owned(), "/".to_owned()),
        (editor.to_owned(), "about:client".to_owned(), "/client".to_owned()),
        (editor.to_owned(), "no address".to_owned(), "/".to_owned()),
        (editor.to_owned(), format!("https://connectory.example/{}", "x".repeat(9000)), "/".to_owned()),
    ] {
        let answer = post_with(&app, &sent, &[("referer", &referrer)], "text=x").await;
        let back = form_urlencoded::Serializer::new(String::new()).append_pair("back", &back).finish();
        let sign_in = format!("/console/sign-in?{back}&unsaved=true");
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.header("location"), Some(sign_in.as_str()), "{referrer}");
    }
    let elsewhere = post_with(&app, editor, &[], "text=x").await;
    assert_eq!(elsewhere.header("location"), Some("/console/sign-in?back=%2F&unsaved=true"));
    let told = async |path: &str| {
        let answer = app.send(Request::get(path).body(Body::empty()).unwrap()).await;
        answer.text().contains("Your session has ended, and nothing was saved.")
    };
    assert!(told("/console/sign-in?back=%2F&unsaved=true").await && !told("/console/sign-in?back=%2F").await);
}

#[tokio::test]
async fn a_script_is_told_why_its_request_is_refused() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let page = "/console/connectors/hr/documents/source-config";
    let check = format!("{page}/check");
    // Its session has ended: no other page takes the place of what was typed.
    for cookie in ["", "connectory_session=made-up"] {
        let ended = post_with(&app, &check, &[("cookie", cookie), ("x-csrf-token", &session.token)], "text=x").await;
        assert_eq!((ended.status, ended.header("location")), (StatusCode::UNAUTHORIZED, None));
    }
    // Someone signed in again, in another tab.
    let (cookie, german) = (("cookie", session.cookie.as_str()), ("accept-language", "de"));
    let other = post_with(&app, &check, &[cookie, german, ("x-csrf-token", "made-up")], "text=x").await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    assert!(other.text().starts_with("Das Formular ist aus einer früheren Sitzung, und es wurde nichts gespeichert."));
    assert_eq!(other.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(other.header("x-content-type-options"), Some("nosniff"));
    // A form that was sent without a script gets a page, which leads back to it.
    let referrer = format!("http://127.0.0.1{page}");
    let refused = post_with(&app, page, &[cookie, ("referer", &referrer)], "csrf=made-up").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains(&format!("href=\"{page}\">Back to the form")), "{}", refused.text());
}

#[tokio::test]
async fn a_draft_is_compared_with_what_is_stored() {
    let app = with(Options { rate_limit: None, max_document: 10_000, ..Options::default() }).await;
    app.create("HR").await;
    let reader = new_client("reader", UserLevel::OrgAdmin, [Scope::ReadConnectors].into());
    app.access().create_client("default", &reader, &operator()).unwrap();
    app.access().create_tenant("other", &operator()).unwrap();
    let stranger = new_client("stranger", UserLevel::OrgAdmin, [Scope::All].into());
    app.access().create_client("other", &stranger, &operator()).unwrap();
    app.put("/v3/connectors/hr/correlation-config", b"<CorrelationConfig>\r\n</CorrelationConfig>").await.ok();
    let session = Session::of(&app, CLIENT_ID).await;
    let path = "/console/connectors/hr/documents/correlation-config/compare";
    let compare = async |text: &str| session.post(path, &[("text", text)]).await;
    for same in ["<CorrelationConfig>\n</CorrelationConfig>", "<CorrelationConfig>\r\n</CorrelationConfig>"] {
        assert_eq!(compare(same).await.status, StatusCode::NO_CONTENT);
    }
    let differs = compare("<CorrelationConfig>\n<script>alert(1)</script>").await;
    assert_eq!(differs.status, StatusCode::OK);
    assert!(differs.text().contains("&lt;script&gt;") && !differs.text().contains("<script"), "{}", differs.text());
    assert!(differs.text().contains("Stored now") && differs.text().contains("Your draft"));
    assert_eq!(compare(&"x".repeat(10_001)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for (who, status) in [("reader", StatusCode::FORBIDDEN), ("stranger", StatusCode::NOT_FOUND)] {
        let other = Session::of(&app, who).await;
        for path in [path, "/console/connectors/hr/metadata/compare"] {
            assert_eq!(other.post(path, &[("text", "x"), ("others", "{}")]).await.status, status, "{who} {path}");
        }
    }

    let platform = json!([{"op": "add", "path": "/connectorMetadata/platform", "value": "ccg"}]);
    app.patch("/v3/connectors/hr", &platform).await.ok();
    let compare =
        async |others: &str| session.post("/console/connectors/hr/metadata/compare", &[("others", others)]).await;
    assert_eq!(compare(r#"{"platform":  "ccg"}"#).await.status, StatusCode::NO_CONTENT);
    // Members that are not JSON yet are compared as they are written.
    for others in [r#"{"platform": "<b>"}"#, r#"{"platform": "<b>"#] {
        let differs = compare(others).await;
        assert_eq!(differs.status, StatusCode::OK, "{others}");
        assert!(differs.text().contains("ccg") && differs.text().contains("&lt;b&gt;"), "{}", differs.text());
    }
}

#[tokio::test]
async fn a_page_names_whose_drafts_it_may_show_and_which_form_it_has() {
    let app = start().await;
    app.create("HR").await;
    let other = new_client("a\"<b>", UserLevel::OrgAdmin, [Scope::All].into());
    app.access().create_client("default", &other, &operator()).unwrap();
    let session = Session::of(&app, CLIENT_ID).await;
    let author =
        |text: &str| text.split_once("data-author=\"").map(|(_, rest)| rest.split_once('"').unwrap().0.to_owned());
    let mine = author(&page(&session, "/").await).unwrap();
    assert!(mine.ends_with(&format!(" client {CLIENT_ID}")), "{mine}");
    let other = Session::of(&app, "a\"<b>").await;
    let theirs = author(&page(&other, "/").await).unwrap();
    assert!(theirs.ends_with(" client a&quot;&lt;b&gt;"), "{theirs}");
    assert_eq!(author(get(&app, "/console/sign-in", "").await.text()), None);
    for rest in ["documents/source-config", "metadata"] {
        let path = format!("/console/connectors/hr/{rest}");
        assert!(page(&session, &path).await.contains(&format!("data-draft=\"{path}\"")), "{rest}");
        let built_in = page(&session, &format!("/console/connectors/jdbc/{rest}")).await;
        assert!(!built_in.contains("data-draft=\""), "{rest}");
    }
    let cell = "data-draft=\"/console/connectors/hr/translations/en/text ShortDesc\"";
    assert!(page(&session, "/console/connectors/hr/translations").await.contains(cell));
}

#[tokio::test]
async fn a_document_that_is_too_long_as_html_is_not_shown_in_the_editor() {
    let app = with(Options { rate_limit: None, max_document: 100_000, ..Options::default() }).await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let path = "/console/connectors/hr/documents/source-template";
    let note = "This text is too long to be shown here";
    let shown = session.post(path, &[("text", &"\"".repeat(30_000))]).await;
    assert_eq!(shown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(shown.text().contains("<textarea") && shown.text().len() > 180_000 && !shown.text().contains(note));
    let long = "\"".repeat(90_000);
    let refused = session.post(path, &[("text", &long)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains(note) && refused.text().contains("Line 1: “"), "{}", refused.text());
    let stored = format!("<Application>{long}</Application>");
    let conflict = session.post(path, &[("text", &stored), ("base", "made-up")]).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    assert!(conflict.text().contains(note) && conflict.text().contains("Someone"), "{:.3000}", conflict.text());
    app.put("/v2025/connectors/hr/source-template", stored.as_bytes()).await.ok();
    let text = page(&session, path).await;
    assert!(text.contains(note) && text.contains("/documents/source-template/file") && text.len() < 12_000);
}

/// Also where reads of the API are answered from memory: a browser asks any server for the page that shows its change.
#[tokio::test]
async fn every_page_waits_for_what_other_servers_committed() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let next = Arc::clone(&answers);
    let fresh = move |_| ready(next.lock().unwrap().pop().unwrap_or(Ok(()))).boxed();
    let played_nodes = Some(PlayedNodes { fresh: Arc::new(fresh), lag: Duration::ZERO });
    let reads = Reads::Local { max_staleness: Duration::from_mins(1) };
    let app = with(Options { rate_limit: None, reads, played_nodes, ..Options::default() }).await;
    let session = Session::of(&app, CLIENT_ID).await;
    session.post("/console/new", &[("name", "HR"), ("className", "x.Y")]).await;
    for (path, is_form) in [
        ("/", false),
        ("/console/connectors/hr", false),
        ("/console/connectors/hr/history", false),
        ("/console/activity", false),
        ("/console/new", true),
        ("/console/connectors/hr/delete", true),
    ] {
        for (error, text) in [
            (
                Unavailable::Disconnected,
                "The database is not available at the moment: the database cannot be reached. Nothing was changed.",
            ),
            (Unavailable::Lost, "or this server missed very many; the connectors are read anew. Nothing was changed."),
        ] {
            answers.lock().unwrap().push(Err(error.into()));
            let refused = if is_form { session.post(path, &[]).await } else { session.get(path).await };
            assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("2")), "{path}");
            assert!(refused.text().contains(text), "{path}: {}", refused.text());
        }
        assert!(answers.lock().unwrap().is_empty());
    }
    assert_eq!(session.get("/console/connectors/hr").await.status, StatusCode::OK);
    answers.lock().unwrap().push(Err(Unavailable::Disconnected.into()));
    let style = Request::get("/console/assets/console.css").body(Body::empty()).unwrap();
    assert_eq!(app.send(style).await.status, StatusCode::OK, "what is the same for all does not wait");
}

#[tokio::test]
async fn pages_are_counted_by_their_route() {
    let app = start().await;
    app.send(Request::get("/console/sign-in?back=/made-up").body(Body::empty()).unwrap()).await;
    let answer = app.server.telemetry.metrics.answer(&Request::get("/metrics").body(()).unwrap(), 0);
    let text = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains(r#"http_route="/console/sign-in",http_response_status_code="200"} 1"#), "{text}");
    assert!(!text.contains("made-up"));
}

#[tokio::test]
async fn a_session_ends_after_an_hour_without_a_request_and_after_twelve_hours() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    app.clock().turn(Duration::from_mins(59));
    assert_eq!(session.get("/").await.status, StatusCode::OK);
    app.clock().turn(Duration::from_mins(61));
    assert_eq!(session.get("/").await.status, StatusCode::SEE_OTHER);
    let session = Session::of(&app, CLIENT_ID).await;
    for _ in 0..13 {
        assert_eq!(session.get("/").await.status, StatusCode::OK);
        app.clock().turn(Duration::from_mins(55));
    }
    app.clock().turn(Duration::from_mins(10));
    assert_eq!(session.get("/").await.status, StatusCode::SEE_OTHER);
}

/// The hash that the database has of a session.
fn hash_of(cookie: &str) -> SessionHash {
    Sha256::digest(cookie.split_once('=').unwrap().1).into()
}

/// When the database says that a session was used. None if it has no such session.
async fn used_at(app: &TestApp, cookie: &str) -> Option<i64> {
    let all = Ended { created_before: i64::MIN, used_before: i64::MIN };
    app.server.store.session(hash_of(cookie), all).await.unwrap().map(|session| session.used_at)
}

/// Waits until something is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(10), "it does not become so");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_restart_signs_nobody_out() {
    let app = start().await;
    let Session { cookie, token, .. } = Session::of(&app, CLIENT_ID).await;
    let app = app.restart(console).await;
    let session = Session { app: &app, cookie, token };
    let created = session.post("/console/new", &[("name", "Payroll"), ("className", "x.Y")]).await;
    assert_eq!(created.header("location"), Some("/console/connectors/payroll?done=created"), "{}", created.text());
    // Who signed out before the restart stays signed out.
    let out = session.post("/console/sign-out", &[]).await;
    assert_eq!(out.header("location"), Some("/console/sign-in"));
    assert_eq!(session.get("/").await.status, StatusCode::SEE_OTHER, "at once");
    let (cookie, token) = (session.cookie, session.token);
    let app = app.restart(console).await;
    assert_eq!(Session { app: &app, cookie, token }.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_use_of_a_session_is_written_once_a_minute() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    let began = used_at(&app, &session.cookie).await.unwrap();
    app.clock().turn(Duration::from_secs(50));
    session.get("/").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(used_at(&app, &session.cookie).await, Some(began));
    app.clock().turn(Duration::from_secs(15));
    session.get("/").await;
    until(async || used_at(&app, &session.cookie).await.unwrap() >= began + 60_000).await;
    let touched = used_at(&app, &session.cookie).await;
    app.clock().turn(Duration::from_secs(50));
    session.get("/").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(used_at(&app, &session.cookie).await, touched);
}

#[tokio::test]
async fn a_use_that_cannot_be_written_signs_nobody_out() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    let began = used_at(&app, &session.cookie).await.unwrap();
    // Without its file the database refuses every write, and is still read.
    let Some(file) = app.database() else { return };
    let elsewhere = file.with_extension("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    for _ in 0..3 {
        app.clock().turn(Duration::from_mins(50));
        assert_eq!(session.get("/").await.status, StatusCode::OK);
    }
    assert!(sign_in(&app, CLIENT_ID, "").await.status.is_server_error(), "nothing can be written");
    assert_eq!(used_at(&app, &session.cookie).await, Some(began));
    std::fs::rename(&elsewhere, &file).unwrap();
    app.clock().turn(Duration::from_mins(2));
    assert_eq!(session.get("/").await.status, StatusCode::OK);
    until(async || used_at(&app, &session.cookie).await.unwrap() > began).await;
    app.clock().turn(Duration::from_mins(61));
    assert_eq!(session.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_in_ends_the_session_of_the_same_browser() {
    let app = start().await;
    app.access().create_tenant("other", &operator()).unwrap();
    let neighbour = new_client("neighbour", UserLevel::OrgAdmin, [Scope::All].into());
    app.access().create_client("other", &neighbour, &operator()).unwrap();
    let (first, beside) = (Session::of(&app, CLIENT_ID).await, Session::of(&app, CLIENT_ID).await);
    let second = Session::instead_of(&app, CLIENT_ID, &first.cookie).await;
    let third = Session::instead_of(&app, "neighbour", &second.cookie).await;
    for (session, status) in [(&first, 303), (&second, 303), (&third, 200), (&beside, 200)] {
        assert_eq!(session.get("/").await.status.as_u16(), status);
    }
    assert_eq!(used_at(&app, &second.cookie).await, None, "also in another tenant");
}

#[tokio::test]
async fn a_client_that_may_not_read_is_refused_at_the_sign_in() {
    let app = start().await;
    let level = new_client("helpdesk", UserLevel::Helpdesk, [Scope::All].into());
    let scope = new_client("scopeless", UserLevel::OrgAdmin, [Scope::Default].into());
    for client in [level, scope] {
        app.access().create_client("default", &client, &operator()).unwrap();
    }
    let german = "connectory_preferences=de.auto";
    for (id, told) in
        [("helpdesk", "Ihre Benutzerstufe HELPDESK darf das nicht."), ("scopeless", "idn:connector-config:read")]
    {
        // It is no attempt to guess a secret, so it delays nothing.
        for _ in 0..8 {
            let refused = sign_in(&app, id, german).await;
            assert_eq!((refused.status, refused.header("set-cookie")), (StatusCode::FORBIDDEN, None));
            assert!(
                refused.text().contains(told) && refused.text().contains("name=\"client_secret\""),
                "{}",
                refused.text()
            );
        }
    }
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    until(async || {
        let refused = app.server.store.refused_sign_ins(tenant, RefusedFilter::default(), None, 10).await.unwrap();
        let of = |id: &str| {
            let of_it = refused.iter().filter(|refused| refused.client_id == id);
            of_it.map(|RefusedSignIns { count, .. }| count).sum::<u32>()
        };
        of("helpdesk") == 8 && of("scopeless") == 8
    })
    .await;
}

#[tokio::test]
async fn under_https_the_cookies_of_sessions_belong_to_the_host_alone() {
    let (provider, oidc) = provider().await;
    let options =
        Options { public_url: "https://connectory.example".to_owned(), rate_limit: None, ..Options::default() };
    let app = TestApp::serving(options, |server| with_openid(server, oidc)).await;
    let answer = sign_in(&app, CLIENT_ID, "").await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-connectory_session="), "{cookie}");
    let begun = get(&app, "/console/oidc", "").await;
    let openid = begun.header("set-cookie").unwrap();
    assert!(openid.starts_with("__Host-connectory_oidc="), "{openid}");
    for cookie in [cookie, openid] {
        assert!(cookie.contains("; Secure") && cookie.contains("; Path=/;") && !cookie.contains("Domain"), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(get(&app, "/", cookie).await.status, StatusCode::OK);
    let unprotected = cookie.trim_start_matches("__Host-");
    assert_eq!(get(&app, "/", unprotected).await.status, StatusCode::SEE_OTHER);
    drop(provider);
}

async fn get(app: &TestApp, path: &str, cookie: &str) -> Answer {
    app.send(Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap()).await
}

/// An OpenID provider that knows nobody, and the options for it.
async fn provider() -> (MockServer, OidcOptions) {
    let provider = MockServer::start().await;
    let issuer = provider.uri();
    let configuration = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    for (at, answer) in [("/.well-known/openid-configuration", configuration), ("/keys", json!({"keys": []}))] {
        Mock::given(path(at)).respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&provider).await;
    }
    let options = OidcOptions {
        issuer,
        client_id: "console".to_owned(),
        client_secret: None,
        groups_claim: "groups".to_owned(),
        admin_group: None,
        reader_group: None,
        tenant: "default".to_owned(),
    };
    (provider, options)
}

fn with_openid(server: Arc<ServerState>, options: OidcOptions) -> Service {
    let console = Console::new(Arc::clone(&server), Some(options)).unwrap();
    Service::with_pages(server, connectory_console::routes(console))
}

/// Begins a sign-in at the provider. Returns its cookie and its `state`.
async fn begin(app: &TestApp) -> (String, String) {
    let begun = get(app, "/console/oidc?back=/console/activity", "").await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text());
    let cookie = begun.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let address = url::Url::parse(begun.header("location").unwrap()).unwrap();
    let state = address.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    (cookie, state)
}

#[tokio::test]
async fn strangers_who_begin_sign_ins_lock_nobody_out_and_a_restart_interrupts_none() {
    let (provider, oidc) = provider().await;
    let options = Options { rate_limit: None, ..Options::default() };
    let app = TestApp::serving(options, |server| with_openid(server, oidc.clone())).await;
    let (cookie, state) = begin(&app).await;
    for _ in 0..10_000 {
        get(&app, "/console/oidc", "").await;
    }
    let (other, _) = begin(&app).await;
    let app = app.restart(|server| with_openid(server, oidc)).await;
    // The provider is asked for the code only if the attempt is known; this one says no.
    let back = format!("/console/oidc/callback?code=a&state={state}");
    for (cookie, status) in [(cookie.as_str(), 502), (&other, 400), ("", 400), ("connectory_oidc=made-up", 400)] {
        let answer = get(&app, &back, cookie).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        let removed = answer.header("set-cookie").unwrap();
        assert!(removed.starts_with("connectory_oidc=;") && removed.contains("Max-Age=0"), "{removed}");
    }
    app.clock().turn(Duration::from_mins(10));
    assert_eq!(get(&app, &back, &cookie).await.status, StatusCode::BAD_REQUEST, "too late");
    drop(provider);
}

#[tokio::test]
async fn strangers_make_few_requests_to_the_provider_at_a_time() {
    let (provider, oidc) = provider().await;
    let options = Options { rate_limit: None, ..Options::default() };
    let app = TestApp::serving(options, |server| with_openid(server, oidc)).await;
    let (cookie, state) = begin(&app).await;
    provider.reset().await;
    let slow = ResponseTemplate::new(500).set_delay(Duration::from_millis(500));
    Mock::given(wiremock::matchers::any()).respond_with(slow).mount(&provider).await;
    let back = format!("/console/oidc/callback?code=a&state={state}");
    let many = futures_util::future::join_all((0..100).map(|_| get(&app, &back, &cookie))).await;
    let statuses = many.iter().map(|answer| answer.status.as_u16());
    assert_eq!(statuses.filter(|status| *status == 502).count(), PROVIDER_REQUESTS, "the provider was asked");
    assert!(many.iter().filter(|answer| answer.status != 502).all(|answer| answer.status == 503));
    assert_eq!(provider.received_requests().await.unwrap().len(), PROVIDER_REQUESTS);
}

/// The rows of the table of a page.
fn rows(page: &str) -> usize {
    page.matches("<th scope=\"row\">").count()
}

/// The address of the link to the next page.
fn next_page(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("rel=\"next\" href=\"")?;
    Some(rest.split('"').next().unwrap().replace("&amp;", "&"))
}

#[tokio::test]
async fn clients_are_listed_a_hundred_at_a_time_and_a_tenant_has_a_thousand() {
    let app = start().await;
    let (access, any) = (app.access(), new_client("", UserLevel::OrgAdmin, [Scope::ReadConnectors].into()));
    let mut ids = vec![CLIENT_ID.to_owned()];
    for number in 1..CLIENTS_PER_TENANT {
        let (id, name) = (format!("client-{number:04}"), format!("Größe & {}", number / 150));
        access.create_client("default", &NewClient { id: id.clone(), name, ..any.clone() }, &operator()).unwrap();
        ids.push(id);
    }
    let session = Session::of(&app, CLIENT_ID).await;
    let (mut address, mut found) = (Some("/console/clients".to_owned()), Vec::new());
    while let Some(at) = address {
        let page = page(&session, &at).await;
        assert_eq!(rows(&page), 100, "{at}");
        found.extend(ids.iter().filter(|id| page.contains(&format!("<code>{id}</code>"))).cloned());
        address = next_page(&page);
    }
    assert_eq!(found.len(), CLIENTS_PER_TENANT);
    found.sort_unstable();
    ids.sort_unstable();
    assert_eq!(found, ids);
    let first = page(&session, "/console/clients").await;
    let long = "n".repeat(300);
    for query in ["after=a", "id=a", "after=&id=", "after=a%00&id=b", &format!("after={long}&id=b"), "after=a&id=b%0A"]
    {
        assert!(
            page(&session, &format!("/console/clients?{query}"))
                .await
                .contains(&next_page(&first).unwrap().replace('&', "&amp;")),
            "{query}"
        );
    }
    let fields = [("name", "one more"), ("level", "ORG_ADMIN"), ("scope", "sp:scopes:all")];
    let refused = session.post("/console/clients", &fields).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    assert!(
        refused.text().contains("This tenant has 1000 clients, as many as a tenant may have."),
        "{}",
        refused.text()
    );
}

#[tokio::test]
async fn a_name_with_controls_of_direction_is_shown_escaped_and_never_changed() {
    let app = start().await;
    let (name, seen) = ("Pay\u{202e}llor", "Pay\\u{202e}llor");
    let body = json!({"name": name, "className": name, "type": name});
    let created = app.post("/v2025/connectors", &body).await.ok();
    let session = Session::of(&app, CLIENT_ID).await;
    let path = format!("/console/connectors/{}", created["scriptName"].as_str().unwrap());
    let metadata = [("category", json!(name)), ("labels", json!([name])), ("shortDesc", json!(name))];
    let patch =
        metadata.map(|(at, value)| json!({"op": "add", "path": format!("/connectorMetadata/{at}"), "value": value}));
    app.patch(&format!("/v2025/connectors/{}", created["scriptName"].as_str().unwrap()), &json!(patch)).await.ok();
    let fields = [("name", name), ("level", "ORG_ADMIN"), ("scope", "sp:scopes:all")];
    assert!(session.post("/console/clients", &fields).await.text().contains(seen));
    for path in [path.clone(), format!("{path}/history"), format!("{path}/delete"), "/console/clients".to_owned()] {
        let page = page(&session, &path).await;
        assert!(page.contains(seen) && !page.contains('\u{202e}'), "{path}: {page}");
    }
    // What is sent back to the server is as it is stored.
    let list = page(&session, "/").await;
    assert!(
        list.contains(&format!(">{seen}</a>"))
            && list.contains(&format!("<option value=\"{name}\">{seen} (1)</option>"))
    );
    assert!(page(&session, &format!("{path}/metadata")).await.contains(&format!("name=\"category\" value=\"{name}\"")));
    let deleted = session.post(&format!("{path}/delete"), &[("name", name)]).await;
    assert!(deleted.header("location").unwrap().starts_with("/?deleted="));
    for path in [deleted.header("location").unwrap(), "/console/deleted"] {
        let page = page(&session, path).await;
        assert!(!page.contains('\u{202e}'), "{path}: {page}");
    }
}

#[tokio::test]
async fn every_sign_in_and_sign_out_is_one_line_of_the_log_with_who_and_where() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Mutex::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let app = start().await;
    let helpdesk = new_client("helpdesk", UserLevel::Helpdesk, [Scope::All].into());
    app.access().create_client("default", &helpdesk, &operator()).unwrap();
    let signed_in = sign_in(&app, CLIENT_ID, "").await;
    let refused = sign_in(&app, "helpdesk", "").await;
    let session = Session::of(&app, CLIENT_ID).await;
    let signed_out = session.post("/console/sign-out", &[]).await;
    let log = std::fs::read_to_string(log.path()).unwrap();
    for (answer, what, who) in [
        (signed_in, "signed in", "first"),
        (signed_out, "signed out", "first"),
        (refused, "request refused", "helpdesk"),
    ] {
        let id = answer.header("slpt-request-id").unwrap();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(id) && line.contains(what)).collect();
        assert_eq!(lines.len(), 1, "{what}: {log}");
        assert!(lines[0].contains(&format!("client=\"{who}\"")) && lines[0].contains("127.0.0.1"), "{}", lines[0]);
    }
}
