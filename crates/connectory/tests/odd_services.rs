//! Commands against services that answer as the API does, and not quite.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

mod support;

use std::sync::{Arc, Mutex};

use connectory_model::ScriptName;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use wiremock::matchers::{any, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

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
        user.forget().await;
        user
    }

    /// Makes the service forget everything but that it issues tokens.
    async fn forget(&self) {
        self.server.reset().await;
        let token = json!({"access_token": "t", "expires_in": 720});
        let token = ResponseTemplate::new(200).set_body_json(token);
        Mock::given(method("POST")).and(path("/oauth/token")).respond_with(token).mount(&self.server).await;
    }

    /// Answers every request to a path so.
    async fn answer(&self, to: &str, status: u16, body: &Value) {
        let template = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(path(to)).respond_with(template).mount(&self.server).await;
    }

    /// Serves a list of connectors, and each of them by its script name.
    async fn serve(&self, connectors: Vec<Value>) {
        let serve = move |request: &Request| {
            let path = percent_decode_str(request.url.path()).decode_utf8().unwrap();
            match path.strip_prefix(LIST).map(|rest| rest.strip_prefix('/')) {
                Some(None) => ResponseTemplate::new(200).set_body_json(&connectors),
                Some(Some(name)) => match connectors.iter().find(|connector| connector["scriptName"] == *name) {
                    Some(connector) => ResponseTemplate::new(200).set_body_json(connector),
                    None => ResponseTemplate::new(404),
                },
                None => ResponseTemplate::new(404),
            }
        };
        Mock::given(method("GET")).respond_with(serve).mount(&self.server).await;
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

/// A connector as a service sends it. Its name differs from others in more than their case.
fn connector(script_name: &str) -> Value {
    json!({"name": format!("{:?}", script_name.as_bytes()), "scriptName": script_name, "className": null, "features": null, "type": null,
           "s3Location": "custom-connector/x", "connectorMetadata": {"a": 1}, "applicationXml": "<Application/>"})
}

/// Script names that a service may have, and the folders of their connectors.
const NAMES: [(&str, &str); 10] = [
    ("Microsoft-Entra", "%4dicrosoft-%45ntra"),
    ("microsoft-entra", "microsoft-entra"),
    ("aScriptName", "a%53cript%4eame"),
    ("2c9180867b2a4f7e9d3c1a5b6e7f8091", "2c9180867b2a4f7e9d3c1a5b6e7f8091"),
    ("F0E1D2C3-0000-4000-8000-0123456789AB", "%460%451%442%433-0000-4000-8000-0123456789%41%42"),
    ("CON", "%43%4f%4e"),
    ("con", "%63on"),
    ("...", "%2e.%2e"),
    (".git", "%2egit"),
    ("größe ?#%&+", "gr%c3%b6%c3%9fe%20%3f%23%25%26%2b"),
];

#[tokio::test]
async fn connectors_of_every_script_name_are_listed_and_pulled_and_are_then_the_same() {
    let user = User::new().await;
    user.serve(NAMES.map(|(name, _)| connector(name)).to_vec()).await;
    let listed: Vec<Value> = serde_json::from_str(&user.run("connector list -o json").await.ok()).unwrap();
    assert_eq!(listed.iter().map(|item| &item["scriptName"]).collect::<Vec<_>>(), NAMES.map(|(name, _)| name));
    assert_eq!(user.run("pull d").await.ok(), "pulled 10 connectors, 20 files changed\n");
    for (_, folder) in NAMES {
        assert!(user.operator.path(&format!("d/{folder}/connector.yaml")).is_file(), "{folder}");
    }
    let plan = user.run("plan d").await;
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""), "{plan:?}");
    assert_eq!(user.run("pull d").await.ok(), "pulled 10 connectors, 0 files changed\n");
    let export: Vec<Value> = serde_json::from_str(&user.run("export").await.ok()).unwrap();
    assert_eq!(export.len(), NAMES.len());
}

