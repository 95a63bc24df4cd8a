//! Get and put of translations.

use axum::body::Body;
use http::Method;
use serde_json::json;

use crate::support::{FORM, TestApp, form};

const CONFIG: &str = "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd'><Menu label='greet'/></Form>";

#[tokio::test]
async fn texts_are_stored_byte_for_byte_and_shown_everywhere() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    app.put(&format!("{path}/source-config"), CONFIG.as_bytes()).await.ok();
    let put = async |locale: &str, part: &str, text: &[u8]| {
        app.call(Method::PUT, &format!("{path}/translations/{locale}"), FORM, form(part, text)).await.ok()
    };
    assert_eq!(
        put("en", "anything", b"greet=Hello\nShortDesc=People\n").await,
        json!({"scriptName": "hr", "status": "UPDATED", "updatedFiles": ["custom-connector/hr/translations/en.properties"]})
    );
    assert_eq!(put("de", "file", b"greet = Gr\xfc\\u00df \\\n  Gott").await["status"], "UPDATED");
    assert_eq!(put("de", "file", b"greet = Gr\xfc\\u00df \\\n  Gott").await["status"], "UNCHANGED");

    let german = app.get(&format!("{path}/translations/de")).await;
    assert_eq!(german.body, b"greet = Gr\xfc\\u00df \\\n  Gott");
    assert_eq!(german.header("content-type"), Some("text/plain; charset=iso-8859-1"));
    let french = app.get(&format!("{path}/translations/fr")).await;
    assert_eq!(french.text(), "greet=Hello\nShortDesc=People\n");
    let detail = app.get(&format!("{path}?locale=de")).await.ok();
    assert!(detail["sourceConfig"].as_str().unwrap().contains("label='Grüß Gott'"), "{detail}");
    assert_eq!(detail["translationProperties"]["de"], "greet = Grü\\u00df \\\n  Gott");
    let list = app.get("/v3/connectors?custom=true&locale=de").await.ok();
    assert_eq!(list[0]["connectorMetadata"]["shortDesc"], "People");

    assert_eq!(put("de", "file", b"").await["status"], "UPDATED");
    assert_eq!(put("de", "file", b"").await["status"], "UNCHANGED");
    assert_eq!(app.get(&path).await.ok()["translationProperties"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn an_empty_request_is_skipped_as_the_official_clients_send_it() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}/translations/de", app.create("HR").await);
    let skipped = app.call(Method::PUT, &path, "", Body::empty()).await.ok();
    assert_eq!((&skipped["status"], &skipped["updatedFiles"]), (&json!("SKIPPED"), &json!([])));
    let none = app.get(&path).await;
    assert_eq!((none.status.as_u16(), none.text()), (200, ""));
}

#[tokio::test]
async fn a_file_of_two_encodings_is_stored_as_it_is_and_told() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}/translations/de", app.create("HR").await);
    let mixed = b"k1=\xe4\nk2=\xc3\xa4\n";
    for status in ["UPDATED", "UNCHANGED"] {
        let answer = app.put(&path, mixed).await.ok();
        assert_eq!(answer["status"], status);
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with("line 2: the file is not UTF-8, so it is read as ISO-8859-1, and `"), "{message}");
    }
    assert_eq!(app.get(&path).await.body, mixed);
    for one in [&b"k1=\xe4\n"[..], "k1=\u{e4}\n".as_bytes()] {
        assert_eq!(app.put(&path, one).await.ok().get("message"), None);
    }
}

#[tokio::test]
async fn unknown_locales_and_broken_texts_are_refused() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}/translations", app.create("HR").await);
    let refusal = app.put(&format!("{path}/tlh"), b"a=b").await.refusal(400);
    assert!(refusal.starts_with("`tlh` is not a supported locale; the locales are de, no,"), "{refusal}");
    for (tag, meant) in [("false", "no"), ("nb", "no"), ("de-DE", "de"), ("zh_CN", "zh-CN")] {
        let refusal = app.put(&format!("{path}/{tag}"), b"a=b").await.refusal(400);
        assert!(
            refusal.starts_with(&format!("`{tag}` is not a supported locale; did you mean `{meant}`?")),
            "{refusal}"
        );
    }
    let table: [(&[u8], &str); 2] =
        [(b"a=b\nc=\\u12", "the file, line 2: "), (b"a=\0", "the file, the file holds a NUL byte at offset 2")];
    for (text, expected) in table {
        let refusal = app.put(&format!("{path}/de"), text).await.refusal(400);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    assert_eq!(app.get(&format!("{path}/tlh")).await.status.as_u16(), 200);
}
