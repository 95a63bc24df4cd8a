//! Every example of the vendor's specification is accepted: by the types of this SDK, the server, the importer, a catalog and the
//! linter. An example that nothing here looks at is an error, so a newer specification is looked at as well.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

mod support;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use connectory_client::{
    Client, ConnectorDetail, ConnectorItem, DocumentKind, Environment, Error, Locale, NewConnector, Open, Retries,
    ScriptName, UpdateStatus,
};
use connectory_folder::lint::{Level, lint};
use connectory_folder::{Files, Folder};
use connectory_model::import;
use connectory_model::wire::{ErrorMessage, UpdateDetail};
use connectory_server::Options;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Server, unlimited};

const VERSIONS: [&str; 2] = ["v3", "v2024"];

/// The examples of a version of the specification by their place in it, and what was refused of them.
struct Examples {
    version: &'static str,
    left: BTreeMap<String, Value>,
    refused: Vec<String>,
}

impl Examples {
    fn of(version: &'static str) -> Self {
        fn walk(value: &Value, at: &str, found: &mut BTreeMap<String, Value>) {
            match value {
                Value::Object(members) => {
                    for (name, member) in members {
                        let at = format!("{at}/{name}");
                        match (name.as_str(), member) {
                            ("example", example) => {
                                found.insert(at, example.clone());
                            }
                            ("examples", Value::Object(examples)) => {
                                let values = examples.iter().map(|(name, example)| (name, &example["value"]));
                                found.extend(values.map(|(name, value)| (format!("{at}/{name}"), value.clone())));
                            }
                            _ => walk(member, &at, found),
                        }
                    }
                }
                Value::Array(items) => {
                    items.iter().enumerate().for_each(|(n, item)| walk(item, &format!("{at}/{n}"), found));
                }
                _ => {}
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/upstream");
        let file = folder.join(format!("connectors-{version}.openapi.json"));
        let specification: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut left = BTreeMap::new();
        walk(&specification, "", &mut left);
        assert!(left.len() > 60, "{} examples", left.len());
        Self { version, left, refused: Vec::new() }
    }

    /// Takes the examples whose place is like this.
    fn take(&mut self, is_like: impl Fn(&str) -> bool) -> Vec<(String, Value)> {
        let (taken, left) = std::mem::take(&mut self.left).into_iter().partition(|(at, _)| is_like(at));
        self.left = left;
        let taken: BTreeMap<_, _> = taken;
        assert!(!taken.is_empty(), "the specification has such examples");
        taken.into_iter().collect()
    }

    /// Takes the examples of a schema's members, as an object.
    fn object(&mut self, schema: &str) -> Value {
        let start = format!("/components/schemas/{schema}/properties/");
        let member = |at: &str| {
            let member = at.strip_prefix(&start)?.strip_suffix("/example")?;
            (!member.contains('/')).then(|| member.to_owned())
        };
        let members = self.take(|at| member(at).is_some());
        members.into_iter().map(|(at, value)| (member(&at).unwrap(), value)).collect::<serde_json::Map<_, _>>().into()
    }

    /// Notes an example that is refused.
    fn check<T, E: Display>(&mut self, what: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.refused.push(format!("{}: {what}: {error}", self.version))).ok()
    }
}

fn ensure(is_so: bool, otherwise: impl Display) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise.to_string()) }
}

#[tokio::test]
async fn every_example_of_the_specification_is_accepted() {
    let mut refused = Vec::new();
    for version in VERSIONS {
        let mut examples = Examples::of(version);
        connectors(&mut examples).await;
        let server = Server::start(unlimited()).await;
        let client = Client::builder(server.environment.clone()).api_path(&format!("{version}/connectors")).build();
        let client = client.unwrap();
        requests(&mut examples, &client).await;
        parameters(&mut examples, &server, &client).await;
        errors(&mut examples).await;
        refused.append(&mut examples.refused);
        refused.extend(examples.left.keys().map(|at| format!("{version}: nothing looks at {at}")));
    }
    assert_eq!(refused, Vec::<String>::new());
}

