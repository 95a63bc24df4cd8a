//! What one client or tenant does takes nothing from another.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use connectory_model::Locale;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::wire::DetailShape;
use connectory_server::Options;
use connectory_server::http::coding::Accepted;
use futures_util::StreamExt;
use http::Method;
use serde_json::json;

use crate::support::{FORM, TestApp, form, operator};

const KIB: usize = 1024;

/// A server with a second tenant, and the token of a client of it.
async fn with_neighbour(options: Options) -> (TestApp, String) {
    let app = TestApp::with(Options { rate_limit: None, ..options }).await;
    app.access().create_tenant("other", &operator()).unwrap();
    let token = app.client("theirs", "other", UserLevel::OrgAdmin, &[Scope::All]).await;
    (app, token)
}

/// A source template of this size.
fn template(bytes: usize) -> Vec<u8> {
    form("file", format!("<Application><!--{}--></Application>", "x".repeat(bytes - 40)).as_bytes())
}

#[tokio::test]
async fn a_tenant_that_asks_for_very_much_does_not_replace_what_another_asked_for() {
    let (app, theirs) = with_neighbour(Options::default()).await;
    // Each of these is much more than all pages that are cached.
    let very_much = async |word: &str| {
        for n in 0..2000 {
            app.get(&format!("/v3/connectors?{word}={n}")).await.ok();
        }
    };
    very_much("a").await;
    very_much("a").await;
    for path in ["/v3/connectors/scim-2", "/v3/connectors?limit=3"] {
        app.get_as(&theirs, path).await.ok();
    }
    very_much("b").await;
    let tenants = app.server.store.tenants().await.unwrap();
    let other = app.server.catalog.tenant(tenants.iter().find(|of| of.name == "other").unwrap().id).await.unwrap();
    let source = other.entry(&"scim-2".parse().unwrap()).unwrap().source;
    assert!(
        app.server.catalog.cached_detail(&other, &(source, Locale::En, DetailShape::Plain), Accepted::PLAIN).is_some()
    );
    assert!(app.server.catalog.cached_page(&other, "limit=3", Accepted::PLAIN).is_some());
}

#[tokio::test]
async fn a_client_whose_uploads_stall_holds_half_of_the_budget_and_leaves_the_rest_to_others() {
    let (app, theirs) = with_neighbour(Options { max_bodies: 160 * KIB, ..Options::default() }).await;
    app.create("Mine").await;
    let body = json!({"name": "Theirs", "className": "x.Y"}).to_string();
    app.call_as(&theirs, Method::POST, "/v3/connectors", "application/json", body).await.ok();
    // Each counts for 40 KiB: the first 16 KiB are free.
    let size = 56 * KIB;
    let stalled = || {
        let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b' '; size]))]);
        let body = Body::from_stream(begun.chain(futures_util::stream::pending()));
        Box::pin(app.call(Method::POST, "/v3/connectors", "application/json", body))
    };
    let mut uploads = [stalled(), stalled()];
    for upload in &mut uploads {
        assert!(tokio::time::timeout(Duration::from_millis(50), upload).await.is_err(), "it waits for the rest");
    }
    let upload = || app.call(Method::PUT, "/v3/connectors/mine/source-template", FORM, template(size));
    let refused = upload().await;
    assert!(refused.header("retry-after").is_some());
    refused.refusal(503);
    let path = "/v3/connectors/theirs/source-template";
    let passed = app.call_as(&theirs, Method::PUT, path, FORM, template(size)).await;
    assert_eq!(passed.ok()["status"], "UPDATED");
    drop(uploads);
    assert_eq!(upload().await.ok()["status"], "UPDATED");
}
