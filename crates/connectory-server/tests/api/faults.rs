//! Faults: what a client gets, what the handler does, and what a connection carries.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use connectory_server::faults::{Faults, UNFAULTED};
use connectory_server::http::broken::Dropped;
use connectory_server::http::listen::{self, Connections};
use connectory_server::{Options, ServerState, Service};
use connectory_store::Store;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, TestApp};

const LIST: &str = "/v3/connectors";
const CREATE: &str = "POST /v3/connectors";
/// More requests than errors of one status are logged in a second otherwise.
const REQUESTS: usize = 30;
const MESSAGE: &str = "a fault of this test server, which `--fault` asked for; nothing was done";
/// Tests get their token without a fault.
const NO_TOKEN_FAULTS: &str = "POST /oauth/token: 429=0%";

fn faults(rules: &[&str]) -> Faults {
    Faults::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), 7).unwrap()
}

async fn app(rules: &[&str]) -> TestApp {
    TestApp::with(Options { rate_limit: None, faults: Some(Arc::new(faults(rules))), ..Options::default() }).await
}

fn new_connector() -> Value {
    json!({"name": "HR", "className": "x.Y"})
}

/// The answer to a request, whose body is not read yet.
async fn unread(app: &TestApp, method: Method, path: &str, body: String) -> Response {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "a");
    let request = request.header(header::AUTHORIZATION, app.authorization()).body(Body::from(body)).unwrap();
    app.service().answer(request, Ipv4Addr::LOCALHOST.into()).await
}

fn fault(answer: &Answer) -> Option<&str> {
    answer.header("connectory-fault")
}

/// Whether the connector that the tests create is there, without a fault.
async fn is_created(app: &TestApp) -> bool {
    app.get("/v2025/connectors/hr").await.status == StatusCode::OK
}

#[tokio::test]
async fn a_status_has_the_body_of_its_operation_and_nothing_is_done() {
    for statuses in [[400, 403, 404, 405], [409, 500, 503, 599]] {
        let routes = ["/v3/connectors", "/v2024/connectors", "/v2026/connectors", "/connectors/v1"];
        let cases: Vec<_> = routes.into_iter().zip(statuses).collect();
        let rules = cases.iter().map(|(route, status)| format!("POST {route}: {status}=100%,retry-after=9"));
        let rules: Vec<_> = rules.collect();
        let app = app(&rules.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for (route, status) in cases {
            let answer = app.post(route, &new_connector()).await;
            assert_eq!(fault(&answer), Some(&*status.to_string()));
            assert_eq!(answer.header("retry-after"), (status == 503).then_some("9"));
            assert_eq!(answer.refusal(status), MESSAGE);
        }
        assert!(!is_created(&app).await);
    }
}

#[tokio::test]
async fn the_statuses_of_authorization_have_the_bodies_that_authorization_gives_them() {
    let app = app(&["GET /v3/connectors: 429=100%,retry-after=3", "GET /v2025/connectors: 401=100%"]).await;
    let answer = app.get(LIST).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after"), fault(&answer)), (429, Some("3"), Some("429")));
    assert_eq!(answer.json(), json!({"message": " Rate Limit Exceeded "}));
    let answer = app.get("/v2025/connectors").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("www-authenticate")),
        (401, Some("Bearer error=\"invalid_token\""))
    );
    assert_eq!(answer.json(), json!({"error": format!("JWT validation failed: {MESSAGE}")}));
}

#[tokio::test]
async fn a_token_request_has_the_errors_of_oauth() {
    for (status, code, retry_after) in [
        (400, "invalid_request", None),
        (401, "invalid_client", None),
        (429, "temporarily_unavailable", Some("1")),
        (500, "temporarily_unavailable", None),
        (503, "temporarily_unavailable", Some("1")),
    ] {
        let rule = format!("POST /oauth/token: {status}=100%");
        let options = Options { faults: Some(Arc::new(faults(&[&rule]))), ..Options::default() };
        // A service of its own, because a `TestApp` gets a token at its start.
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("c.db")).unwrap();
        let server = ServerState::new(store, options).await.unwrap();
        let request = Request::post("/oauth/token").header(header::HOST, "a").body(Body::empty()).unwrap();
        let response = Arc::new(Service::new(server)).answer(request, Ipv4Addr::LOCALHOST.into()).await;
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((response.status().as_u16(), header("retry-after")), (status, retry_after));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("connectory-fault"), Some(&*status.to_string()));
        let body: Value = serde_json::from_slice(&response.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(body, json!({"error": code, "error_description": MESSAGE}));
    }
}

