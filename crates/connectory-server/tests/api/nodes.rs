//! Two servers of one PostgreSQL database, and what a client sees that uses both.

use std::time::Duration;

use axum::body::Body;
use connectory_server::options::Reads;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::TestApp;

/// Local reads that are as old as the tests need them.
const STALE: Reads = Reads::Local { max_staleness: Duration::from_mins(1) };

fn category(value: &str) -> Value {
    json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_two_servers_lives_as_with_one() {
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, Reads::Fresh]).await else { return };
    let hr = one.create("HR").await;
    let path = format!("/v2025/connectors/{hr}");
    assert_eq!(two.get(&path).await.ok()["name"], "HR");
    two.patch(&path, &category("a")).await.ok();
    assert_eq!(one.get(&path).await.ok()["connectorMetadata"]["category"], "a");
    let taken = two.post("/v2025/connectors", &json!({"name": "hr", "className": "x.Y"})).await;
    assert_eq!(taken.status, StatusCode::BAD_REQUEST);
    assert_eq!(one.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(two.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(two.create("HR").await, hr);
    assert_eq!(one.get(&path).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_moves_a_connector_in_the_lists_of_all_servers() {
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, Reads::Fresh]).await else { return };
    let names = async |app: &TestApp| -> Vec<_> {
        let list = app.get("/v3/connectors?custom=true").await.ok();
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    for name in ["A", "B"] {
        one.create(name).await;
    }
    assert_eq!(names(&two).await, ["A", "B"]);
    let rename = |name: &str| json!([{"op": "replace", "path": "/name", "value": name}]);
    two.patch("/connectory/v1/connectors/a", &rename("C")).await.ok();
    assert_eq!(names(&one).await, ["B", "C"]);
    let taken = one.patch("/connectory/v1/connectors/b", &rename("c")).await.refusal(400);
    assert!(taken.starts_with("`name` is taken"), "{taken}");
    one.patch("/connectory/v1/connectors/b", &rename("a")).await.ok();
    assert_eq!(names(&two).await, ["a", "C"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_refused_or_left_out_because_a_list_is_old() {
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, STALE]).await else { return };
    let hr = one.create("HR").await;
    let path = format!("/v2025/connectors/{hr}/correlation-config");
    let document = |name: &str| format!("<CorrelationConfig name=\"{name}\"/>").into_bytes();
    one.put(&path, &document("first")).await.ok();
    // A change brings the second server up to date. Then the first goes on alone.
    assert_eq!(two.put(&path, &document("second")).await.status, StatusCode::OK);
    // The first local read begins to ask for what is new, at once and then every 20 seconds.
    assert!(two.get(&path).await.text().contains("second"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    one.put(&path, &document("third")).await.ok();
    assert!(two.get(&path).await.text().contains("second"), "the second server is behind");
    // What it has in memory already is still a change.
    two.put(&path, &document("second")).await.ok();
    assert!(one.get(&path).await.text().contains("second"));
    // Neither is there a refusal because of what is over.
    one.delete(&format!("/v2025/connectors/{hr}")).await;
    assert_eq!(two.create("HR").await, hr, "the name is free");
    one.delete(&format!("/v2025/connectors/{hr}")).await;
    let gone = two.patch(&format!("/v2025/connectors/{hr}"), &category("a")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    // A create does not wait for what others did, and is decided all the same.
    let new = one.create("New").await;
    let taken = two.post("/v2025/connectors", &json!({"name": "NEW", "className": "x.Y"})).await;
    assert!(taken.refusal(400).starts_with("`name` is taken"));
    two.patch(&format!("/v2025/connectors/{new}"), &category("a")).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_back_the_revision_reads_its_own_writes() {
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, STALE]).await else { return };
    // The second server has local reads, and asks for what is new every 20 seconds.
    two.get("/v2025/connectors").await.ok();
    let created = one.post("/v2025/connectors", &json!({"name": "HR", "className": "x.Y"})).await;
    let revision = created.header("connectory-revision").unwrap().to_owned();
    assert_eq!(two.get("/v2025/connectors/hr").await.status, StatusCode::NOT_FOUND);
    let request = Request::get("/v2025/connectors/hr")
        .header(header::AUTHORIZATION, two.authorization())
        .header("Connectory-Min-Revision", &revision);
    let found = two.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(found.status, StatusCode::OK);
    assert!(found.header("connectory-revision").unwrap().parse::<i64>().unwrap() >= revision.parse().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_of_one_connector_are_all_answered() {
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, Reads::Fresh]).await else { return };
    let path = format!("/v2025/connectors/{}", one.create("HR").await);
    let changes = (0..64).map(|at| {
        let node = if at % 2 == 0 { &one } else { &two };
        let path = &path;
        async move { node.patch(path, &category(&at.to_string())).await.status }
    });
    let statuses = join_all(changes).await;
    let made = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    let busy = statuses.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert_eq!(made + busy, 64, "{statuses:?}");
    assert!(made >= 48, "{busy} of 64 were refused");
    assert_eq!(one.psql("SELECT count(*) FROM revisions"), (made + 1).to_string(), "one revision each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_history_is_gone_reads_anew() {
    let Some([one, two]) = TestApp::nodes([Reads::Fresh, STALE]).await else { return };
    for name in ["A", "B"] {
        one.create(name).await;
    }
    two.patch("/v2025/connectors/b", &category("x")).await.ok();
    two.get("/v2025/connectors/b").await.ok();
    // As after a backup from before the last two changes was restored, and other changes since then.
    one.psql(
        "DELETE FROM revisions WHERE number > 1; DELETE FROM connectors WHERE script_name = 'b';
         UPDATE connectors SET number = 1",
    );
    let names = |list: &Value| -> Vec<String> {
        let custom = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        custom.filter(|name| name.len() == 1).collect()
    };
    for node in [&one, &two] {
        let mut statuses = Vec::new();
        for _ in 0..50 {
            let made = node.patch("/v2025/connectors/a", &category("y")).await;
            statuses.push(made.status);
            if made.status == StatusCode::OK {
                break;
            }
            assert_eq!(made.status, StatusCode::SERVICE_UNAVAILABLE, "{}", made.text());
        }
        assert_eq!(statuses.last(), Some(&StatusCode::OK), "{statuses:?}");
        assert_eq!(names(&node.get("/v2025/connectors").await.ok()), ["A"]);
        assert_eq!(node.get("/v2025/connectors/b").await.status, StatusCode::NOT_FOUND);
    }
}
