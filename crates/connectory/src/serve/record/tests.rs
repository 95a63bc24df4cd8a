//! Requests and answers that pass the recorder, and the file that it writes of them.

use std::convert::Infallible;
use std::fs;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{self, Bytes};
use axum::response::IntoResponse;
use connectory_model::limits::RECORDED_BODY_BYTES;
use connectory_server::http::coding::Coding;
use connectory_server::http::listen::{self, Connections};
use futures_util::{FutureExt, stream};
use har::Spec;
use http::{StatusCode, Version};
use hyper::body::{Body as _, Frame, SizeHint};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const SECRET: &str = "s3cret-0123456789";

/// Marks an answer in whose place the connection ends.
#[derive(Clone)]
struct Dropped;

fn is_dropped(extensions: &Extensions) -> bool {
    extensions.get::<Dropped>().is_some()
}

struct Recording {
    recorder: Recorder,
    path: PathBuf,
    _folder: TempDir,
}

impl Recording {
    fn start() -> Self {
        Self::made(|path| Recorder::create(path, is_dropped))
    }

    fn with(bounds: &Bounds) -> Self {
        Self::made(|path| Recorder::with(path, is_dropped, bounds))
    }

    fn made(recorder: impl FnOnce(&Path) -> Result<Recorder>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.har");
        Self { recorder: recorder(&path).unwrap(), path, _folder: folder }
    }

    /// Answers a request, whose body the server reads, and reads the answer. Returns the entry, and checks that the secret
    /// is nowhere in the file.
    async fn pass(&self, request: Request<Body>, response: Response) -> Value {
        let answered = self.recorder.clone().answer(request, async |request| {
            let mut body = request.into_body();
            // A server may ask a body again after its error, as long as it drains it.
            let mut next = async || poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            while !matches!(next().await, None | Some(Err(_))) {}
            let _ended = next().await;
            response
        });
        let _cut = body::to_bytes(answered.await.into_body(), usize::MAX).await;
        self.last()
    }

    /// The whole record, which must not contain the secret.
    fn log(&self) -> Value {
        // The server waits for less time at its end, but here the machine may be busy.
        let (written, wait) = mpsc::sync_channel(1);
        if self.recorder.queue.send(Told::Flush(written)).is_ok() {
            assert_ne!(wait.recv_timeout(Duration::from_secs(30)), Err(RecvTimeoutError::Timeout));
        }
        let text = fs::read_to_string(&self.path).unwrap();
        assert!(!text.contains(SECRET), "{text}");
        let Spec::V1_2(log) = har::from_str(&text).unwrap().log else { panic!("another version") };
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(log.entries.len(), value["log"]["entries"].as_array().unwrap().len());
        value["log"].clone()
    }

    fn last(&self) -> Value {
        self.log()["entries"].as_array().unwrap().last().expect("an entry").clone()
    }
}

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri).header("host", "localhost:8080")
}

fn post(uri: &str, content_type: &str) -> http::request::Builder {
    Request::post(uri).header("host", "localhost:8080").header("content-type", content_type)
}

fn answer(content_type: &str, body: impl Into<Body>) -> Response {
    let answer = Response::builder().header("content-type", content_type).header("slpt-request-id", "0a1b");
    answer.body(body.into()).unwrap()
}

/// A body of these pieces. It breaks off after them.
fn cut(pieces: &[&'static str]) -> Body {
    let pieces = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
    let error = std::iter::once(Err(std::io::Error::other("the connection was reset")));
    Body::from_stream(stream::iter(pieces.chain(error).collect::<Vec<_>>()))
}

fn header<'a>(of: &'a Value, name: &str) -> &'a Value {
    let headers = of["headers"].as_array().unwrap();
    &headers.iter().find(|header| header["name"] == name).unwrap_or_else(|| panic!("no {name}"))["value"]
}

