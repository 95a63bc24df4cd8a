//! Connector folders in a zip file: exported, and imported in one commit.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use connectory_folder::lint::Limits;
use connectory_folder::packed::Packed;
use connectory_folder::upload::{SentFile, read};
use connectory_folder::{Files, Folder};
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{EXPORT_NAMES, IMPORT_CONNECTORS, LARGE_BYTES};
use futures_util::stream;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{Answer, TestApp};

const LIST: &str = "/v2025/connectors";
const EXPORT: &str = "/connectory/v1/connectors";
const IMPORT: &str = "/connectory/v1/import";
const ZIP: &str = "application/zip";
const LINES: &str = "application/x-ndjson";

/// Paths and texts.
type Texts<'a> = &'a [(&'a str, &'a str)];

/// A zip file with a folder for each connector: its script name, `connector.yaml`, and other files.
fn zipped(folders: &[(&str, &str, Texts<'_>)]) -> Vec<u8> {
    let mut packed = Packed::new(Vec::new());
    for (script_name, yaml, others) in folders {
        let files = [("connector.yaml", *yaml)].into_iter().chain(others.iter().copied());
        let files: Files<'_> = files.map(|(path, text)| (path.to_owned(), text.as_bytes().into())).collect();
        let connector = Folder::read(&files).unwrap().into_connector(script_name.parse().unwrap());
        packed.add(connector).unwrap();
    }
    packed.finish().unwrap()
}

fn yaml(name: &str) -> String {
    format!("name: {name}\nclassName: x.Y\n")
}

async fn import(app: &TestApp, query: &str, body: impl Into<Body>) -> Answer {
    app.call(Method::POST, &format!("{IMPORT}{query}"), ZIP, body).await
}

async fn export(app: &TestApp, query: &str, accept: &str) -> Answer {
    let request = Request::get(format!("{EXPORT}{query}")).header("Authorization", app.authorization());
    app.send(request.header("Accept", accept).body(Body::empty()).unwrap()).await
}

#[track_caller]
fn causes(answer: &Answer, status: u16) -> Vec<String> {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    let body = answer.json();
    body["causes"].as_array().unwrap().iter().map(|cause| cause["text"].as_str().unwrap().to_owned()).collect()
}

fn names(zip: &[u8]) -> Vec<String> {
    let folders = read(&[SentFile { path: "x.zip", bytes: zip }], Limits::default()).unwrap().folders;
    folders.into_iter().map(|folder| folder.name).collect()
}

#[tokio::test]
async fn an_export_is_a_zip_file_for_a_client_that_asks_for_one() {
    let app = TestApp::start().await;
    for name in ["HR", "b"] {
        app.create(name).await;
    }
    app.put(&format!("{LIST}/b/translations/de"), b"a=b").await.ok();
    let all = export(&app, "", "application/json, application/zip;q=0.9").await;
    let header = |name| all.header(name);
    assert_eq!((all.status, header("content-type")), (StatusCode::OK, Some(ZIP)));
    assert_eq!(header("content-disposition"), Some("attachment; filename=\"connectors.zip\""));
    assert_eq!(names(&all.body), ["b", "hr"]);
    assert_eq!(export(&app, "", ZIP).await.body, all.body, "the same bytes");
    let one = export(&app, "?scriptName=hr", ZIP).await;
    assert_eq!(one.header("content-disposition"), Some("attachment; filename=\"hr.zip\""));
    assert_eq!(names(&one.body), ["hr"]);
    assert!(names(&export(&app, "?custom=false", ZIP).await.body).len() > 5);
    assert_eq!(names(&export(&app, "?at=1", ZIP).await.body), ["hr"]);
    for accept in ["*/*", "application/zip;q=0", "text/zip"] {
        assert_eq!(export(&app, "", accept).await.header("content-type"), Some(LINES), "{accept}");
    }
    let many = format!("?{}", vec!["scriptName=a"; EXPORT_NAMES + 1].join("&"));
    assert!(export(&app, &many, ZIP).await.refusal(400).contains("more than 250 times"));
    // What was exported changes nothing.
    let again = import(&app, "", all.body).await.ok();
    assert_eq!((&again["unchanged"], &again["revision"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn an_import_makes_all_changes_in_one_commit() {
    let app = TestApp::start().await;
    for name in ["Kept", "Changed", "Other"] {
        app.create(name).await;
    }
    let (changed, new) = (yaml("Changed").replace("x.Y", "x.Z"), yaml("New"));
    let body = zipped(&[
        ("changed", &changed, &[]),
        ("kept", &yaml("Kept"), &[]),
        ("new", &new, &[("translations/de.properties", "a=b")]),
    ]);
    let planned = import(&app, "?dry-run=true", body.clone()).await.ok();
    let expected = json!([
        {"scriptName": "changed", "result": "changed", "changed": ["className", "applicationXml"]},
        {"scriptName": "kept", "result": "unchanged", "changed": []},
        {"scriptName": "new", "result": "created", "changed": []},
    ]);
    assert_eq!(planned["connectors"], expected);
    assert_eq!((&planned["before"], &planned["revision"], &planned["created"]), (&json!(3), &json!(3), &json!(1)));
    assert_eq!(app.get(&format!("{LIST}/new")).await.status, StatusCode::NOT_FOUND);
    let made = import(&app, "?revision=3", body.clone()).await.ok();
    assert_eq!((&made["connectors"], &made["before"], &made["revision"]), (&expected, &json!(3), &json!(5)));
    let read = app.get("/connectors/v1/new").await.ok();
    assert_eq!(read["translationProperties"]["de"], "a=b");
    assert_eq!(app.get("/connectors/v1/changed").await.ok()["className"], "x.Z");
    assert_eq!(app.get("/connectors/v1/other").await.ok()["className"], "x.Y");
    let revisions = app.get("/connectory/v1/revisions?limit=2").await.ok();
    let changes: Vec<_> = revisions.as_array().unwrap().iter().map(|revision| revision["change"].clone()).collect();
    assert_eq!(changes, [json!(5), json!(5)], "{revisions}");
    let again = import(&app, "", body).await.ok();
    assert_eq!((&again["unchanged"], &again["revision"]), (&json!(3), &json!(5)));
}

#[tokio::test]
async fn a_document_that_a_folder_lacks_stays_as_it_is() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let template = b"<Application featuresString='A'/>";
    app.put(&format!("{LIST}/hr/source-template"), template).await.ok();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("hr/connector.yaml", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, yaml("HR").as_bytes()).unwrap();
    let answer = import(&app, "", zip.finish().unwrap().into_inner()).await.ok();
    assert_eq!(answer["unchanged"], 1, "{answer}");
    assert_eq!(app.get(&format!("{LIST}/hr/source-template")).await.body, template);
}

#[tokio::test]
async fn an_export_and_an_array_of_details_are_imported_too() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let lines = app.get(EXPORT).await.text().to_owned();
    let detail = app.get("/connectors/v1/hr").await.ok();
    app.delete(&format!("{LIST}/hr")).await;
    let gzip = || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, lines.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let request = Request::post(IMPORT).header("Authorization", app.authorization()).header("Content-Type", LINES);
    let request = request.header("Content-Encoding", "gzip").body(Body::from(gzip())).unwrap();
    assert_eq!(app.send(request).await.ok()["created"], 1);
    let answer = app.call(Method::POST, IMPORT, "application/json", json!([detail]).to_string()).await.ok();
    assert_eq!(answer["unchanged"], 1);
    let cut = lines.rsplit_once("{\"count\"").unwrap().0.to_owned();
    let text = app.call(Method::POST, IMPORT, LINES, cut).await.refusal(400);
    assert!(text.starts_with("the export broke off"), "{text}");
}

#[tokio::test]
async fn what_is_refused_is_told_for_each_connector_and_nothing_is_done() {
    let app = TestApp::start().await;
    app.create("Taken").await;
    let built_in = app.get(&format!("{EXPORT}?custom=false&filters=name%20sw%20%22A%22")).await;
    let line: Value = serde_json::from_str(built_in.text().lines().nth(1).unwrap()).unwrap();
    let built_in = line["scriptName"].as_str().unwrap().to_owned();
    let body = zipped(&[
        (&built_in, &yaml("x"), &[]),
        ("new", &yaml("New"), &[]),
        ("other", &yaml("taken"), &[]),
        ("twin-1", &yaml("Twin"), &[]),
        ("twin-2", &yaml("TWIN"), &[]),
    ]);
    let found = causes(&import(&app, "", body).await, 400);
    let expected = [
        (built_in.as_str(), "is a built-in connector"),
        ("other", "`name` is taken"),
        ("twin-2", "`name` is also the name that `twin-1` is to have"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (script_name, reason) in expected {
        assert!(
            found.iter().any(|cause| cause.starts_with(&format!("`{script_name}`: ")) && cause.contains(reason)),
            "{found:?}"
        );
    }
    assert_eq!(app.get(&format!("{LIST}/new")).await.status, StatusCode::NOT_FOUND);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, text) in [
        ("a/connector.yaml", "name: ["),
        ("b/connector.yaml", "name: b\nclassName: x.Y\n"),
        ("b/source-config.xml", "<x>"),
        ("HR/connector.yaml", "name: HR\nclassName: x.Y\n"),
    ] {
        zip.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, text.as_bytes()).unwrap();
    }
    let found = causes(&import(&app, "?dry-run=true", zip.finish().unwrap().into_inner()).await, 400);
    let begins =
        ["`HR`: the folder `HR` cannot have this name", "`a`: connector.yaml: not YAML", "`b`: source-config.xml: "];
    for (cause, begin) in found.iter().zip(begins) {
        assert!(cause.starts_with(begin), "{cause}");
    }
    let long = " ".repeat(app.server.options.max_request + 1);
    for (query, content_type, body, status, expected) in [
        ("?x=1", ZIP, Vec::new(), 400, "the parameter `x` is unknown; an import has `dry-run` and `revision`"),
        ("?revision=x", ZIP, Vec::new(), 400, "`revision` must be the number of a revision"),
        ("?revision=1&revision=1", ZIP, Vec::new(), 400, "`revision` is given twice"),
        ("?revision=99", ZIP, zipped(&[("new", &yaml("New"), &[])]), 404, "the tenant has no revision 99 yet"),
        ("", "text/plain", Vec::new(), 415, ""),
        ("", ZIP, Vec::new(), 400, "there is no file, or an empty one"),
        ("", ZIP, zipped(&[]), 400, "there is no connector folder"),
        ("", ZIP, b"PK\x03\x04".to_vec(), 400, "the zip file cannot be read: "),
        ("", "application/json", b"[]".to_vec(), 400, "there is no connector to import"),
        ("", "application/json", b"[1]".to_vec(), 400, "connector 1: "),
        ("", ZIP, long.into_bytes(), 413, "the request is larger than "),
    ] {
        let text = app.call(Method::POST, &format!("{IMPORT}{query}"), content_type, body).await.refusal(status);
        assert!(text.starts_with(expected), "{query} {text}");
    }
    let many: Vec<_> = (0..=IMPORT_CONNECTORS).map(|at| (format!("c{at}"), yaml(&format!("c{at}")))).collect();
    let details: Vec<_> = many.iter().map(|(script_name, _)| json!({
        "name": script_name, "scriptName": script_name, "type": "t", "className": "x.Y", "directConnect": true, "status": "RELEASED",
        "connectorMetadata": null, "sourceConfigXml": "<Form xsd='2.0'/>", "applicationXml": "<Application/>",
        "correlationConfigXml": "<CorrelationConfig/>", "translationProperties": null,
    })).collect();
    let text = app.call(Method::POST, IMPORT, "application/json", json!(details).to_string()).await;
    assert!([400, 413].contains(&text.status.as_u16()), "{}", text.text());
}

#[tokio::test]
async fn what_someone_changed_meanwhile_is_no_import_but_a_conflict() {
    let app = TestApp::start().await;
    for name in ["HR", "Gone", "Other"] {
        app.create(name).await;
    }
    let planned = |name: &str| zipped(&[(name, &yaml(if name == "hr" { "HR" } else { "Gone" }), &[])]);
    app.put(&format!("{LIST}/hr/translations/de"), b"a=b").await.ok();
    app.delete(&format!("{LIST}/gone")).await;
    for (name, reason) in [("hr", "someone else changed it in revision 4"), ("gone", "it is not there any more")] {
        let found = causes(&import(&app, "?revision=3", planned(name)).await, 409);
        assert!(found[0].contains(reason), "{found:?}");
    }
    // Others may change other connectors, and nothing is expected without a revision.
    app.put(&format!("{LIST}/other/translations/de"), b"a=b").await.ok();
    import(&app, "?revision=5", planned("hr")).await.ok();
    import(&app, "", planned("gone")).await.ok();
}

#[tokio::test]
async fn an_import_needs_the_right_to_write_and_is_done_once() {
    let app = TestApp::start().await;
    let body = zipped(&[("hr", &yaml("HR"), &[])]);
    app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let reader = app.token_of("reader").await;
    let as_reader =
        async |query: &str| app.call_as(&reader, Method::POST, &format!("{IMPORT}{query}"), ZIP, body.clone()).await;
    assert_eq!(as_reader("").await.status, StatusCode::FORBIDDEN);
    assert_eq!(as_reader("?dry-run=true").await.ok()["created"], 1);
    let with_key = async || {
        let request = Request::post(format!("{IMPORT}?revision=0")).header("Authorization", app.authorization());
        let request = request.header("Content-Type", ZIP).header("Idempotency-Key", "a");
        app.send(request.body(Body::from(body.clone())).unwrap()).await
    };
    let first = with_key().await;
    let again = with_key().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", again.text());
    assert_eq!(first.ok(), again.ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_waits_keeps_nobody_from_working_on_a_connector() {
    let app = TestApp::start().await;
    app.create("HR").await;
    // Another request of the tenant has its turn, and its body does not end.
    let endless = Body::from_stream(stream::pending::<Result<&[u8], Infallible>>());
    let mut held = pin!(app.call(Method::POST, "/connectory/v1/apply", LINES, endless));
    assert!(timeout(Duration::from_millis(500), &mut held).await.is_err(), "its body does not end");
    let waiting = import(&app, "", zipped(&[("new", &yaml("New"), &[])]));
    let work = async {
        sleep(Duration::from_millis(500)).await;
        timeout(Duration::from_secs(2), app.server.work.turn(LARGE_BYTES)).await.expect("nobody has it").unwrap();
    };
    tokio::select! {
        answer = &mut held => panic!("{}", answer.text()),
        answer = waiting => panic!("it waits: {}", answer.text()),
        () = work => {}
    }
}

#[tokio::test]
async fn what_is_small_when_it_is_sent_and_too_large_then_is_refused() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let detail = app.get(&format!("{LIST}/hr")).await.ok();
    let comment = format!("{}<!-- {} -->", detail["correlationConfigXml"].as_str().unwrap(), " ".repeat(5_000_000));
    let of = |at: usize| {
        let mut detail = detail.clone();
        (detail["name"], detail["scriptName"]) = (format!("N {at}").into(), format!("n-{at}").into());
        detail["correlationConfigXml"] = comment.as_str().into();
        json!({"scriptName": detail["scriptName"], "revision": 0, "connector": detail}).to_string() + "\n"
    };
    let lines: String = (0..14).map(of).collect();
    let read = connectory_folder::upload::read(&[SentFile { path: "", bytes: lines.as_bytes() }], Limits::default());
    assert!(read.unwrap_err().to_string().starts_with("the files have more than"));
}