#[tokio::test]
async fn an_odd_connector_is_told_and_the_others_are_there() {
    let user = User::new().await;
    let long = "Ü".repeat(100);
    user.serve(vec![
        connector("a"),
        json!({"name": "B", "scriptName": "b/c"}),
        json!({"name": "D", "scriptName": "d", "applicationXml": 5, "s3Location": "custom-connector/d"}),
        json!({"name": "E", "scriptName": "e", "translationProperties": {"de": "a=\\uzzzz"}, "s3Location": "custom-connector/e"}),
        json!({"name": "F", "scriptName": long, "s3Location": "custom-connector/f"}),
        connector("g"),
    ])
    .await;
    let b =
        "warning: the connector `B` (script name `b/c`) cannot be read: `scriptName`: `b/c` cannot be a script name";
    let list = user.run("connector list").await;
    assert_eq!((list.code, list.stderr.lines().count()), (0, 1), "{list:?}");
    assert!(list.stderr.starts_with(b), "{list:?}");
    assert_eq!(list.stdout.lines().count(), 6, "{list:?}");

    let pull = user.run("pull d").await;
    assert!(pull.stdout.starts_with("pulled 2 connectors, "), "{pull:?}");
    assert_eq!(pull.code, 0);
    for expected in [
        b,
        "warning: the connector `D` (script name `d`) cannot be read: `applicationXml`: invalid type: integer `5`",
        "warning: the translations of e are unreadable: ",
        "would have a name of 600 bytes; a disk takes 255; it is left out",
    ] {
        assert!(pull.stderr.contains(expected), "{expected}: {pull:?}");
    }
    // What is asked for by its name is an error.
    for name in ["d", "e"] {
        assert!(user.run(&format!("pull d {name}")).await.code == 1, "{name}");
    }
    let export = user.run("export").await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&export.stdout).unwrap().len(), 4);
    assert_eq!(export.stderr.lines().count(), 2, "{export:?}");
}

#[tokio::test]
async fn the_folder_of_a_connector_that_can_no_longer_be_read_stays() {
    let user = User::new().await;
    user.serve(vec![connector("a"), connector("b"), connector("c")]).await;
    user.run("pull d").await.ok();
    user.forget().await;
    let odd = json!({"name": "B", "scriptName": "b", "applicationXml": 5, "s3Location": "custom-connector/b"});
    user.serve(vec![connector("a"), odd]).await;
    let pull = user.run("pull d --prune").await;
    assert_eq!(pull.stdout, "pulled 1 connector, 2 files changed, 1 folder removed\n", "{pull:?}");
    assert!(
        pull.stderr.starts_with("warning: the connector `B` (script name `b`) cannot be read: `applicationXml`: "),
        "{pull:?}"
    );
    let there = ["a", "b", "c"].map(|folder| user.operator.path(&format!("d/{folder}/connector.yaml")).is_file());
    assert_eq!(there, [true, true, false]);
}

/// A service that is not connectory: it derives script names, and takes single calls only.
async fn deriving() -> User {
    let user = User::new().await;
    let connectors = Arc::new(Mutex::new(Vec::<Value>::new()));
    let answer = move |request: &Request| {
        let mut connectors = connectors.lock().unwrap();
        let own = request.url.path().strip_prefix(LIST).map(|rest| rest.trim_start_matches('/').to_owned());
        let Some(own) = own else { return ResponseTemplate::new(404) };
        let place = connectors.iter().position(|connector| connector["scriptName"] == own);
        match (request.method.as_str(), place) {
            ("POST", _) if own.is_empty() => {
                let mut new: Value = serde_json::from_slice(&request.body).unwrap();
                let is_taken = |name: &ScriptName| connectors.iter().any(|it| it["scriptName"] == name.as_str());
                let given = ScriptName::derive(new["name"].as_str().unwrap()).avoiding(is_taken);
                new["scriptName"] = json!(given);
                new["s3Location"] = json!("custom-connector/x");
                connectors.push(new.clone());
                ResponseTemplate::new(201).set_body_json(new)
            }
            ("GET", _) if own.is_empty() => ResponseTemplate::new(200).set_body_json(&*connectors),
            ("GET" | "PATCH", Some(place)) => ResponseTemplate::new(200).set_body_json(&connectors[place]),
            ("DELETE", Some(place)) => {
                connectors.remove(place);
                ResponseTemplate::new(204)
            }
            _ => ResponseTemplate::new(404),
        }
    };
    Mock::given(any()).respond_with(answer).with_priority(9).mount(&user.server).await;
    user
}

