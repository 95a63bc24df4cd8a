//! Commands against services that answer as the API does, and not quite.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

mod support;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use self::support::{Operator, Printed};

const LIST: &str = "/v2025/connectors";

/// A user of a service.
struct User {
    operator: Operator,
    server: MockServer,
}

impl User {
    /// A user of a service that issues tokens, and knows nothing else.
    async fn new() -> Self {
        let user = Self { operator: Operator::new(), server: MockServer::start().await };
        let token = json!({"access_token": "t", "expires_in": 720});
        let token = ResponseTemplate::new(200).set_body_json(token);
        Mock::given(method("POST")).and(path("/oauth/token")).respond_with(token).mount(&user.server).await;
        user
    }

    /// Answers every request to a path so.
    async fn answer(&self, to: &str, status: u16, body: &Value) {
        let template = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(path(to)).respond_with(template).mount(&self.server).await;
    }

    /// Runs a command line, whose arguments are separated by spaces.
    async fn run(&self, line: &str) -> Printed {
        let mut command = self.operator.command(line);
        command.env("SAIL_BASE_URL", self.server.uri()).env("SAIL_CLIENT_ID", "id").env("SAIL_CLIENT_SECRET", "secret");
        tokio::task::spawn_blocking(move || Printed::of(command.output().unwrap())).await.unwrap()
    }
}

#[tokio::test]
async fn an_error_of_every_shape_is_said_once() {
    let text = |origin: &str| json!({"locale": "en-US", "localeOrigin": origin, "text": "no"});
    for (body, expected) in [
        (json!({"detailCode": "x", "trackingId": "t", "messages": [text("REQUEST")]}), "no (tracking id t)"),
        (json!({"messages": [text("REQUEST"), text("DEFAULT")]}), "no"),
        (json!({"detailMessage": "no", "stackTrace": []}), "no"),
        (json!({"errorName": "Bad", "errorMessage": "no", "trackingId": "t"}), "no (tracking id t)"),
        (json!({"message": "no"}), "no"),
        (json!({"error": "no"}), "no"),
    ] {
        let user = User::new().await;
        user.answer(LIST, 400, &body).await;
        let error = user.run("connector list").await.error();
        assert_eq!(error, format!("error: the service answered 400 Bad Request: {expected}\n"));
    }
}

#[tokio::test]
async fn a_service_that_cannot_search_is_searched_and_that_is_said() {
    let user = User::new().await;
    let item = json!({
        "name": "HR", "type": "x", "scriptName": "hr-2", "className": "x.Y", "features": [], "directConnect": true,
        "status": "RELEASED", "connectorMetadata": {"shortDesc": "personnel"},
    });
    user.answer(LIST, 200, &json!([item])).await;
    for (text, count) in [("HR-", "1\n"), ("personnel", "0\n")] {
        let printed = user.run(&format!("connector list --count --search {text}")).await;
        assert_eq!((printed.stdout.as_str(), printed.code), (count, 0));
        assert_eq!(
            printed.stderr,
            "note: this service cannot search, so its list is searched here; short descriptions are not searched\n"
        );
    }
}
