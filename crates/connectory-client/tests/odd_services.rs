//! Services that answer as the API does, and not quite: other shapes of errors, redirects, pages that repeat, items that
//! cannot be read.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use connectory_client::{Client, DocumentKind, Environment, Error, Locale, Retries};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const LIST: &str = "/v2025/connectors";

/// A service that issues tokens, and a client of it that repeats nothing.
async fn service() -> (MockServer, Client) {
    let server = MockServer::start().await;
    let token = ResponseTemplate::new(200).set_body_json(json!({"access_token": "t", "expires_in": 720}));
    Mock::given(method("POST")).and(path("/oauth/token")).respond_with(token).mount(&server).await;
    let client = client(&server);
    (server, client)
}

fn client(server: &MockServer) -> Client {
    let (client_id, client_secret) = ("id".to_owned(), "s3cret".to_owned());
    let environment = Environment { base_url: server.uri(), client_id, client_secret };
    Client::builder(environment).retries(Retries::NONE).timeout(Duration::from_secs(5)).build().unwrap()
}

/// Answers every request to a path so.
async fn answer(server: &MockServer, to: &str, answer: ResponseTemplate) {
    Mock::given(path(to)).respond_with(answer).mount(server).await;
}

#[tokio::test]
async fn an_error_of_every_shape_says_its_text_once_and_the_tracking_id() {
    let message = |origin: &str| json!({"locale": "en-US", "localeOrigin": origin, "text": "no"});
    for (body, header, expected) in [
        (json!({"detailCode": "x", "trackingId": "t", "messages": [message("REQUEST")]}), None, ": no (tracking id t)"),
        (
            json!({"trackingId": "t", "messages": [message("REQUEST"), message("DEFAULT")]}),
            Some("h"),
            ": no (tracking id t)",
        ),
        (json!({"messages": [message("NEW")], "causes": null}), Some("h"), ": no (tracking id h)"),
        (json!({"detailMessage": "no", "stackTrace": []}), None, ": no"),
        (json!({"errorName": "Bad", "errorMessage": "no", "trackingId": "t"}), None, ": no (tracking id t)"),
        (json!({"message": "no"}), Some("h"), ": no (tracking id h)"),
        (json!({"error": "no"}), None, ": no"),
        (json!({}), Some("h"), " (tracking id h)"),
    ] {
        let (server, client) = service().await;
        let template = ResponseTemplate::new(400).set_body_json(&body);
        let template = header.into_iter().fold(template, |it, id: &str| it.insert_header("SLPT-Request-ID", id));
        answer(&server, LIST, template).await;
        let error = client.list().page().await.unwrap_err();
        assert_eq!(error.to_string(), format!("the service answered 400 Bad Request{expected}"), "{body}");
        assert_eq!(error.api_error().unwrap().tracking_id().is_some(), expected.contains("tracking id"));
    }
}

#[tokio::test]
async fn a_refused_token_of_every_shape_says_why() {
    for (body, reason) in [
        (
            json!({"error": "invalid_client", "error_description": "no such client", "trackingId": "t"}),
            "no such client (tracking id t)",
        ),
        (json!({"error": "invalid_client"}), "invalid_client"),
        (json!({"messages": [{"text": "no such client"}]}), "no such client"),
        (Value::Null, ""),
    ] {
        let server = MockServer::start().await;
        answer(&server, "/oauth/token", ResponseTemplate::new(401).set_body_json(&body)).await;
        let error = client(&server).list().page().await.unwrap_err();
        assert!(matches!(error, Error::Authentication { .. }), "{error:?}");
        assert!(error.to_string().ends_with(if reason.is_empty() { "401 Unauthorized" } else { reason }), "{error}");
    }
}

/// A parameter of a request, as a number.
fn number(request: &Request, name: &str) -> Option<usize> {
    request.url.query_pairs().find(|(other, _)| other == name)?.1.parse().ok()
}

fn item(number: usize) -> Value {
    json!({"name": format!("C {number}"), "type": "t", "scriptName": format!("c-{number}"), "status": "RELEASED"})
}

fn items(numbers: std::ops::Range<usize>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(numbers.map(item).collect::<Vec<_>>())
}

fn refusal(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"message": "no such page"}))
}

