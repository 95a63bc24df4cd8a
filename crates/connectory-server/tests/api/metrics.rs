use axum::body::Body;
use http::{Method, Request, StatusCode};

use crate::support::TestApp;

/// What a collector reads.
pub async fn scrape(app: &TestApp, path: &str) -> (StatusCode, String) {
    let response = app.server.answer_collector(&Request::get(path).body(()).unwrap(), 7);
    let (parts, body) = response.into_parts();
    (parts.status, String::from_utf8(axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_what_clients_invent() {
    let app = TestApp::start().await;
    let script_name = app.create("Secret plans").await;
    for _ in 0..3 {
        app.get("/v2025/connectors").await.ok();
        app.get(&format!("/v2025/connectors/{script_name}")).await.ok();
    }
    app.get("/v2025/connectors/no-such").await.refusal(404);
    app.get("/invented/path").await.refusal(404);
    assert_eq!(app.get_as("no token", "/v3/connectors").await.status, StatusCode::UNAUTHORIZED);
    app.get("/oauth/info").await;
    let odd = Request::builder().method(Method::from_bytes(b"INVENTED").unwrap()).uri("/health/live");
    app.send(odd.body(Body::empty()).unwrap()).await.refusal(405);

    let (status, text) = scrape(&app, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let count = |method: &str, route: &str, status: u16| {
        let labels = format!(
            "http_server_request_duration_seconds_count{{http_request_method=\"{method}\",http_route=\"{route}\",\
             http_response_status_code=\"{status}\"}} "
        );
        let line = text.lines().find_map(|line| line.strip_prefix(&labels));
        line.unwrap_or_else(|| panic!("no {labels} in {text}")).parse::<u64>().unwrap()
    };
    assert_eq!(count("GET", "/v2025/connectors", 200), 3);
    assert_eq!(count("GET", "/v2025/connectors/{scriptName}", 200), 3);
    assert_eq!(count("GET", "/v2025/connectors/{scriptName}", 404), 1);
    assert_eq!(count("GET", "/v3/connectors", 401), 1);
    assert_eq!(count("GET", "/oauth/info", 200), 1);
    assert_eq!(count("GET", "", 404), 1);
    assert_eq!(count("_OTHER", "/health/live", 405), 1);
    assert!(text.contains(&format!("connectory_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.ends_with("# EOF\n"));
    for invented in [script_name.as_str(), "no-such", "invented", "INVENTED"] {
        assert!(!text.contains(invented), "{invented} in {text}");
    }
    assert_eq!(scrape(&app, "/other").await.0, StatusCode::NOT_FOUND);
    app.get("/metrics").await.refusal(404);
}
