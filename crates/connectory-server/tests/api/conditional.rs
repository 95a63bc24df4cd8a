//! Entity tags, and requests that are made on the condition of one (D49 to D52).

use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body;
use connectory_server::options::Reads;
use connectory_server::rate_limit::RateLimit;
use connectory_server::{Options, Service};
use futures_util::future::join_all;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::metrics::scrape;
use crate::support::{Answer, FORM, TestApp, form};

const PATCH: &str = "application/json-patch+json";
const FORM_XML: &str = "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd'><Menu label='greet'/></Form>";

/// Sends a request with headers.
async fn send(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, app.authorization());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(body.into()).unwrap()).await
}

async fn get_if(app: &TestApp, path: &str, name: &str, value: &str) -> Answer {
    send(app, Method::GET, path, &[(name, value)], Body::empty()).await
}

async fn patch_if(app: &TestApp, path: &str, name: &str, value: &str, body: &Value) -> Answer {
    send(app, Method::PATCH, path, &[(name, value), ("content-type", PATCH)], body.to_string()).await
}

async fn put_if(app: &TestApp, path: &str, name: &str, value: &str, file: &[u8]) -> Answer {
    send(app, Method::PUT, path, &[(name, value), ("content-type", FORM)], form("file", file)).await
}

/// The tag of a read, which must succeed.
async fn tag(app: &TestApp, path: &str) -> String {
    let answer = app.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.header("etag").unwrap_or_else(|| panic!("{path} has no tag")).to_owned()
}

fn category(value: &str) -> Value {
    json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}])
}

/// A connector with texts, and numbers that are written with many digits.
async fn odd_connector(app: &TestApp) -> String {
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    // A reader of JSON that is not exact reads the first two as other numbers, and what it writes of them as others again.
    let metadata = r#"{"z": [34171909290495.563, 3466549905922.6563, 1e23, -0.0, 9007199254740993, 5e-324], "shortDesc": "\u00fc"}"#;
    let patch = format!(r#"[{{"op": "replace", "path": "/connectorMetadata", "value": {metadata}}}]"#);
    app.call(Method::PATCH, &path, PATCH, patch).await.ok();
    app.put(&format!("{path}/source-config"), FORM_XML.as_bytes()).await.ok();
    app.put(&format!("{path}/translations/en"), b"greet=Hello\nShortDesc=People\n").await.ok();
    app.put(&format!("{path}/translations/de"), b"greet=Gr\xfc\xdfe\nShortDesc=Leute\n").await.ok();
    path
}

/// Every kind of read, of a connector.
fn reads(path: &str) -> Vec<String> {
    let of_connector =
        ["", "?locale=de", "/source-config", "/source-template", "/correlation-config", "/translations/en"];
    let mut reads: Vec<_> = of_connector.iter().map(|rest| format!("{path}{rest}")).collect();
    for read in ["/translations/de", "/translations/fr"] {
        reads.push(format!("{path}{read}"));
    }
    let script_name = path.rsplit_once('/').unwrap().1;
    reads.push(format!("/connectors/v1/{script_name}"));
    for list in
        ["/v3/connectors", "/v3/connectors?count=true&locale=de", "/v2026/connectors?limit=0", "/beta/connectors"]
    {
        reads.push(list.to_owned());
    }
    reads
}

#[tokio::test]
async fn every_read_has_a_tag_and_a_client_that_has_the_answer_gets_no_body() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    for read in reads(&path) {
        // Two times: through the router, and then, for a list or a connector, from a cache.
        for attempt in ["first", "second"] {
            let whole = app.get(&read).await;
            assert_eq!(whole.status, StatusCode::OK, "{read}");
            let tag = whole.header("etag").unwrap();
            let weak = format!("\"x\" , W/{tag}");
            for (method, value) in [(Method::GET, tag), (Method::GET, &weak), (Method::GET, "*"), (Method::HEAD, tag)] {
                let answer = send(&app, method, &read, &[("if-none-match", value)], Body::empty()).await;
                assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{attempt}, {read}, {value}");
                assert_eq!((answer.text(), answer.header("etag")), ("", Some(tag)), "{attempt}, {read}");
                for (name, value) in &whole.headers {
                    let is_kept = name != "content-type" && name != "slpt-request-id" && name != "content-length";
                    assert_eq!(answer.headers.get(name).is_some_and(|kept| kept == value), is_kept, "{read}: {name}");
                }
                assert!(answer.header("slpt-request-id").is_some(), "{read}");
            }
            for value in ["\"x\"", "W/\"x\", \"\"", "x", "\"x", &tag[1..], ""] {
                let answer = get_if(&app, &read, "if-none-match", value).await;
                assert_eq!((answer.status, &answer.body), (StatusCode::OK, &whole.body), "{attempt}, {read}, {value}");
            }
            let head = send(&app, Method::HEAD, &read, &[], Body::empty()).await;
            assert_eq!((head.status, head.header("etag")), (StatusCode::OK, Some(tag)), "{read}");
        }
    }
    let exported = app.get("/connectory/v1/connectors").await;
    assert_eq!(
        (exported.status, exported.header("etag")),
        (StatusCode::OK, None),
        "an export is made while it is sent"
    );
}