#[tokio::test]
async fn html_is_the_page_of_a_gateway_and_nothing_is_done() {
    let app = app(&[&format!("{CREATE}: html=100%")]).await;
    let answer = app.post(LIST, &new_connector()).await;
    assert_eq!((answer.status.as_u16(), fault(&answer)), (502, Some("html")));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert!(answer.text().contains("<h1>502 Bad Gateway</h1>"));
    assert!(!is_created(&app).await);
}

#[tokio::test]
async fn a_dropped_request_has_no_answer_and_nothing_is_done() {
    let app = app(&[&format!("{CREATE}: drop=100%")]).await;
    let response = unread(&app, Method::POST, LIST, new_connector().to_string()).await;
    assert_eq!(response.extensions().get(), Some(&Dropped));
    assert!(!is_created(&app).await);
}

#[tokio::test]
async fn a_truncated_answer_breaks_off_after_the_handler_ran() {
    let app = app(&[&format!("{CREATE}: truncate=100%"), "DELETE /v3/connectors/{scriptName}: truncate=100%"]).await;
    let response = unread(&app, Method::POST, LIST, new_connector().to_string()).await;
    assert_eq!(
        (response.status(), &response.headers()["connectory-fault"]),
        (StatusCode::OK, &"truncate".parse().unwrap())
    );
    let length: usize = response.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first.len(), length / 2);
    assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "a fault: the answer breaks off");
    assert!(is_created(&app).await);

    // An answer without a body has nothing to break off.
    let response = unread(&app, Method::DELETE, "/v3/connectors/hr", String::new()).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(response.extensions().get(), Some(&Dropped));
    assert!(!is_created(&app).await);
}

#[tokio::test]
async fn latency_delays_every_answer_of_a_route_after_the_handler_ran() {
    let app = app(&[&format!("{CREATE}: latency=20ms..40ms,400=100%"), "GET /v3/connectors: latency=60s"]).await;
    let started = Instant::now();
    let answer = app.post(LIST, &new_connector()).await;
    let took = started.elapsed();
    let fate = fault(&answer).unwrap();
    let latency: u64 = fate.strip_prefix("400, latency=").unwrap().strip_suffix("ms").unwrap().parse().unwrap();
    assert!((20..=40).contains(&latency) && took >= Duration::from_millis(latency), "{fate} took {took:?}");

    let app = self::app(&[&format!("{CREATE}: latency=60s")]).await;
    let body = new_connector();
    let creating = app.post(LIST, &body);
    assert!(tokio::time::timeout(Duration::from_millis(500), creating).await.is_err());
    assert!(is_created(&app).await, "the client has given up, but the connector is there");
}

#[tokio::test]
async fn the_general_rule_is_for_every_operation_of_the_document_and_for_nothing_else() {
    let app = app(&["418=100%", NO_TOKEN_FAULTS]).await;
    let document = app.get("/openapi.json").await.ok();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let route = format!("{method} {path}");
            if UNFAULTED.contains(&&*route) || NO_TOKEN_FAULTS.starts_with(&route) {
                continue;
            }
            let answer = app.call(method.clone(), &path.replace("{scriptName}", "hr"), "", Body::empty()).await;
            assert_eq!((answer.status.as_u16(), fault(&answer)), (418, Some("418")), "{method} {path}");
            operations += 1;
        }
    }
    assert!(operations > 50, "{operations}");
    // The router answers HEAD by the operation of GET.
    assert_eq!(app.call(Method::HEAD, LIST, "", Body::empty()).await.status.as_u16(), 418);
    for (method, path, status) in [
        (Method::GET, "/health/live", 200),
        (Method::GET, "/health/ready", 200),
        (Method::GET, "/docs/", 200),
        (Method::GET, "/nothing", 404),
        (Method::PUT, LIST, 405),
        (Method::POST, "/health/live", 405),
    ] {
        let answer = app.call(method, path, "", Body::empty()).await;
        assert_eq!((answer.status.as_u16(), fault(&answer)), (status, None), "{path}");
    }
    for route in UNFAULTED {
        let (method, path) = route.split_once(' ').unwrap();
        let answer = app.call(method.parse().unwrap(), path, "", Body::empty()).await;
        assert_eq!(fault(&answer), None, "{route}");
    }
}

