//! Whole connectors as of one revision, and changes to several of them in one commit.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{APPLY_LINES, APPLY_REFUSALS, EXPORT_NAMES};
use connectory_server::Options;
use futures_util::{StreamExt, stream};
use http::{Method, Request, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Answer, TestApp, operator};

const LIST: &str = "/v2025/connectors";
const EXPORT: &str = "/connectory/v1/connectors";
const APPLY: &str = "/connectory/v1/apply";
const LINES: &str = "application/x-ndjson";

/// An export: its head, its lines and its end.
async fn export(app: &TestApp, query: &str) -> (Value, Vec<Value>, Value) {
    let answer = app.get(&format!("{EXPORT}{query}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some(LINES)), "{}", answer.text());
    let mut lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (head, end) = (lines.remove(0), lines.pop().unwrap());
    (head, lines, end)
}

async fn exported(app: &TestApp, script_name: &str) -> Option<Value> {
    export(app, &format!("?scriptName={script_name}")).await.1.pop()
}

async fn apply(app: &TestApp, lines: &[Value]) -> Answer {
    app.call(Method::POST, APPLY, LINES, ndjson(lines)).await
}

fn ndjson(lines: &[Value]) -> String {
    lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect()
}

/// The reasons for the refusal of lines.
#[track_caller]
fn causes(answer: &Answer, status: u16) -> Vec<String> {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    let body = answer.json();
    body["causes"].as_array().unwrap().iter().map(|cause| cause["text"].as_str().unwrap().to_owned()).collect()
}

/// A line that creates a connector.
async fn new(app: &TestApp, name: &str, script_name: &str) -> Value {
    let mut line = exported(app, &app.create("Model").await).await.unwrap();
    app.delete(&format!("{LIST}/model")).await;
    line["revision"] = json!(0);
    renamed(&mut line, name, script_name);
    line
}

fn renamed(line: &mut Value, name: &str, script_name: &str) {
    line["scriptName"] = json!(script_name);
    line["connector"]["scriptName"] = json!(script_name);
    line["connector"]["name"] = json!(name);
}

#[tokio::test]
async fn an_export_has_whole_connectors_of_every_status_as_of_one_revision() {
    let app = TestApp::start().await;
    let (head, none, end) = export(&app, "").await;
    assert_eq!((&head["revision"], none.len(), end), (&json!(0), 0, json!({"count": 0})));
    assert_eq!(head["builtInCatalog"].as_str().unwrap().len(), 64);
    for name in ["b", "A"] {
        app.create(name).await;
    }
    app.post(LIST, &json!({"name": "c", "className": "x.Y", "status": "DEMO"})).await.ok();
    app.put(&format!("{LIST}/b/translations/de"), b"a=b").await.ok();
    let (head, lines, end) = export(&app, "").await;
    assert_eq!((&head["revision"], end), (&json!(4), json!({"count": 3})));
    let of = |line: &Value| (line["scriptName"].as_str().unwrap().to_owned(), line["revision"].as_u64().unwrap());
    assert_eq!(lines.iter().map(of).collect::<Vec<_>>(), [("a".into(), 2), ("b".into(), 4), ("c".into(), 3)]);
    for line in &lines {
        let detail = app.get(&format!("/connectors/v1/{}", of(line).0)).await.ok();
        assert_eq!(line["connector"], detail, "as a get of the newest API answers it");
    }
}

#[tokio::test]
async fn an_export_takes_the_filters_of_lists_or_script_names() {
    let app = TestApp::start().await;
    for name in ["HR 1", "HR 2", "AD"] {
        app.create(name).await;
    }
    app.post(LIST, &json!({"name": "HR 3", "className": "x.Y", "status": "DEMO"})).await.ok();
    let names = async |query: &str| {
        let lines = export(&app, query).await.1;
        lines.iter().map(|line| line["connector"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("?filters=name%20sw%20%22hr%22").await, ["HR 1", "HR 2", "HR 3"]);
    assert_eq!(names("?filters=name%20sw%20%22hr%22&statuses=RELEASED").await, ["HR 1", "HR 2"]);
    let built_in = names("?custom=false").await;
    assert!(built_in.len() > 5 && !built_in.contains(&"AD".to_owned()));
    assert_eq!(names("?scriptName=ad&scriptName=hr-3&scriptName=no").await, ["AD", "HR 3"]);
    let (_, lines, _) = export(&app, "?scriptName=active-directory-direct").await;
    assert!(lines.is_empty() || lines[0]["revision"] == 0, "built-in connectors have no revision");
    for (query, expected) in [
        ("?limit=1", "the parameter `limit` is unknown; an export has `filters`"),
        ("?scriptName=a&custom=true", "`scriptName` excludes `filters`"),
        ("?scriptName=a%2Fb", "`scriptName`: `a/b` cannot be a script name"),
        ("?filters=name", "`filters`, "),
        ("?statuses=x", "`statuses`: "),
    ] {
        let text = app.get(&format!("{EXPORT}{query}")).await.refusal(400);
        assert!(text.starts_with(expected), "{text}");
    }
    let many = |count| format!("{EXPORT}?{}", vec!["scriptName=a"; count].join("&"));
    assert_eq!(app.get(&many(EXPORT_NAMES)).await.status, StatusCode::OK);
    assert!(app.get(&many(EXPORT_NAMES + 1)).await.refusal(400).contains("more than 250 times"));
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    assert_eq!(app.get_as(&reader, EXPORT).await.status, StatusCode::OK);
    assert_eq!(app.send(Request::get(EXPORT).body(Body::empty()).unwrap()).await.status, StatusCode::UNAUTHORIZED);
    // A pipeline that only plans may check changes, and make none.
    let line = ndjson(&[new(&app, "new", "new").await]);
    for query in ["", "?dry-run=false"] {
        app.call_as(&reader, Method::POST, &format!("{APPLY}{query}"), LINES, line.clone()).await.refusal(403);
    }
    let checked = app.call_as(&reader, Method::POST, &format!("{APPLY}?dry-run=true"), LINES, line).await.ok();
    assert_eq!(checked["created"], 1);
    app.get("/v2025/connectors/new").await.refusal(404);
    let user = app.client("nobody", "default", UserLevel::User, &[Scope::Default]).await;
    app.call_as(&user, Method::POST, &format!("{APPLY}?dry-run=true"), LINES, "{}").await.refusal(403);
}

#[tokio::test]
async fn an_export_is_compressed_for_a_client_that_accepts_it() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let get = async |accepted: &str| {
        let request = Request::get(EXPORT).header(header::AUTHORIZATION, app.authorization());
        app.send(request.header(header::ACCEPT_ENCODING, accepted).body(Body::empty()).unwrap()).await
    };
    let plain = get("br").await;
    assert_eq!(plain.header("content-encoding"), None);
    let answer = get("gzip, ZSTD;q=0.5").await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (Some("gzip"), Some("Accept-Encoding")));
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(answer.body.as_slice()), &mut text).unwrap();
    assert_eq!(text, plain.body);
    for accepted in ["zstd", "gzip;q=0.4, ZSTD;q=0.5", "br,zstd ; q=1"] {
        let answer = get(accepted).await;
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (Some("zstd"), Some("Accept-Encoding")));
        assert_eq!(zstd::decode_all(answer.body.as_slice()).unwrap(), plain.body);
    }
    for refused in ["zstd;q=0", "zstd;q=x", "xzstd", ""] {
        assert_eq!(get(refused).await.header("content-encoding"), None, "{refused}");
    }
}