#[tokio::test]
async fn a_read_that_wants_another_tag_is_refused() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    for read in reads(&path) {
        let tag = tag(&app, &read).await;
        assert_eq!(get_if(&app, &read, "if-match", &tag).await.status, StatusCode::OK, "{read}");
        let refused = get_if(&app, &read, "if-match", &format!("W/{tag}")).await;
        assert_eq!(refused.header("etag"), Some(tag.as_str()), "{read}");
        assert_eq!(refused.refusal(412), "this has another tag than `If-Match` asks for");
    }
}

#[tokio::test]
async fn what_has_no_answer_has_no_condition() {
    let app = TestApp::start().await;
    for (name, value) in [("if-none-match", "*"), ("if-match", "\"x\"")] {
        get_if(&app, "/v3/connectors/no-such", name, value).await.refusal(404);
        get_if(&app, "/v3/connectors?limit=x", name, value).await.refusal(400);
        patch_if(&app, "/v3/connectors/no-such", name, value, &category("a")).await.refusal(404);
    }
    let denied = Request::get("/v3/connectors").header("if-none-match", "*").body(Body::empty()).unwrap();
    assert_eq!(app.send(denied).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_tag_changes_with_what_it_is_of_and_with_nothing_else() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    let other = app.create("Other").await;
    let reads = reads(&path);
    let tags = async || {
        let mut tags = Vec::new();
        for read in &reads {
            tags.push(tag(&app, read).await);
        }
        tags
    };
    let changed = |before: &[String], after: &[String]| -> Vec<String> {
        let pairs = reads.iter().zip(before.iter().zip(after)).filter(|(_, (before, after))| before != after);
        pairs.map(|(read, _)| read.replace(&path, "")).collect()
    };
    let first = tags().await;
    let revision = |tag: &str| tag[1..].split_once('.').map(|(revision, _)| revision.parse::<u64>().unwrap());
    assert_eq!(revision(&first[0]), Some(5), "{}", first[0]);
    assert_ne!(first[0], first[1], "the locale is another");
    assert!(first[2..8].iter().chain(&first[9..]).all(|tag| revision(tag).is_none() && tag.len() == 24), "{first:?}");
    assert_eq!(first[5], first[7], "French texts are the English ones");

    app.put(&format!("{path}/correlation-config"), b"<CorrelationConfig name='b'/>").await.ok();
    let second = tags().await;
    let details = ["", "?locale=de", "/connectors/v1/hr"];
    assert_eq!(changed(&first, &second), [&details[..2], &["/correlation-config"], &details[2..]].concat());
    assert_eq!(revision(&second[0]), Some(7), "the sixth is that of the other connector");

    app.put(&format!("{path}/translations/de"), b"greet=Moin\nShortDesc=Leute\n").await.ok();
    assert_eq!(changed(&second, &tags().await), [&details[..2], &["/translations/de"], &details[2..]].concat());

    // The other connector is on all pages but the empty one.
    let third = tags().await;
    app.patch(&format!("/v3/connectors/{other}"), &category("b")).await.ok();
    let lists = ["/v3/connectors", "/v3/connectors?count=true&locale=de", "/beta/connectors"];
    let fourth = tags().await;
    assert_eq!(changed(&third, &fourth), lists);
    let counted = "/v3/connectors?count=true&limit=1";
    let before = tag(&app, counted).await;
    assert_ne!(before, tag(&app, "/v3/connectors?limit=1").await);
    app.create("Zebra").await;
    assert_ne!(before, tag(&app, counted).await, "the total is another");
    app.delete("/v3/connectors/zebra").await;
    assert_eq!(before, tag(&app, counted).await, "the page is as it was");
    assert_eq!(fourth, tags().await);
}

#[tokio::test]
async fn a_built_in_connector_has_a_tag_and_no_revision() {
    let app = TestApp::start().await;
    let list = app.get("/v3/connectors?custom=false").await.ok();
    let path = format!("/v3/connectors/{}", list[0]["scriptName"].as_str().unwrap());
    let tag = tag(&app, &path).await;
    assert!(tag.starts_with("\"0."), "{tag}");
    assert_eq!(get_if(&app, &path, "if-none-match", &tag).await.status, StatusCode::NOT_MODIFIED);
    assert!(patch_if(&app, &path, "if-match", &tag, &category("a")).await.refusal(400).contains("built-in"));
    assert!(
        put_if(&app, &format!("{path}/translations/da"), "if-none-match", "*", b"a=b")
            .await
            .refusal(400)
            .contains("built-in")
    );
}

#[tokio::test]
async fn tags_are_the_same_after_a_restart() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    let mut before = Vec::new();
    for read in reads(&path) {
        before.push((tag(&app, &read).await, app.get(&read).await.body));
    }
    let app = app.restart(Service::new).await;
    for (read, before) in reads(&path).into_iter().zip(before) {
        assert_eq!((tag(&app, &read).await, app.get(&read).await.body), before, "{read}");
    }
}

