//! What the editor of a document asks the server for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../connectory-server/tests/api/support.rs"]
#[allow(dead_code, reason = "the server's tests use more of it")]
mod support;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use connectory_console::Console;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::document::FORM_NAMESPACE;
use connectory_server::{Options, ServerState, Service};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use self::support::{Answer, CLIENT_ID, SECRET, TestApp, new_client, operator};

const HR: &str = "/console/connectors/hr";

/// Someone in a browser with the connector HR.
struct Editor<'a> {
    app: &'a TestApp,
    cookie: String,
    token: String,
}

impl<'a> Editor<'a> {
    async fn of(app: &'a TestApp, id: &str) -> Self {
        let mut this = Self { app, cookie: String::new(), token: String::new() };
        let signed_in = this.post("/console/sign-in", &[("client_id", id), ("client_secret", SECRET)]).await;
        signed_in.header("set-cookie").unwrap().split(';').next().unwrap().clone_into(&mut this.cookie);
        let page = this.get("/").await;
        let token = page.text().split_once("name=\"csrf\" value=\"").unwrap().1;
        token.split('"').next().unwrap().clone_into(&mut this.token);
        this
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, &self.cookie);
        self.app.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", &self.token)
            .extend_pairs(fields)
            .finish();
        let request = Request::post(path)
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.app.send(request.body(form.into()).unwrap()).await
    }

    async fn completion(&self, kind: &str) -> Value {
        self.get(&format!("{HR}/documents/{kind}/completion")).await.ok()
    }
}

async fn start(max_document: usize) -> TestApp {
    let console = |server: Arc<ServerState>| {
        let console = Console::new(Arc::clone(&server), None).unwrap();
        Service::with_pages(server, connectory_console::routes(console))
    };
    let app = TestApp::serving(Options { rate_limit: None, max_document, ..Options::default() }, console).await;
    app.create("HR").await;
    app
}

fn form(body: &str) -> String {
    format!("<Form xmlns=\"{FORM_NAMESPACE}\" connectorName=\"HR\" name=\"HR\">{body}</Form>")
}