#[tokio::test]
async fn what_is_exported_is_applied_elsewhere_in_one_commit() {
    let app = TestApp::start().await;
    // The server would give the second one the script name `c`.
    for name in ["C#", "C++"] {
        app.create(name).await;
    }
    app.delete(&format!("{LIST}/c")).await;
    app.put(&format!("{LIST}/c-2/translations/de"), b"a=b").await.ok();
    app.post(LIST, &json!({"name": "Old", "className": "x.Y"})).await.ok();
    app.patch(&format!("{EXPORT}/old"), &json!([{"op": "replace", "path": "/status", "value": "DEPRECATED"}]))
        .await
        .ok();
    let mut lines = export(&app, "").await.1;
    assert_eq!(lines.len(), 2);
    let other = TestApp::start().await;
    for line in &mut lines {
        line["revision"] = json!(0);
    }
    let applied = apply(&other, &lines).await.ok();
    let expected = json!({"before": 0, "revision": 2, "created": 2, "changed": 0, "deleted": 0, "unchanged": 0});
    assert_eq!(applied, expected);
    let (head, there, _) = export(&other, "").await;
    assert_eq!(head["revision"], 2);
    for (line, there) in lines.iter().zip(&there) {
        assert_eq!(line["connector"], there["connector"]);
    }
}

