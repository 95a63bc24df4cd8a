//! A server that behaves oddly: storms of refusals, pages of HTML, answers that break off or trickle.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

use std::time::{Duration, Instant};

use connectory_client::{Client, Environment, Error, NewConnector, Open, Retries, Writes};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const LIST: &str = "/v2025/connectors";

async fn odd() -> MockServer {
    let server = MockServer::start().await;
    token(&server, "t", 720).await;
    server
}

async fn token(server: &MockServer, text: &str, expires_in: u64) {
    let answer = ResponseTemplate::new(200).set_body_json(json!({"access_token": text, "expires_in": expires_in}));
    let answer = answer.set_delay(Duration::from_millis(50));
    Mock::given(method("POST")).and(path("/oauth/token")).respond_with(answer).mount(server).await;
}

fn client(base_url: String, retries: Retries) -> Client {
    let environment = Environment { base_url, client_id: "id".to_owned(), client_secret: "s3cret".to_owned() };
    Client::builder(environment).retries(retries).timeout(Duration::from_secs(2)).build().unwrap()
}

fn quick(times: usize) -> Retries {
    let pause = Duration::from_millis(1);
    Retries { times, first_pause: pause, longest_pause: pause * 4, ..Retries::default() }
}

async fn calls(server: &MockServer, to: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.url.path() == to).count()
}

fn item() -> serde_json::Value {
    json!({"name": "A", "type": "t", "scriptName": "a", "directConnect": null, "status": "SHINY", "new": {"b": 1}})
}

#[tokio::test]
async fn what_a_newer_server_adds_and_leaves_out_is_read() {
    let server = odd().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!([item()]));
    Mock::given(path(LIST)).respond_with(answer).mount(&server).await;
    let detail = json!({"name": "A", "scriptName": "a", "translationProperties": {"tlh": "a=b", "de": "c=d"},
                        "status": null, "uploadedFiles": null});
    let answer = ResponseTemplate::new(200).set_body_json(detail);
    Mock::given(path(format!("{LIST}/a"))).respond_with(answer).mount(&server).await;
    let client = client(server.uri(), quick(0));
    let listed = client.list().all().await.unwrap();
    assert_eq!(listed[0].status, Open::Other("SHINY".to_owned()));
    // A status is the one member without which a connector cannot be told from another.
    let error = client.get("a", None).await.unwrap_err();
    assert!(matches!(error, Error::Decoding { .. }), "{error}");
}

#[tokio::test]
async fn a_storm_of_429_passes_after_the_time_that_is_asked_for() {
    let server = odd().await;
    let limited = ResponseTemplate::new(429)
        .insert_header("Retry-After", "1")
        .set_body_json(json!({"message": " Rate Limit Exceeded "}));
    Mock::given(path(LIST)).respond_with(limited).up_to_n_times(2).mount(&server).await;
    let answer = ResponseTemplate::new(200).set_body_json(json!([item()]));
    Mock::given(path(LIST)).respond_with(answer).mount(&server).await;
    let started = Instant::now();
    assert_eq!(client(server.uri(), quick(3)).list().all().await.unwrap().len(), 1);
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(calls(&server, LIST).await, 3);
}

#[tokio::test]
async fn a_create_is_made_again_only_if_told_so() {
    for (status, writes, expected) in [
        (429, Writes::Never, 1),
        (429, Writes::RateLimited, 3),
        (503, Writes::RateLimited, 1),
        (503, Writes::Always, 3),
        (500, Writes::Always, 1),
    ] {
        let server = odd().await;
        Mock::given(path(LIST)).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let client = client(server.uri(), Retries { writes, ..quick(2) });
        let error = client.create(&NewConnector::new("A", "x.Y")).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().status.as_u16(), status);
        assert_eq!(calls(&server, LIST).await, expected, "{status} {writes:?}");
    }
}