/// The list item and the detail: the SDK's types, the importer, a catalog, the folder, the linter, and the server.
async fn connectors(examples: &mut Examples) {
    let item = examples.object("V3ConnectorDto");
    let read = serde_json::from_value::<ConnectorItem>(item.clone());
    if let Some(read) = examples.check("V3ConnectorDto", read) {
        let same = ensure(serde_json::to_value(&read).unwrap() == item, format!("{read:?}"));
        examples.check("V3ConnectorDto as it is written again", same);
    }
    let detail = examples.object("ConnectorDetail");
    let read = serde_json::from_value::<ConnectorDetail>(detail.clone());
    let Some(read) = examples.check("ConnectorDetail", read) else { return };
    let again = serde_json::to_value(&read).unwrap();
    examples.check("ConnectorDetail as it is written again", ensure(again == detail, &again));

    for (what, object) in [("V3ConnectorDto", &item), ("ConnectorDetail", &detail)] {
        let file = json!([object]).to_string();
        let imported = import::from_json(file.as_bytes());
        examples.check(&format!("{what} for the importer"), imported);
        let catalog = tempfile::tempdir().unwrap();
        let path = catalog.path().join("catalog.json");
        std::fs::write(&path, &file).unwrap();
        let options = Options { embedded_catalog: false, catalogs: vec![path], ..unlimited() };
        let server = Server::start(options).await;
        let found = server.client().get(object["scriptName"].as_str().unwrap(), None).await;
        if let Some(found) = examples.check(&format!("{what} in a catalog"), found) {
            let name = ensure(found.name == object["name"], &found.name);
            examples.check(&format!("{what} in a catalog, its name"), name);
            for kind in DocumentKind::ALL.into_iter().filter(|kind| object.get(kind.member()).is_some()) {
                let same = ensure(found.document(kind) == object[kind.member()], found.document(kind));
                examples.check(&format!("{what} in a catalog, its {}", kind.name()), same);
            }
        }
    }
    examples.check(
        "ConnectorDetail as a whole connector",
        import::whole_from_json(json!([detail]).to_string().as_bytes(), usize::MAX),
    );

    if let Some(folder) = examples.check("ConnectorDetail as a folder", Folder::of(&read)) {
        let files = folder.files();
        let files: Files<'_> = files.iter().map(|(file, bytes)| (file.clone(), Cow::from(bytes))).collect();
        examples.check("ConnectorDetail as a folder that is read", Folder::read(&files));
        for finding in lint(read.script_name.as_str(), &files) {
            let is_no_error = ensure(finding.rule.level != Level::Error, &finding.message);
            examples.check(&format!("ConnectorDetail in lint, {} in {}", finding.rule.id, finding.file), is_no_error);
        }
    }
    let server = Server::start(unlimited()).await;
    let client = server.client();
    let created = client.create(&NewConnector::new(read.name.clone(), read.class_name.clone())).await.unwrap();
    let name = created.script_name.as_str();
    for kind in DocumentKind::ALL {
        let sent = client.set_document(name, kind, read.document(kind).as_bytes()).await;
        let sent = sent
            .map_err(|error| error.to_string())
            .and_then(|update| ensure(update.status == Open::Known(UpdateStatus::Updated), format!("{update:?}")));
        examples.check(&format!("the {} of ConnectorDetail on a server", kind.name()), sent);
        let served = client.document(name, kind).await.unwrap();
        examples.check(kind.name(), ensure(served == read.document(kind).as_bytes(), "other bytes are served"));
    }
    for (locale, text) in &read.translation_properties {
        let sent = client.set_translations(name, *locale.known().unwrap(), text.as_bytes()).await;
        examples.check("translationProperties on a server", sent);
    }
    let patch = json!([{"op": "add", "path": "/connectorMetadata", "value": read.connector_metadata}]);
    let patched = client.patch(name, &serde_json::from_value(patch).unwrap()).await;
    if let Some(patched) = examples.check("connectorMetadata on a server", patched) {
        let same = ensure(patched.translation_properties == read.translation_properties, "other texts");
        examples.check("translationProperties as they are answered", same);
        examples.check("connectorMetadata", ensure(patched.connector_metadata == read.connector_metadata, "others"));
    }
}

/// What clients send and what is answered to it.
async fn requests(examples: &mut Examples, client: &Client) {
    let create = examples.object("V3CreateConnectorDto");
    let new = NewConnector::from_request(&create);
    if let Some(new) = examples.check("V3CreateConnectorDto", new) {
        let created = client.create(&new).await;
        if let Some(created) = examples.check("V3CreateConnectorDto on a server", created) {
            let created = serde_json::to_value(created).unwrap();
            for (member, value) in create.as_object().unwrap() {
                examples.check(&format!("V3CreateConnectorDto, {member}"), ensure(created[member] == *value, &created));
            }
        }
    }
    let update = examples.object("UpdateDetail");
    let read = serde_json::from_value::<UpdateDetail>(update.clone());
    if let Some(read) = examples.check("UpdateDetail", read) {
        examples.check("UpdateDetail", ensure(serde_json::to_value(&read).unwrap() == update, format!("{read:?}")));
    }

    let mut operation = examples.object("JsonPatchOperation");
    let values = examples.take(|at| at.starts_with("/components/schemas/JsonPatchOperation/properties/value/"));
    client.create(&NewConnector::new("Patched", "x.Y")).await.unwrap();
    // The operation is well-formed. Its path is not one of those that the same specification lets a patch change.
    let patch = serde_json::from_value(json!([operation]));
    if let Some(patch) = examples.check("JsonPatchOperation", patch) {
        let error = client.patch("patched", &patch).await.unwrap_err().to_string();
        let names_path = ensure(error.contains("`/description`"), &error);
        examples.check("JsonPatchOperation, its path", names_path);
    }
    operation["path"] = "/connectorMetadata/example".into();
    for (at, value) in [(String::new(), operation["value"].clone())].into_iter().chain(values) {
        operation["op"] = "add".into();
        operation["value"] = value.clone();
        let patched = client.patch("patched", &serde_json::from_value(json!([operation])).unwrap()).await;
        if let Some(patched) = examples.check(&at, patched) {
            examples.check(&at, ensure(patched.connector_metadata["example"] == value, "another value"));
        }
        operation["op"] = "replace".into();
        examples.check(&at, client.patch("patched", &serde_json::from_value(json!([operation])).unwrap()).await);
    }
}