/// How many connectors each call of a list finds, until its end or an error.
async fn listed(answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) -> Result<usize, Error> {
    let (server, client) = service().await;
    Mock::given(path(LIST)).respond_with(answer).mount(&server).await;
    let listed = client.list().all().await?;
    let names: HashSet<_> = listed.iter().map(|item| item.script_name.clone()).collect();
    assert_eq!(names.len(), listed.len(), "each is there once");
    Ok(listed.len())
}

#[tokio::test]
async fn a_refusal_of_the_page_after_a_full_one_is_the_end() {
    for status in [400, 404, 416, 422] {
        let all = listed(move |request| match number(request, "offset") {
            Some(0) => items(0..250),
            _ => refusal(status),
        });
        assert_eq!(all.await.unwrap(), 250, "{status}");
    }
    // A service that counts right says so too.
    let all = listed(|request| match number(request, "offset") {
        Some(0) => items(0..250).insert_header("X-Total-Count", "250"),
        _ => refusal(400),
    });
    assert_eq!(all.await.unwrap(), 250);
}

#[tokio::test]
async fn a_refusal_of_another_page_is_an_error() {
    // The first page, and a page after which the service says that there are more.
    let first = listed(|_| refusal(400)).await.unwrap_err();
    assert_eq!(first.to_string(), "the service answered 400 Bad Request: no such page");
    let middle = listed(|request| match number(request, "offset") {
        Some(0) => items(0..250).insert_header("X-Total-Count", "600"),
        _ => refusal(400),
    });
    assert_eq!(middle.await.unwrap_err().api_error().unwrap().status.as_u16(), 400);
    for status in [401, 403, 408, 409, 429, 500, 503] {
        let all = listed(move |request| match number(request, "offset") {
            Some(0) => items(0..250),
            _ => refusal(status),
        });
        assert!(all.await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn a_service_that_gives_shorter_pages_is_read_to_its_end() {
    let capped = |total: &'static str| {
        listed(move |request| {
            let first = number(request, "offset").unwrap().min(120);
            let page = items(first..(first + 50).min(120));
            let is_counted = request.url.query_pairs().any(|pair| pair == ("count".into(), "true".into()));
            if is_counted { page.insert_header("X-Total-Count", total) } else { page }
        })
    };
    assert_eq!(capped("120").await.unwrap(), 120);
    // The list became shorter, or the count is wrong.
    assert_eq!(capped("9000").await.unwrap(), 120);
    assert_eq!(capped("50").await.unwrap(), 50);
    assert_eq!(capped("many").await.unwrap(), 50);
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_has_each_connector_once() {
    // A connector is created in front: the last one of the first page is the first one of the second.
    let grows = listed(|request| match number(request, "offset") {
        Some(0) => items(0..250),
        _ => items(249..300),
    });
    assert_eq!(grows.await.unwrap(), 300);
    // All but the first page is deleted.
    let shrinks = listed(|request| match number(request, "offset") {
        Some(0) => items(0..250),
        _ => items(0..0),
    });
    assert_eq!(shrinks.await.unwrap(), 250);
}

#[tokio::test]
async fn a_list_that_goes_on_far_beyond_its_count_is_an_error() {
    let endless = listed(|request| {
        let first = number(request, "offset").unwrap();
        items(first..first + 250).insert_header("X-Total-Count", "300")
    });
    let error = endless.await.unwrap_err().to_string();
    assert!(error.ends_with(": the list has 1000 connectors and does not end, but its count was 300"), "{error}");
}

#[tokio::test]
async fn a_service_that_does_not_know_offsets_ends() {
    assert_eq!(listed(|_| items(0..250)).await.unwrap(), 250);
    // It does not know limits either.
    assert_eq!(listed(|_| items(0..260).insert_header("X-Total-Count", "260")).await.unwrap(), 260);
    let more = listed(|_| items(0..250).insert_header("X-Total-Count", "400")).await.unwrap_err().to_string();
    assert!(more.ends_with(": at offset 250 are the connectors of the pages before"), "{more}");
}

#[tokio::test]
async fn a_service_that_cannot_search_is_searched_here_without_descriptions() {
    let (server, client) = service().await;
    let item = |name: &str, kind: &str, script: &str| {
        json!({
            "name": name, "type": kind, "scriptName": script, "className": "x.Y", "features": [], "directConnect": true,
            "status": "RELEASED", "connectorMetadata": {"shortDesc": "a strasse"},
        })
    };
    let items =
        json!([item("Straße", "x", "a"), item("b", "STRASSE", "b"), item("c", "x", "strasse-2"), item("d", "x", "d")]);
    answer(&server, LIST, ResponseTemplate::new(200).set_body_json(items)).await;
    let found = client.list().search(&"Strasse".parse().unwrap()).await.unwrap();
    assert!(!found.has_descriptions());
    assert_eq!(found.clone().count().await.unwrap(), 3);
    let names: Vec<_> = found.all().await.unwrap().into_iter().map(|item| item.name).collect();
    assert_eq!(names, ["Straße", "b", "c"]);
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| !request.url.query_pairs().any(|(name, _)| name == "q")), "it is not asked");
}

/// Items that are connectors although some of their members are odd.
fn odd_connectors() -> Vec<Value> {
    vec![
        json!({"name": "A", "scriptName": "Microsoft-Entra", "className": null, "features": null, "connectorMetadata": null}),
        json!({"name": "B", "scriptName": "aScriptName", "status": "released", "directConnect": "TRUE", "new": [1]}),
        json!({"name": "C", "scriptName": "f0e1d2c3-0000-4000-8000-0123456789ab", "type": null, "status": null}),
        json!({"name": "D", "scriptName": "x".repeat(255), "features": ["NEW_FEATURE"], "status": "SHINY"}),
        json!({"name": "", "scriptName": "größe ?#%&\\"}),
    ]
}

/// Items that are no connectors, and how each is told.
fn no_connectors() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({"name": "A", "scriptName": "a/b"}),
            "the connector `A` (script name `a/b`) cannot be read: `scriptName`: `a/b` cannot be",
        ),
        (
            json!({"name": "B", "scriptName": ".."}),
            "the connector `B` (script name `..`) cannot be read: `scriptName`: `..` cannot be",
        ),
        (json!({"name": "C"}), "the connector `C` cannot be read: missing field `scriptName`"),
        (json!({"name": 5, "scriptName": "d"}), "the connector `d` cannot be read: `name`: invalid type: integer `5`"),
        (
            json!({"name": "E", "scriptName": "e", "features": {"a": 1}}),
            "cannot be read: `features`: invalid type: map",
        ),
        (
            json!({"name": "F", "scriptName": "f", "directConnect": "perhaps"}),
            "cannot be read: `directConnect`: invalid value",
        ),
        (json!(null), "the item `null` cannot be read: invalid type: null"),
        (json!([]), "the item `[]` cannot be read: invalid length 0"),
    ]
}

