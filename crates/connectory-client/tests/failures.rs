//! A server that fails: it answers with errors, sends HTML pages, breaks off answers, sends them slowly, or does not
//! answer at all.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use connectory_client::{Client, DocumentKind, Environment, Error, NewConnector, Open, Retries, Writes};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const LIST: &str = "/v2025/connectors";
/// How long an attempt may take.
const TIMEOUT: Duration = Duration::from_secs(2);

async fn server_with_a_token() -> MockServer {
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
    Client::builder(environment).retries(retries).timeout(TIMEOUT).build().unwrap()
}

fn quick(times: usize) -> Retries {
    let pause = Duration::from_millis(1);
    Retries {
        rate_limited: times,
        unavailable: times,
        unreachable: times,
        first_pause: pause,
        longest_pause: pause * 4,
        ..Retries::default()
    }
}

async fn calls(server: &MockServer, to: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.url.path() == to).count()
}

fn item() -> serde_json::Value {
    json!({"name": "A", "type": "t", "scriptName": "a", "directConnect": null, "status": "SHINY", "new": {"b": 1}})
}

#[tokio::test]
async fn members_that_a_newer_server_adds_or_leaves_out_are_no_error() {
    let server = server_with_a_token().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!([item()]));
    Mock::given(path(LIST)).respond_with(answer).mount(&server).await;
    let detail = json!({"name": "A", "scriptName": "a", "translationProperties": {"tlh": "a=b", "de": "c=d"},
                        "status": null, "uploadedFiles": [{}], "fileUpload": "true", "provisioningPolicies": [{}]});
    let answer = ResponseTemplate::new(200).set_body_json(detail);
    Mock::given(path(format!("{LIST}/a"))).respond_with(answer).mount(&server).await;
    let client = client(server.uri(), quick(0));
    let listed = client.list().all().await.unwrap();
    assert_eq!(listed[0].status, Open::Other("SHINY".to_owned()));
    let detail = client.get("a", None).await.unwrap();
    assert_eq!((detail.status, detail.file_upload), (Open::default(), true));
    assert_eq!((detail.uploaded_files, detail.provisioning_policies), (None, None));
}

