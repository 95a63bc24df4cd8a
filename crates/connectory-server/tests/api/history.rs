//! The history of connectors: revisions, the connector at one, differences, and restoring.

use connectory_model::access::{Scope, UserLevel};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::TestApp;

const BASE: &str = "/connectory/v1/connectors";

fn numbers(page: &Value) -> Vec<u64> {
    page.as_array().unwrap().iter().map(|revision| revision["revision"].as_u64().unwrap()).collect()
}

/// Sets a member of the metadata, which is one revision.
async fn set(app: &TestApp, script_name: &str, value: &str) {
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}]);
    app.patch(&format!("/v3/connectors/{script_name}"), &patch).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_say_who_did_what_and_when() {
    let app = TestApp::start().await;
    app.create("HR").await;
    set(&app, "hr", "a").await;
    app.delete("/v3/connectors/hr").await;
    let page = app.get(&format!("{BASE}/hr/revisions")).await.ok();
    assert_eq!(numbers(&page), [3, 2, 1], "a deleted connector's too");
    let actions: Vec<_> =
        page.as_array().unwrap().iter().map(|revision| revision["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["delete", "update", "create"]);
    let update = &page[1];
    assert_eq!(
        (&update["change"], &update["scriptName"], &update["changed"], &update["body"]),
        (&json!(2), &json!("hr"), &json!(["connectorMetadata"]), &json!(true))
    );
    assert_eq!(update["author"], json!({"kind": "client", "id": "first", "name": "client first"}));
    assert_eq!(update["trackingId"].as_str().unwrap().len(), 32);
    let created = update["created"].as_str().unwrap();
    assert!(created.ends_with('Z') && created.len() == "2026-05-04T03:02:01.123Z".len(), "{created}");
    // One that never was has none, and a built-in one has none either.
    assert_eq!(app.get(&format!("{BASE}/nothing/revisions")).await.status, StatusCode::NOT_FOUND);
    let built_in = app.get("/v3/connectors?limit=1&custom=false").await.ok()[0]["scriptName"].clone();
    let path = format!("{BASE}/{}/revisions", built_in.as_str().unwrap());
    assert_eq!(app.get(&path).await.ok(), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_followed_by_their_links() {
    let app = TestApp::start().await;
    app.create("H R").await;
    for value in ["a", "b", "c", "d"] {
        set(&app, "h-r", value).await;
    }
    for start in [format!("{BASE}/h-r/revisions?limit=2"), "/connectory/v1/revisions?limit=2&scriptName=h-r".to_owned()]
    {
        let (mut path, mut seen) = (Some(start), Vec::new());
        while let Some(next) = path.take() {
            let answer = app.get(&next).await;
            let link = answer.header("link").map(|link| {
                let (path, relation) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
                assert_eq!(relation, "; rel=\"next\"");
                path.to_owned()
            });
            path = link;
            seen.push(numbers(&answer.ok()));
        }
        assert_eq!(seen, [vec![5, 4], vec![3, 2], vec![1]]);
    }
    assert_eq!(numbers(&app.get(&format!("{BASE}/h-r/revisions?before=3")).await.ok()), [2, 1]);
    assert_eq!(numbers(&app.get(&format!("{BASE}/h-r/revisions?before=1")).await.ok()), Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revisions_of_a_tenant_are_filtered() {
    let app = TestApp::start().await;
    let other = app.client("other", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    app.create("HR").await;
    let body = json!({"name": "CRM", "className": "x.Y"}).to_string();
    app.call_as(&other, Method::POST, "/v3/connectors", "application/json", body).await.ok();
    set(&app, "hr", "a").await;
    let found = async |query: &str| numbers(&app.get(&format!("/connectory/v1/revisions?{query}")).await.ok());
    assert_eq!(found("").await, [3, 2, 1]);
    assert_eq!(found("author=other").await, [2]);
    assert_eq!(found("author=nobody").await, Vec::<u64>::new());
    assert_eq!(found("action=create").await, [2, 1]);
    assert_eq!(found("action=create&limit=1").await, [2]);
    assert_eq!(found("scriptName=hr&author=first&action=update").await, [3]);
    assert_eq!(found("changed=connectorMetadata&action=update").await, [3]);
    assert_eq!(found("changed=connectorMetadata&scriptName=hr&action=update").await, [3]);
    assert_eq!(found("changed=translations/de").await, Vec::<u64>::new());
    assert_eq!((found("change=2").await, found("change=9").await), (vec![2], vec![]));
    let times: Vec<_> = {
        let page = app.get("/connectory/v1/revisions").await.ok();
        page.as_array().unwrap().iter().map(|revision| revision["created"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(&format!("since={}", times[0])).await.first(), Some(&3));
    assert_eq!(found(&format!("until={}", times[2])).await.last(), Some(&1));
    assert_eq!(found("since=2999-01-01T00:00:00Z").await, Vec::<u64>::new());
    assert_eq!(found("until=2001-01-01T00:00:00%2B01:00").await, Vec::<u64>::new());
    assert_eq!(found("since=2001-01-01T00:00:00Z&until=2999-01-01T00:00:00Z").await, [3, 2, 1]);
    for (query, expected) in [
        ("action=destroy", "`action` must be one of `create`, `update`, `delete`, `restore`; got `destroy`"),
        (
            "since=yesterday",
            "`since` must be a time of RFC 3339 with its offset, such as 2026-05-04T03:02:01Z; got `yesterday`",
        ),
        (
            "changed=translations/xx",
            "`changed` must be one of `name`, `type`, `className`, `directConnect`, `status`, `connectorMetadata`, \
             `sourceConfigXml`, `applicationXml`, `correlationConfigXml`, `translations`, or such as `translations/de`; \
             got `translations/xx`",
        ),
        ("change=x", "`change` must be the number of a revision, such as 42; got `x`"),
        ("before=-1", "`before` must be the number of a revision, such as 42; got `-1`"),
        (
            "before=99999999999999999999",
            "`before` must be the number of a revision, such as 42; got `99999999999999999999`",
        ),
        ("limit=251", "`limit` must be an integer from 1 to 250, got `251`"),
        (
            "offset=1",
            "the parameter `offset` is unknown; this operation has `limit`, `before`, `scriptName`, `author`, `action`, `changed`, `change`, `since`, `until`",
        ),
    ] {
        assert_eq!(app.get(&format!("/connectory/v1/revisions?{query}")).await.refusal(400), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_is_read_as_it_was() {
    let app = TestApp::start().await;
    app.create("HR").await;
    set(&app, "hr", "a").await;
    set(&app, "hr", "b").await;
    app.create("CRM").await;
    let at = async |number: &str| app.get(&format!("{BASE}/hr/revisions/{number}")).await;
    assert_eq!(at("2").await.ok()["connectorMetadata"]["category"], "a");
    assert_eq!(at("1").await.ok()["connectorMetadata"]["category"], Value::Null);
    for number in ["4", "9", "0", "-1", "+1", "01", "x", "99999999999999999999"] {
        at(number).await.refusal(404);
    }
    // Another tenant has neither.
    app.access().create_tenant("other", &crate::support::operator()).unwrap();
    let theirs = app.client("theirs", "other", UserLevel::OrgAdmin, &[Scope::All]).await;
    assert_eq!(app.get_as(&theirs, &format!("{BASE}/hr/revisions/2")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get_as(&theirs, &format!("{BASE}/hr/revisions")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get_as(&theirs, "/connectory/v1/revisions").await.ok(), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_states_are_compared_as_files() {
    let app = TestApp::start().await;
    app.create("HR").await;
    set(&app, "hr", "a").await;
    app.put("/v3/connectors/hr/translations/de", b"a=b\n").await;
    set(&app, "hr", "b").await;
    let diff = async |query: &str| {
        let answer = app.get(&format!("{BASE}/hr/diff{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/x-diff; charset=utf-8"));
        answer.text().to_owned()
    };
    let last = diff("").await;
    assert!(
        last.starts_with(
            "diff --git a/connector.yaml b/connector.yaml\n--- a/connector.yaml\n+++ b/connector.yaml\n@@"
        ),
        "{last}"
    );
    assert!(last.contains("\n-  category: a\n+  category: b\n"), "{last}");
    assert_eq!(diff("?from=3").await, last);
    assert_eq!(diff("?from=4").await, "");
    let translated = diff("?to=3").await;
    assert!(
        translated.ends_with(
            "diff --git a/translations/de.properties b/translations/de.properties\nnew file mode 100644\n--- /dev/null\n\
             +++ b/translations/de.properties\n@@ -0,0 +1 @@\n+a=b\n"
        ),
        "{translated}"
    );
    let back = diff("?from=4&to=2").await;
    assert!(back.contains("\n-  category: b\n+  category: a\n") && back.contains("\n-a=b\n"), "{back}");
    // What git prints, git applies.
    let created = diff("?to=1").await;
    assert_eq!(created.matches("new file mode").count(), 4, "{created}");
    app.delete("/v3/connectors/hr").await;
    let deleted = diff("").await;
    assert!(deleted.contains("deleted file mode 100644\n--- a/source-config.xml\n+++ /dev/null\n"), "{deleted}");
    app.get(&format!("{BASE}/hr/diff?from=9")).await.refusal(404);
    app.get(&format!("{BASE}/nothing/diff")).await.refusal(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_is_restored_with_a_new_revision() {
    let app = TestApp::start().await;
    app.create("HR").await;
    set(&app, "hr", "a").await;
    set(&app, "hr", "b").await;
    let restore =
        async |number: u64| app.call(Method::POST, &format!("{BASE}/hr/revisions/{number}/restore"), "", "").await;
    assert_eq!(restore(2).await.ok()["connectorMetadata"]["category"], "a");
    let page = app.get(&format!("{BASE}/hr/revisions")).await.ok();
    assert_eq!((numbers(&page), &page[0]["action"]), (vec![4, 3, 2, 1], &json!("restore")));
    // It is so already.
    assert_eq!(restore(2).await.status, StatusCode::OK);
    assert_eq!(app.get(&format!("{BASE}/hr/revisions")).await.ok().as_array().unwrap().len(), 4);
    // Of a deleted one, if its name is free.
    app.delete("/v3/connectors/hr").await;
    app.post("/v3/connectors", &json!({"name": "Other", "className": "x.Y"})).await.ok();
    let rename = |name: &str| json!([{"op": "replace", "path": "/name", "value": name}]);
    app.patch(&format!("{BASE}/other"), &rename("hr")).await.ok();
    let taken = restore(3).await.refusal(409);
    assert_eq!(taken, "another connector has the name of the deleted one; rename or delete that first");
    app.patch(&format!("{BASE}/other"), &rename("free")).await.ok();
    assert_eq!(restore(3).await.ok()["connectorMetadata"]["category"], "b");
    assert_eq!(app.get("/v3/connectors/hr").await.ok()["connectorMetadata"]["category"], "b");
    restore(99).await.refusal(404);
    // Who may only read may not.
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    let path = format!("{BASE}/hr/revisions/2/restore");
    assert_eq!(app.call_as(&reader, Method::POST, &path, "", "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_with_a_key_is_done_once() {
    let app = TestApp::start().await;
    app.create("HR").await;
    set(&app, "hr", "a").await;
    let restore = async || {
        let request = Request::post(format!("{BASE}/hr/revisions/1/restore"))
            .header(header::AUTHORIZATION, app.authorization())
            .header("idempotency-key", "one");
        app.send(request.body("".into()).unwrap()).await
    };
    restore().await.ok();
    set(&app, "hr", "b").await;
    let again = restore().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    again.ok();
    assert_eq!(app.get("/v3/connectors/hr").await.ok()["connectorMetadata"]["category"], "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tenant_had_is_exported() {
    let app = TestApp::start().await;
    for name in ["Kept", "Changed", "Deleted"] {
        app.create(name).await;
    }
    set(&app, "changed", "then").await;
    let line = |name: &str, connector: Value| json!({"scriptName": name, "revision": 4, "connector": connector});
    let now = app.get("/connectory/v1/connectors?scriptName=changed").await;
    let mut changed: Value = serde_json::from_str(now.text().lines().nth(1).unwrap()).unwrap();
    changed["connector"]["connectorMetadata"]["category"] = "now".into();
    changed["connector"]["name"] = "Renamed".into();
    let lines = [changed, line("deleted", Value::Null)].map(|line| line.to_string()).join("\n");
    app.call(Method::POST, "/connectory/v1/apply", "application/x-ndjson", lines).await.ok();
    app.create("New").await;
    let at = async |at: &str| {
        let answer = app.get(&format!("/connectory/v1/connectors?at={at}")).await;
        let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [head, connectors @ .., end] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(end["count"], connectors.len());
        let told = connectors.iter().map(|line| {
            let connector = &line["connector"];
            let category = connector["connectorMetadata"]["category"].as_str().unwrap_or("-");
            format!("{} {} {category}", line["revision"], connector["name"].as_str().unwrap())
        });
        (head["revision"].as_u64().unwrap(), told.collect::<Vec<_>>())
    };
    let then = ["4 Changed then", "3 Deleted -", "1 Kept -"].map(str::to_owned).to_vec();
    assert_eq!(at("4").await, (4, then.clone()));
    let after = ["5 Renamed now", "1 Kept -"].map(str::to_owned).to_vec();
    assert_eq!(at("5").await, (6, after.clone()), "all of the change that holds the revision");
    assert_eq!(at("6").await, (6, after));
    assert_eq!(at("7").await.1.len(), 3);
    assert_eq!(at("0").await, (0, Vec::new()));
    assert_eq!(at("2001-01-01T00:00:00Z").await, (0, Vec::new()));
    assert_eq!(at("2999-01-01T00:00:00Z").await.0, 7);
    let created = app.get("/connectory/v1/revisions").await.ok()[3]["created"].as_str().unwrap().to_owned();
    assert_eq!(at(&created).await, (4, then));
    app.get("/connectory/v1/connectors?at=8").await.refusal(404);
    for (query, expected) in [
        ("at=x", "`at` must be the number of a revision, such as 42, or a time of RFC 3339"),
        ("at=-1", "`at` must be the number of a revision"),
        ("at=1&custom=true", "`at` excludes all other parameters of an export"),
        ("at=1&scriptName=hr", "`at` excludes all other parameters of an export"),
    ] {
        let refusal = app.get(&format!("/connectory/v1/connectors?{query}")).await.refusal(400);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_has_entity_tags_and_a_restore_takes_a_condition() {
    let app = TestApp::start().await;
    app.create("HR").await;
    set(&app, "hr", "a").await;
    let send = async |method: Method, path: &str, name: &str, value: &str| {
        let request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, app.authorization());
        app.send(request.header(name, value).body("".into()).unwrap()).await
    };
    for path in ["hr/revisions", "hr/revisions/1", "hr/diff"].map(|path| format!("{BASE}/{path}")) {
        let etag = app.get(&path).await.header("etag").unwrap().to_owned();
        let again = send(Method::GET, &path, "if-none-match", &etag).await;
        assert_eq!((again.status, again.header("etag")), (StatusCode::NOT_MODIFIED, Some(&*etag)), "{path}");
        assert!(again.body.is_empty());
    }
    let tag = app.get("/v3/connectors/hr").await.header("etag").unwrap().to_owned();
    set(&app, "hr", "b").await;
    let restore = format!("{BASE}/hr/revisions/1/restore");
    let refused = send(Method::POST, &restore, "if-match", &tag).await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{}", refused.text());
    let tag = refused.header("etag").unwrap().to_owned();
    let restored = send(Method::POST, &restore, "if-match", &tag).await;
    let detail = app.get("/connectors/v1/hr").await;
    assert_eq!((restored.status, restored.header("etag")), (StatusCode::OK, detail.header("etag")));
    app.delete("/v3/connectors/hr").await;
    assert_eq!(send(Method::POST, &restore, "if-match", "*").await.status, StatusCode::NOT_FOUND);
    assert_eq!(send(Method::POST, &restore, "if-none-match", "*").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_connectors_are_listed_searched_and_restored() {
    const DELETED: &str = "/connectory/v1/deleted-connectors";
    let app = TestApp::start().await;
    assert_eq!(app.get(DELETED).await.ok(), json!([]));
    for name in ["Payroll", "Größe", "HR"] {
        app.create(name).await;
    }
    for script_name in ["payroll", "grosse", "hr"] {
        app.delete(&format!("/v3/connectors/{script_name}")).await;
    }
    let found = async |query: &str| {
        let page = app.get(&format!("{DELETED}?{query}")).await.ok();
        page.as_array().unwrap().iter().map(|item| item["scriptName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ["hr", "grosse", "payroll"], "the last deleted first");
    let first = app.get(DELETED).await.ok()[0].clone();
    assert_eq!((&first["name"], &first["type"]), (&json!("HR"), &json!("custom HR")));
    assert_eq!((&first["deletion"]["action"], &first["deletion"]["revision"]), (&json!("delete"), &json!(6)));
    assert_eq!(first["deletion"]["author"]["name"], "client first");
    assert_eq!(found("q=GR%C3%96SSE").await, ["grosse"]);
    assert_eq!(found("q=custom").await.len(), 3, "types too");
    assert_eq!(found("q=%20").await.len(), 3);
    assert_eq!(found("q=nothing").await, Vec::<String>::new());
    // Pages are followed by their links, with the search.
    for start in [format!("{DELETED}?limit=2"), format!("{DELETED}?limit=2&q=custom")] {
        let answer = app.get(&start).await;
        let link = answer.header("link").unwrap();
        let next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned();
        assert_eq!(next, format!("{start}&before=5"));
        let last = app.get(&next).await;
        assert_eq!(last.header("link"), None);
        assert_eq!(last.ok()[0]["scriptName"], "payroll");
    }
    for (query, expected) in [
        ("q=%F6", "`q` is not UTF-8; write a character such as `ö` as its bytes in UTF-8, `%C3%B6`"),
        ("limit=0", "`limit` must be an integer from 1 to 250, got `0`"),
        ("offset=1", "the parameter `offset` is unknown; this operation has `limit`, `before`, `q`"),
    ] {
        assert_eq!(app.get(&format!("{DELETED}?{query}")).await.refusal(400), expected);
    }
    let restore = format!("{BASE}/hr/revisions/6/restore");
    app.call(Method::POST, &restore, "", "").await.ok();
    assert_eq!(found("").await, ["grosse", "payroll"]);
    let reader = app.client("reader", "default", UserLevel::OrgAdmin, &[Scope::ReadConnectors]).await;
    assert_eq!(app.call_as(&reader, Method::GET, DELETED, "", "").await.ok().as_array().unwrap().len(), 2);
    let other = app.client("other", "default", UserLevel::Helpdesk, &[Scope::All]).await;
    app.call_as(&other, Method::GET, DELETED, "", "").await.refusal(403);
}