#[tokio::test]
async fn a_change_is_made_only_of_what_its_caller_has_read() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    let old = tag(&app, &path).await;
    app.patch(&path, &category("theirs")).await.ok();
    let current = tag(&app, &path).await;
    for (name, value) in [
        ("if-match", old.as_str()),
        ("if-match", &format!("W/{current}")),
        ("if-match", "\"x\", \"7\", \"\""),
        ("if-none-match", "*"),
        ("if-none-match", &current),
    ] {
        // The second would change nothing.
        for wanted in ["mine", "theirs"] {
            let refused = patch_if(&app, &path, name, value, &category(wanted)).await;
            assert_eq!(refused.header("etag"), Some(current.as_str()), "{name}: {value}");
            assert_eq!(
                refused.refusal(412),
                "the connector is at revision 6: this does not meet the condition of the request, so nothing was changed; \
                 read it again"
            );
        }
        let refused = send(&app, Method::DELETE, &path, &[(name, value)], Body::empty()).await;
        assert_eq!((refused.status, refused.header("etag")), (StatusCode::PRECONDITION_FAILED, Some(current.as_str())));
    }
    assert_eq!(tag(&app, &path).await, current);

    // A tag that was read in another locale or API version is as good. What was patched has its tag, too.
    let german = tag(&app, &format!("{path}?locale=de")).await;
    let patched = patch_if(&app, &path, "if-match", &format!("\"x\", {german}"), &category("a")).await;
    assert_eq!(patched.header("etag"), Some(tag(&app, &path).await.as_str()));
    assert_eq!(patched.ok()["connectorMetadata"]["category"], "a");
    let newest = tag(&app, "/connectors/v1/hr").await;
    let unchanged = patch_if(&app, &path, "if-match", &newest, &category("a")).await;
    assert_eq!(unchanged.header("etag"), Some(tag(&app, &path).await.as_str()));
    let in_place = json!([{"op": "replace", "path": "/status", "value": "DEMO"}]);
    let here = "/connectory/v1/connectors/hr";
    patch_if(&app, here, "if-match", &old, &in_place).await.refusal(412);
    let patched = patch_if(&app, here, "if-match", &newest, &in_place).await;
    assert_eq!(patched.header("etag"), Some(tag(&app, "/connectors/v1/hr").await.as_str()));
    patch_if(&app, &path, "if-match", "*", &category("b")).await.ok();
    let newest = tag(&app, &path).await;
    assert_eq!(
        send(&app, Method::DELETE, &path, &[("if-match", &newest)], Body::empty()).await.status,
        StatusCode::NO_CONTENT
    );
    send(&app, Method::DELETE, &path, &[("if-match", "*")], Body::empty()).await.refusal(404);
    // The same name, and another connector.
    app.create("HR").await;
    patch_if(&app, &path, "if-match", &newest, &category("b")).await.refusal(412);
}