#[tokio::test]
async fn one_odd_item_costs_no_other() {
    let (server, client) = service().await;
    let (odd, no) = (odd_connectors(), no_connectors());
    let rest = (0..250 - odd.len() - no.len()).map(item);
    let all = odd.iter().cloned().chain(no.iter().map(|(item, _)| item.clone())).chain(rest);
    // A surrogate without its other half, and bytes that are not UTF-8.
    let text = json!(all.collect::<Vec<_>>()).to_string();
    let text = text.strip_suffix(']').unwrap();
    let mut body = format!("{text},{{\"name\":\"G\",\"scriptName\":\"g\",\"type\":\"\\ud800\"}},{{\"name\":\"H\",\"scriptName\":\"h\",\"type\":\"").into_bytes();
    body.extend_from_slice(b"\xff\"}]");
    let answers =
        Mutex::new(vec![items(0..0), ResponseTemplate::new(200).set_body_raw(body.clone(), "application/json")]);
    let answer = move |_: &Request| {
        let mut answers = answers.lock().unwrap();
        if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
    };
    Mock::given(path(LIST)).respond_with(answer).mount(&server).await;
    let listed = client.list().all().await.unwrap();
    assert_eq!(listed.len(), 251 - no.len());
    assert!(odd.iter().all(|odd| listed.iter().any(|item| item.script_name.as_str() == odd["scriptName"])));
    let told: Vec<_> = listed.unreadable.iter().map(ToString::to_string).collect();
    for ((_, expected), told) in no.iter().zip(&told) {
        assert!(told.contains(expected), "{told}");
    }
    assert!(told[no.len()].starts_with("the item `{\"name\":\"G\""), "{told:?}");
    assert_eq!(told.len(), no.len() + 1);
    assert_eq!(listed.unreadable[0].json, r#"{"name":"A","scriptName":"a/b"}"#);

    // A stream goes on after each of them.
    let (server, client) = service().await;
    answer_raw(&server, body).await;
    let all: Vec<_> = client.list().page_size(250).stream().take(252).collect().await;
    let odd = all.iter().filter(|item| matches!(item, Err(Error::Unreadable(_)))).count();
    assert_eq!((odd, all.iter().filter(|item| item.is_ok()).count()), (no.len() + 1, 251 - no.len()));
}

async fn answer_raw(server: &MockServer, body: Vec<u8>) {
    let answer = ResponseTemplate::new(200).set_body_raw(body, "application/json");
    Mock::given(path(LIST)).respond_with(answer).mount(server).await;
}

#[tokio::test]
async fn a_connector_that_cannot_be_read_is_not_an_answer_that_is_no_connector() {
    for (body, is_odd, expected) in [
        (
            r#"{"name":"A","scriptName":"a","applicationXml":5}"#,
            true,
            "(script name `a`) cannot be read: `applicationXml`: invalid type",
        ),
        ("{}", true, "the item `{}` cannot be read: missing field `name`"),
        ("<html>", false, "an HTML page instead of an answer of the API"),
        ("[]", false, "invalid length 0"),
        ("", false, "EOF while parsing"),
    ] {
        let (server, client) = service().await;
        answer(&server, &format!("{LIST}/a"), ResponseTemplate::new(200).set_body_raw(body, "application/json")).await;
        let error = client.get("a", None).await.unwrap_err();
        assert_eq!(matches!(error, Error::Unreadable(_)), is_odd, "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_an_error() {
    for (body, expected) in [
        (b"".as_slice(), "EOF while parsing"),
        (b"{}", "invalid type: map"),
        (b"null", "invalid type: null"),
        (b"[{\"name\":\"A\",\"scriptName\":\"a\"},", "EOF while parsing"),
        (b"[] []", "trailing characters"),
        (b"<html>", "an HTML page instead of an answer of the API"),
    ] {
        let (server, client) = service().await;
        answer_raw(&server, body.to_vec()).await;
        let error = client.list().all().await.unwrap_err();
        assert!(matches!(error, Error::Decoding { .. }) && error.to_string().contains(expected), "{error}");
    }
    // A mark in front of UTF-8 is no error.
    let (server, client) = service().await;
    answer_raw(&server, b"\xef\xbb\xbf[]".to_vec()).await;
    assert!(client.list().all().await.unwrap().is_empty());
}

#[tokio::test]
async fn one_odd_line_of_an_export_costs_no_other() {
    let (server, client) = service().await;
    let line = |connector: Value| json!({"scriptName": connector["scriptName"], "revision": 1, "connector": connector});
    let lines = [
        json!({"revision": 1, "builtInCatalog": "x"}),
        line(json!({"name": "A", "scriptName": "My-Connector", "translationProperties": {"de": null, "tlh": "a=b"}})),
        line(json!({"name": "B", "scriptName": "b", "connectorMetadata": "x"})),
        json!({"scriptName": "c/d", "revision": 1}),
        json!({"count": 3}),
    ];
    let body = lines.map(|line| line.to_string()).join("\n");
    answer(&server, "/connectory/v1/connectors", ResponseTemplate::new(200).set_body_string(body)).await;
    let export = client.list().export().await.unwrap();
    assert_eq!(export.connectors.len(), 1);
    assert_eq!(export.connectors[0].translation_properties.len(), 1);
    let told: Vec<_> = export.unreadable.iter().map(ToString::to_string).collect();
    assert!(
        told[0].starts_with("the connector `B` (script name `b`) cannot be read: `connectorMetadata`: "),
        "{told:?}"
    );
    assert!(told[1].starts_with("the connector `c/d` cannot be read: "), "{told:?}");
}

#[tokio::test]
async fn a_redirect_or_a_page_is_never_taken_for_success() {
    let to = "https://login.example.com/";
    for (status, location) in
        [(301, Some(to)), (302, Some(to)), (303, Some(to)), (307, Some(to)), (308, Some(to)), (304, None), (300, None)]
    {
        let (server, client) = service().await;
        let template = ResponseTemplate::new(status);
        let template = location.into_iter().fold(template, |it, to| it.insert_header("Location", to));
        Mock::given(path(LIST)).respond_with(template.clone()).mount(&server).await;
        Mock::given(path_regex("/a")).respond_with(template).mount(&server).await;
        let errors = [
            client.list().page().await.map(drop).unwrap_err(),
            client.delete("a").await.unwrap_err(),
            client.document("a", DocumentKind::SourceConfig).await.map(drop).unwrap_err(),
            client.set_document("a", DocumentKind::SourceConfig, b"<Form/>").await.map(drop).unwrap_err(),
            client.translations("a", Locale::De).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.api_error().unwrap().status.as_u16(), status, "{error}");
            assert_eq!(
                error.to_string().contains(", a redirect to https://login.example.com/, "),
                location.is_some(),
                "{error}"
            );
        }
    }
    // A page of a gateway with status 200.
    let (server, client) = service().await;
    let page = ResponseTemplate::new(200).set_body_raw("<html>Sign in</html>", "Text/HTML; charset=utf-8");
    Mock::given(path_regex("/v2025")).respond_with(page).mount(&server).await;
    let errors = [
        client.list().count().await.map(drop).unwrap_err(),
        client.delete("a").await.unwrap_err(),
        client.document("a", DocumentKind::SourceConfig).await.map(drop).unwrap_err(),
        client.translations("a", Locale::De).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().ends_with(": an HTML page instead of an answer of the API"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_of_the_token_call_leads_nowhere() {
    let server = MockServer::start().await;
    let elsewhere = MockServer::start().await;
    let redirect = ResponseTemplate::new(307).insert_header("Location", format!("{}/oauth/token", elsewhere.uri()));
    answer(&server, "/oauth/token", redirect).await;
    let error = client(&server).list().page().await.unwrap_err().to_string();
    assert!(error.starts_with("the service answered 307 Temporary Redirect, a redirect to "), "{error}");
    assert!(elsewhere.received_requests().await.unwrap().is_empty(), "nobody else gets the secret");
}

#[tokio::test]
async fn a_wrong_content_coding_or_type_is_told() {
    for (coding, body, expected) in [
        ("gzip", "[]", Err("its content coding is wrong: ")),
        ("zstd", "[]", Err("its content coding is wrong: ")),
        ("br", "\u{b}", Err("it has the content coding `br`")),
        ("nonsense", "\u{1}", Err("it has the content coding `nonsense`")),
        ("identity", "[]", Ok(())),
        // The name is wrong, and the body is right.
        ("utf-8", "[]", Ok(())),
    ] {
        let (server, client) = service().await;
        let template = ResponseTemplate::new(200).set_body_raw(body, "application/json");
        answer(&server, LIST, template.insert_header("Content-Encoding", coding)).await;
        match (client.list().page().await, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error @ Error::Decoding { .. }), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{coding}: {error}");
            }
            (result, _) => panic!("{coding}: {result:?}"),
        }
    }
    // JSON under another name is JSON.
    for content_type in ["text/plain", "application/octet-stream", "application/json; charset=ISO-8859-1", "nonsense"] {
        let (server, client) = service().await;
        answer(&server, LIST, ResponseTemplate::new(200).set_body_raw("[]", content_type)).await;
        assert!(client.list().page().await.unwrap().is_empty(), "{content_type}");
    }
}

#[tokio::test]
async fn the_status_of_an_error_whose_body_breaks_off_is_told() {
    // The body of a list breaks off, and after that one without an end comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let head = "HTTP/1.1 409 Conflict\r\nConnection: close\r\n";
                if request.starts_with(b"POST /oauth/token") {
                    let body = r#"{"access_token":"t"}"#;
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                } else if request[..length].windows(8).any(|it| it == b"offset=0") {
                    stream
                        .write_all(format!("{head}Content-Length: 100\r\n\r\n{{\"message\":").as_bytes())
                        .await
                        .unwrap();
                } else {
                    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
                    while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                }
            });
        }
    });
    let environment = Environment { base_url, client_id: "i".to_owned(), client_secret: "s".to_owned() };
    let client = Client::builder(environment).retries(Retries::NONE).timeout(Duration::from_secs(20)).build().unwrap();
    let broken = client.list().page().await.unwrap_err().to_string();
    assert_eq!(broken, "the service answered 409 Conflict: {\"message\":");
    let endless = client.list().offset(5).page().await.unwrap_err().to_string();
    assert!(endless.starts_with("the service answered 409 Conflict: xxx") && endless.len() < 1000, "{endless}");
}