#[tokio::test]
async fn a_request_and_its_answer_are_an_entry() {
    let recording = Recording::start();
    let request = get("/v3/connectors?filters=name+sw+%22A%22&limit=5").body(Body::empty()).unwrap();
    let entry = recording.pass(request, answer("application/json", "[]")).await;
    let started: Timestamp = entry["startedDateTime"].as_str().unwrap().parse().unwrap();
    assert!(started.duration_until(Timestamp::now()).as_secs() < 60);
    let total = entry["timings"]["wait"].as_f64().unwrap() + entry["timings"]["receive"].as_f64().unwrap();
    assert!((entry["time"].as_f64().unwrap() - total).abs() < 0.01, "{entry}");
    let mut entry = entry;
    for varying in ["startedDateTime", "time", "timings"] {
        entry.as_object_mut().unwrap().remove(varying);
    }
    let expected = json!({
        "request": {
            "method": "GET",
            "url": "http://localhost:8080/v3/connectors?filters=name+sw+%22A%22&limit=5",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": "host", "value": "localhost:8080"}],
            "queryString": [{"name": "filters", "value": "name sw \"A\""}, {"name": "limit", "value": "5"}],
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [
                {"name": "content-type", "value": "application/json"},
                {"name": "slpt-request-id", "value": "0a1b"},
            ],
            "content": {"size": 2, "mimeType": "application/json", "text": "[]"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": 2,
        },
        "cache": {},
        "_requestId": "0a1b",
    });
    assert_eq!(entry, expected);
}

#[tokio::test]
async fn http2_has_its_host_in_the_address_and_no_password_there() {
    let recording = Recording::start();
    let uri = format!("http://user:{SECRET}@registry.example:8080/v3/connectors");
    let request = Request::get(uri).version(Version::HTTP_2).body(Body::empty()).unwrap();
    let entry = recording.pass(request, answer("application/json", "[]")).await;
    assert_eq!(entry["request"]["url"], "http://registry.example:8080/v3/connectors");
    assert_eq!(entry["request"]["httpVersion"], "HTTP/2.0");
    assert_eq!(entry["response"]["httpVersion"], "HTTP/2.0");
}

#[tokio::test]
async fn no_header_and_no_parameter_brings_a_secret_into_the_record() {
    let recording = Recording::start();
    for (name, value, recorded) in [
        ("authorization", format!("Bearer {SECRET}"), "Bearer REDACTED"),
        ("authorization", format!("Basic {SECRET}"), "Basic REDACTED"),
        ("authorization", SECRET.to_owned(), "REDACTED"),
        ("cookie", format!("session={SECRET}"), "REDACTED"),
        ("x-api-key", SECRET.to_owned(), "REDACTED"),
        ("referer", format!("http://localhost/?code={SECRET}"), "REDACTED"),
    ] {
        let uri = format!("/v3/connectors?limit=1&client_secret={SECRET}&{SECRET}");
        let request = get(&uri).header(name, value).body(Body::empty()).unwrap();
        let mut response = answer("application/json", "[]");
        let cookie = format!("session={SECRET}").parse().unwrap();
        response.headers_mut().insert("set-cookie", cookie);
        let location = format!("/page?code={SECRET}").parse().unwrap();
        response.headers_mut().insert("location", location);
        let entry = recording.pass(request, response).await;
        assert_eq!(header(&entry["request"], name), recorded);
        let query = "http://localhost:8080/v3/connectors?limit=1&client_secret=REDACTED&REDACTED";
        assert_eq!(entry["request"]["url"], query);
        assert_eq!(entry["request"]["queryString"][1], json!({"name": "client_secret", "value": "REDACTED"}));
        assert_eq!(header(&entry["response"], "set-cookie"), "REDACTED");
        assert_eq!(entry["response"]["redirectURL"], "/page");
        assert_eq!((&entry["request"]["cookies"], &entry["response"]["cookies"]), (&json!([]), &json!([])));
    }
}

#[tokio::test]
async fn a_token_request_is_recorded_without_its_secret_and_its_token() {
    let recording = Recording::start();
    let token = || answer("application/json", format!(r#"{{"access_token":"{SECRET}","expires_in":5}}"#));
    let form = "application/x-www-form-urlencoded";
    let sent = format!("grant_type=client_credentials&client_id=first&client_secret={SECRET}");
    let request = post("/oauth/token", form).body(sent.clone().into()).unwrap();
    let entry = recording.pass(request, token()).await;
    let recorded = "grant_type=client_credentials&client_id=first&client_secret=REDACTED";
    assert_eq!(entry["request"]["postData"], json!({"mimeType": form, "text": recorded}));
    assert_eq!(entry["request"]["bodySize"], sent.len());
    assert_eq!(entry["response"]["content"]["text"], r#"{"access_token":"REDACTED","expires_in":5}"#);

    let multipart = format!("--b\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\n{SECRET}\r\n--b--");
    for (content_type, body) in [
        ("multipart/form-data; boundary=b", multipart),
        ("application/json", format!(r#"{{"client_secret":"{SECRET}"}}"#)),
        (form, format!(r#"{{"client_secret":"{SECRET}="}}"#)),
    ] {
        let request = post("/oauth/token", content_type).body(body.into()).unwrap();
        let entry = recording.pass(request, token()).await;
        assert_ne!(entry["request"]["postData"]["text"].as_str(), Some(""), "{entry}");
    }
    // An answer that is not whole cannot be read.
    let request = post("/oauth/token", form).body(sent.clone().into()).unwrap();
    let entry =
        recording.pass(request, answer("application/json", cut(&["{\"access_token\":\"s3cret-0123456789"]))).await;
    assert_eq!(entry["response"]["content"]["text"], Value::Null);
    assert!(entry["response"]["content"]["comment"].as_str().unwrap().starts_with("left out: "));
    assert_eq!(entry["_error"], "the answer was cut after 34 bytes: the connection was reset");
    // A token request to a wrong path.
    let request = post("/v3/connectors", form).body(sent.into()).unwrap();
    let entry = recording.pass(request, answer("application/json", "{}")).await;
    assert_eq!(entry["request"]["postData"]["text"], recorded);
}

#[tokio::test]
async fn no_text_of_an_error_brings_back_what_is_not_recorded_of_the_request() {
    let recording = Recording::start();
    let host = "localhost:8080";
    let (json, api) = ("application/json", "/v3/connectors");
    let body = |name: &str| format!(r#"{{"{name}":"{SECRET}"}}"#);
    for (uri, host, content_type, sent) in [
        (format!("/connectory/v1/reset?{SECRET}"), host, json, "{}".to_owned()),
        (format!("{api}?limit=1;client_secret={SECRET}"), host, json, "{}".to_owned()),
        (api.to_owned(), "me:s3cret-0123456789@a", json, "{}".to_owned()),
        (api.to_owned(), host, "text/xml; token=s3cret-0123456789", "{}".to_owned()),
        (api.to_owned(), host, json, body("client_secret")),
        (api.to_owned(), host, json, format!("client_secret={SECRET}")),
        (api.to_owned(), host, "application/x-www-form-urlencoded", format!("client_secret={SECRET}")),
        ("/v3/connectors/hr/source-config".to_owned(), host, json, body("password")),
    ] {
        let request = Request::post(&uri).header("host", host).header("content-type", content_type);
        let text = json!([{"text": format!("`{SECRET}` is wrong")}]);
        let error = json!({"detailCode": "400 Bad request", "trackingId": "0a1b", "messages": text, "causes": text});
        let mut response = answer(json, error.to_string());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let entry = recording.pass(request.body(sent.into()).unwrap(), response).await;
        let recorded: Value = serde_json::from_str(entry["response"]["content"]["text"].as_str().unwrap()).unwrap();
        let expected = json!({
            "detailCode": "400 Bad request", "trackingId": "0a1b", "messages": "REDACTED", "causes": "REDACTED",
        });
        assert_eq!(recorded, expected, "{uri}");
    }
    // Nothing is left out of this request, so the text stays.
    let mut response = answer(json, r#"{"messages":[{"text":"`name` is missing"}]}"#);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let entry = recording.pass(post(api, "application/json;charset=utf-8").body("{}".into()).unwrap(), response).await;
    assert_eq!(entry["response"]["content"]["text"], r#"{"messages":[{"text":"`name` is missing"}]}"#);
}

#[tokio::test]
async fn a_document_with_the_word_password_is_recorded_as_it_is() {
    let recording = Recording::start();
    let document = r#"<Form><Field name="password" type="secret" key="a"/></Form>"#;
    let request = post("/v3/connectors/hr/source-config", "text/xml").body(document.into()).unwrap();
    let entry = recording.pass(request, answer("text/xml", document)).await;
    assert_eq!(entry["request"]["postData"]["text"], document);
    assert_eq!(entry["response"]["content"]["text"], document);
}

#[tokio::test]
async fn no_body_of_the_console_is_recorded() {
    let recording = Recording::start();
    let request = post("/sign-in", "application/x-www-form-urlencoded").body(SECRET.into()).unwrap();
    let entry = recording.pass(request, answer("text/html", SECRET)).await;
    for recorded in [&entry["request"]["postData"], &entry["response"]["content"]] {
        assert_eq!(recorded["text"], Value::Null);
        assert_eq!(recorded["comment"], "left out: only the bodies of the API are recorded");
    }
    assert_eq!(entry["response"]["content"]["size"], SECRET.len());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_recorded_with_its_error() {
    let recording = Recording::start();
    let request = post("/v3/connectors", "application/json").body(cut(&["{\"name\"", ":\"\u{e4}"])).unwrap();
    let entry = recording.pass(request, answer("application/json", cut(&["[1", ",2"]))).await;
    assert_eq!(entry["request"]["postData"]["text"], "{\"name\":\"ä");
    assert_eq!(entry["request"]["postData"]["comment"], "it broke off after 11 bytes: the connection was reset");
    assert_eq!(entry["response"]["status"], 200);
    assert_eq!(entry["response"]["content"]["text"], "[1,2");
    assert_eq!(entry["_error"], "the answer was cut after 4 bytes: the connection was reset");
}

#[tokio::test]
async fn an_answer_that_nobody_gets_is_an_entry_with_an_error() {
    let recording = Recording::start();
    let request = || get("/v3/connectors").body(Body::empty()).unwrap();
    // A fault takes the place of the answer.
    let mut response = answer("application/json", "[]");
    response.extensions_mut().insert(Dropped);
    let entry = recording.pass(request(), response).await;
    assert_eq!((&entry["response"]["status"], &entry["_requestId"]), (&json!(0), &json!("0a1b")));
    assert_eq!(entry["response"]["content"], json!({"size": 0, "mimeType": ""}));
    assert_eq!(entry["_error"], "the server ended the connection instead of answering");
    // The client goes before the answer.
    let waiting = recording.recorder.clone().answer(request(), async |_| std::future::pending().await);
    assert!(waiting.now_or_never().is_none());
    let entry = recording.last();
    assert_eq!((&entry["response"]["status"], &entry["response"]["redirectURL"]), (&json!(0), &json!("")));
    assert_eq!(entry["_error"], "the connection ended before the answer");
    // The client goes before the body.
    drop(recording.recorder.clone().answer(request(), async |_| answer("application/json", "[]")).await);
    let entry = recording.last();
    assert_eq!(entry["response"]["status"], 200);
    assert_eq!(entry["_error"], "the connection ended after 0 bytes of the answer");
    assert_eq!(recording.log()["entries"].as_array().unwrap().len(), 3);
}

/// A body that promises so many bytes, and gives these.
struct Promising(u64, Option<&'static str>);

impl hyper::body::Body for Promising {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.1.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes.as_bytes()))))),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(if self.1.is_some() { self.0 } else { 0 })
    }
}

#[tokio::test]
async fn a_body_is_whole_once_it_has_given_what_it_promised() {
    let recording = Recording::start();
    for (promised, error) in [(4, Value::Null), (9, json!("the connection ended after 4 bytes of the answer"))] {
        let request = get("/v3/connectors").body(Body::empty()).unwrap();
        let response = answer("application/json", Body::new(Promising(promised, Some("[1,2"))));
        let response = recording.recorder.clone().answer(request, async |_| response).await;
        // It is read like a connection reads it, which then waits for the rest, or asks for nothing more.
        assert!(body::to_bytes(response.into_body(), usize::MAX).now_or_never().is_none());
        assert_eq!(recording.last()["_error"], error);
    }
}

#[tokio::test]
async fn a_body_that_the_server_does_not_read_is_said_to_be_unread() {
    let recording = Recording::start();
    let request = post("/v3/connectors", "application/json").body(Body::from("{}")).unwrap();
    let response = recording.recorder.clone().answer(request, async |_| answer("application/json", "")).await;
    drop(response);
    let entry = recording.last();
    assert_eq!(entry["request"]["postData"]["comment"], "the server read 0 bytes of it and no more");
    assert_eq!(entry["_error"], Value::Null);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_base64() {
    let recording = Recording::start();
    let bytes: &[u8] = &[0, 159, 146, 150];
    let request = post("/v3/connectors/hr/source-config", "application/octet-stream").body(bytes.into()).unwrap();
    let entry = recording.pass(request, answer("application/octet-stream", bytes)).await;
    let content = json!({"size": 4, "mimeType": "application/octet-stream", "text": "AJ+Slg==", "encoding": "base64"});
    assert_eq!(entry["response"]["content"], content);
    assert_eq!(entry["request"]["postData"]["text"], "AJ+Slg==");
    assert_eq!(entry["request"]["postData"]["comment"], "the text is Base64 of the bytes");
}

#[tokio::test]
async fn the_beginning_of_a_long_body_is_recorded() {
    let recording = Recording::start();
    // The bound is in the middle of a character.
    let long = format!("x{}{SECRET}", "ä".repeat(connectory_model::limits::RECORDED_BODY_BYTES / 2));
    let request = post("/v3/connectors", "application/json").body(long.clone().into()).unwrap();
    let entry = recording.pass(request, answer("application/json", long.clone())).await;
    for recorded in [&entry["request"]["postData"], &entry["response"]["content"]] {
        assert_eq!(recorded["text"].as_str().unwrap().len(), (1 << 20) - 1);
        let said = format!("only the first 1048576 of {} bytes are recorded", long.len());
        assert_eq!(recorded["comment"], said);
    }
    assert_eq!(entry["response"]["content"]["size"], long.len());
}

#[tokio::test]
async fn what_has_no_room_is_counted_and_never_waited_for() {
    let recording = Recording::with(&Bounds { queue: 3 * RECORD_HEAD_BYTES, file: RECORD_FILE_BYTES });
    let request = || get("/v3/connectors").body(Body::empty()).unwrap();
    let begin = || recording.recorder.clone().answer(request(), async |_| answer("application/json", "[]"));
    let held = [begin().await, begin().await, begin().await, begin().await];
    let bodies = futures_util::future::join_all(held.map(|held| body::to_bytes(held.into_body(), 9))).await;
    assert!(bodies.into_iter().all(|body| body.unwrap() == "[]"), "all are answered");
    let log = recording.log();
    assert_eq!(log["entries"].as_array().unwrap().len(), 2);
    assert_eq!(log["comment"], "2 requests are missing: there was no room for them");
    // There is room again, but not for a long body.
    let entry = recording.pass(request(), answer("application/json", "x".repeat(3 * RECORD_HEAD_BYTES))).await;
    assert_eq!(entry["response"]["content"]["comment"], "only the first 0 of 6144 bytes are recorded");
    assert_eq!(recording.log()["comment"], "2 requests are missing: there was no room for them");
}

#[tokio::test]
async fn a_full_file_ends_the_record_and_not_the_server() {
    let recording = Recording::with(&Bounds { queue: RECORD_QUEUE_BYTES, file: 2000 });
    for _ in 0..9 {
        let request = get("/v3/connectors").body(Body::empty()).unwrap();
        recording.pass(request, answer("application/json", "[]")).await;
    }
    let log = recording.log();
    let entries = log["entries"].as_array().unwrap().len();
    assert!((1..9).contains(&entries), "{entries}");
    assert_eq!(log["comment"], FULL);
}

#[tokio::test]
async fn a_file_that_another_program_shortens_ends_the_record_and_stays_as_it_is() {
    let recording = Recording::start();
    let request = || get("/v3/connectors").body(Body::empty()).unwrap();
    recording.pass(request(), answer("application/json", "[]")).await;
    fs::write(&recording.path, "").unwrap();
    let answered = recording.recorder.clone().answer(request(), async |_| answer("application/json", "[]")).await;
    assert_eq!(body::to_bytes(answered.into_body(), 9).await.unwrap(), "[]");
    recording.recorder.finish();
    assert_eq!(fs::read(&recording.path).unwrap(), b"");
}

/// Answers over a real connection. HEAD and errors have no body or end early, and are whole all the same.
#[tokio::test(flavor = "multi_thread")]
async fn answers_over_a_connection_are_recorded_whole() {
    let recording = Recording::start();
    let recorder = recording.recorder.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |request, _| {
        recorder.clone().answer(request, async |request: Request<Tee<_>>| {
            let path = request.uri().path().to_owned();
            match body::to_bytes(Body::new(request.into_body()), usize::MAX).await {
                _ if path.ends_with("chunked") => {
                    let pieces = ["one", "two"].map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes())));
                    super::tests::answer("text/plain", Body::from_stream(stream::iter(pieces)))
                }
                Ok(body) => super::tests::answer("text/plain", body),
                Err(_) => StatusCode::BAD_REQUEST.into_response(),
            }
        })
    };
    let serving = tokio::spawn(listen::serve(listener, Connections::default(), answer, std::future::pending()));
    tokio::task::spawn_blocking(move || {
        for request in [
            "POST /v3/connectors HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            "HEAD /v3/connectors HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /v3/connectors/chunked HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        ] {
            talk(address, request);
        }
    })
    .await
    .unwrap();
    serving.abort();
    let log = recording.log();
    let texts: Vec<_> =
        log["entries"].as_array().unwrap().iter().map(|entry| &entry["response"]["content"]["text"]).collect();
    assert_eq!(texts, ["hello", "", "onetwo"], "{log}");
    assert!(log["entries"].as_array().unwrap().iter().all(|entry| entry["_error"].is_null()), "{log}");
    assert_eq!(log["entries"][0]["request"]["postData"]["text"], "hello");
    assert_eq!(log["entries"][0]["request"]["url"], "http://a/v3/connectors");
}

fn talk(address: SocketAddr, request: &str) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn compressed_bodies_are_recorded_as_what_they_say_and_without_secrets() {
    let recording = Recording::start();
    let form = Bytes::from(format!("grant_type=client_credentials&client_secret={SECRET}"));
    let said = Bytes::from(format!("{{\"client_secret\":\"{SECRET}\",\"name\":\"{}\"}}", "a".repeat(2000)));
    for coding in [Coding::Gzip, Coding::Zstd] {
        let name = coding.name().unwrap();
        let request = post("/oauth/token", "application/x-www-form-urlencoded").header("content-encoding", name);
        let request = request.body(Body::from(coding.encode(&form))).unwrap();
        let entry = recording.pass(request, answer("application/json", "{}")).await;
        assert_eq!(entry["request"]["postData"]["text"], "grant_type=client_credentials&client_secret=REDACTED");
        let mut answered = answer("application/json", coding.encode(&said));
        answered.headers_mut().insert("content-encoding", name.parse().unwrap());
        let entry = recording.pass(get("/v3/connectors").body(Body::empty()).unwrap(), answered).await;
        let text = entry["response"]["content"]["text"].as_str().unwrap();
        assert!(text.contains("REDACTED") && text.contains("aaa"), "{text}");
        // Not whole, not in this coding, and more than is recorded.
        let coded = coding.encode(&said);
        let large = coding.encode(&vec![b' '; 4 * RECORDED_BODY_BYTES].into());
        for body in [coded.slice(..coded.len() - 4), said.clone(), large] {
            let mut answered = answer("application/json", body);
            answered.headers_mut().insert("content-encoding", name.parse().unwrap());
            let entry = recording.pass(get("/v3/connectors").body(Body::empty()).unwrap(), answered).await;
            let content = &entry["response"]["content"];
            assert_eq!(content["text"], Value::Null, "{content}");
            assert!(content["comment"].as_str().unwrap().starts_with("left out: it is compressed"), "{content}");
        }
    }
}