#[tokio::test]
async fn a_condition_that_cannot_be_read_or_checked_is_refused() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    for (method, path, body) in [
        (Method::PATCH, path.clone(), category("a").to_string()),
        (Method::DELETE, path.clone(), String::new()),
        (Method::PUT, format!("{path}/source-config"), String::new()),
        (Method::PUT, format!("{path}/translations/en"), String::new()),
    ] {
        for (name, shown) in [("if-match", "If-Match"), ("if-none-match", "If-None-Match")] {
            let headers = [(name, "5.abc")];
            let refused = send(&app, method.clone(), &path, &headers, body.clone()).await.refusal(400);
            assert!(
                refused.starts_with(&format!("`{shown}` must be `*`, or at most 100 tags as answers have")),
                "{refused}"
            );
            assert!(refused.ends_with("got `5.abc`"), "{refused}");
        }
    }
    let new = json!({"name": "New", "className": "x.Y"}).to_string();
    for (path, content_type, body) in
        [("/v3/connectors", "application/json", new), ("/connectory/v1/apply", "application/x-ndjson", String::new())]
    {
        let headers = [("content-type", content_type), ("if-none-match", "*")];
        let refused = send(&app, Method::POST, path, &headers, body).await.refusal(400);
        assert_eq!(refused, "this operation has no condition `If-None-Match`; leave the header out");
    }
}

#[tokio::test]
async fn a_document_is_replaced_only_if_it_is_as_it_was_read() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    let document = format!("{path}/correlation-config");
    let xml = |name: &str| format!("<CorrelationConfig name='{name}'/>").into_bytes();
    let (read, of_connector) = (tag(&app, &document).await, tag(&app, &path).await);
    // Another document changes, which does not matter.
    app.put(&format!("{path}/source-template"), b"<Application name='x'/>").await.ok();
    let refused = put_if(&app, &document, "if-match", &of_connector, &xml("a")).await;
    assert_eq!(refused.header("etag"), Some(read.as_str()));
    let text = refused.refusal(412);
    assert!(
        text.starts_with(&format!("the connector is at revision 6, and what would be replaced has the tag {read}: ")),
        "{text}"
    );
    assert_eq!(put_if(&app, &document, "if-match", &read, &xml("a")).await.ok()["status"], "UPDATED");
    // Now it is another document. The condition comes before what else there is to say.
    for file in [xml("a"), xml("b"), b"<Other/>".to_vec()] {
        put_if(&app, &document, "if-match", &read, &file).await.refusal(412);
        put_if(&app, &document, "if-none-match", "*", &file).await.refusal(412);
    }
    send(&app, Method::PUT, &document, &[("if-match", &read)], Body::empty()).await.refusal(412);
    let of_connector = tag(&app, &path).await;
    assert_eq!(put_if(&app, &document, "if-match", &of_connector, &xml("a")).await.ok()["status"], "UNCHANGED");
    assert_eq!(put_if(&app, &document, "if-match", &of_connector, b"<Other/>").await.ok()["status"], "ERROR");
    let skipped = send(&app, Method::PUT, &document, &[("if-match", "*")], Body::empty()).await;
    assert_eq!(skipped.ok()["status"], "SKIPPED");
    assert_eq!(put_if(&app, &document, "if-match", &of_connector, &xml("b")).await.ok()["status"], "UPDATED");
    assert_eq!(put_if(&app, &document, "if-match", "*", &xml("c")).await.ok()["status"], "UPDATED");
    assert_eq!(app.get(&document).await.body, xml("c"));
}

