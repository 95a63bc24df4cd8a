//! Duplicating a connector in the console, and the buttons of a connector's page.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use connectory_model::access::{Scope, UserLevel};
use http::StatusCode;
use serde_json::json;

use self::browser::support::{CLIENT_ID, TestApp, new_client, operator};
use self::browser::{Browser, field, start};

const HR: &str = "/console/connectors/hr";

async fn reader(app: &TestApp) -> Browser<'_> {
    let scopes = [Scope::ReadConnectors].into();
    app.access().create_client("default", &new_client("reader", UserLevel::OrgAdmin, scopes), &operator()).unwrap();
    Browser::of(app, "reader").await
}

/// The value of the field for the name.
fn proposed(page: &str) -> String {
    page.split_once("name=\"name\" value=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_connector_is_duplicated_under_a_free_name() {
    let app = start().await;
    app.create("HR").await;
    app.put("/v3/connectors/hr/translations/de", b"a=b\n").await.ok();
    let admin = Browser::of(&app, CLIENT_ID).await;
    let path = format!("{HR}/duplicate");
    let page = admin.page(&path).await;
    assert_eq!(proposed(&page), "HR copy");
    assert!(
        page.contains("id=\"script-name\"><code>hr-copy</code>")
            && page.contains("data-draft=\"/console/connectors/hr/duplicate\""),
        "{page}"
    );
    let done = admin.post(&path, &[("name", "HR copy"), ("status", "DEVELOPMENT")]).await;
    assert_eq!(done.header("location"), Some("/console/connectors/hr-copy?done=duplicated"));
    assert!(admin.page(done.header("location").unwrap()).await.contains("The connector was duplicated."));
    let copy = app.get("/v3/connectors/hr-copy").await.ok();
    assert_eq!((&copy["name"], &copy["status"]), (&json!("HR copy"), &json!("DEVELOPMENT")));
    assert_eq!(copy["translationProperties"]["de"], "a=b\n");
    assert_eq!(proposed(&admin.page(&path).await), "HR copy 2");
    // The copy of a connector whose name is as long as it may be has one, too.
    let long = "é".repeat(255);
    app.create(&long).await;
    let script_name = "e".repeat(100);
    let page = admin.page(&format!("/console/connectors/{script_name}/duplicate")).await;
    assert_eq!(proposed(&page), format!("{} copy", "é".repeat(250)));
}

#[tokio::test]
async fn what_is_wrong_with_a_name_is_at_its_field_and_what_was_typed_stays() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    for (name, problem) in
        [("jdbc", "`name` is taken"), (" ", "`name` must not be empty."), ("a\u{1}", "has the control character")]
    {
        let refused = admin.post(&format!("{HR}/duplicate"), &[("name", name), ("status", "DEMO")]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
        let page = refused.text();
        let at_field = page.split_once("<p class=\"problem of-field\" id=\"problem-name\" role=\"alert\">").unwrap().1;
        assert!(at_field.split('<').next().unwrap().contains(problem), "{page}");
        assert!(page.contains("aria-invalid=\"true\"") && page.contains("<option value=\"DEMO\" selected>"), "{page}");
    }
    let refused = admin.post(&format!("{HR}/duplicate"), &[("name", "a"), ("status", "DEPRECATED")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("<p class=\"problem\" role=\"alert\">"), "{}", refused.text());
    let long = "x".repeat(256);
    assert_eq!(admin.post(&format!("{HR}/duplicate"), &[("name", &long)]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(app.get("/connectory/v1/revisions").await.ok().as_array().unwrap().len(), 1, "nothing was created");
    assert_eq!(admin.get("/console/connectors/nothing/duplicate").await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.get(&format!("{HR}/duplicate?revision=x")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_built_in_connector_offers_its_duplicate_and_a_deleted_one_has_its_revisions() {
    let app = start().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    for path in ["", "/documents/source-config", "/metadata", "/settings"] {
        let page = admin.page(&format!("/console/connectors/jdbc{path}")).await;
        let offer =
            "It cannot be changed. <a href=\"/console/connectors/jdbc/duplicate\">Duplicate it to change it</a>.";
        assert!(page.contains(offer), "{path}: {page}");
    }
    let done = admin.post("/console/connectors/jdbc/duplicate", &[("name", "My JDBC")]).await;
    assert_eq!(done.header("location"), Some("/console/connectors/my-jdbc?done=duplicated"));
    app.create("HR").await;
    app.delete("/v3/connectors/hr").await;
    let page = admin.page(&format!("{HR}/history/2")).await;
    assert!(page.contains("href=\"/console/connectors/hr/duplicate?revision=2\""), "{page}");
    let page = admin.page(&format!("{HR}/duplicate?revision=2")).await;
    assert!(page.contains("as they were at revision 2") && field(&page, "revision") == "2", "{page}");
    let done = admin.post(&format!("{HR}/duplicate"), &[("name", "HR again"), ("revision", "2")]).await;
    assert_eq!(done.header("location"), Some("/console/connectors/hr-again?done=duplicated"));
}

#[tokio::test]
async fn a_head_has_what_its_reader_can_do() {
    let app = start().await;
    app.create("HR").await;
    app.create("Gone").await;
    app.delete("/v3/connectors/gone").await;
    let (admin, reader) = (Browser::of(&app, CLIENT_ID).await, reader(&app).await);
    let has = |page: &str, link: &str| page.matches(link).count() == 2;
    for path in [HR, "/console/connectors/jdbc", "/console/connectors/jdbc/history"] {
        for (person, may_write) in [(&admin, true), (&reader, false)] {
            let page = person.page(path).await;
            let head = page.split_once("<div class=\"actions spacer\">").unwrap().1.split_once("<nav").unwrap().0;
            assert!(has(head, "href=\"/console/compare?left=") && has(head, "/download\""), "{path}: {head}");
            assert_eq!(has(head, "/duplicate\""), may_write, "{path}: {head}");
            assert_eq!(head.contains("/delete\""), may_write && path == HR, "{path}: {head}");
        }
    }
    let page = admin.page("/console/connectors/gone/history").await;
    assert!(!page.contains("/download\"") && !page.contains("/gone/duplicate\""), "{page}");
    assert_eq!(reader.get(&format!("{HR}/duplicate")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(reader.post(&format!("{HR}/duplicate"), &[("name", "a")]).await.status, StatusCode::FORBIDDEN);
    assert!(!reader.page("/console/connectors/jdbc").await.contains("Duplicate"));
}
