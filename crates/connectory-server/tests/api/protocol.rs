//! What holds for every path: error bodies, tracking ids, methods and media types.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use axum::body::Body;
use connectory_server::Options;
use http::{Method, Request, Version, header};
use serde_json::json;

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