#[tokio::test]
async fn requests_of_a_route_have_their_fates_in_order_whatever_other_routes_have() {
    let rules = ["429=30%,500=30%", "GET /v2025/connectors: 503=50%", NO_TOKEN_FAULTS];
    let drawn = faults(&rules);
    for with_others in [false, true] {
        let app = app(&rules).await;
        for n in 1..=30 {
            let expected = drawn.fate("GET /v3/connectors", n).map(|fate| fate.to_string());
            assert_eq!(fault(&app.get(LIST).await), expected.as_deref(), "request {n}");
            if with_others {
                let expected = drawn.fate("GET /v2025/connectors", n).map(|fate| fate.to_string());
                assert_eq!(fault(&app.get("/v2025/connectors").await), expected.as_deref(), "request {n}");
                app.get("/v3/connectors/none").await;
                app.get("/nothing").await;
            }
        }
    }
}

#[tokio::test]
async fn a_request_with_a_large_body_reads_its_fault() {
    let app = app(&[&format!("{CREATE}: 500=100%")]).await;
    let (sent, mut read) = tokio::sync::mpsc::unbounded_channel();
    let chunks = futures_util::stream::iter((0..50).map(move |n| {
        sent.send(n).unwrap();
        Ok::<_, std::io::Error>("x".repeat(1000))
    }));
    app.call(Method::POST, LIST, "application/json", Body::from_stream(chunks)).await.refusal(500);
    let mut last = None;
    while let Ok(n) = read.try_recv() {
        last = Some(n);
    }
    assert_eq!(last, Some(49), "the whole body is read");
}

#[tokio::test]
async fn faults_are_counted_by_their_routes() {
    let app = app(&["GET /v3/connectors: 500=100%", "GET /v3/connectors/{scriptName}: drop=100%"]).await;
    app.get(LIST).await.refusal(500);
    let dropped = unread(&app, Method::GET, "/v3/connectors/hr", String::new()).await;
    assert_eq!(dropped.extensions().get(), Some(&Dropped));
    let metrics = app.server.telemetry.metrics.answer(&Request::get("/metrics").body(()).unwrap(), 0);
    let text = String::from_utf8(metrics.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    for labels in [
        "http_route=\"/v3/connectors\",http_response_status_code=\"500\"} 1\n",
        "http_route=\"/v3/connectors/{scriptName}\",http_response_status_code=\"444\"} 1\n",
    ] {
        assert!(text.contains(labels), "{labels} in {text}");
    }
}

#[tokio::test]
async fn the_log_has_the_fate_of_each_request_and_no_error() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Mutex::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let fates = ["429", "503", "html", "drop", "truncate"];
    let routes = ["v3", "v2024", "v2025", "v2026", "beta"].map(|version| format!("/{version}/connectors"));
    let rules = routes.iter().zip(fates).map(|(route, fate)| format!("GET {route}: {fate}=100%,latency=1ms"));
    let rules: Vec<_> = rules.collect();
    let app = app(&rules.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for _ in 0..REQUESTS {
        for route in &routes {
            unread(&app, Method::GET, route, String::new()).await;
        }
    }
    let log = std::fs::read_to_string(log.path()).unwrap();
    for (route, fate) in routes.iter().zip(fates) {
        let (path, fault) = (format!("path=\"{route}\""), format!("fault=\"{fate}, latency=1ms\""));
        let lines = log.lines().filter(|line| line.contains(" INFO ") && line.contains(&path) && line.contains(&fault));
        assert_eq!(lines.count(), REQUESTS, "{fate} in {log}");
    }
    assert!(!log.contains(" ERROR "), "{log}");
}

#[test]
fn a_rule_is_for_a_route_of_the_api() {
    let check = |rule: &str| Service::check_faults(&faults(&[rule]));
    for right in ["429=1%", "GET /v3/connectors/{scriptName}: 429=1%", "POST /oauth/token: 429=1%"] {
        assert_eq!(check(right), Ok(()));
    }
    for (wrong, closest) in [
        ("GET /v3/connectors/{id}: 429=1%", "GET /v3/connectors/{scriptName}"),
        ("POST /beta/connectors: 429=1%", "GET /beta/connectors"),
        ("GET /oauth/token: 429=1%", "POST /oauth/token"),
        ("GET /v2024/connector: 429=1%", "GET /v2024/connectors"),
    ] {
        let error = check(wrong).unwrap_err();
        assert!(error.ends_with(&format!("is not a route that can have faults; did you mean `{closest}`?")), "{error}");
    }
    for never in ["GET /health/live: 500=1%", "POST /connectory/v1/reset: 500=1%", "GET /docs/: 500=1%"] {
        check(never).unwrap_err();
    }
}

/// A server on a free port of this machine.
async fn listening(app: &TestApp) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.service();
    let answer = move |request, peer| Arc::clone(&service).answer(request, peer);
    tokio::spawn(listen::serve(listener, Connections::default(), answer, std::future::pending()));
    address
}

