//! Services that answer as the API does, and not quite: other shapes of errors, redirects, pages that repeat, items that
//! cannot be read.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

use std::time::Duration;

use connectory_client::{Client, Environment, Error, Retries};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

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
