//! What holds for every path: error bodies, tracking ids, methods and media types.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use axum::body::Body;
use connectory_server::Options;
use connectory_server::http::listen::{self, Connections};
use http::{Method, Request, Version, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{FORM, TestApp, form};

#[tokio::test]
async fn unknown_paths_and_methods_have_json_bodies() {
    let app = TestApp::start().await;
    for path in ["/nope", "/v3", "/v2023/connectors", "/beta/connectors/scim-2", "/v3/connectors/scim-2/nope"] {
        let refusal = app.get(path).await.refusal(404);
        assert_eq!(refusal, format!("there is nothing at `{path}`; /docs lists every path"));
    }
    let answer = app.call(Method::PUT, "/v3/connectors", "", Body::empty()).await;
    assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
    assert_eq!(answer.refusal(405), "this path does not know the method; it knows GET,HEAD,POST");
    app.call(Method::POST, "/beta/connectors", "application/json", "{}").await.refusal(405);
}

#[tokio::test]
async fn script_names_of_any_form_are_not_found() {
    let app = TestApp::start().await;
    for name in ["UPPER", "a%20b", "..%2f..%2fetc", "%ff", "%00", "-", &"x".repeat(5000)] {
        app.get(&format!("/v3/connectors/{name}")).await.refusal(404);
        app.delete(&format!("/v3/connectors/{name}")).await.refusal(404);
    }
}

#[tokio::test]
async fn media_types_that_an_operation_does_not_take_are_refused() {
    let app = TestApp::start().await;
    let body = json!({"name": "a", "className": "b"}).to_string();
    let refusal = app.call(Method::POST, "/v3/connectors", "text/plain", body).await.refusal(415);
    assert_eq!(refusal, "the content type must be application/json, got `text/plain`");
    let refusal = app.call(Method::PATCH, "/v3/connectors/x", "application/xml", "<a/>").await.refusal(415);
    assert!(refusal.starts_with("the content type must be application/json-patch+json or application/json"));
}

#[tokio::test]
async fn a_large_request_is_refused_while_it_streams() {
    let app = TestApp::with(Options { rate_limit: None, max_request: 1000, ..Options::default() }).await;
    let chunks = futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>("x".repeat(100))));
    let refusal = app.call(Method::POST, "/v3/connectors", "application/json", Body::from_stream(chunks)).await;
    assert_eq!(refusal.refusal(413), "the request is larger than 1000 bytes");
}

#[tokio::test]
async fn every_answer_has_a_tracking_id_of_its_own() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for path in ["/v3/connectors", "/v3/connectors/nope", "/health/live", "/health/ready", "/nope"] {
        let id = app.get(path).await.header("slpt-request-id").unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn a_request_has_one_host() {
    let app = TestApp::start().await;
    let cases: [(Version, &[&str], Option<&str>); 9] = [
        (Version::HTTP_11, &["registry.example.com:8080"], None),
        (Version::HTTP_11, &["[::1]:8080"], None),
        (Version::HTTP_11, &[], Some("the header `Host` is missing; HTTP/1.1 requires it")),
        (Version::HTTP_11, &["a", "a"], Some("the request has several `Host` headers; expected one")),
        (Version::HTTP_11, &["a b"], Some("the header `Host` must be a host and optionally a port, got `a b`")),
        (Version::HTTP_11, &[""], Some("the header `Host` must be a host and optionally a port, got ``")),
        (Version::HTTP_10, &[], None),
        (Version::HTTP_10, &["a", "b"], Some("the request has several `Host` headers; expected one")),
        (Version::HTTP_2, &[], None),
    ];
    for (version, hosts, refused) in cases {
        for path in ["/v3/connectors", "/health/live", "/nothing"] {
            let mut request = Request::get(path).version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            let answer = app.send_as_is(Ipv4Addr::LOCALHOST.into(), request.body(Body::empty()).unwrap()).await;
            match refused {
                Some(text) => assert_eq!(answer.refusal(400), text, "{version:?} {hosts:?} {path}"),
                None => assert_ne!(answer.status, 400, "{version:?} {hosts:?} {path}"),
            }
        }
    }
}

#[tokio::test]
async fn health_is_told_without_a_token() {
    let app = TestApp::start().await;
    // Where other servers may commit too, none of which does here.
    let alone = |mut told: serde_json::Value| {
        let behind = told.as_object_mut().unwrap().remove("tenantsBehind");
        assert_eq!(behind.unwrap_or(json!(0)), json!(0));
        told
    };
    for (path, expected) in [("/health/live", "live"), ("/health/ready", "ready")] {
        let answer = app.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(alone(answer.ok()), json!({"status": expected}));
    }
    app.server.options.stopping.store(true, Ordering::Relaxed);
    for path in ["/health/ready", "/health/ready?for=reads"] {
        let answer = app.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("2")));
        assert_eq!(alone(answer.json()), json!({"status": "not ready", "reason": "stopping"}));
    }
    app.get("/health/live").await.ok();
    app.get("/v3/connectors").await.ok();
}

