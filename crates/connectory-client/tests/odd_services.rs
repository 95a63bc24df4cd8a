//! Services that answer as the API does, and not quite: other shapes of errors, redirects, pages that repeat, items that
//! cannot be read.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use connectory_client::{Client, Environment, Error, Retries};
use futures_util::StreamExt;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
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
async fn a_service_that_does_not_know_offsets_ends() {
    assert_eq!(listed(|_| items(0..250)).await.unwrap(), 250);
    // It does not know limits either.
    assert_eq!(listed(|_| items(0..260).insert_header("X-Total-Count", "260")).await.unwrap(), 260);
    let more = listed(|_| items(0..250).insert_header("X-Total-Count", "400")).await.unwrap_err().to_string();
    assert!(more.ends_with(": at offset 250 are the connectors of the pages before"), "{more}");
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