#[tokio::test]
async fn html_is_told_as_such_and_no_secret_is() {
    let server = odd().await;
    let page = ResponseTemplate::new(502).set_body_raw("<html><h1>Bad Gateway</h1></html>", "text/html");
    Mock::given(path(LIST)).respond_with(page).up_to_n_times(1).mount(&server).await;
    let page = ResponseTemplate::new(200).set_body_raw("<html>Sign in</html>", "text/html");
    Mock::given(path(LIST)).respond_with(page).mount(&server).await;
    let client = client(server.uri(), quick(0));
    let refused = client.list().page().await.unwrap_err().to_string();
    assert_eq!(refused, "the service answered 502 Bad Gateway: an HTML page instead of an answer of the API");
    let unreadable = client.list().page().await.unwrap_err();
    assert!(matches!(unreadable, Error::Decoding { .. }));
    assert!(unreadable.to_string().ends_with("an HTML page instead of an answer of the API"), "{unreadable}");
    assert!(!format!("{client:?} {unreadable:?}").contains("s3cret"));
}

#[tokio::test]
async fn one_token_serves_all_who_wait_and_a_revoked_one_is_replaced() {
    let server = MockServer::start().await;
    let first = ResponseTemplate::new(200)
        .set_body_json(json!({"access_token": "first", "expires_in": 720}))
        .set_delay(Duration::from_millis(100));
    Mock::given(path("/oauth/token")).respond_with(first).up_to_n_times(1).mount(&server).await;
    token(&server, "second", 720).await;
    let answer = ResponseTemplate::new(200).set_body_json(json!([]));
    Mock::given(path(LIST))
        .and(header("Authorization", "Bearer first"))
        .respond_with(answer.clone())
        .up_to_n_times(8)
        .mount(&server)
        .await;
    Mock::given(path(LIST)).and(header("Authorization", "Bearer second")).respond_with(answer).mount(&server).await;
    Mock::given(path(LIST)).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    let client = client(server.uri(), quick(0));
    let all = |count: usize| {
        (0..count)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.list().page().await.map(drop) })
            })
            .collect::<Vec<_>>()
    };
    for call in all(8) {
        call.await.unwrap().unwrap();
    }
    assert_eq!(calls(&server, "/oauth/token").await, 1);
    for call in all(8) {
        call.await.unwrap().unwrap();
    }
    assert_eq!(calls(&server, "/oauth/token").await, 2, "all were refused with the first, and got the second");
}

#[tokio::test]
async fn a_token_is_fetched_again_before_it_expires() {
    let server = MockServer::start().await;
    token(&server, "t", 1).await;
    Mock::given(path(LIST)).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&server).await;
    let client = client(server.uri(), quick(0));
    client.list().page().await.unwrap();
    tokio::time::sleep(Duration::from_millis(950)).await;
    client.list().page().await.unwrap();
    assert_eq!(calls(&server, "/oauth/token").await, 2);
}

/// A server that answers every connection with the same bytes, and then waits or closes.
async fn raw(answer: &'static [u8], then: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _read = stream.read(&mut [0; 4096]).await;
                let _written = stream.write_all(answer).await;
                tokio::time::sleep(then).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_trickles_is_a_failed_connection() {
    let truncated = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"access";
    let error = client(raw(truncated, Duration::ZERO).await, quick(0)).list().page().await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error}");

    let started = Instant::now();
    let slow = client(raw(truncated, Duration::from_mins(1)).await, quick(0));
    let error = slow.list().page().await.unwrap_err().to_string();
    assert!(error.ends_with("/oauth/token: no answer in time"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));

    let error = client("http://127.0.0.1:9".to_owned(), quick(1)).list().page().await.unwrap_err().to_string();
    assert!(error.starts_with("cannot reach http://127.0.0.1:9/oauth/token: Connection refused"), "{error}");
    assert!(matches!(
        Client::builder(Environment { base_url: "acme".into(), client_id: "i".into(), client_secret: "s".into() })
            .build(),
        Err(Error::BaseUrl { .. })
    ));
}