/// A large document is hashed on a thread of its own, and a large connector is not cached.
#[tokio::test]
async fn a_large_document_has_a_tag_and_conditions_too() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    let document = format!("{path}/correlation-config");
    let xml = |name: &str| format!("<CorrelationConfig><!--{}--><{name}/></CorrelationConfig>", "x".repeat(2_000_000));
    app.put(&document, xml("a").as_bytes()).await.ok();
    let (read, of_connector) = (tag(&app, &document).await, tag(&app, &path).await);
    for (path, tag) in [(&document, &read), (&path, &of_connector)] {
        let answer = get_if(&app, path, "if-none-match", tag).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
    }
    assert_eq!(put_if(&app, &document, "if-match", &read, xml("b").as_bytes()).await.ok()["status"], "UPDATED");
    put_if(&app, &document, "if-match", &read, xml("c").as_bytes()).await.refusal(412);
    patch_if(&app, &path, "if-match", &of_connector, &category("a")).await.refusal(412);
    let newest = tag(&app, &path).await;
    patch_if(&app, &path, "if-match", &newest, &category("a")).await.ok();
}

#[tokio::test]
async fn texts_are_created_once_and_replaced_as_they_were_read() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    let french = format!("{path}/translations/fr");
    let as_english = tag(&app, &french).await;
    put_if(&app, &french, "if-match", "*", b"greet=Salut\n").await.refusal(412);
    assert_eq!(put_if(&app, &french, "if-none-match", "*", b"greet=Salut\n").await.ok()["status"], "UPDATED");
    let refused = put_if(&app, &french, "if-none-match", "*", b"greet=Bonjour\n").await;
    assert_eq!(refused.header("etag"), Some(tag(&app, &french).await.as_str()));
    refused.refusal(412);
    // Who saw the English texts in their place did not see these.
    put_if(&app, &french, "if-match", &as_english, b"greet=Bonjour\n").await.refusal(412);
    let read = tag(&app, &french).await;
    assert_eq!(put_if(&app, &french, "if-match", &read, b"").await.ok()["status"], "UPDATED");
    assert_eq!(tag(&app, &french).await, as_english);
    put_if(&app, &french, "if-match", &read, b"greet=Bonjour\n").await.refusal(412);
    assert_eq!(put_if(&app, &french, "if-match", &as_english, b"greet=Bonjour\n").await.ok()["status"], "UPDATED");
    assert_eq!(app.get(&french).await.text(), "greet=Bonjour\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_changes_that_expect_the_same_revision_exactly_one_is_made() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    exactly_one_is_made(&[&app], &path).await;
}