/// All bytes that a connection carries for a request. The client does not end the connection.
async fn bytes_for(address: SocketAddr, app: &TestApp, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        app.authorization(),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the server ends the connection").unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_connection_ends_before_the_answer_or_within_it() {
    let app = app(&[
        &format!("{CREATE}: drop=100%"),
        "GET /v3/connectors: truncate=100%",
        "GET /v3/connectors/{scriptName}: truncate=100%",
        "DELETE /v3/connectors/{scriptName}: truncate=100%",
    ])
    .await;
    let name = "a-name-that-is-longer-than-a-head-of-an-answer-".repeat(2);
    app.post("/v2025/connectors", &json!({"name": name, "className": "x.Y"})).await.ok();
    let address = listening(&app).await;
    let body = json!({"name": "x".repeat(100_000)}).to_string();
    assert_eq!(bytes_for(address, &app, "POST /v3/connectors", &body).await, "");

    for path in ["/v3/connectors", "/v3/connectors/none"] {
        let answer = bytes_for(address, &app, &format!("GET {path}"), "").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        assert!(head.contains("\r\nConnectory-Fault: truncate\r\n"), "{head}");
        assert_eq!(body.len(), length.parse::<usize>().unwrap() / 2, "{answer}");
    }
    // These answers have no body.
    assert_eq!(bytes_for(address, &app, "HEAD /v3/connectors", "").await, "");
    assert_eq!(bytes_for(address, &app, "HEAD /v3/connectors/none", "").await, "");
    let name = app.get("/v2025/connectors?filters=name%20co%20%22a-name%22").await.ok()[0]["scriptName"].clone();
    let path = format!("/v3/connectors/{}", name.as_str().unwrap());
    assert_eq!(bytes_for(address, &app, &format!("DELETE {path}"), "").await, "");
    app.get(&path.replace("v3", "v2025")).await.refusal(404);
}

#[tokio::test]
async fn an_answer_that_broke_off_counts_for_the_memory_of_answers_no_more() {
    // Each answer counts for a half.
    let options = Options {
        rate_limit: None,
        max_answers: 160 * 1024,
        faults: Some(Arc::new(faults(&["GET /v3/connectors/{scriptName}: truncate=100%"]))),
        ..Options::default()
    };
    let app = TestApp::with(options).await;
    app.create("HR").await;
    let document = format!("<Application><!-- {} --></Application>", "x".repeat(100_000));
    app.put("/v2025/connectors/hr/source-template", document.as_bytes()).await.ok();
    let address = listening(&app).await;
    for _ in 0..5 {
        let answer = bytes_for(address, &app, "GET /v3/connectors/hr", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:.500}");
        assert!((50_000..60_000).contains(&answer.len()), "{}", answer.len());
    }
}

#[tokio::test]
async fn over_http2_a_stream_ends_and_the_others_do_not() {
    let app = app(&["GET /v3/connectors: truncate=100%", "GET /v2024/connectors: drop=100%"]).await;
    let stream = TcpStream::connect(listening(&app).await).await.unwrap();
    let executor = TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = |version: &str| {
        let uri = format!("http://a/{version}/connectors");
        Request::get(uri).header(header::AUTHORIZATION, app.authorization()).body(Empty::<Bytes>::new()).unwrap()
    };
    for _ in 0..3 {
        let dropped = client.send_request(request("v2024")).await.unwrap_err();
        assert!(format!("{dropped:?}").contains("INTERNAL_ERROR"), "{dropped:?}");

        let mut truncated = client.send_request(request("v3")).await.unwrap();
        let length: usize = truncated.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
        let mut read = 0;
        let ended = loop {
            match truncated.frame().await.expect("an answer of this length") {
                Ok(frame) => read += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert_eq!(read, length / 2);
        assert!(format!("{ended:?}").contains("INTERNAL_ERROR"), "{ended:?}");

        let whole = client.send_request(request("v2025")).await.unwrap();
        assert!(!whole.collect().await.unwrap().to_bytes().is_empty());
    }
}
