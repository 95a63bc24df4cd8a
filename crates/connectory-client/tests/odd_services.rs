//! Services that answer as the API does, and not quite: other shapes of errors, redirects, pages that repeat, items that
//! cannot be read.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

use std::collections::HashSet;
use std::time::Duration;

use connectory_client::{Client, Environment, Error, Retries};
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
