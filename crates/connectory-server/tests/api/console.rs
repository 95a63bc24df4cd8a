//! What the console must hold against requests that no browser makes.

use axum::body::Body;
use connectory_model::access::{Scope, UserLevel};
use http::{Request, StatusCode, header};

use crate::support::{Answer, CLIENT_ID, SECRET, TestApp, new_client};

/// A session of a client: its cookie and its token.
struct Session<'a> {
    app: &'a TestApp,
    cookie: String,
    token: String,
}

impl<'a> Session<'a> {
    async fn of(app: &'a TestApp, id: &str) -> Self {
        let signed_in = post(app, "/console/sign-in", "", &[("client_id", id), ("client_secret", SECRET)]).await;
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

async fn post(app: &TestApp, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    app.send(request.body(form.into()).unwrap()).await
}

#[tokio::test]
async fn without_a_session_nothing_is_told_and_nothing_changes() {
    let app = TestApp::start().await;
    let name = "/console/connectors/jdbc";
    for path in ["/", name, &format!("{name}/history"), "/console/activity", "/console/clients", "/console/new"] {
        let request = Request::get(path).header(header::COOKIE, "connectory_session=made-up");
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header("location").unwrap().starts_with("/console/sign-in?back="), "{path}");
    }
    for path in ["/console/new", "/console/clients", &format!("{name}/delete"), &format!("{name}/metadata")] {
        assert_eq!(post(&app, path, "", &[("name", "x")]).await.status, StatusCode::SEE_OTHER, "{path}");
    }
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let app = TestApp::start().await;
    app.access().create_tenant("other").unwrap();
    app.access().create_client("other", &new_client("stranger", UserLevel::OrgAdmin, vec![Scope::All])).unwrap();
    let (owner, stranger) = (Session::of(&app, CLIENT_ID).await, Session::of(&app, "stranger").await);
    for session in [&owner, &stranger] {
        let created = session.post("/console/new", &[("name", "Payroll"), ("className", "x.Y")]).await;
        assert_eq!(created.header("location"), Some("/console/connectors/payroll?done=created"));
    }
    owner.post("/console/new", &[("name", "Secret"), ("className", "x.Y")]).await;
    assert_eq!(owner.get("/console/connectors/payroll/history/1").await.status, StatusCode::OK);
    for path in
        ["/console/connectors/secret", "/console/connectors/secret/history", "/console/connectors/payroll/history/1"]
    {
        assert_eq!(stranger.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/console/connectors/payroll/history/1/restore", "/console/connectors/secret/delete"] {
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
    let app = TestApp::start().await;
    for (id, level, scope, read, write, clients) in [
        ("admin", UserLevel::OrgAdmin, Scope::All, 200, 303, 200),
        ("source", UserLevel::SourceAdmin, Scope::All, 200, 303, 403),
        ("manager", UserLevel::OrgAdmin, Scope::ManageConnectors, 200, 303, 403),
        ("reader", UserLevel::OrgAdmin, Scope::ReadConnectors, 200, 403, 403),
        ("helpdesk", UserLevel::Helpdesk, Scope::All, 403, 403, 403),
    ] {
        app.access().create_client("default", &new_client(id, level, vec![scope])).unwrap();
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
async fn a_page_of_a_refusal_has_the_tracking_id_and_the_headers_of_every_page() {
    let app = TestApp::start().await;
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
    assert_eq!(session.get("/console/assets/..%2Fmod.rs").await.status, StatusCode::NOT_FOUND);
}