#[tokio::test]
async fn the_error_of_a_form_does_not_repeat_the_long_name_of_a_part() {
    let app = TestApp::start().await;
    app.create("HR").await;
    // The form breaks off in its part.
    let body = form(&"n".repeat(100_000), b"<Application/>");
    let body = &body[..body.len() - 10];
    let answer = app.call(Method::PUT, "/v3/connectors/hr/source-template", FORM, body.to_vec()).await;
    let refusal = answer.refusal(400);
    assert!(refusal.starts_with("the body is not valid multipart/form-data") && refusal.len() < 1500, "{refusal:.300}");
}

#[tokio::test]
async fn joined_addresses_are_read_as_their_clean_form() {
    let app = TestApp::start().await;
    app.create("HR").await;
    for (joined, clean) in [
        ("/v3/connectors/", "/v3/connectors"),
        ("//v3/connectors", "/v3/connectors"),
        ("/v2025//connectors", "/v2025/connectors"),
        ("/v2025/connectors//?limit=2", "/v2025/connectors?limit=2"),
        ("//v2025///connectors//hr//", "/v2025/connectors/hr"),
        ("/connectors/v1/hr/", "/connectors/v1/hr"),
        ("//v3/connectors/hr//source-config/", "/v3/connectors/hr/source-config"),
        ("/v3/connectors/hr/translations/de/", "/v3/connectors/hr/translations/de"),
        ("//beta/connectors", "/beta/connectors"),
        ("/connectory/v1/", "/connectory/v1"),
        ("//connectory/v1/connectors/hr/revisions/", "/connectory/v1/connectors/hr/revisions"),
        ("/oauth/info/", "/oauth/info"),
        // The text of /health/ready has times.
        ("//health/live", "/health/live"),
        ("//openapi.json", "/openapi.json"),
    ] {
        let (joined_answer, clean_answer) = (app.get(joined).await, app.get(clean).await);
        assert_eq!((joined_answer.status.as_u16(), joined_answer.header("location")), (200, None), "{joined}");
        assert_eq!(joined_answer.text(), clean_answer.text(), "{joined}");
        assert_eq!(joined_answer.header("etag"), clean_answer.header("etag"), "{joined}");
    }
    let absolute = "http://registry.test//v3/connectors/";
    assert_eq!(app.get(absolute).await.text(), app.get("/v3/connectors").await.text());
    let body = json!({"name": "AD", "className": "x.Y"});
    assert_eq!(app.post("//v3/connectors/", &body).await.ok()["scriptName"], "ad");
    let patch = json!([{"op": "add", "path": "/connectorMetadata/a", "value": 1}]);
    app.patch("/v3/connectors/ad/", &patch).await.ok();
    app.put("//v3/connectors/ad/source-template/", b"<Application name=\"AD\" type=\"custom AD\"/>").await.ok();
    let grant = "client_id=x&client_secret=y&grant_type=client_credentials";
    let answer = app.call(Method::POST, "//oauth/token/", "application/x-www-form-urlencoded", grant).await;
    assert_eq!(answer.json()["error"], "invalid_client");
    // A script name that is missing is no other connector's.
    app.create("Source config").await;
    app.delete("/v3/connectors//source-config").await.refusal(405);
    app.delete("/v3/connectors/").await.refusal(405);
    assert_eq!(app.delete("//v3/connectors/source-config/").await.status.as_u16(), 204);
    // Other pages have paths of their own.
    for path in ["//nope/", "//docs//", "/v3/connectors/%2F/"] {
        app.get(path).await.refusal(404);
    }
}

