//! A server on a database of its own, and requests to it without a network.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use connectory_model::access::{Scope, Scopes, UserLevel};
use connectory_server::clock::Clock;
use connectory_server::options::Reads;
use connectory_server::{Options, ServerState, Service};
use connectory_store::{AccessDb, AccessOrigin, Address, NewClient, Store};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "../../../connectory-store/tests/support/cluster.rs"]
#[expect(dead_code, reason = "these tests share a cluster")]
mod cluster;

pub const CLIENT_ID: &str = "first";
pub const SECRET: &str = "s3cret: with \"odd\" characters &+%";

pub struct TestApp {
    pub server: Arc<ServerState>,
    service: Arc<Service>,
    place: Place,
    token: String,
}

/// The database of a server.
#[derive(Clone)]
enum Place {
    Sqlite(Arc<TempDir>),
    Postgres(Box<Address>),
}

impl Place {
    /// A new database. All tests run with PostgreSQL if `CONNECTORY_TEST_ENGINE` says so.
    fn new() -> Self {
        match std::env::var("CONNECTORY_TEST_ENGINE").as_deref() {
            Ok("postgres") => Self::postgres(),
            _ => Self::Sqlite(Arc::new(TempDir::new().unwrap())),
        }
    }

    fn postgres() -> Self {
        let cluster = cluster::shared();
        let name = cluster.create_database("");
        Self::Postgres(Box::new(Address::parse(&cluster.address(&name), |_| None).unwrap()))
    }

    fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(folder) => Some(folder.path().join("c.db")),
            Self::Postgres(_) => None,
        }
    }

    async fn open(&self) -> Store {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("c.db");
                // One that is there is opened as a server opens it: without syncs, it would be another incarnation.
                if path.exists() { Store::open(&path) } else { Store::open_without_syncs(&path) }
            }
            Self::Postgres(address) => Store::open_postgres(address).await,
        }
        .unwrap()
    }

    fn access(&self) -> AccessDb {
        match self {
            Self::Sqlite(folder) => AccessDb::open(&folder.path().join("c.db")),
            Self::Postgres(address) => AccessDb::open_postgres(address),
        }
        .unwrap()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body of an answer that must be a 200.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    /// The sentence of a refusal, which must have the standard shape and this status.
    #[track_caller]
    pub fn refusal(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        let body = self.json();
        assert!(body["detailCode"].as_str().unwrap().starts_with(&status.to_string()), "{body}");
        assert_eq!(body["trackingId"].as_str(), self.header("slpt-request-id"));
        assert_eq!(body["causes"], json!([]));
        let message = &body["messages"][0];
        assert_eq!((&message["locale"], &message["localeOrigin"]), (&json!("en-US"), &json!("DEFAULT")));
        message["text"].as_str().unwrap().to_owned()
    }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(Options { rate_limit: None, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        Self::serving(options, Service::new).await
    }

    /// The same, with a service that may have more than the API.
    pub async fn serving(options: Options, service: impl FnOnce(Arc<ServerState>) -> Service) -> Self {
        Self::on(Place::new(), options, service).await
    }

    /// The same on the database that this server has, after it has ended.
    #[allow(dead_code, reason = "the console's tests use it")]
    pub async fn restart(self, service: impl FnOnce(Arc<ServerState>) -> Service) -> Self {
        let options = self.server.options.clone();
        let Self { server, service: ended, place, .. } = self;
        drop((server, ended));
        Self::on(place, options, service).await
    }

    /// Several servers of one PostgreSQL database. None if tests with PostgreSQL are not wanted.
    #[allow(dead_code, reason = "the console's tests have one server")]
    pub async fn nodes<const N: usize>(reads: [Reads; N]) -> Option<[Self; N]> {
        if !cluster::is_wanted() {
            eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set, which `./test` does");
            return None;
        }
        let place = Place::postgres();
        let mut nodes = Vec::with_capacity(N);
        for reads in reads {
            let options = Options { rate_limit: None, reads, ..Options::default() };
            nodes.push(Self::on(place.clone(), options, Service::new).await);
        }
        nodes.try_into().ok()
    }

    /// Runs SQL beside the servers.
    #[allow(dead_code, reason = "the console's tests have one server")]
    pub fn psql(&self, sql: &str) -> String {
        let Place::Postgres(address) = &self.place else { panic!("not with PostgreSQL") };
        let address = address.to_string();
        let (_, database) = address.rsplit_once('/').unwrap();
        cluster::shared().psql(database, sql)
    }

    async fn on(place: Place, options: Options, service: impl FnOnce(Arc<ServerState>) -> Service) -> Self {
        let store = place.open().await;
        let client = new_client(CLIENT_ID, UserLevel::OrgAdmin, [Scope::All].into());
        store.bootstrap("default".to_owned(), client, operator()).await.unwrap();
        let server = ServerState::new(store, options).await.unwrap();
        let service = Arc::new(service(Arc::clone(&server)));
        let mut this = Self { server, service, place, token: String::new() };
        this.token = this.token_of(CLIENT_ID).await;
        this
    }

    /// The server's clock, which tests turn.
    pub fn clock(&self) -> &Clock {
        &self.server.options.clock
    }

    /// The file of the database, if it is one.
    #[allow(dead_code, reason = "the console's tests move it")]
    pub fn database(&self) -> Option<PathBuf> {
        self.place.file()
    }

    pub fn access(&self) -> AccessDb {
        self.place.access()
    }

    /// A new client's token.
    pub async fn client(&self, id: &str, tenant: &str, level: UserLevel, scopes: &[Scope]) -> String {
        self.access()
            .create_client(tenant, &new_client(id, level, scopes.iter().copied().collect()), &operator())
            .unwrap();
        self.token_of(id).await
    }

    pub async fn token_of(&self, id: &str) -> String {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", "client_credentials"), ("client_id", id), ("client_secret", SECRET)])
            .finish();
        let request = Request::post("/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into());
        self.send(request.unwrap()).await.ok()["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends a request from this machine.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from(Ipv4Addr::LOCALHOST.into(), request).await
    }

    /// Sends a request from an address. Adds a host if it has none.
    pub async fn send_from(&self, address: IpAddr, mut request: Request<Body>) -> Answer {
        request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("registry.test"));
        self.send_as_is(address, request).await
    }

    /// Sends a request as it is.
    pub async fn send_as_is(&self, address: IpAddr, request: Request<Body>) -> Answer {
        let (parts, body) = self.service().answer(request, address).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The service, as a listener serves it.
    #[allow(dead_code, reason = "the console's tests have their own")]
    pub fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service)
    }

    /// The value of `Authorization` for the first client.
    #[allow(dead_code, reason = "the console's tests sign in")]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// A request as the first client, with a content type where there is a body.
    pub async fn call(&self, method: Method, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        self.call_as(&self.token, method, path, content_type, body).await
    }

    pub async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "", Body::empty()).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.call_as(token, Method::GET, path, "", Body::empty()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, "", Body::empty()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, "application/json", body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, "application/json-patch+json", body.to_string()).await
    }

    /// Puts a file as the official clients do.
    pub async fn put(&self, path: &str, file: &[u8]) -> Answer {
        self.call(Method::PUT, path, FORM, form("file", file)).await
    }

    /// Creates a connector and returns its script name.
    pub async fn create(&self, name: &str) -> String {
        let body = json!({"name": name, "className": "x.Y"});
        self.post("/v2025/connectors", &body).await.ok()["scriptName"].as_str().unwrap().to_owned()
    }
}

/// Who changes access beside the server.
pub fn operator() -> AccessOrigin {
    AccessOrigin::operator("test".to_owned())
}

pub fn new_client(id: &str, level: UserLevel, scopes: Scopes) -> NewClient {
    NewClient::with_known_secret(id.to_owned(), SECRET, format!("client {id}"), level, scopes)
}

pub const FORM: &str = "multipart/form-data; boundary=b0undary";

/// A multipart body with one part.
pub fn form(name: &str, file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"upload\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), file, b"\r\n--b0undary--\r\n"].concat()
}