impl User {
    fn write(&self, folder: &str, name: &str) {
        let folder = self.operator.path(&format!("d/{folder}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("connector.yaml"), format!("name: {name}\nclassName: x.Y\n")).unwrap();
    }

    async fn script_names(&self) -> Vec<(String, String)> {
        let listed: Vec<Value> = serde_json::from_str(&self.run("connector list -o json").await.ok()).unwrap();
        let text = |item: &Value, member: &str| item[member].as_str().unwrap().to_owned();
        let mut names: Vec<_> = listed.iter().map(|item| (text(item, "scriptName"), text(item, "name"))).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn connectors_are_created_in_the_order_that_gives_them_their_script_names() {
    for names in [["C#", "C++", "C"], ["C++", "C", "C#"], ["C", "C#", "C++"]] {
        let user = deriving().await;
        let wanted: Vec<_> =
            ["c", "c-2", "c-3"].into_iter().zip(names).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        for (folder, name) in &wanted {
            user.write(folder, &format!("'{name}'"));
        }
        let apply = user.run("apply d --yes").await;
        assert!(apply.code == 0 && apply.stdout.ends_with("created 3, changed 0, deleted 0\n"), "{apply:?}");
        assert_eq!(user.script_names().await, wanted);
    }
}

#[tokio::test]
async fn a_script_name_that_a_service_cannot_give_is_told_and_nothing_is_left() {
    for (folder, name, expected) in [
        (
            "c-2",
            "C++",
            "c-2: the server gives `C++` the script name c; rename the folder to that, and change the sources that refer to c-2; or \
             to keep c-2, create connectors that get c and the numbers before it first, and delete them afterwards; what was created \
             of it was deleted again",
        ),
        (
            "%4dy-%43onnector",
            "My Connector",
            "My-Connector: the server gives `My Connector` the script name my-connector; rename the folder to that, and change the \
             sources that refer to My-Connector; what was created of it was deleted again",
        ),
    ] {
        let user = deriving().await;
        user.write(folder, name);
        let apply = user.run("apply d --yes").await;
        assert!(apply.code == 1 && apply.stderr.contains(expected), "{apply:?}");
        assert_eq!(user.script_names().await, []);
    }
}

impl User {
    /// Answers every request but that for a token so.
    async fn answer_all(&self, answer: ResponseTemplate) {
        Mock::given(any()).respond_with(answer).with_priority(9).mount(&self.server).await;
    }
}

/// A command of each kind: reading one, reading many, comparing, changing.
const COMMANDS: [&str; 9] = [
    "connector list",
    "connector list --count",
    "connector get a",
    "connector get-source-config a",
    "connector create A --class-name x.Y",
    "pull p",
    "export",
    "plan d",
    "apply d --yes",
];

#[tokio::test]
async fn every_command_fails_with_a_reason_where_a_service_answers_nothing_of_the_api() {
    let json = |text: &str| ResponseTemplate::new(200).set_body_raw(text, "application/json");
    let html = |status| ResponseTemplate::new(status).set_body_raw("<html>Sign in</html>", "text/html");
    let redirect = ResponseTemplate::new(302).insert_header("Location", "https://login.example.com");
    for (answer, expected, is_success) in [
        (html(200), "an HTML page instead of an answer", false),
        (redirect, "a redirect to https://login.example.com", false),
        (html(400), "an HTML page instead of an answer", false),
        (ResponseTemplate::new(403).set_body_json(json!({"message": "no"})), "403 Forbidden: no", false),
        (ResponseTemplate::new(500), "500 Internal Server Error", false),
        (json("\u{b}").insert_header("Content-Encoding", "br"), "the content coding `br`", true),
        (json("[[["), "cannot read the answer of", true),
    ] {
        let user = User::new().await;
        user.answer_all(answer).await;
        user.write("a", "A");
        for command in COMMANDS {
            // A document is whatever bytes the service sends, and a count is in a header.
            if is_success && ["connector list --count", "connector get-source-config a"].contains(&command) {
                continue;
            }
            let printed = user.run(command).await;
            assert_eq!((printed.code, printed.stdout.as_str()), (1, ""), "{command}: {printed:?}");
            assert!(printed.stderr.contains(expected), "{command}: {expected}: {printed:?}");
        }
        assert!(!user.operator.path("p/a").exists());
    }
}

#[tokio::test]
async fn a_list_of_250_and_a_refusal_is_pulled_whole() {
    let user = User::new().await;
    let all: Vec<_> = (0..250).map(|number| connector(&format!("c-{number}"))).collect();
    let refusal = ResponseTemplate::new(400).set_body_json(json!({"message": "no such page"}));
    let beyond = Mock::given(path(LIST)).and(query_param("offset", "250"));
    beyond.respond_with(refusal).with_priority(1).mount(&user.server).await;
    user.serve(all).await;
    let pull = user.run("pull d").await;
    assert!(
        pull.stdout == "pulled 250 connectors, 500 files changed\n" && !pull.stderr.contains("warning"),
        "{pull:?}"
    );
    let list: Vec<Value> = serde_json::from_str(&user.run("connector list -o json").await.ok()).unwrap();
    assert_eq!(list.len(), 250);
}