/// The parameters of paths and queries.
async fn parameters(examples: &mut Examples, server: &Server, client: &Client) {
    let mut query: Vec<(String, String)> = Vec::new();
    for (at, value) in examples.take(|at| at.starts_with("/components/parameters/")) {
        query.push((at.split('/').nth(3).unwrap().to_owned(), value.to_string()));
    }
    let in_paths = examples.take(|at| at.starts_with("/paths/"));
    for (at, value) in in_paths {
        let text = value.as_str().unwrap().to_owned();
        match text.as_str() {
            "aScriptName" => {
                examples.check(&at, text.parse::<ScriptName>());
                let error = client.get(&text, None).await.unwrap_err();
                examples.check(&at, ensure(error.is_not_found(), error));
            }
            "de" => {
                examples.check(&at, text.parse::<Locale>());
                query.push(("locale".to_owned(), text));
            }
            _ if at.starts_with("/paths//connectors/get/") => query.push(("filters".to_owned(), text)),
            _ => examples.refused.push(format!("{}: nothing looks at {at}", examples.version)),
        }
    }
    query.sort();
    query.dedup();
    let names: Vec<_> = query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["count", "filters", "limit", "locale", "offset"]);
    let Environment { base_url, client_id, client_secret } = &server.environment;
    let form = [("grant_type", "client_credentials"), ("client_id", client_id), ("client_secret", client_secret)];
    // The other version of the specification may have done so.
    let _is_first = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let token = http
        .post(format!("{base_url}/oauth/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let token: Value = serde_json::from_slice(&token.send().await.unwrap().bytes().await.unwrap()).unwrap();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let list = http
        .get(format!("{base_url}/{}/connectors?{query}", examples.version))
        .header("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()));
    let list = list.send().await.unwrap();
    let total = list.headers().get("x-total-count").map(|total| total.to_str().unwrap().to_owned());
    let listed: Vec<ConnectorItem> = serde_json::from_slice(&list.bytes().await.unwrap()).unwrap();
    assert!(listed.iter().all(|item| item.direct_connect) && total == Some(listed.len().to_string()), "{total:?}");
    assert!(!listed.is_empty());
}

/// The bodies of errors, as this SDK shows them to people.
async fn errors(examples: &mut Examples) {
    let mut body = examples.object("ErrorResponseDto");
    let mut message = examples.object("ErrorMessageDto");
    let origins = examples.take(|at| at == "/components/schemas/LocaleOrigin/example");
    message["localeOrigin"] = origins[0].1.clone();
    examples.check("ErrorMessageDto", serde_json::from_value::<ErrorMessage>(message.clone()));
    let mut bodies = vec![("ErrorResponseDto without messages".to_owned(), 400, body.clone())];
    body["messages"] = json!([message]);
    bodies.push(("ErrorResponseDto".to_owned(), 400, body.clone()));
    body["causes"] = json!([message]);
    bodies.push(("ErrorResponseDto with causes".to_owned(), 400, body));
    for (at, example) in examples.take(|at| at.starts_with("/components/responses/")) {
        let status = at.split('/').nth(3).unwrap().parse().unwrap();
        // A member of an object, or a whole body.
        let body = match at.split_once("/schema/properties/") {
            Some((_, member)) => json!({member.trim_end_matches("/example"): example}),
            None => example,
        };
        bodies.push((at, status, body));
    }
    for (what, status, body) in bodies {
        let server = MockServer::start().await;
        let token = ResponseTemplate::new(200).set_body_json(json!({"access_token": "t", "expires_in": 720}));
        Mock::given(method("POST")).and(path("/oauth/token")).respond_with(token).mount(&server).await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(status).set_body_json(&body))
            .mount(&server)
            .await;
        let environment =
            Environment { base_url: server.uri(), client_id: "id".to_owned(), client_secret: "secret".to_owned() };
        let retries = Retries { rate_limited: 0, unavailable: 0, ..Retries::default() };
        let error = Client::builder(environment).retries(retries).build().unwrap().get("a", None).await.unwrap_err();
        let shown = error.to_string();
        let of_messages = body["messages"].as_array().into_iter().flatten().map(|message| &message["text"]);
        let texts: Vec<_> = of_messages.chain(["error", "message", "trackingId"].map(|member| &body[member])).collect();
        for text in texts.into_iter().filter_map(Value::as_str) {
            examples.check(&what, ensure(shown.contains(text.trim()), format!("`{text}` is not in `{shown}`")));
        }
        let is_told = matches!(error, Error::Api(_) | Error::Authentication { .. });
        examples.check(&what, ensure(is_told, format!("{error:?}")));
    }
}