#[tokio::test]
async fn a_token_is_used_as_long_as_its_service_says_in_whatever_form() {
    let long = json!(u64::MAX);
    for (expires_in, calls) in [
        (json!(720), 1),
        (json!("720"), 1),
        (json!(720.5), 1),
        (json!(null), 1),
        (json!("soon"), 1),
        (long, 1),
        (json!(1e300), 1),
        (json!("1e300"), 1),
        (json!(0), 2),
        (json!(-5), 2),
        (json!("0"), 2),
    ] {
        let server = MockServer::start().await;
        let token = json!({"access_token": "t", "expires_in": expires_in, "token_type": "BEARER", "new": {}});
        answer(&server, "/oauth/token", ResponseTemplate::new(200).set_body_json(token)).await;
        answer(&server, LIST, items(0..1)).await;
        let client = client(&server);
        for _ in 0..2 {
            client.list().page().await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.iter().filter(|it| it.url.path() == "/oauth/token").count(), calls, "{expires_in}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_told() {
    for (body, expected) in [
        (json!({"access_token": ""}), "its `access_token` is not a token"),
        (json!({"access_token": "a\nb"}), "its `access_token` is not a token"),
        (json!({"access_token": "ä"}), "its `access_token` is not a token"),
        (json!({"access_token": null}), "invalid type: null"),
        (json!({}), "missing field `access_token`"),
        (json!([]), "invalid length 0"),
    ] {
        let server = MockServer::start().await;
        answer(&server, "/oauth/token", ResponseTemplate::new(200).set_body_json(&body)).await;
        let error = client(&server).list().page().await.unwrap_err();
        assert!(matches!(error, Error::Decoding { .. }) && error.to_string().contains(expected), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_rate_limit_without_an_end_is_an_error_at_once() {
    for after in ["3600", "18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let (server, _) = service().await;
        answer(&server, LIST, ResponseTemplate::new(429).insert_header("Retry-After", after)).await;
        let environment =
            Environment { base_url: server.uri(), client_id: "i".to_owned(), client_secret: "s".to_owned() };
        let client = Client::builder(environment).build().unwrap();
        let error = timeout(Duration::from_secs(10), client.list().page()).await.unwrap().unwrap_err();
        assert_eq!(error.api_error().unwrap().status.as_u16(), 429);
    }
    // Without the header, and with one that nobody can read, the pauses grow.
    for after in [None, Some("soon"), Some("0"), Some("Thu, 01 Jan 1970 00:00:00 GMT")] {
        let (server, _) = service().await;
        let limited =
            after.into_iter().fold(ResponseTemplate::new(429), |it, after| it.insert_header("Retry-After", after));
        Mock::given(path(LIST)).respond_with(limited).up_to_n_times(2).mount(&server).await;
        answer(&server, LIST, items(0..1)).await;
        let environment =
            Environment { base_url: server.uri(), client_id: "i".to_owned(), client_secret: "s".to_owned() };
        let client = Client::builder(environment).build().unwrap();
        assert_eq!(timeout(Duration::from_secs(20), client.list().page()).await.unwrap().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_service_that_does_not_say_its_tenant_says_none() {
    for (answered, expected) in [
        (ResponseTemplate::new(200).set_body_json(json!({"tenantId": "t", "new": 1})), Some(Some("t"))),
        (ResponseTemplate::new(200).set_body_json(json!({})), Some(None)),
        (ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), Some(None)),
        (ResponseTemplate::new(302).insert_header("Location", "/sign-in"), Some(None)),
        (ResponseTemplate::new(204), Some(None)),
        (ResponseTemplate::new(403), Some(None)),
        (ResponseTemplate::new(404), Some(None)),
        (ResponseTemplate::new(500), None),
        (ResponseTemplate::new(429), None),
    ] {
        let (server, client) = service().await;
        answer(&server, "/oauth/info", answered).await;
        assert_eq!(client.tenant_id().await.ok(), expected.map(|id| id.map(str::to_owned)));
    }
}