/// Sends bytes to a listener, and reads all that comes back until the connection ends.
async fn spoken(app: &TestApp, bytes: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.service();
    let answer = move |request, peer| std::sync::Arc::clone(&service).answer(request, peer);
    let serving = tokio::spawn(listen::serve(listener, Connections::default(), answer, std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut read = Vec::new();
    tokio::time::timeout(std::time::Duration::from_secs(20), stream.read_to_end(&mut read)).await.unwrap().unwrap();
    serving.abort();
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn what_is_no_http_has_an_error_body_too() {
    let app = TestApp::start().await;
    let long = format!("GET /v3/connectors?filters={} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET /v3/connectors HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(40_000));
    let close = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (request, statuses) in [
        (format!("GET /v3/connectors?filters=name sw \"a\" {close}"), &[400][..]),
        (format!("GET /v3/connectors?filters=<a> {close}"), &[400]),
        (format!("GET /v3/connectors?filters=name%20sw%20\"a\" {close}"), &[400]),
        (format!("GET /v3/conn ectors {close}"), &[400]),
        (format!("DELETE /v3/connectors/a b {close}"), &[400]),
        ("GET /v3/connectors HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n".to_owned(), &[400]),
        ("GET /v3/connectors HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n".to_owned(), &[400]),
        ("hello, world\r\n\r\n".to_owned(), &[400]),
        (long, &[414, 431]),
        (many, &[431]),
    ] {
        let shown = &request[..request.len().min(60)];
        let answer = spoken(&app, request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{shown:?}: {answer:?}"));
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(statuses.contains(&status), "{shown:?}: {head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{shown:?}: {answer}"));
        assert!(body["detailCode"].as_str().unwrap().starts_with(&status.to_string()), "{body}");
        assert!(head.contains(&format!("SLPT-Request-ID: {}", body["trackingId"].as_str().unwrap())), "{head}");
        let text = body["messages"][0]["text"].as_str().unwrap();
        assert!(text.contains(if status == 400 { "%20, %22" } else { "32768 bytes" }), "{text}");
    }
    let encoded = spoken(&app, format!("GET /v3/connectors?filters=name%20sw%20%22a%22 {close}").as_bytes()).await;
    assert!(encoded.starts_with("HTTP/1.1 401 "), "{encoded}");
}

#[tokio::test]
async fn a_head_names_the_coding_and_no_wrong_length() {
    let app = TestApp::start().await;
    app.create("HR").await;
    app.put("/v3/connectors/hr/translations/en", "a=b\n".repeat(2000).as_bytes()).await.ok();
    for path in ["/v3/connectors", "/v3/connectors/hr", "/v3/connectors/hr/translations/en"] {
        let asked = |method: &str| {
            let authorization = app.authorization();
            format!(
                "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\nAccept-Encoding: gzip\r\n\
                 Connection: close\r\n\r\n"
            )
        };
        let head = spoken(&app, asked("HEAD").as_bytes()).await;
        let got = spoken(&app, asked("GET").as_bytes()).await;
        let headers = |answer: &str| {
            let head = answer.split_once("\r\n\r\n").unwrap().0.to_owned();
            let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
            lines.retain(|line| !line.starts_with("Slpt-Request-Id") && !line.starts_with("Date"));
            lines.sort();
            lines
        };
        assert_eq!(headers(&head), headers(&got), "{path}");
        assert!(headers(&head).contains(&"Content-Encoding: gzip".to_owned()), "{path}");
        assert!(head.ends_with("\r\n\r\n"), "{path}");
    }
}

#[tokio::test]
async fn what_http_allows_is_read() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let token = app.authorization();
    let bare = token.strip_prefix("Bearer ").unwrap();
    let patch = r#"[{"op":"add","path":"/connectorMetadata/a","value":null}]"#;
    let chunks = format!("{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", 10, &patch[..10], patch.len() - 10, &patch[10..]);
    let sized = format!("Content-Length: {}\r\nExpect: 100-continue\r\n\r\n{patch}", patch.len());
    for (request, status) in [
        (format!("GET /v3/connectors HTTP/1.0\r\nAuthorization: {token}\r\n\r\n"), "HTTP/1.0 200 "),
        (
            format!(
                "GET http://a/v3/connectors?count=true HTTP/1.1\r\nHost: a\r\nAuthorization: bearer {bare}\r\nConnection: close\r\n\r\n"
            ),
            "HTTP/1.1 200 ",
        ),
        (
            format!(
                "HEAD /v3/connectors?count=true HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
            ),
            "HTTP/1.1 200 ",
        ),
        (
            format!(
                "PATCH /v3/connectors/hr HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\nConnection: close\r\nContent-Type: application/json-patch+json; charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
            ),
            "HTTP/1.1 200 ",
        ),
        (
            format!(
                "PATCH /v3/connectors/hr HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\nConnection: close\r\nContent-Type: application/json-patch+json\r\n{sized}"
            ),
            "HTTP/1.1 100 ",
        ),
    ] {
        let answer = spoken(&app, request.as_bytes()).await;
        assert!(answer.starts_with(status), "{request}: {answer:.300}");
        assert!(answer.contains(" 200 OK\r\n"), "{answer:.300}");
        if request.contains("count=true") {
            assert!(answer.contains("\r\nX-Total-Count: "), "{answer:.300}");
        }
    }
}