#[tokio::test]
async fn a_call_asks_for_the_newest_revision_that_an_answer_knew() {
    let server = server_with_a_token().await;
    let client = client(server.uri(), quick(1));
    // The status and the revision of each answer, and the revision that the call before it asks for.
    let calls = [
        (200, None, None),
        (200, Some("7"), None),
        (404, Some("9"), Some("7")),
        (200, Some("8"), Some("9")),
        (200, Some("x"), Some("9")),
        (200, None, Some("9")),
        // Another 503, of a server that does not know how far the database is.
        (503, None, Some("9")),
        (200, None, Some("9")),
        // A backup was restored. The call is repeated, and begins anew.
        (503, Some("3"), Some("9")),
        (200, Some("3"), Some("3")),
    ];
    let answers = Mutex::new(calls.into_iter());
    let answer = move |_: &wiremock::Request| {
        let (status, revision, _) = answers.lock().unwrap().next().unwrap();
        let answer = ResponseTemplate::new(status).set_body_json(item());
        revision.map_or(answer.clone(), |revision| answer.insert_header("Connectory-Revision", revision))
    };
    let detail = format!("{LIST}/a");
    Mock::given(path(detail.clone())).respond_with(answer).mount(&server).await;
    for _ in 0..8 {
        let _not_found = client.get("a", None).await;
    }
    let requests = server.received_requests().await.unwrap();
    let asked = requests.iter().filter(|request| request.url.path() == detail).map(|request| {
        request.headers.get("connectory-min-revision").map(|revision| revision.to_str().unwrap().to_owned())
    });
    let expected = calls.map(|(_, _, asked)| asked.map(str::to_owned));
    assert_eq!(asked.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_service_that_tells_nothing_about_itself_is_another_one() {
    let told = json!({"name": "connectory", "version": "9.0.0", "capabilities": ["statuses", "flying"], "new": 1,
                      "limits": {"maxDocumentBytes": 1, "maxRequestBytes": 2, "maxConnectorBytes": 3, "rateLimit": null}});
    for (answer, is_told) in [
        (ResponseTemplate::new(200).set_body_json(told), true),
        (ResponseTemplate::new(200).set_body_raw("<html>Sign in</html>", "text/html"), false),
        (ResponseTemplate::new(302).insert_header("Location", "/sign-in"), false),
        (ResponseTemplate::new(401), false),
        (ResponseTemplate::new(404), false),
    ] {
        let server = MockServer::start().await;
        Mock::given(path("/below/connectory/v1")).respond_with(answer).mount(&server).await;
        let client = client(format!("{}/below/", server.uri()), quick(0));
        assert_eq!(client.service_info().await.unwrap().is_some(), is_told);
        let apart = client.reach().await.unwrap().date.unwrap().duration_since(SystemTime::now());
        assert!(apart.unwrap_or_else(|behind| behind.duration()) < Duration::from_secs(30));
        assert_eq!(calls(&server, "/below/oauth/token").await, 0);
    }
    let server = MockServer::start().await;
    Mock::given(path("/connectory/v1")).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    let unknown = client(server.uri(), quick(1)).service_info().await.unwrap_err();
    assert_eq!(unknown.api_error().unwrap().status.as_u16(), 503);
    assert_eq!(calls(&server, "/connectory/v1").await, 2);
}

#[tokio::test]
async fn a_call_that_gets_429_is_repeated_after_retry_after() {
    let server = server_with_a_token().await;
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
async fn a_create_is_repeated_only_if_the_caller_allows_it() {
    for (status, writes, expected) in [
        (429, Writes::Never, 1),
        (429, Writes::RateLimited, 3),
        (503, Writes::RateLimited, 1),
        (503, Writes::Always, 3),
        (500, Writes::Always, 1),
    ] {
        let server = server_with_a_token().await;
        Mock::given(path(LIST)).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let client = client(server.uri(), Retries { writes, ..quick(2) });
        let error = client.create(&NewConnector::new("A", "x.Y")).await.unwrap_err();
        assert_eq!(error.api_error().unwrap().status.as_u16(), status);
        assert_eq!(calls(&server, LIST).await, expected, "{status} {writes:?}");
    }
}

#[tokio::test]
async fn an_error_names_html_pages_and_holds_no_secret() {
    let server = server_with_a_token().await;
    let page = ResponseTemplate::new(502).set_body_raw("<html><h1>Bad Gateway</h1></html>", "text/html");
    Mock::given(path(LIST)).respond_with(page).up_to_n_times(1).mount(&server).await;
    let page = ResponseTemplate::new(200).set_body_raw("<html>Sign in</html>", "text/html");
    Mock::given(path(LIST)).respond_with(page).mount(&server).await;
    let client = client(server.uri(), quick(0));
    let error = client.list().page().await.unwrap_err().to_string();
    assert_eq!(error, "the service answered 502 Bad Gateway: an HTML page instead of an answer of the API");
    let unreadable = client.list().page().await.unwrap_err();
    assert!(matches!(unreadable, Error::Decoding { .. }));
    assert!(unreadable.to_string().ends_with("an HTML page instead of an answer of the API"), "{unreadable}");
    assert!(!format!("{client:?} {unreadable:?}").contains("s3cret"));
}

#[tokio::test]
async fn callers_share_a_token_and_replace_a_revoked_one() {
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
    assert_eq!(
        calls(&server, "/oauth/token").await,
        2,
        "the first token was not accepted; the callers share the second"
    );
}

#[tokio::test]
async fn callers_share_a_request_for_a_token_that_fails() {
    // The service accepts connections and never answers.
    let client = client(raw(b"", Duration::from_mins(1)).await, quick(0));
    let started = Instant::now();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.list().page().await.unwrap_err().to_string() })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap();
        assert!(error.ends_with("/oauth/token: no answer in time"), "{error}");
    }
    assert!(started.elapsed() < TIMEOUT + TIMEOUT / 2, "one after the other: {:?}", started.elapsed());

    // A failure is not cached: the next call asks again.
    let unavailable = MockServer::start().await;
    Mock::given(path("/oauth/token"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&unavailable)
        .await;
    token(&unavailable, "t", 720).await;
    Mock::given(path(LIST)).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&unavailable).await;
    let client = self::client(unavailable.uri(), quick(0));
    assert_eq!(client.list().page().await.unwrap_err().api_error().unwrap().status.as_u16(), 503);
    client.list().page().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_leave_others_without_a_token() {
    let server = server_with_a_token().await;
    Mock::given(path(LIST)).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&server).await;
    let client = client(server.uri(), quick(0));
    let [impatient, patient] = [client.list(), client.list()];
    // The token takes 50 ms. The first caller gives up before that.
    let (first, second) =
        tokio::join!(tokio::time::timeout(Duration::from_millis(10), impatient.page()), patient.page());
    assert!(first.is_err());
    second.unwrap();
    assert_eq!(calls(&server, "/oauth/token").await, 1);

    // The same without a second caller: the next one asks again.
    let alone = self::client(server.uri(), quick(0));
    assert!(tokio::time::timeout(Duration::from_millis(10), alone.list().page()).await.is_err());
    alone.list().page().await.unwrap();
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

#[tokio::test]
async fn http_against_a_server_with_tls_says_so() {
    // The alert that a server sends which expects the begin of TLS.
    let address = raw(b"\x15\x03\x03\x00\x02\x02\x46", Duration::ZERO).await;
    let error = client(address.clone(), quick(0)).list().page().await.unwrap_err().to_string();
    let expected = format!(
        "/oauth/token: the server does not speak HTTP; if it speaks TLS, try {}",
        address.replace("http:", "https:")
    );
    assert!(error.ends_with(&expected), "{error}");
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
async fn an_answer_that_breaks_off_or_stops_is_a_failed_connection() {
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
    for address in ["acme", "127.0.0.1:8080", "localhost:8080", "ftp://acme"] {
        let environment = Environment { base_url: address.into(), client_id: "i".into(), client_secret: "s".into() };
        let error = Client::builder(environment).build().unwrap_err();
        let expected = "is not the address of a service: expected an address that begins with https:// or http://";
        assert_eq!(error.to_string(), format!("`{address}` {expected}"));
    }
}

#[tokio::test]
async fn each_cause_of_a_failure_has_a_number_of_repetitions_of_its_own() {
    let retries = Retries { rate_limited: 5, unavailable: 3, unreachable: 2, ..quick(0) };
    let after = |status: u16, seconds: &str| {
        ResponseTemplate::new(status).append_header("Retry-After", seconds).set_body_json(json!({"message": "wait"}))
    };
    for (answer, expected) in [
        (after(429, "0"), 6),
        (after(502, "0"), 4),
        (after(503, "0"), 4),
        (after(504, "0"), 4),
        (after(503, "3600"), 1),
        (after(503, "Fri, 31 Dec 9999 23:59:59 GMT"), 1),
        (after(500, "0"), 1),
    ] {
        let server = server_with_a_token().await;
        Mock::given(path(LIST)).respond_with(answer).mount(&server).await;
        client(server.uri(), retries).list().page().await.unwrap_err();
        assert_eq!(calls(&server, LIST).await, expected);
    }
    // A call that fails for two causes has the repetitions of both.
    let server = server_with_a_token().await;
    Mock::given(path(LIST)).respond_with(after(503, "0")).up_to_n_times(3).mount(&server).await;
    Mock::given(path(LIST)).respond_with(after(429, "0")).up_to_n_times(5).mount(&server).await;
    Mock::given(path(LIST)).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&server).await;
    client(server.uri(), retries).list().page().await.unwrap();
}

/// A client, and how many repetitions it was told.
fn told(base_url: String, retries: Retries) -> (Client, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let environment = Environment { base_url, client_id: "id".to_owned(), client_secret: "s3cret".to_owned() };
    let builder = Client::builder(environment).retries(retries).timeout(TIMEOUT);
    let lines = Arc::clone(&told);
    let client = builder.on_retry(move |retry| lines.lock().unwrap().push(retry.error.to_string())).build().unwrap();
    (client, told)
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_tried_three_times_and_the_program_is_told() {
    for (address, reason) in [
        ("http://127.0.0.1:9", "Connection refused"),
        ("http://no-such-host.invalid", "failed to lookup address information"),
    ] {
        let started = Instant::now();
        let (client, told) = told(address.to_owned(), Retries::default());
        let error = client.list().page().await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot reach {address}/oauth/token: {reason}")), "{error}");
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        let told = told.lock().unwrap();
        assert_eq!(*told, [error.as_str(), error.as_str()], "two repetitions make three tries");
    }
}

#[tokio::test]
async fn https_against_a_server_without_tls_says_so() {
    let http = MockServer::start().await.uri();
    let answers = raw(b"220 mail.example.com\r\n", Duration::ZERO).await;
    let closes = raw(b"", Duration::ZERO).await;
    for (address, is_certain) in [(http, false), (answers, true), (closes, false)] {
        let (client, told) = told(address.replace("http:", "https:"), quick(1));
        let error = client.list().page().await.unwrap_err().to_string();
        assert!(error.ends_with(&format!("/oauth/token: the server does not speak TLS; try {address}")), "{error}");
        assert!(!is_certain || told.lock().unwrap().is_empty(), "repeating does not help");
    }
}

#[tokio::test]
async fn an_export_that_breaks_off_or_has_no_end_is_an_error() {
    let server = server_with_a_token().await;
    let export = "/connectory/v1/connectors";
    let head = "{\"revision\":1,\"builtInCatalog\":\"x\"}\n";
    let line = "{\"scriptName\":\"a\",\"revision\":1,\"connector\":{\"name\":\"A\",\"scriptName\":\"a\",\"status\":\"DEMO\"}}\n";
    for (body, expected) in [
        (String::new(), "broke off"),
        (head.to_owned(), "broke off"),
        (format!("{head}{line}"), "broke off"),
        (format!("{head}{line}{{\"count\":2}}\n"), "broke off"),
        (
            format!("{head}{{\"scriptName\":\"a\",\"revision\":1,\"connector\":null}}\n{{\"count\":1}}\n"),
            "no connector",
        ),
    ] {
        let answer = ResponseTemplate::new(200).set_body_string(body);
        Mock::given(path(export)).respond_with(answer).up_to_n_times(1).mount(&server).await;
        let error = client(server.uri(), quick(0)).list().export().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let whole = ResponseTemplate::new(200).set_body_string(format!("{head}{line}{{\"count\":1}}\n"));
    Mock::given(path(export)).respond_with(whole).up_to_n_times(1).mount(&server).await;
    let read = client(server.uri(), quick(0)).list().export().await.unwrap();
    assert_eq!((read.revision, read.connectors.len()), (1, 1));
    // A few kilobytes become more than the memory should hold.
    let mut bomb = zstd::Encoder::new(Vec::new(), 3).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(b' '), (1 << 30) + 1), &mut bomb).unwrap();
    let bomb =
        ResponseTemplate::new(200).set_body_bytes(bomb.finish().unwrap()).insert_header("content-encoding", "zstd");
    Mock::given(path(export)).respond_with(bomb).mount(&server).await;
    let error = client(server.uri(), quick(0)).list().export().await.unwrap_err();
    assert!(error.to_string().ends_with("it has more than 1024 MiB"), "{error}");
}

#[tokio::test]
async fn an_upload_on_a_condition_is_repeated_only_if_nothing_was_done() {
    let read = "\"7.a\"".parse().unwrap();
    // A repeat after the others could find what the first attempt made, and look like a change by someone else.
    for (status, attempts) in [(429, 3), (502, 1), (503, 1), (504, 1)] {
        let server = server_with_a_token().await;
        let document = format!("{LIST}/a/source-config");
        Mock::given(method("PUT"))
            .and(path(document.clone()))
            .respond_with(ResponseTemplate::new(status))
            .mount(&server)
            .await;
        let client = client(server.uri(), quick(2));
        let kind = DocumentKind::SourceConfig;
        client.if_match(&read).set_document("a", kind, b"<Form/>").await.unwrap_err();
        assert_eq!(calls(&server, &document).await, attempts, "{status}");
        client.set_document("a", kind, b"<Form/>").await.unwrap_err();
        assert_eq!(calls(&server, &document).await, attempts + 3, "{status}");
        let requests = server.received_requests().await.unwrap();
        let sent =
            requests.iter().filter(|request| request.headers.get("if-match").is_some_and(|tag| tag == "\"7.a\""));
        assert_eq!(sent.count(), attempts, "{status}");
    }
}

#[tokio::test]
async fn a_service_without_tags_is_read_as_before() {
    let server = server_with_a_token().await;
    Mock::given(path(LIST))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!([item()])))
        .mount(&server)
        .await;
    let detail = format!("{LIST}/a");
    Mock::given(path(detail)).respond_with(ResponseTemplate::new(304)).mount(&server).await;
    let client = client(server.uri(), quick(0));
    let read = client.list().page_tagged().await.unwrap();
    assert_eq!((read.value.len(), read.etag), (1, None));
    // Nobody asked for a 304.
    let error = client.get("a", None).await.unwrap_err();
    assert_eq!(error.api_error().unwrap().status.as_u16(), 304, "{error}");
}