#[tokio::test]
async fn what_another_service_has_comes_under_its_script_names() {
    let app = TestApp::start().await;
    let names = [
        "Microsoft-Entra",
        "microsoft-entra",
        "F0E1D2C3-0000-4000-8000-0123456789AB",
        "CON",
        "...",
        "größe ?#%&+",
        " a ",
    ];
    let mut lines = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let mut line = new(&app, &format!("N {number}"), name).await;
        // Services answer null where they know nothing.
        for member in ["className", "type"] {
            line["connector"][member] = Value::Null;
        }
        lines.push(line);
    }
    assert_eq!(apply(&app, &lines).await.ok()["created"], names.len());
    for name in names {
        let path = format!("{LIST}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
        let detail = app.get(&path).await.ok();
        assert_eq!(
            (&detail["scriptName"], &detail["className"]),
            (&json!(name), &json!("sailpoint.connector.OpenConnectorAdapter"))
        );
        app.put(&format!("{path}/translations/de"), b"a=b").await.ok();
    }
    let listed = app.get(LIST).await.ok();
    let listed = listed.as_array().unwrap().iter().filter(|item| names.iter().any(|name| item["scriptName"] == *name));
    assert_eq!(listed.count(), names.len());
    // What is exported comes to another server in the same way.
    let (other, mut lines) = (TestApp::start().await, export(&app, "").await.1);
    for line in &mut lines {
        line["revision"] = json!(0);
    }
    apply(&other, &lines).await.ok();
    let there = export(&other, "").await.1;
    assert_eq!(
        lines.iter().map(|it| &it["connector"]).collect::<Vec<_>>(),
        there.iter().map(|it| &it["connector"]).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn changes_of_every_kind_are_one_change_of_the_history() {
    let app = TestApp::start().await;
    for name in ["changes", "goes", "stays", "is renamed"] {
        app.create(name).await;
    }
    let (head, mut lines, _) = export(&app, "").await;
    // The revision of the export is that of all its lines.
    for line in &mut lines {
        line["revision"] = head["revision"].clone();
    }
    let at = |name: &str| lines.iter().position(|line| line["scriptName"] == name).unwrap();
    let [changes, goes, renames] = [at("changes"), at("goes"), at("is-renamed")];
    lines[changes]["connector"]["status"] = json!("DEVELOPMENT");
    let form = lines[changes]["connector"]["sourceConfigXml"].as_str().unwrap().replacen("<Form ", "<Form  ", 1);
    lines[changes]["connector"]["sourceConfigXml"] = json!(form);
    lines[changes]["connector"]["translationProperties"] = json!({"fr": "a=b"});
    lines[goes]["connector"] = Value::Null;
    lines[renames]["connector"]["name"] = json!("another name");
    lines.push(new(&app, "new", "under-another-name").await);
    let dry = app.call(Method::POST, &format!("{APPLY}?dry-run=true"), LINES, ndjson(&lines)).await.ok();
    let counts = json!({"before": 6, "revision": 6, "created": 1, "changed": 2, "deleted": 1, "unchanged": 1});
    assert_eq!(dry, counts);
    assert_eq!(export(&app, "").await.0["revision"], 6, "a dry run changes nothing");
    let applied = apply(&app, &lines).await.ok();
    assert_eq!(applied, json!({"before": 6, "revision": 10, "created": 1, "changed": 2, "deleted": 1, "unchanged": 1}));
    let changed = app.get("/v2025/connectors/changes").await.ok();
    assert_eq!((&changed["status"], &changed["sourceConfigXml"]), (&json!("DEVELOPMENT"), &json!(form)));
    assert_eq!(changed["translationProperties"], json!({"fr": "a=b"}));
    assert_eq!(app.get("/v2025/connectors/is-renamed").await.ok()["name"], "another name");
    assert_eq!(app.get("/v2025/connectors/under-another-name").await.ok()["name"], "new");
    app.get("/v2025/connectors/goes").await.refusal(404);
    let tenant = app.server.store.tenants().await.unwrap()[0].id;
    let revisions = app.server.store.revisions(tenant, None, None, 4).await.unwrap();
    assert!(revisions.iter().all(|revision| revision.change.get() == 10), "{revisions:?}");
    let status = revisions.iter().find(|revision| revision.script_name.as_str() == "changes").unwrap();
    assert_eq!(status.changed, ["status", "sourceConfigXml", "translations/fr"]);
}

#[tokio::test]
async fn every_refused_line_is_told_and_nothing_is_written() {
    let app = TestApp::start().await;
    for name in ["mine", "other", "third"] {
        app.create(name).await;
    }
    let good = new(&app, "good", "good").await;
    let line = |script_name: &str, revision: u64, connector: Value| json!({"scriptName": script_name, "revision": revision, "connector": connector});
    let with = |name: &str, script_name: &str, member: &str, value: Value| {
        let mut line = good.clone();
        renamed(&mut line, name, script_name);
        line["connector"][member] = value;
        line
    };
    let mine = exported(&app, "mine").await.unwrap();
    let mut moved = mine.clone();
    app.patch(&format!("{LIST}/mine"), &json!([{"op": "add", "path": "/connectorMetadata/a", "value": 1}])).await.ok();
    moved["connector"]["status"] = json!("DEMO");
    let newest = export(&app, "").await.0["revision"].as_u64().unwrap();
    let built_in = export(&app, "?custom=false").await.1.remove(0);
    let mut other_script_name = good.clone();
    other_script_name["scriptName"] = json!("another");
    let table = [
        (json!([]), "it is not an object; a line is {\"scriptName\": …"),
        (json!({"revision": 1, "connector": null}), "`scriptName` is not a string"),
        (line("x", 1, json!({})), "`connector`: `name` is missing; a whole connector is wanted"),
        (
            json!({"scriptName": "y", "revision": -1, "connector": null}),
            "`revision` is not a whole number of 0 or more",
        ),
        (json!({"scriptName": "z", "revision": 1}), "`connector` is missing; null deletes"),
        (json!({"scriptName": "z", "revision": 1, "connector": null, "a": 1}), "the member `a` is unknown"),
        (with("A/B", "A/B", "name", json!("A/B")), "`scriptName`: `A/B` cannot be a script name"),
        (line("gone", 1, Value::Null), "it is not there any more"),
        (line("never", 0, Value::Null), "revision 0 is a new connector, so it needs `connector`"),
        (with("mine too", "third", "name", json!("mine too")), "the server has a connector with this script name"),
        (moved, "someone else changed it in revision"),
        (line("other", newest + 1, Value::Null), "is not there yet; the newest is"),
        (with("OTHER", "free", "name", json!("OTHER")), "`name` is taken: a connector of this name exists already"),
        (with("Good", "good-2", "name", json!("Good")), "`name` is also the name that `good` is to have"),
        (with("bad", "bad", "sourceConfigXml", json!("<Form")), "`connector`: `sourceConfigXml`: line 1"),
        (with("status", "status", "status", json!("x")), "`connector`: `status`: `x` is not a status"),
        (with("member", "member", "future", json!(1)), "`connector`: the member `future` is unknown"),
        (other_script_name, "`connector`: its `scriptName` is not `another`; a script name never changes"),
        (line("good", 0, good["connector"].clone()), "its connector is changed in line 1 already"),
        (
            line(built_in["scriptName"].as_str().unwrap(), 1, Value::Null),
            "is a built-in connector, which cannot be changed or deleted",
        ),
    ];
    let lines: Vec<_> = [good.clone()].into_iter().chain(table.iter().map(|(line, _)| line.clone())).collect();
    let body = format!("{}not json\n\n{}", ndjson(&lines), ndjson(std::slice::from_ref(&good)));
    let answer = app.call(Method::POST, APPLY, LINES, body).await;
    let causes = causes(&answer, 409);
    let text = &answer.json()["messages"][0]["text"];
    assert_eq!(text, "22 of 23 lines are refused, and nothing was changed");
    for (at, (cause, expected)) in causes.iter().zip(table.iter().map(|(_, expected)| *expected)).enumerate() {
        assert!(cause.starts_with(&format!("line {}", at + 2)) && cause.contains(expected), "{cause} / {expected}");
    }
    assert!(causes[20].starts_with("line 22: it is not JSON"), "{}", causes[20]);
    assert!(causes[21].starts_with("line 24, `good`: its connector is changed in line 1"), "{}", causes[21]);
    assert_eq!(export(&app, "").await.0["revision"].as_u64(), Some(newest));
    let bad = with("bad", "bad", "sourceConfigXml", json!("<Form"));
    assert_eq!(self::causes(&apply(&app, &[bad]).await, 400).len(), 1, "409 is for what someone else changed");
}

#[tokio::test]
async fn a_set_that_is_refused_at_its_500th_line_has_written_nothing() {
    let app = TestApp::start().await;
    let model = new(&app, "model", "model").await;
    let before = export(&app, "").await.0;
    let mut lines: Vec<_> = (1..=600)
        .map(|n| {
            let mut line = model.clone();
            renamed(&mut line, &format!("Connector {n}"), &format!("connector-{n}"));
            line
        })
        .collect();
    lines[499]["connector"]["applicationXml"] = json!("<Application");
    let causes = causes(&apply(&app, &lines).await, 400);
    assert_eq!(causes.len(), 1);
    assert!(causes[0].starts_with("line 500, `connector-500`: `connector`: `applicationXml`: line 1"), "{causes:?}");
    assert_eq!(export(&app, "").await.0, before);
    lines.remove(499);
    let applied = apply(&app, &lines).await.ok();
    assert_eq!(
        (&applied["created"], &applied["revision"]),
        (&json!(599), &json!(before["revision"].as_u64().unwrap() + 599))
    );
}

#[tokio::test]
async fn an_apply_is_bounded() {
    let options = Options { rate_limit: None, max_apply: 100_000, max_connector: 20_000, ..Options::default() };
    let app = TestApp::with(options).await;
    let line = new(&app, "a", "a").await;
    let refused = async |lines: String| app.call(Method::POST, APPLY, LINES, lines).await.refusal(413);
    let many = json!({"scriptName": "x", "revision": 1, "connector": null});
    assert_eq!(
        refused(ndjson(&vec![line.clone(); 100])).await,
        "the changes have more than 100000 bytes; apply a part of them at a time"
    );
    assert_eq!(refused(" ".repeat(40_001)).await, "line 1 has more than 40000 bytes");
    assert_eq!(refused(format!("\n{}", " ".repeat(40_001))).await, "line 2 has more than 40000 bytes");
    let blank = "\n".repeat(2 * APPLY_LINES + 1);
    assert_eq!(refused(blank).await, "there are too many blank lines");
    let empty = app.call(Method::POST, APPLY, LINES, "\n \n").await.refusal(400);
    assert_eq!(empty, "the body is empty; it must have a line of JSON for each change");
    let mut large = line.clone();
    large["connector"]["sourceConfigXml"] = with_comment(&line, 21_000);
    let causes = causes(&apply(&app, &[large]).await, 400);
    assert!(causes[0].contains("the connector as JSON has") && causes[0].contains("at most 20000"), "{causes:?}");

    let app = TestApp::start().await;
    let refused = app.call(Method::POST, APPLY, LINES, ndjson(&vec![many.clone(); APPLY_LINES + 1])).await.refusal(413);
    assert_eq!(refused, "there are more than 10000 changes; apply a part of them at a time");
    let listed = self::causes(&apply(&app, &vec![many; APPLY_LINES]).await, 409);
    assert_eq!(listed.len(), APPLY_REFUSALS);

    let wrong = app.call(Method::POST, &format!("{APPLY}?dryrun=true"), LINES, "{}").await.refusal(400);
    assert_eq!(wrong, "the parameter `dryrun` is unknown; an apply has `dry-run`");
    app.call(Method::POST, APPLY, "application/json", "{}").await.refusal(415);
    app.get(APPLY).await.refusal(405);
    let document = Options { rate_limit: None, max_document: 1000, ..Options::default() };
    let app = TestApp::with(document).await;
    let mut line = line.clone();
    line["connector"]["sourceConfigXml"] = with_comment(&line, 1000);
    let causes = self::causes(&apply(&app, &[line]).await, 400);
    assert!(causes[0].contains("`sourceConfigXml` is larger than 1000 bytes"), "{causes:?}");
}

#[tokio::test]
async fn compressed_lines_are_bounded_by_what_they_become() {
    let app = TestApp::with(Options { rate_limit: None, max_apply: 100_000, ..Options::default() }).await;
    let line = new(&app, "a", "a").await;
    let send = async |body: Vec<u8>, encoding: &str| {
        let request = Request::post(APPLY)
            .header(header::AUTHORIZATION, app.authorization())
            .header(header::CONTENT_TYPE, LINES)
            .header(header::CONTENT_ENCODING, encoding);
        app.send(request.body(body.into()).unwrap()).await
    };
    let compressed = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
    let bomb = compressed(&vec![b' '; 1 << 30]);
    assert!(bomb.len() < 100_000);
    assert!(send(bomb, "zstd").await.refusal(413).contains("more than 100000 bytes"));
    // A window of 16 MiB would take as much memory.
    let mut wide = zstd::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(24).unwrap();
    wide.include_contentsize(false).unwrap();
    std::io::Write::write_all(&mut wide, &vec![b'\n'; 1000]).unwrap();
    let text = send(wide.finish().unwrap(), "zstd").await.refusal(400);
    assert!(text.starts_with("the body cannot be decompressed: "), "{text}");
    let whole = compressed(ndjson(std::slice::from_ref(&line)).as_bytes());
    for broken in [&whole[..whole.len() - 5], b"not zstd"] {
        assert!(send(broken.to_vec(), "zstd").await.refusal(400).contains("cannot be decompressed"));
    }
    assert_eq!(send(whole, "ZSTD").await.ok()["created"], 1);
}

/// The source config of a line with a long comment.
fn with_comment(line: &Value, length: usize) -> Value {
    let comment = format!("<!--{}--></Form>", "x".repeat(length));
    json!(line["connector"]["sourceConfigXml"].as_str().unwrap().replace("</Form>", &comment))
}

/// A body that waits after its first part, and what ends it.
fn waiting(first: String) -> (mpsc::Sender<()>, Body) {
    let (end, mut ends) = mpsc::channel::<()>(1);
    let rest = stream::once(async move {
        ends.recv().await;
        Ok::<_, Infallible>(Bytes::new())
    });
    let first = stream::once(async move { Ok(Bytes::from(first)) });
    (end, Body::from_stream(first.chain(rest)))
}

#[tokio::test]
async fn a_tenant_applies_one_set_at_a_time_and_all_tenants_two() {
    let app = TestApp::start().await;
    let mut tokens = Vec::new();
    for tenant in ["one", "two", "three"] {
        app.access().create_tenant(tenant, &operator()).unwrap();
        tokens.push(app.client(tenant, tenant, UserLevel::OrgAdmin, &[Scope::All]).await);
    }
    let line = ndjson(&[json!({"scriptName": "x", "revision": 1, "connector": null})]);
    let mut ends = Vec::new();
    let apply = |token: &str, body: Body| {
        let request = Request::post(APPLY).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.header(header::HOST, "a").header(header::CONTENT_TYPE, LINES).body(body).unwrap();
        let service = app.service();
        tokio::spawn(async move { service.answer(request, std::net::Ipv4Addr::LOCALHOST.into()).await.status() })
    };
    let mut running = Vec::new();
    let mut begin = |token: &str| {
        let (end, body) = waiting(line.clone());
        ends.push(end);
        apply(token, body)
    };
    running.push(begin(&tokens[0]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second_of_tenant = begin(&tokens[0]);
    running.push(begin(&tokens[1]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let third = begin(&tokens[2]);
    for refused in [second_of_tenant, third] {
        assert_eq!(refused.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    ends.clear();
    for done in running {
        assert_eq!(done.await.unwrap(), StatusCode::CONFLICT, "its only line is refused");
    }
    // A client that leaves makes room.
    for _ in 0..4 {
        let (_end, body) = waiting(line.clone());
        let left = apply(&tokens[0], body);
        tokio::time::sleep(Duration::from_millis(50)).await;
        left.abort();
    }
    assert_eq!(apply(&tokens[0], Body::from(line.clone())).await.unwrap(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn an_apply_with_a_key_is_done_once() {
    let app = TestApp::start().await;
    app.create("kept").await;
    let (mut kept, new) = (exported(&app, "kept").await.unwrap(), new(&app, "new", "new").await);
    kept["connector"]["status"] = json!("DEMO");
    let before = export(&app, "").await.0["revision"].as_u64().unwrap();
    let lines = ndjson(&[kept, new]);
    let send = async |lines: &str, key: &str| {
        let request = Request::post(APPLY)
            .header(header::AUTHORIZATION, app.authorization())
            .header(header::CONTENT_TYPE, LINES)
            .header("Idempotency-Key", key);
        app.send(request.body(Body::from(lines.to_owned())).unwrap()).await
    };
    let first = send(&lines, "k").await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.ok();
    let expected =
        json!({"before": before, "revision": before + 2, "created": 1, "changed": 1, "deleted": 0, "unchanged": 0});
    assert_eq!(first, expected);
    let again = send(&lines, "k").await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(), expected);
    send(&lines, "other").await;
    assert_eq!(export(&app, "").await.0["revision"], before + 2);
    assert!(send(&format!("{lines}\n"), "k").await.refusal(422).contains("another request"));
}

#[tokio::test]
async fn names_count_as_they_are_after_the_apply() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c"] {
        app.create(name).await;
    }
    let mut lines = export(&app, "").await.1;
    let renamed = |line: &Value, name: &str| {
        let mut line = line.clone();
        line["connector"]["name"] = json!(name);
        line
    };
    // One that stays has its name.
    let refused = apply(&app, &[renamed(&lines[0], "b"), renamed(&lines[2], "a"), lines[1].clone()]).await;
    assert_eq!(causes(&refused, 400), ["line 1, `a`: `name` is taken: a connector of this name exists already"]);
    // Two exchange their names, and a new one has that of one that goes.
    let mut new = renamed(&lines[2], "C");
    new["scriptName"] = json!("new");
    new["connector"]["scriptName"] = json!("new");
    new["revision"] = json!(0);
    lines[2]["connector"] = Value::Null;
    let lines = [new, renamed(&lines[0], "b"), renamed(&lines[1], "a"), lines[2].clone()];
    let dry = app.call(Method::POST, &format!("{APPLY}?dry-run=true"), LINES, ndjson(&lines)).await.ok();
    assert_eq!(dry["created"], 1);
    assert_eq!(apply(&app, &lines).await.ok()["changed"], 2);
    let named = export(&app, "").await.1;
    let named: Vec<_> = named.iter().map(|line| (&line["scriptName"], &line["connector"]["name"])).collect();
    assert_eq!(named, [(&json!("b"), &json!("a")), (&json!("a"), &json!("b")), (&json!("new"), &json!("C"))]);
    // The case of a name is its connector's own.
    let line = renamed(&exported(&app, "a").await.unwrap(), "B");
    assert_eq!(apply(&app, &[line]).await.ok()["changed"], 1);
}

#[tokio::test]
async fn changes_that_do_not_arrive_are_given_up() {
    let app = TestApp::start().await;
    let (_end, body) = waiting("{".to_owned());
    let late = app.call(Method::POST, APPLY, LINES, body).await.refusal(408);
    assert_eq!(
        late,
        "the changes did not arrive in time: at least 64 KiB a second, and all of them within 120 seconds"
    );
}

#[tokio::test]
async fn a_client_reads_one_export_at_a_time_and_a_tenant_two() {
    let app = TestApp::start().await;
    let metadata = json!({"shortDesc": "x".repeat(4000), "long": "y".repeat(50_000)});
    for n in 0..20 {
        let script_name = app.create(&format!("Large {n}")).await;
        let patch = json!([{"op": "replace", "path": "/connectorMetadata", "value": metadata}]);
        app.patch(&format!("{LIST}/{script_name}"), &patch).await.ok();
    }
    let other = app.client("other", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    let third = app.client("third", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    let begin = async |token: &str| {
        let request = Request::get(EXPORT).header(header::AUTHORIZATION, token).header(header::HOST, "a");
        app.service().answer(request.body(Body::empty()).unwrap(), std::net::Ipv4Addr::LOCALHOST.into()).await
    };
    let (mine, other, third) = (app.authorization(), format!("Bearer {other}"), format!("Bearer {third}"));
    // Nobody reads them, so they do not end.
    let first = begin(&mine).await;
    assert_eq!(first.status(), StatusCode::OK);
    let second = begin(&other).await;
    assert_eq!(second.status(), StatusCode::OK);
    let refused = tokio::join!(begin(&mine), begin(&third));
    assert_eq!([refused.0.status(), refused.1.status()], [StatusCode::SERVICE_UNAVAILABLE; 2]);
    // A reader that leaves makes room.
    drop((first, second));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(begin(&third).await.status(), StatusCode::OK);
}

/// Sends a body in two parts. Between them, something else happens.
async fn in_two_parts(
    app: &TestApp,
    token: &str,
    parts: [Value; 2],
    between: impl AsyncFnOnce(),
) -> (StatusCode, Value) {
    let (end, mut ends) = mpsc::channel::<()>(1);
    let [first, second] = parts.map(|line| Bytes::from(ndjson(&[line])));
    let rest = stream::once(async move {
        ends.recv().await;
        Ok::<_, Infallible>(second)
    });
    let body = Body::from_stream(stream::once(async move { Ok(first) }).chain(rest));
    let request = Request::post(APPLY).header(header::AUTHORIZATION, token).header(header::HOST, "a");
    let request = request.header(header::CONTENT_TYPE, LINES).body(body).unwrap();
    let service = app.service();
    let answer = tokio::spawn(async move { service.answer(request, std::net::Ipv4Addr::LOCALHOST.into()).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    between().await;
    drop(end);
    let (head, body) = answer.await.unwrap().into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    (head.status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn what_changes_while_the_lines_arrive_is_not_passed_over() {
    let app = TestApp::start().await;
    for name in ["stays", "changes"] {
        app.create(name).await;
    }
    let (stays, mut changes) = (exported(&app, "stays").await.unwrap(), exported(&app, "changes").await.unwrap());
    changes["connector"]["status"] = json!("DEMO");
    let patch = json!([{"op": "add", "path": "/connectorMetadata/a", "value": 1}]);
    let between = async || {
        app.patch(&format!("{LIST}/stays"), &patch).await.ok();
    };
    let (status, body) = in_two_parts(&app, &app.authorization(), [stays, changes], between).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    assert!(
        body["causes"][0]["text"].as_str().unwrap().starts_with("line 1, `stays`: someone else changed it"),
        "{body}"
    );
    assert_eq!(app.get(&format!("{LIST}/changes")).await.ok()["status"], "RELEASED");
}

#[tokio::test]
async fn a_client_that_is_deleted_while_its_lines_arrive_changes_nothing() {
    let app = TestApp::start().await;
    let [a, b] = [new(&app, "a", "a").await, new(&app, "b", "b").await];
    let token = app.client("leaves", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    let between = async || {
        let tenant = app.server.store.tenants().await.unwrap()[0].id;
        app.server.store.delete_client(tenant, "leaves".to_owned(), operator()).await.unwrap();
        // A server notices it within seconds.
        while app.get_as(&token, LIST).await.status != StatusCode::UNAUTHORIZED {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (status, _) = in_two_parts(&app, &format!("Bearer {token}"), [a, b], between).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    app.get(&format!("{LIST}/a")).await.refusal(404);
}

#[tokio::test]
async fn equal_catalogs_have_one_hash() {
    let heads = [export(&TestApp::start().await, "").await.0, export(&TestApp::start().await, "").await.0];
    assert_eq!(heads[0]["builtInCatalog"], heads[1]["builtInCatalog"]);
}
