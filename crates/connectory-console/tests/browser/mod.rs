//! A browser in which someone is signed in, with the server that it uses.

#[path = "../../../connectory-server/tests/api/support.rs"]
#[allow(dead_code, reason = "the server's tests use more of it")]
pub mod support;

use std::sync::Arc;

use axum::body::Body;
use connectory_console::Console;
use connectory_server::{Options, ServerState, Service};
use http::{Request, StatusCode, header};

use self::support::{Answer, SECRET, TestApp};

/// A browser in which someone is signed in.
pub struct Browser<'a> {
    /// The server.
    pub app: &'a TestApp,
    cookie: String,
    token: String,
}

#[allow(dead_code, reason = "each test uses a part of it")]
impl<'a> Browser<'a> {
    /// Signs in as a client.
    pub async fn of(app: &'a TestApp, id: &str) -> Self {
        let mut this = Self { app, cookie: String::new(), token: String::new() };
        let signed_in = this.post("/console/sign-in", &[("client_id", id), ("client_secret", SECRET)]).await;
        signed_in.header("set-cookie").unwrap().split(';').next().unwrap().clone_into(&mut this.cookie);
        this.token = field(this.get("/").await.text(), "csrf");
        this
    }

    /// The same in German.
    pub fn in_german(self) -> Self {
        Self { cookie: format!("{}; connectory_preferences=de.auto", self.cookie), ..self }
    }

    /// Reads a page.
    pub async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, &self.cookie);
        self.app.send(request.body(Body::empty()).unwrap()).await
    }

    /// The text of a page that there is.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer.text().to_owned()
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", &self.token)
            .extend_pairs(fields)
            .finish();
        self.send(path, "application/x-www-form-urlencoded", form.into()).await
    }

    /// Sends a form that is there as bytes.
    pub async fn send(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, content_type)
            .header("sec-fetch-site", "same-origin");
        self.app.send(request.body(body.into()).unwrap()).await
    }
}

/// The value of the first hidden field with this name.
pub fn field(page: &str, name: &str) -> String {
    let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
    rest.split('"').next().unwrap().replace("&quot;", "\"")
}

/// A server with the console.
pub async fn start() -> TestApp {
    start_with(Options { rate_limit: None, ..Options::default() }).await
}

/// A server with the console and these options.
#[allow(dead_code, reason = "each test uses a part of it")]
pub async fn start_with(options: Options) -> TestApp {
    let console = |server: Arc<ServerState>| {
        let console = Console::new(Arc::clone(&server), None).unwrap();
        Service::with_pages(server, connectory_console::routes(console))
    };
    TestApp::serving(options, console).await
}
