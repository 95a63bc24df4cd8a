//! Programs in browsers that come from other origins (D83).

use axum::body::Body;
use connectory_server::Options;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde_json::json;

use crate::support::{Answer, TestApp};

const ORIGIN: &str = "http://localhost:4200";

async fn with(origins: &[&'static str]) -> TestApp {
    let cors_origins = origins.iter().map(|origin| HeaderValue::from_static(origin)).collect();
    TestApp::with(Options { rate_limit: None, cors_origins, ..Options::default() }).await
}

async fn send(app: &TestApp, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

async fn preflight(app: &TestApp, path: &str, origin: &str) -> Answer {
    let headers = [
        (header::ORIGIN, origin),
        (header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH"),
        (header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,if-match"),
    ];
    send(app, Method::OPTIONS, path, &headers).await
}

const PATHS: [&str; 9] = [
    "/v3/connectors",
    "/v2025/connectors/",
    "/v2026/connectors/hr",
    "/connectors/v1/hr/source-config",
    "/beta/connectors",
    "/oauth/token",
    "/connectory/v1",
    "/connectory/v1/apply",
    "/connectory/v1/connectors/hr/revisions",
];

#[tokio::test]
async fn a_preflight_of_an_allowed_origin_needs_no_token() {
    let app = with(&["https://other.example", ORIGIN]).await;
    for path in PATHS {
        let answer = preflight(&app, path, ORIGIN).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"));
        let allowed = answer.header("access-control-allow-headers");
        assert_eq!(allowed, Some("authorization,content-type,if-match"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        let vary: Vec<_> = answer.headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Access-Control-Request-Headers", "Origin"], "{path}");
        assert!(answer.header("slpt-request-id").is_some(), "{path}");
    }
    // An `OPTIONS` that is no preflight is a request like others.
    assert_eq!(send(&app, Method::OPTIONS, "/oauth/token", &[(header::ORIGIN, ORIGIN)]).await.status.as_u16(), 405);
}

#[tokio::test]
async fn an_allowed_origin_sees_every_answer() {
    let app = with(&[ORIGIN]).await;
    app.create("HR").await;
    let authorization = app.authorization();
    for (path, token, status) in [
        ("/v3/connectors", true, 200),
        ("/v3/connectors?filters=x", true, 400),
        ("/v3/connectors/hr", true, 200),
        ("/v3/connectors/nope", true, 404),
        ("/v3/connectors", false, 401),
        ("/connectory/v1", false, 200),
        ("/connectory/v1/events", true, 200),
    ] {
        let mut headers = vec![(header::ORIGIN, ORIGIN), (header::HOST, "a")];
        if token {
            headers.push((header::AUTHORIZATION, &*authorization));
        }
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = app.service().answer(request.body(Body::empty()).unwrap(), [127, 0, 0, 1].into()).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN, "{path}");
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
        for name in ["X-Total-Count", "Retry-After", "SLPT-Request-ID", "ETag"] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}");
        }
        assert!(answer.headers().get_all(header::VARY).iter().any(|vary| vary == "Origin"), "{path}");
        assert!(!answer.headers().contains_key("access-control-allow-credentials"), "{path}");
    }
    // A cache must not give the answer of one origin to another, so the answer without an origin says it too.
    let answer = app.get("/v3/connectors").await;
    assert!(answer.headers.get_all(header::VARY).iter().any(|vary| vary == "Origin"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn every_origin_may_be_allowed() {
    let app = with(&["*"]).await;
    let answer = preflight(&app, "/v3/connectors", "https://any.example").await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, Some("*")));
    assert!(!answer.headers.get_all(header::VARY).iter().any(|vary| vary == "Origin"));
    let body = json!({"grant_type": "x"}).to_string();
    let request = Request::post("/oauth/token").header(header::ORIGIN, "null").body(body.into()).unwrap();
    let answer = app.send(request).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (400, Some("*")));
}

#[tokio::test]
async fn other_origins_and_other_paths_are_as_before() {
    let (closed, open, any) = (with(&[]).await, with(&[ORIGIN]).await, with(&["*"]).await);
    let allows = |answer: &Answer| answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
    for origin in
        ["http://localhost:4201", "https://localhost:4200", "http://localhost", "null", "http://localhost:4200.evil"]
    {
        for path in PATHS {
            let (answer, before) = (preflight(&open, path, origin).await, preflight(&closed, path, origin).await);
            assert!(!allows(&answer) && !allows(&before), "{path} {origin}");
            assert!([401, 404, 405].contains(&answer.status.as_u16()), "{path}");
            assert_eq!(answer.status, before.status, "{path}");
        }
    }
    for path in ["/", "/docs/", "/openapi.json", "/health/ready", "/console/sign-in", "/nope", "/v3/connectorsx"] {
        assert!(!allows(&preflight(&any, path, ORIGIN).await), "{path}");
        assert!(!allows(&send(&any, Method::GET, path, &[(header::ORIGIN, ORIGIN)]).await), "{path}");
    }
}
