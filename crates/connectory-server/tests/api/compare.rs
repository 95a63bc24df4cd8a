//! Comparing two connectors.

use connectory_model::access::{Scope, UserLevel};
use http::StatusCode;
use serde_json::json;

use crate::support::TestApp;

const COMPARE: &str = "/connectory/v1/compare";

async fn compared(app: &TestApp, query: &str) -> String {
    let answer = app.get(&format!("{COMPARE}?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/x-diff; charset=utf-8"));
    assert!(answer.header("etag").is_some());
    answer.text().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_two_connectors_are_compared_as_files() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": "People"}]);
    app.patch("/v3/connectors/hr", &patch).await.ok();
    app.create("CRM").await;
    let text = compared(&app, "from=hr&to=crm").await;
    let head = "diff --git a/connector.yaml b/connector.yaml\n--- a/connector.yaml\thr\n+++ b/connector.yaml\tcrm\n@@";
    assert!(text.starts_with(head), "{text}");
    assert!(
        text.contains("\n-name: HR\n") && text.contains("\n+name: CRM\n") && text.contains("\n-  category: People\n"),
        "{text}"
    );
    // A built-in one, and one at two of its revisions.
    assert!(compared(&app, "from=jdbc&to=hr").await.contains("+++ b/source-config.xml\thr\n"));
    let text = compared(&app, "from=hr&fromRevision=1&to=hr&toRevision=2").await;
    assert!(text.contains("--- a/connector.yaml\thr, revision 1\n+++ b/connector.yaml\thr, revision 2\n"), "{text}");
    assert_eq!(text.matches("diff --git").count(), 1);
    assert_eq!(compared(&app, "from=hr&to=hr&toRevision=2").await, "");
    // A deleted one has to be named with a revision.
    app.delete("/v3/connectors/hr").await;
    assert_eq!(compared(&app, "from=hr&fromRevision=2&to=hr&toRevision=4").await, "");
    assert!(compared(&app, "from=hr&fromRevision=4&to=crm").await.contains("\n-name: HR\n"));
    app.get(&format!("{COMPARE}?from=hr&to=crm")).await.refusal(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_compared_is_told() {
    let app = TestApp::start().await;
    app.create("HR").await;
    for (query, status, expected) in [
        ("from=hr", 400, "`to` is missing: it is the script name of a connector"),
        ("to=hr", 400, "`from` is missing: it is the script name of a connector"),
        ("from=hr&to=nothing", 404, "there is no connector with the script name `nothing`"),
        ("from=hr&to=hr&toRevision=0", 400, "`toRevision` must be the number of a revision, such as 42; got `0`"),
        ("from=hr&to=hr&fromRevision=9", 404, "this connector has no revision 9"),
        ("from=hr&to=jdbc&toRevision=1", 404, "this connector has no revision 1"),
        ("from=a%2Fb&to=hr", 400, "`from`: `a/b` cannot be a script name"),
        (
            "from=hr&to=hr&space=none",
            400,
            "the parameter `space` is unknown; this operation has `from`, `fromRevision`, `to`, `toRevision`",
        ),
    ] {
        let refusal = app.get(&format!("{COMPARE}?{query}")).await.refusal(status);
        assert!(refusal.to_lowercase().contains(&expected.to_lowercase()), "{query}: {refusal}");
    }
    app.access().create_tenant("other", &crate::support::operator()).unwrap();
    let theirs = app.client("theirs", "other", UserLevel::OrgAdmin, &[Scope::All]).await;
    assert_eq!(app.get_as(&theirs, &format!("{COMPARE}?from=hr&to=jdbc")).await.status, StatusCode::NOT_FOUND);
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    assert_eq!(app.get_as(&reader, &format!("{COMPARE}?from=hr&to=jdbc")).await.status, StatusCode::OK);
}
