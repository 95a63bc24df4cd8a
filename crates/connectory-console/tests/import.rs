//! Downloading and importing connectors in the console, with requests that browsers make.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use std::io::{Cursor, Write};

use connectory_folder::lint::Limits;
use connectory_folder::upload::{SentFile, read};
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::EXPORT_NAMES;
use http::StatusCode;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use self::browser::support::{Answer, CLIENT_ID};
use self::browser::{Browser, field, start};

const PAGE: &str = "/console/import";
const APPLY: &str = "/console/import/apply";

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        zip.start_file(path, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn yaml(name: &str, class_name: &str) -> String {
    format!("name: {name}\nclassName: {class_name}\n")
}

/// Sends files and a field `paths` as a browser does.
async fn plan(browser: &Browser<'_>, files: &[(&str, &[u8])], paths: &str) -> Answer {
    let token = field(&browser.page(PAGE).await, "csrf");
    let mut body = Vec::new();
    for (name, value) in [("csrf", token.as_str()), ("paths", paths)] {
        write!(body, "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    for (name, bytes) in files {
        let head = format!("form-data; name=\"file\"; filename=\"{name}\"");
        write!(body, "--b\r\nContent-Disposition: {head}\r\nContent-Type: application/octet-stream\r\n\r\n").unwrap();
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    browser.send(PAGE, "multipart/form-data; boundary=b", body).await
}

async fn plan_zip(browser: &Browser<'_>, files: &[(&str, &str)]) -> String {
    let answer = plan(browser, &[("x.zip", &zipped(files)), ("", b"")], "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.text().to_owned()
}

/// Applies the chosen connectors of a plan.
async fn apply(browser: &Browser<'_>, page: &str, taken: &[&str]) -> Answer {
    let [revision, connectors] = ["revision", "connectors"].map(|name| field(page, name));
    let mut fields = vec![("revision", revision.as_str()), ("connectors", connectors.as_str())];
    fields.extend(taken.iter().map(|name| ("take", *name)));
    browser.post(APPLY, &fields).await
}

#[tokio::test]
async fn connectors_are_downloaded_as_folders() {
    let app = start().await;
    for name in ["HR", "IT"] {
        app.create(name).await;
    }
    app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let browser = Browser::of(&app, "reader").await;
    let one = browser.get("/console/connectors/hr/download").await;
    let header = |name| one.header(name);
    assert_eq!((one.status, header("content-type")), (StatusCode::OK, Some("application/zip")));
    assert_eq!(header("content-disposition"), Some("attachment; filename=\"hr.zip\""));
    let two = browser.get("/console/export?scriptName=it&scriptName=hr").await;
    assert_eq!(two.header("content-disposition"), Some("attachment; filename=\"connectors.zip\""));
    for (zip, expected) in [(&one, vec!["hr"]), (&two, vec!["hr", "it"])] {
        let found = read(&[SentFile { path: "x.zip", bytes: &zip.body }], Limits::default()).unwrap();
        assert_eq!(found.folders.iter().map(|folder| &*folder.name).collect::<Vec<_>>(), expected);
    }
    let many: Vec<_> = (0..=EXPORT_NAMES).map(|at| format!("scriptName=c{at}")).collect();
    for (path, status, words) in [
        ("/console/connectors/nobody/download", 404, "nobody"),
        ("/console/export", 400, "names no connector"),
        ("/console/export?scriptName=hr&scriptName=nobody", 404, "nobody"),
        (&*format!("/console/export?{}", many.join("&")), 400, "more than 250 connectors"),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(answer.text().contains(words), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_german_reader_is_told_in_german_why_connectors_are_refused() {
    let app = start().await;
    for name in ["Other", "A", "B"] {
        app.create(name).await;
    }
    let german = Browser::of(&app, CLIENT_ID).await.in_german();
    let new = |name: &str| yaml(name, "x.Y");
    let (of_other, twin) = (new("other"), new("Twin"));
    let page = plan_zip(
        &german,
        &[
            ("c/broken/connector.yaml", "name: ["),
            ("c/blank/connector.yaml", "name: ' '\nclassName: x.Y\n"),
            ("c/other-2/connector.yaml", &of_other),
            ("c/HR/connector.yaml", &new("HR")),
            ("c/jdbc/connector.yaml", &new("JDBC")),
            ("c/twin-1/connector.yaml", &twin),
            ("c/twin-2/connector.yaml", &twin),
            ("c/xml/connector.yaml", &new("Xml")),
            ("c/xml/source-config.xml", "<Form"),
            ("c/root/connector.yaml", &new("Root")),
            ("c/root/source-config.xml", "<Application/>"),
            ("c/locale/connector.yaml", &new("Locale")),
            ("c/locale/translations/xx.properties", "a=b\n"),
            ("c/keys/connector.yaml", &new("Keys")),
            ("c/keys/translations/en.properties", "a=\\u12\n"),
        ],
    )
    .await;
    assert!(page.contains("1 neu, 0 geändert, 0 unverändert.") && page.contains("10 abgelehnt."), "{page}");
    for words in [
        ">connector.yaml: Die Beschreibung des Konnektors stimmt nicht: „not YAML",
        ">connector.yaml: Die Beschreibung des Konnektors stimmt nicht: „`name` is required",
        "Der Name ist vergeben: Es gibt schon einen Konnektor",
        "Der Ordner heißt nicht wie der Skriptname: „the folder `HR`",
        "`jdbc` ist ein mitgelieferter Konnektor",
        "Denselben Namen soll auch `twin-1` bekommen.",
        ">source-config.xml: Kein wohlgeformtes XML: „",
        ">source-config.xml: Falsches Wurzelelement: „",
        ">translations/xx.properties: Unbekannte Sprache: „",
        ">translations/en.properties: Keine gültigen Java-Properties: „",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    // Of a change to several it is the same.
    let seen = field(&german.page("/console/many/status?scriptName=a&scriptName=b").await, "seen");
    assert!(app.delete("/v3/connectors/a").await.status.is_success());
    let late = german.post("/console/many/status", &[("seen", &seen), ("status", "RELEASED")]).await;
    assert!(late.text().contains("a wurde inzwischen gelöscht."), "{}", late.text());
    let late = german.post("/console/many/status", &[("seen", "9 b"), ("status", "RELEASED")]).await;
    assert!(late.text().contains("b: Der Mandant hat noch keine Revision 9."), "{}", late.text());
    for (lines, words) in [
        ("[]", "Darin ist kein Konnektor."),
        ("{\"revision\": 1, \"builtInCatalog\": \"x\"}\n", "Der Export ist abgebrochen"),
        ("[7]", "Der Konnektor 1 des Exports kann nicht gelesen werden: "),
        ("[{\"name\": \"\"}]", "Der Konnektor 1 des Exports kann nicht gelesen werden: `scriptName` fehlt. Ein Export"),
        ("{\"scriptName\": 1}\n", "Zeile 1 des Exports kann nicht gelesen werden: „"),
    ] {
        let refused = plan(&german, &[("x.json", lines.as_bytes())], "").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{lines}");
        let alert = refused.text().split_once("role=\"alert\">").unwrap().1.split_once("</p>").unwrap().0;
        assert!(alert.contains(words), "{lines}: {alert}");
    }
}

#[tokio::test]
async fn a_plan_says_what_would_happen_and_is_applied_in_one_change() {
    let app = start().await;
    for name in ["Changed", "Kept", "Other"] {
        app.create(name).await;
    }
    let browser = Browser::of(&app, CLIENT_ID).await;
    let (changed, kept) = (yaml("Changed", "x.Z"), yaml("Kept", "x.Y"));
    let page = plan_zip(
        &browser,
        &[
            ("c/changed/connector.yaml", &changed),
            ("c/changed/translations/de.properties", "a=b\na=c\n"),
            ("c/kept/connector.yaml", &kept),
            ("c/new/connector.yaml", "name: '<b>New</b>'\nclassName: x.Y\n"),
            ("c/broken/connector.yaml", "name: ["),
            ("c/other-2/connector.yaml", "name: other\nclassName: x.Y\n"),
            ("c/HR/connector.yaml", "name: HR\nclassName: x.Y\n"),
        ],
    )
    .await;
    assert!(page.contains("1 to create, 1 to change, 1 as they are."), "{page}");
    assert!(page.contains("3 refused") && page.contains("Compared with revision 3."));
    assert!(page.contains("&lt;b&gt;New&lt;/b&gt;") && !page.contains("<b>New"));
    for words in [
        "<code>translations/de.properties</code>, line 2: ",
        "not YAML",
        "`name` is taken",
        "the folder `HR` cannot have this name",
        "On the server",
        "<mark>&quot;x.Z&quot;,</mark>",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert_eq!(page.matches("name=\"take\"").count(), 2);
    assert_eq!(browser.get("/console/connectors/new").await.status, StatusCode::NOT_FOUND, "nothing was changed");
    let none = apply(&browser, &page, &["nobody"]).await;
    assert!(none.text().contains("No connector was chosen") && none.text().contains("name=\"take\""));
    let done = apply(&browser, &page, &["changed", "new"]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let address = done.header("location").unwrap().to_owned();
    assert_eq!(address, "/console/activity/changes/5?done=imported&created=1&changed=1");
    assert!(browser.page(&address).await.contains("Connectors created: 1. Connectors changed: 1."));
    assert_eq!(app.get("/connectors/v1/changed").await.ok()["className"], "x.Z");
    assert_eq!(app.get("/connectors/v1/other").await.ok()["className"], "x.Y");
    let again = plan_zip(&browser, &[("kept/connector.yaml", &kept)]).await;
    assert!(again.contains("There is nothing to apply.") && !again.contains("name=\"connectors\""));
    // The names of a folder and of an export lead to the same connectors.
    let lines = app.get("/connectory/v1/connectors").await.text().replace("\"x.Y\"", "\"x.Q\"");
    let page = plan(&browser, &[("x.ndjson", lines.as_bytes())], "").await.text().to_owned();
    assert!(page.contains("0 to create, 3 to change, 1 as they are."), "{page}");
    let done = apply(&browser, &page, &["kept"]).await;
    assert_eq!(done.header("location"), Some("/console/connectors/kept?done=imported&created=0&changed=1"));
    assert!(browser.page(done.header("location").unwrap()).await.contains("Connectors changed: 1."));
}

#[tokio::test]
async fn a_folder_is_read_by_the_paths_that_browsers_and_scripts_send() {
    let app = start().await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let (hr, it) = (yaml("HR", "x.Y"), yaml("IT", "x.Y"));
    let folder = [("picked/hr/connector.yaml", hr.as_bytes()), ("picked/it/connector.yaml", it.as_bytes())];
    let page = plan(&browser, &folder, "").await.text().to_owned();
    assert!(page.contains("2 to create"), "{page}");
    let dropped = [("connector.yaml", hr.as_bytes()), ("connector.yaml", it.as_bytes())];
    let page = plan(&browser, &dropped, "hr/connector.yaml\r\nit/connector.yaml").await.text().to_owned();
    assert!(page.contains("2 to create"), "{page}");
    let wrong = plan(&browser, &dropped, "hr/connector.yaml").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("do not fit to their paths"));
}

#[tokio::test]
async fn what_someone_changed_meanwhile_is_planned_anew() {
    let app = start().await;
    app.create("HR").await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let page = plan_zip(&browser, &[("hr/connector.yaml", &yaml("HR", "x.Z"))]).await;
    app.put("/v3/connectors/hr/translations/de", b"a=b").await.ok();
    let moved = apply(&browser, &page, &["hr"]).await;
    assert_eq!(moved.status, StatusCode::CONFLICT);
    assert!(moved.text().contains("someone else changed a connector meanwhile"), "{}", moved.text());
    assert!(moved.text().contains("Compared with revision 2."));
    let done = apply(&browser, moved.text(), &["hr"]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    for (revision, connectors) in
        [("x", field(moved.text(), "connectors")), ("1", "AAAA".to_owned()), ("1", String::new())]
    {
        let wrong = browser.post(APPLY, &[("revision", revision), ("connectors", &connectors), ("take", "hr")]).await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
        assert!(wrong.text().contains("Send the files again."));
    }
}

#[tokio::test]
async fn files_that_are_no_connectors_are_answered_with_words_that_help() {
    let app = start().await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let large = vec![b' '; app.server.options.max_request + 1];
    let lines = br#"{"revision": 1, "builtInCatalog": "x"}"#;
    for (files, status, words) in [
        (&[("", &b""[..])][..], 400, "No file was chosen, or it is empty."),
        (&[("x.zip", b"")], 400, "No file was chosen, or it is empty."),
        (&[("x.zip", &zipped(&[]))], 400, "There is no connector in it."),
        (&[("x.zip", &zipped(&[("../x", "")]))], 400, "The path ../x leads out of the folder"),
        (&[("x.zip", b"PK\x03\x04")], 400, "The zip file cannot be read"),
        (&[("x.txt", b"hello")], 400, "There is no connector in it."),
        (&[("x.json", b"[]")], 400, "There is no connector in it."),
        (&[("x.json", b"[")], 400, "The export cannot be read: “"),
        (&[("x.json", b"[1]")], 400, "Connector 1 of the export cannot be read"),
        (&[("x.ndjson", lines)], 400, "The export broke off"),
        (&[("x.zip", &large)], 413, "bytes that this server takes at once"),
    ] {
        let answer = plan(&browser, files, "").await;
        assert_eq!(answer.status.as_u16(), status, "{words}");
        assert!(answer.text().contains(words), "{words} in {}", answer.text());
    }
    app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let reader = Browser::of(&app, "reader").await;
    assert_eq!(reader.get(PAGE).await.status, StatusCode::FORBIDDEN);
    for path in [PAGE, APPLY] {
        assert_eq!(reader.post(path, &[]).await.status, StatusCode::FORBIDDEN, "{path}");
        let without_token = browser.send(path, "application/x-www-form-urlencoded", Vec::new()).await;
        assert_eq!(without_token.status, StatusCode::FORBIDDEN, "{path}");
    }
}
