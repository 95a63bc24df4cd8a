//! Comparing connectors in the console, and the question before a restore.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use connectory_model::access::{Scope, UserLevel};
use http::StatusCode;
use serde_json::{Value, json};

use self::browser::support::{CLIENT_ID, TestApp, new_client, operator};
use self::browser::{Browser, field, start};

const COMPARE: &str = "/console/compare";
const HR: &str = "/console/connectors/hr";

async fn set(app: &TestApp, path: &str, value: Value) {
    app.patch("/connectory/v1/connectors/hr", &json!([{"op": "add", "path": path, "value": value}])).await.ok();
}

/// The names of the parts that a page shows side by side.
fn parts(page: &str) -> Vec<&str> {
    page.split("<section class=\"part-of-diff\"><h3>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

/// The names of the settings that a page says to differ.
fn settings(page: &str) -> Vec<&str> {
    let table = page.split_once("<table class=\"compared\">").unwrap().1.split_once("</table>").unwrap().0;
    table.split("<th scope=\"row\">").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

#[tokio::test]
async fn two_connectors_are_compared_part_by_part() {
    let app = start().await;
    app.create("HR").await;
    app.put("/v3/connectors/hr/translations/de", b"a=b\n").await.ok();
    let copy = json!({"name": "Copy", "status": "RELEASED"});
    assert_eq!(app.post("/connectory/v1/connectors/hr/duplicate", &copy).await.status, StatusCode::CREATED);
    set(&app, "/connectorMetadata/category", json!("<b>People</b>")).await;
    app.put("/v3/connectors/hr/translations/fr", b"a=c\n").await.ok();
    let admin = Browser::of(&app, CLIENT_ID).await;
    let page = admin.page(&format!("{COMPARE}?left=hr&right=copy")).await;
    assert_eq!(settings(&page), ["Name", "Type"]);
    let all = [
        "connectorMetadata",
        "source-config.xml",
        "source-template.xml",
        "correlation-config.xml",
        "translations/fr.properties",
    ];
    assert_eq!(parts(&page), all);
    assert!(page.contains("Equal: Class name, Direct connect, Status, translations/de.properties"), "{page}");
    assert!(page.contains("&lt;b&gt;People") && !page.contains("<b>People"), "{page}");
    assert!(page.contains("href=\"/console/compare?left=copy&amp;right=hr\">Swap sides</a>"), "{page}");
    assert!(page.contains("<a class=\"name\" href=\"/console/connectors/hr\">HR</a>"), "{page}");
    // A built-in one, and a revision of one that is deleted.
    app.delete("/v3/connectors/copy").await;
    let page = admin.page(&format!("{COMPARE}?left=jdbc&right=copy&right-revision=3")).await;
    assert!(settings(&page).contains(&"Class name"), "{page}");
    assert!(
        page.contains("href=\"/console/connectors/copy/history/3\">Copy</a>") && page.contains("Copy · Revision 3"),
        "{page}"
    );
    let page = admin.page(&format!("{COMPARE}?left=hr&left-revision=2&right=hr&right-revision=2")).await;
    assert!(page.contains("There is no difference.") && parts(&page).is_empty(), "{page}");
}

#[tokio::test]
async fn a_choice_comes_first_and_tells_what_is_wrong() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    for query in ["", "?left=hr", "?right=hr", "?left=&right="] {
        let page = admin.page(&format!("{COMPARE}{query}")).await;
        assert!(page.contains("name=\"left-revision\"") && !page.contains("class=\"compared\""), "{query}: {page}");
        assert!(page.contains("href=\"/console/import\""), "{query}: {page}");
    }
    for (query, status, problem) in [
        ("left=nothing&right=hr", 404, "no connector with the script name `nothing`"),
        ("left=hr&right=a%2Fb", 404, "no connector with the script name `a/b`"),
        ("left=hr&left-revision=9&right=hr", 404, "The connector has no revision 9."),
        ("left=hr&right=jdbc&right-revision=1", 404, "The connector has no revision 1."),
        ("left=hr&left-revision=x&right=hr", 400, "Write a number such as 42, or leave the field empty."),
    ] {
        let answer = admin.get(&format!("{COMPARE}?{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
        let page = answer.text();
        assert!(page.contains(problem) && page.matches("aria-invalid").count() == 1, "{query}: {page}");
        assert!(!page.contains("class=\"compared\""), "{query}");
    }
    // People know the name.
    app.create("Payroll North").await;
    let page = admin.page(&format!("{COMPARE}?left=HR&right=payroll+NORTH")).await;
    assert!(page.contains("class=\"compared\"") && page.contains("<code>payroll-north</code>"), "{page}");
    // What is too long is not repeated.
    let long = admin.get(&format!("{COMPARE}?left={}", "a".repeat(5000))).await;
    assert!(!long.text().contains(&"a".repeat(256)));
}

#[tokio::test]
async fn a_field_proposes_a_few_connectors() {
    let app = start().await;
    for at in 0..25 {
        app.create(&format!("Own {at:02}")).await;
    }
    let admin = Browser::of(&app, CLIENT_ID).await;
    let proposed = async |path: &str| admin.page(path).await.matches("<option value=").count();
    assert_eq!(proposed("/console/compare/names/left?left=own").await, 20);
    assert_eq!(proposed("/console/compare/names/right?right=own-07&left=jdbc").await, 1);
    assert_eq!(proposed("/console/compare/names/right").await, 20);
    assert_eq!(proposed("/console/compare/names/left?left=nothing+like+it").await, 0);
}

#[tokio::test]
async fn another_tenant_is_not_compared() {
    let app = start().await;
    app.create("HR").await;
    app.access().create_tenant("other", &operator()).unwrap();
    let client = new_client("stranger", UserLevel::OrgAdmin, [Scope::All].into());
    app.access().create_client("other", &client, &operator()).unwrap();
    let stranger = Browser::of(&app, "stranger").await;
    for query in ["left=hr&right=jdbc", "left=jdbc&right=hr&right-revision=1"] {
        let answer = stranger.get(&format!("{COMPARE}?{query}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
        assert!(!answer.text().contains("class=\"compared\""), "{query}");
    }
    for path in ["hr/duplicate", "hr/history/1/restore"] {
        assert_eq!(stranger.get(&format!("/console/connectors/{path}")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(stranger.page("/console/compare/names/left?left=hr").await.matches("value=\"hr\"").count(), 0);
}

#[tokio::test]
async fn two_revisions_of_a_history_are_chosen() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let page = admin.page(&format!("{HR}/history")).await;
    assert!(!page.contains("type=\"radio\""), "there is nothing to compare it with: {page}");
    set(&app, "/connectorMetadata/category", json!("a")).await;
    app.delete("/v3/connectors/hr").await;
    let page = admin.page(&format!("{HR}/history")).await;
    assert!(page.contains("<form method=\"get\" action=\"/console/compare\">"), "{page}");
    assert_eq!(page.matches("type=\"radio\"").count(), 4, "a deletion is not compared: {page}");
    for chosen in ["name=\"left-revision\" value=\"1\" checked", "name=\"right-revision\" value=\"2\" checked"] {
        assert!(page.contains(chosen), "{page}");
    }
    let page = admin.page(&format!("{COMPARE}?left=hr&right=hr&left-revision=1&right-revision=2")).await;
    assert_eq!(parts(&page), ["connectorMetadata"]);
}

#[tokio::test]
async fn a_restore_is_a_question_that_shows_what_changes() {
    let app = start().await;
    app.create("HR").await;
    set(&app, "/connectorMetadata/category", json!("a")).await;
    set(&app, "/status", json!("DEPRECATED")).await;
    set(&app, "/name", json!("Personnel")).await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let revision = admin.page(&format!("{HR}/history/1")).await;
    let question = format!("{HR}/history/1/restore");
    assert!(revision.contains(&format!("href=\"{question}\"")) && !revision.contains("name=\"base\""), "{revision}");
    assert!(revision.contains("href=\"/console/compare?left=hr&amp;left-revision=1&amp;right=hr\""), "{revision}");
    let page = admin.page(&question).await;
    assert_eq!(parts(&page), ["settings", "connectorMetadata"]);
    for text in
        ["Restore revision 1?", "The name stays Personnel.", "The status changes too: from Deprecated to Released."]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("&quot;name&quot;: &quot;HR&quot;"), "the name stays: {page}");
    let restored = admin.post(&question, &[("base", &field(&page, "base"))]).await;
    assert_eq!(restored.header("location"), Some("/console/connectors/hr/history?restored=5"));
    let now = app.get("/v3/connectors/hr").await.ok();
    assert_eq!((&now["name"], &now["status"]), (&json!("Personnel"), &json!("RELEASED")));
    let page = admin.page(&question).await;
    assert!(page.contains("There is nothing to restore.") && !page.contains("name=\"base\""), "{page}");
    // Of a deleted one.
    app.delete("/v3/connectors/hr").await;
    let page = admin.page(&format!("{HR}/history/2/restore")).await;
    assert!(
        page.contains("The deleted connector is there again.") && parts(&page).contains(&"connectorMetadata"),
        "{page}"
    );
    let restored = admin.post(&format!("{HR}/history/2/restore"), &[("base", &field(&page, "base"))]).await;
    assert_eq!(restored.header("location"), Some("/console/connectors/hr?done=there_again"));
    assert_eq!(admin.get("/console/connectors/jdbc/history/1/restore").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(admin.get(&format!("{HR}/history/99/restore")).await.status, StatusCode::NOT_FOUND);
    let scopes = [Scope::ReadConnectors].into();
    app.access().create_client("default", &new_client("reader", UserLevel::OrgAdmin, scopes), &operator()).unwrap();
    let reader = Browser::of(&app, "reader").await;
    assert_eq!(reader.get(&question).await.status, StatusCode::FORBIDDEN);
}