#[tokio::test]
async fn a_text_is_formatted_within_the_limits_and_a_fault_is_told_with_its_line() {
    let app = start(10_000).await;
    let editor = Editor::of(&app, CLIENT_ID).await;
    let path = format!("{HR}/documents/correlation-config/format");
    let format = async |text: &str| editor.post(&path, &[("text", text)]).await;
    assert_eq!(format("<A><B/>\r\n</A>").await.ok(), json!({"text": "<A>\n    <B/>\n</A>"}));
    let fault = format("<A>\n<B>\n</A>").await.ok();
    assert_eq!((&fault["line"], &fault["text"]), (&json!(2), &Value::Null));
    assert!(fault["message"].as_str().unwrap().contains("`<B>` of line 2 is closed by `</A>` of line 3"), "{fault}");
    assert_eq!(format(&"x".repeat(10_001)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let deep = format!("{}{}{}", "<A>".repeat(90), "<B/>".repeat(1000), "</A>".repeat(90));
    assert_eq!(format(&deep).await.status, StatusCode::PAYLOAD_TOO_LARGE, "the result counts too");
    let reader = new_client("reader", UserLevel::OrgAdmin, [Scope::ReadConnectors].into());
    app.access().create_client("default", &reader, &operator()).unwrap();
    let reader = Editor::of(&app, "reader").await;
    assert_eq!(reader.post(&path, &[("text", "<A/>")]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn suggestions_are_the_linters_words_and_what_the_connector_has() {
    let app = start(10_000).await;
    let editor = Editor::of(&app, CLIENT_ID).await;
    app.put("/v3/connectors/hr/translations/en", b"HostURL=Host URL\nlong=").await;
    let words = editor.completion("source-config").await;
    assert_eq!(words["root"], "Form");
    assert_eq!(words["elements"]["Menu"]["children"], json!(["Section"]));
    let field = &words["elements"]["Field"]["attributes"];
    assert!(field["type"].as_array().unwrap().contains(&json!("keyValue")), "{field}");
    assert_eq!(field["required"], json!(["true", "false"]));
    assert_eq!(
        [&field["parentKey"], &field["displayName"], &field["name"]],
        [&json!("field"), &json!("key"), &Value::Null]
    );
    assert_eq!((&words["keys"]["HostURL"], &words["has_all_keys"]), (&json!("Host URL"), &json!(true)));

    let template = "<Application><Schemas><Schema objectType='account'><AttributeDefinition name='mail'/></Schema></Schemas></Application>";
    app.put("/v3/connectors/hr/source-template", template.as_bytes()).await.ok();
    let words = editor.completion("correlation-config").await;
    assert_eq!((&words["account"], &words["keys"]), (&json!(["mail"]), &json!({})));
    assert_eq!(words["elements"]["Filter"]["attributes"]["property"], "account");
    let other = new_client("other", UserLevel::OrgAdmin, [Scope::All].into());
    app.access().create_tenant("other", &operator()).unwrap();
    app.access().create_client("other", &other, &operator()).unwrap();
    let stranger = Editor::of(&app, "other").await;
    assert_eq!(stranger.get(&format!("{HR}/documents/source-config/completion")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn suggestions_are_bounded_and_say_so() {
    let app = start(10_000_000).await;
    let editor = Editor::of(&app, CLIENT_ID).await;
    for (count, text) in [(3000, "x".to_owned()), (1000, "ä".repeat(500))] {
        let mut texts = String::new();
        for n in 0..count {
            writeln!(texts, "key{n}={text}").unwrap();
        }
        app.put("/v3/connectors/hr/translations/en", texts.as_bytes()).await;
        let answer = editor.get(&format!("{HR}/documents/source-config/completion")).await;
        assert!(answer.text().len() < 120_000, "{}", answer.text().len());
        let words = answer.ok();
        let keys = words["keys"].as_object().unwrap().len();
        assert!((200..=2000).contains(&keys), "{keys}");
        assert_eq!(words["has_all_keys"], false);
    }
}

#[tokio::test]
async fn a_refused_document_is_told_with_one_line_which_the_editor_shows() {
    let app = start(10_000).await;
    let editor = Editor::of(&app, CLIENT_ID).await;
    for (body, told, line) in [
        ("\n\n<Field type='text'/>", "the &lt;Field&gt; at line 3, column 1 has no name", 3),
        ("\n<Menu>\n", "Line 2: “`&lt;Menu&gt;` of line 2 is closed by `&lt;/Form&gt;` of line 3", 2),
        ("\n<Menu label='R & D'/>", "Line 2: “malformed entity reference", 2),
    ] {
        let refused = editor.post(&format!("{HR}/documents/source-config"), &[("text", &form(body))]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().contains(&format!("role=\"alert\">{told}")), "{}", refused.text());
        assert!(refused.text().contains(&format!("data-line=\"{line}\"")), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_german_reader_is_told_in_german_why_a_document_is_refused() {
    let app = start(10_000).await;
    let editor = Editor::of(&app, CLIENT_ID).await;
    let german = Editor { cookie: format!("{}; connectory_preferences=de.auto", editor.cookie), ..editor };
    for (text, told) in [
        ("<Form><Menu></Form>", "Zeile 1: Kein wohlgeformtes XML: „"),
        ("<Application/>", "Falsches Wurzelelement: „the root element is"),
        ("<Form/>", "Falsche Version des Formularschemas: „"),
        (&form("<Field type='text'/>"), "Ein Feld hat keinen Namen: „the &lt;Field&gt; at line 1"),
    ] {
        let refused = german.post(&format!("{HR}/documents/source-config"), &[("text", text)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().contains(&format!("role=\"alert\">{told}")), "{told}");
    }
}

#[tokio::test]
async fn a_finding_is_at_the_line_that_somebody_has_to_edit() {
    let app = start(10_000).await;
    let editor = Editor::of(&app, CLIENT_ID).await;
    let path = format!("{HR}/documents/source-config/check");
    for (body, line, told) in [
        (
            "\n<Menu>\n<Section>\n<Field name='a'/>\n</Menu>\n",
            3,
            "`<Section>` of line 3 is closed by `</Menu>` of line 5",
        ),
        ("\n<Menu>\n</Menü>\n", 3, "`<Menu>` of line 2 is closed by `</Menü>` of line 3"),
        ("\n<Menu>\n<Field name='a' maxlenght='3'/>\n</Menu>", 3, "has no attribute `maxlenght`"),
        ("\n<Menu>\n<Field name='a/>\n<Field name='b'/>\n</Menu>", 3, "attribute value not closed"),
        ("\n<Field\nname='a' displayName='R & D'/>\n", 3, "write `&amp;`"),
        ("</Form>\n<Form>", 2, "after the end of the root element"),
        ("\n<Field name='a'\n parentKey='b'/>", 3, "there is no field `b`"),
        ("\n<Field\n type='text'/>", 2, "the field has no name"),
        ("\n<Field name='a'\n type='uri'/>", 3, "unknown field type `uri`"),
    ] {
        let answer = editor.post(&path, &[("text", &form(body)), ("locale", "en")]).await.ok();
        let findings = answer["findings"].as_array().unwrap();
        let found = findings.iter().any(|finding| {
            finding["line"] == line && finding["message"].as_str().is_some_and(|message| message.contains(told))
        });
        assert!(found, "{body}\n{told}\n{answer:#}");
    }
}
