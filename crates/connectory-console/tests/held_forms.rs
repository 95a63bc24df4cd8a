//! Forms whose session has ended: what was typed is on the answer, and can be sent again without a script.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{HELD_FORM_BYTES, HELD_FORMS};
use connectory_server::Options;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use http::{Request, StatusCode, header};

use self::browser::support::{Answer, CLIENT_ID, TestApp};
use self::browser::{Browser, field, start, start_with};

const PAGE: &str = "/console/connectors/hr/documents/source-template";
const FORM: &str = "application/x-www-form-urlencoded";

fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Sends a form without a session, from the page of the form.
async fn without_session(app: &TestApp, content_type: &str, body: impl Into<Body>) -> Answer {
    with(app, PAGE, &[("sec-fetch-site", "same-origin"), ("content-type", content_type)], body).await
}

async fn with(app: &TestApp, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let request = Request::post(path).header(header::REFERER, format!("http://localhost{PAGE}?x=1"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    app.send(request.body(body.into()).unwrap()).await
}

async fn stored(app: &TestApp) -> String {
    let answer = app.get("/v3/connectors/hr/source-template").await;
    if answer.status == StatusCode::OK { answer.text().to_owned() } else { String::new() }
}

/// The text of the one field that shows it.
fn typed(page: &str) -> String {
    let text =
        page.split_once("<textarea").unwrap().1.split_once(">\n").unwrap().1.split_once("</textarea>").unwrap().0;
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[tokio::test]
async fn a_text_that_was_typed_in_an_ended_session_is_sent_again() {
    let app = start().await;
    app.create("HR").await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let base = field(&browser.page(PAGE).await, "base");
    let before = stored(&app).await;
    // More than is read of anyone who signs in, and with a line break at its beginning.
    let text = format!("\n<Application>\n<!-- {} \"&amp;\" -->\n</Application>\n", "x".repeat(100_000));
    let form = encoded(&[("csrf", "ended"), ("base", &base), ("text", &text)]);
    let ended = without_session(&app, FORM, form).await;
    assert_eq!(ended.status, StatusCode::UNAUTHORIZED);
    assert!(ended.text().contains("Your session has ended") && ended.text().contains("Nothing was saved."));
    assert!(ended.text().contains("href=\"/console/sign-in?back=%2Fconsole%2Fconnectors%2Fhr%2Fdocuments%2Fsource-template%3Fx%3D1\" target=\"_blank\""));
    assert!(ended.text().contains(&format!("action=\"{PAGE}\"")));
    assert_eq!((typed(ended.text()), field(ended.text(), "base")), (text.clone(), base.clone()));
    // In another tab someone signs in. The page goes on with what it has.
    let again = encoded(&[("csrf", &field(ended.text(), "csrf")), ("base", &base), ("text", &typed(ended.text()))]);
    let asked = browser.send(PAGE, FORM, again.into()).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert!(asked.text().contains("You are signed in as client first."));
    assert_eq!(stored(&app).await, before, "nothing is saved before they say so");
    assert_eq!(typed(asked.text()), text);
    let sent = [("base", base.as_str()), ("text", &text)];
    assert_eq!(browser.post(PAGE, &sent).await.status, StatusCode::SEE_OTHER);
    assert!(stored(&app).await.contains("xxx"));
    // Whoever saved meanwhile is not overwritten: the answer shows both.
    let conflict = browser.post(PAGE, &[("base", &base), ("text", "<Application>mine</Application>")]).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    // The token of another session is as good as none.
    let earlier =
        encoded(&[("csrf", "that-of-another-session"), ("base", &base), ("text", "<Application>\nmine</Application>")]);
    let asked = browser.send(PAGE, FORM, earlier.into()).await;
    assert_eq!(
        (asked.status, asked.text().contains("This form is from an earlier session")),
        (StatusCode::FORBIDDEN, true)
    );
}

#[tokio::test]
async fn what_cannot_be_held_leads_to_signing_in() {
    let app = start().await;
    app.create("HR").await;
    let large = "x".repeat(HELD_FORM_BYTES);
    let quotes = "\"".repeat(HELD_FORM_BYTES / 2);
    let quotes = format!("csrf=x&text={quotes}");
    let file = "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; \
                name=\"file\"; filename=\"a.xml\"\r\n\r\n<Application/>\r\n--b--\r\n";
    let many: Vec<_> = (0..70).map(|_| ("text", "x")).chain([("csrf", "x")]).collect();
    for (why, content_type, body) in [
        ("it is too large", FORM, encoded(&[("csrf", "x"), ("text", &large)])),
        ("its page would be too large", FORM, quotes),
        ("it has too many fields", FORM, encoded(&many)),
        ("its browser has a draft", FORM, encoded(&[("csrf", "x"), ("text", "a"), ("draft", "kept")])),
        ("it is no form of a page", FORM, encoded(&[("text", "a"), ("base", "b")])),
        ("it has nothing", FORM, encoded(&[("csrf", "x")])),
        ("it has a file", "multipart/form-data; boundary=b", file.to_owned()),
        ("it is no form", "application/json", "{}".to_owned()),
    ] {
        let answer = without_session(&app, content_type, body).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{why}");
        assert!(answer.header("location").unwrap().ends_with("&unsaved=true"), "{why}");
    }
    // What nobody types is not sent again without a look at its page.
    let deletion = || encoded(&[("csrf", "x"), ("count", "2"), ("seen", "1 hr")]);
    for path in ["/console/many/delete", "/console/many/status", "/console/connectors/hr/delete", "/console/activity"] {
        let answer = with(&app, path, &[("sec-fetch-site", "same-origin"), ("content-type", FORM)], deletion()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
    }
    // Nor is what another site may have sent. Over HTTP a browser says so in `Origin` alone.
    let form = || encoded(&[("csrf", "x"), ("text", "a")]);
    for (headers, status) in [
        (&[][..], 303),
        (&[("origin", "http://evil.example"), ("host", "registry.test:8080")], 303),
        (&[("origin", "http://registry.test"), ("host", "registry.test:8080")], 303),
        (&[("origin", "null"), ("host", "registry.test:8080")], 303),
        (&[("origin", "http://registry.test:8080"), ("host", "registry.test:8080")], 401),
        (&[("origin", "http://127.0.0.1:8080"), ("host", "behind-a-proxy")], 401),
    ] {
        let headers = [headers, &[("content-type", FORM)]].concat();
        assert_eq!(with(&app, PAGE, &headers, form()).await.status.as_u16(), status, "{headers:?}");
    }
    let script = Request::post(PAGE).header(header::CONTENT_TYPE, FORM).header("x-csrf-token", "x");
    let script = app.send(script.body(encoded(&[("csrf", "x"), ("text", "a")]).into()).unwrap()).await;
    assert_eq!((script.status, script.text()), (StatusCode::UNAUTHORIZED, ""));
    let other_site = Request::post(PAGE).header(header::CONTENT_TYPE, FORM).header("sec-fetch-site", "cross-site");
    let other_site = app.send(other_site.body(encoded(&[("csrf", "x"), ("text", "a")]).into()).unwrap()).await;
    assert_eq!(other_site.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_may_not_send_it_keeps_it() {
    let app = start().await;
    app.create("HR").await;
    app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let reader = Browser::of(&app, "reader").await;
    let sent = encoded(&[("csrf", "that-of-another-session"), ("base", "x"), ("text", "a\nb"), ("name", "<b>")]);
    let held = reader.send(PAGE, FORM, sent.into()).await;
    assert_eq!(held.status, StatusCode::FORBIDDEN);
    assert!(held.text().contains("who may not change connectors") && held.text().contains("Sign in in another tab"));
    assert_eq!((field(held.text(), "base"), typed(held.text())), ("x".to_owned(), "a\nb".to_owned()));
    assert!(held.text().contains("<code>name</code><input readonly name=\"name\" value=\"&lt;b&gt;\">"));
    assert!(held.text().contains(&format!("<code>{PAGE}</code>")), "it says what it is for");
    assert_eq!(held.text().matches("value=\"ended\"").count(), 1, "and has no token to send it with");
}

#[tokio::test]
async fn the_pages_of_strangers_are_counted_among_their_answers() {
    // Of which strangers have a quarter beside.
    let app = start_with(Options { rate_limit: None, max_answers: 6 * 1024 * 1024, ..Options::default() }).await;
    app.create("HR").await;
    let form = || encoded(&[("csrf", "x"), ("text", &"x".repeat(HELD_FORM_BYTES * 3 / 4))]);
    let mut unread = Vec::new();
    for _ in 0..2 {
        let request = Request::post(PAGE).header("sec-fetch-site", "same-origin").header(header::HOST, "registry.test");
        let request = request.header(header::CONTENT_TYPE, FORM).body(Body::from(form())).unwrap();
        unread.push(app.service().answer(request, Ipv4Addr::LOCALHOST.into()).await);
    }
    assert!(unread.iter().all(|held| held.status() == StatusCode::UNAUTHORIZED));
    assert_eq!(without_session(&app, FORM, form()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let browser = Browser::of(&app, CLIENT_ID).await;
    assert_eq!(browser.send(PAGE, FORM, form().into()).await.status, StatusCode::FORBIDDEN, "theirs are others");
    drop(unread);
    assert_eq!(without_session(&app, FORM, form()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn few_forms_of_strangers_are_held_at_a_time() {
    let app = start().await;
    app.create("HR").await;
    let form = || encoded(&[("csrf", "x"), ("text", "a\nb")]);
    // Bodies that begin and do not end.
    let slow = || {
        Body::from_stream(stream::iter([Ok::<_, Infallible>(Bytes::from("csrf=x&text=a"))]).chain(stream::pending()))
    };
    let mut held = pin!(join_all((0..HELD_FORMS).map(|_| without_session(&app, FORM, slow()))));
    let begun = tokio::time::timeout(Duration::from_millis(200), &mut held).await;
    assert!(begun.is_err(), "they wait for the rest");
    assert_eq!(without_session(&app, FORM, form()).await.status, StatusCode::SEE_OTHER);
    // Those who are signed in do not wait for strangers.
    let browser = Browser::of(&app, CLIENT_ID).await;
    assert_eq!(browser.send(PAGE, FORM, form().into()).await.status, StatusCode::FORBIDDEN);
    for slow in held.await {
        assert_eq!(slow.status, StatusCode::SEE_OTHER, "a body that does not arrive is not held");
    }
    assert_eq!(without_session(&app, FORM, form()).await.status, StatusCode::UNAUTHORIZED);
}