/// Sends changes of one revision at the same time, several times.
async fn exactly_one_is_made(nodes: &[&TestApp], path: &str) {
    for round in 0..5 {
        let tag = &tag(nodes[0], path).await;
        let changes = (0..12).map(async |n| {
            let app = nodes[n % nodes.len()];
            let name = format!("{round}-{n}");
            match n % 3 {
                0 => patch_if(app, path, "if-match", tag, &category(&name)).await,
                1 => put_if(app, &format!("{path}/translations/da"), "if-match", tag, name.as_bytes()).await,
                _ => {
                    let xml = format!("<CorrelationConfig name='{name}'/>");
                    put_if(app, &format!("{path}/correlation-config"), "if-match", tag, xml.as_bytes()).await
                }
            }
        });
        let statuses: Vec<_> = join_all(changes).await.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 11, "{statuses:?}");
    }
    let tag = &tag(nodes[0], path).await;
    let deletes = (0..6)
        .map(async |n| send(nodes[n % nodes.len()], Method::DELETE, path, &[("if-match", tag)], Body::empty()).await);
    let answers: Vec<_> = join_all(deletes).await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(answers.iter().filter(|status| **status == 204).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 404).count(), 5, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_have_the_same_tags_and_decide_conditions_together() {
    let stale = Reads::Local { max_staleness: Duration::from_mins(1) };
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, Reads::Fresh]).await else { return };
    let path = odd_connector(&one).await;
    for read in reads(&path) {
        let tag = tag(&one, &read).await;
        let same = get_if(&two, &read, "if-none-match", &tag).await;
        assert_eq!((same.status, same.header("etag")), (StatusCode::NOT_MODIFIED, Some(tag.as_str())), "{read}");
        assert!(same.header("connectory-revision").is_some(), "{read}");
        let refused = get_if(&two, &read, "if-match", "\"x\"").await;
        assert!(refused.header("connectory-revision").is_some(), "{read}");
        refused.refusal(412);
    }
    let old = tag(&two, &path).await;
    one.patch(&path, &category("theirs")).await.ok();
    patch_if(&two, &path, "if-match", &old, &category("mine")).await.refusal(412);
    exactly_one_is_made(&[&one, &two], &path).await;

    let Some([one, two]) = TestApp::nodes([Reads::Fresh, stale]).await else { return };
    let path = odd_connector(&one).await;
    // A change brings the second server up to date. Then the first goes on alone.
    two.patch(&path, &category("first")).await.ok();
    let old = tag(&two, &path).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    one.patch(&path, &category("theirs")).await.ok();
    let newest = tag(&one, &path).await;
    assert_eq!(tag(&two, &path).await, old, "the second server is behind");
    let refused = patch_if(&two, &path, "if-match", &old, &category("mine")).await;
    assert_eq!(refused.header("etag"), Some(newest.as_str()), "a refusal is decided on what is new");
    refused.refusal(412);
}

#[tokio::test]
async fn a_repeat_of_a_request_that_was_done_is_answered_as_the_first() {
    let app = TestApp::start().await;
    let path = odd_connector(&app).await;
    let read = tag(&app, &path).await;
    let patch = async |key: &str, value: &str| {
        let headers = [("if-match", read.as_str()), ("idempotency-key", key), ("content-type", PATCH)];
        send(&app, Method::PATCH, &path, &headers, category(value).to_string()).await
    };
    let first = patch("a", "mine").await;
    let tag_of_first = first.header("etag").unwrap().to_owned();
    assert_eq!(first.header("idempotency-replayed"), None);
    app.patch(&path, &category("theirs")).await.ok();
    let again = patch("a", "mine").await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((again.header("etag"), &again.body), (Some(tag_of_first.as_str()), &first.body));
    // One that was refused leaves no trace.
    for _ in 0..2 {
        let refused = patch("b", "other").await;
        assert_eq!(refused.header("idempotency-replayed"), None);
        refused.refusal(412);
    }
    let newest = tag(&app, &path).await;
    let delete = async || {
        let headers = [("if-match", newest.as_str()), ("idempotency-key", "c")];
        send(&app, Method::DELETE, &path, &headers, Body::empty()).await
    };
    assert_eq!(delete().await.status, StatusCode::NO_CONTENT);
    let again = delete().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::NO_CONTENT, Some("true")));
}

#[tokio::test]
async fn an_answer_without_a_body_counts_as_any_other() {
    let limit = RateLimit { requests: 8, seconds: NonZeroU32::new(10).unwrap() };
    let app = TestApp::with(Options { rate_limit: Some(limit), ..Options::default() }).await;
    let path = "/v3/connectors?limit=1";
    let tag = tag(&app, path).await;
    for _ in 0..7 {
        assert_eq!(get_if(&app, path, "if-none-match", &tag).await.status, StatusCode::NOT_MODIFIED);
    }
    assert_eq!(get_if(&app, path, "if-none-match", &tag).await.status, StatusCode::TOO_MANY_REQUESTS);
    let (_, text) = scrape(&app, "/metrics").await;
    let counted = "http_route=\"/v3/connectors\",http_response_status_code=\"304\"} 7";
    assert!(text.lines().any(|line| line.contains("_count{") && line.ends_with(counted)), "{text}");
}
