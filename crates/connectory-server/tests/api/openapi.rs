//! The OpenAPI document, compared with the parts of the public specification in `tests/fixtures/upstream/`, and with a
//! snapshot.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::TestApp;

async fn document() -> Value {
    TestApp::start().await.get("/openapi.json").await.ok()
}

/// Follows a reference within a document.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => resolved(document, document.pointer(&reference[1..]).expect("a reference leads somewhere")),
        None => value,
    }
}

fn parameters(document: &Value, operation: &Value) -> Vec<(String, String)> {
    let listed = operation["parameters"].as_array().cloned().unwrap_or_default();
    let text = |parameter: &Value, member: &str| resolved(document, parameter)[member].as_str().unwrap().to_owned();
    listed.iter().map(|parameter| (text(parameter, "name"), text(parameter, "in"))).collect()
}

#[tokio::test]
async fn the_reference_page_comes_from_the_server_alone() {
    let app = TestApp::start().await;
    let page = app.get("/docs/").await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(
        page.text().contains("swagger-ui") && !page.text().contains("http://") && !page.text().contains("https://")
    );
    assert_eq!(app.get("/docs/swagger-ui-bundle.js").await.status.as_u16(), 200);
    // Without this, the page tells a server on the internet where it is.
    assert!(app.get("/docs/swagger-initializer.js").await.text().contains("\"validatorUrl\": \"none\""));
}

#[tokio::test]
async fn the_reference_page_cannot_be_framed_and_loads_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    for path in ["/docs", "/docs/", "/docs/swagger-ui-bundle.js", "/docs/nothing", "/openapi.json"] {
        let answer = app.get(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let others = ["x-content-type-options", "x-frame-options", "referrer-policy"].map(|name| answer.header(name));
        assert_eq!(others, [Some("nosniff"), Some("DENY"), Some("same-origin")], "{path}");
    }
}

/// What changes in the document is seen in a review. `INSTA_UPDATE=always cargo test` writes the snapshot anew.
#[tokio::test]
async fn the_document_is_the_one_that_was_reviewed() {
    let mut document = document().await;
    document["info"]["version"] = "0.0.0".into();
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).unwrap());
}

#[tokio::test]
async fn operation_ids_are_unique_and_every_operation_tells_its_refusals() {
    let document = document().await;
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            if path.contains("connectors") {
                assert!(operation["responses"]["429"]["headers"]["Retry-After"].is_object(), "{path}");
            }
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((count, ids.len()), (5 * 13 + 1 + 12 + 10, count));
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document().await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100, "{} references", found.len());
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    assert_eq!(document["components"]["schemas"]["Locale"]["enum"][7], "zh-TW");
}

#[tokio::test]
async fn everything_upstream_describes_is_there() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/upstream");
    let ours = document().await;
    for version in ["v3", "v2024"] {
        let file = folder.join(format!("connectors-{version}.openapi.json"));
        let upstream: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let mut compared = 0;
        for (path, item) in upstream["paths"].as_object().unwrap() {
            let here = &ours["paths"][format!("/{version}{path}")];
            for (method, operation) in item.as_object().unwrap() {
                let at = format!("{method} /{version}{path}");
                let served = &here[method];
                assert!(served.is_object(), "{at} is missing");
                compare_operation(&at, (&upstream, operation), (&ours, served));
                compared += 1;
            }
        }
        assert!(compared >= 11, "{compared} operations in {version}");
        for (name, schema) in upstream["components"]["schemas"].as_object().unwrap() {
            let here = &ours["components"]["schemas"][name];
            assert!(here.is_object(), "the schema {name} is missing");
            compare_schema(name, (&upstream, schema), (&ours, here));
        }
    }
}

fn compare_operation(at: &str, (upstream, operation): (&Value, &Value), (ours, served): (&Value, &Value)) {
    let known = parameters(ours, served);
    for parameter in parameters(upstream, operation) {
        assert!(known.contains(&parameter), "{at} lacks the parameter {parameter:?}");
    }
    for (status, response) in operation["responses"].as_object().unwrap() {
        let here = resolved(ours, &served["responses"][status]);
        assert!(here.is_object(), "{at} lacks the status {status}");
        for (media_type, content) in resolved(upstream, response)["content"].as_object().into_iter().flatten() {
            let here = &here["content"][media_type];
            assert!(here.is_object(), "{at} {status} lacks {media_type}");
            compare_schema(&format!("{at} {status}"), (upstream, &content["schema"]), (ours, &here["schema"]));
        }
    }
    for (media_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let here = &served["requestBody"]["content"][media_type];
        assert!(here.is_object(), "{at} does not take {media_type}");
        compare_schema(&format!("{at} body"), (upstream, &content["schema"]), (ours, &here["schema"]));
    }
}

/// Every member and every enumerated word of the one schema is in the other.
fn compare_schema(at: &str, (upstream, schema): (&Value, &Value), (ours, here): (&Value, &Value)) {
    let (schema, here) = (resolved(upstream, schema), flattened(ours, here));
    for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
        let here = &here["properties"][member];
        assert!(!here.is_null(), "{at} lacks the member {member}");
        compare_schema(&format!("{at}.{member}"), (upstream, schema), (ours, here));
    }
    if schema["items"].is_object() {
        assert!(here["items"].is_object(), "{at} is no array: {here}");
        compare_schema(&format!("{at}[]"), (upstream, &schema["items"]), (ours, &here["items"]));
    }
    for word in schema["enum"].as_array().into_iter().flatten().filter(|word| !word.is_null()) {
        assert!(
            here["enum"].as_array().is_some_and(|words| words.contains(word)),
            "{at} lacks the word {word}: {here}"
        );
    }
}

/// A schema behind its reference, and behind the `oneOf` that a nullable one is written with.
fn flattened<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let schema = resolved(document, schema);
    let one = schema["oneOf"].as_array().and_then(|of| of.iter().find(|part| part["type"] != "null"));
    one.map_or(schema, |part| flattened(document, part))
}
