//! Addresses of the console that are written in another way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use http::StatusCode;

use self::browser::support::CLIENT_ID;
use self::browser::{Browser, start};

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_page_without_it_and_never_to_another_host() {
    let app = start().await;
    app.create("a").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    for (asked, expected) in [
        ("/console/connectors/a/", "/console/connectors/a"),
        ("/console/connectors/a/history/?before=3&x=%2F", "/console/connectors/a/history?before=3&x=%2F"),
        ("/console/connectors/a%20b%2F/", "/console/connectors/a%20b%2F"),
        ("/console/new//", "/console/new"),
        ("/console//evil.example/", "/console//evil.example"),
        ("/console/.//evil.example/", "/console/.//evil.example"),
    ] {
        let answer = admin.get(asked).await;
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT, "{asked}");
        assert_eq!(answer.header("location"), Some(expected), "{asked}");
    }
    admin.page("/console/connectors/a").await;
    assert_eq!(admin.get("/console/").await.header("location"), Some("/"));
    for path in ["//evil.example/", "/console/nothing"] {
        assert_eq!(admin.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // A form is not sent again to another address.
    assert_eq!(admin.post("/console/connectors/a/delete/", &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
}
