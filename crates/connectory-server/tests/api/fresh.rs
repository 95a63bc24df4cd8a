//! Fresh and local reads, with other processes that a test plays.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Body;
use connectory_model::create::NewConnector;
use connectory_model::limits::TURN_TIMEOUT;
use connectory_server::Options;
use connectory_server::options::{PlayedNodes, Reads};
use connectory_store::{Author, AuthorKind, Change, Edit, Origin, Store, StoreError, TenantId, Unavailable};
use futures_util::FutureExt;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode, header};
use serde_json::json;

use crate::support::{Answer, TestApp};

const LOCAL: Reads = Reads::Local { max_staleness: Duration::from_secs(1) };

/// What the next questions for what others committed find.
#[derive(Clone)]
enum Next {
    /// Connectors with these names. They are found once.
    Created(Vec<&'static str>),
    Unreachable,
    NoAnswer,
}

/// The other processes.
struct Others {
    store: OnceLock<Store>,
    next: Mutex<Next>,
    questions: AtomicUsize,
}

impl Others {
    async fn answer(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let next = std::mem::replace(&mut *self.next.lock().unwrap(), Next::Created(Vec::new()));
        match next {
            Next::Created(names) => {
                for name in names {
                    let connector = NewConnector::new(name, "x.Y").build(name.to_lowercase().parse().unwrap(), &[]);
                    let edit = Edit::new(Change::Create, &connector, &[], None);
                    let author = Author { kind: AuthorKind::Operator, id: "other".to_owned(), name: None };
                    let origin = Origin { author, tracking_id: None };
                    self.store.get().unwrap().commit(tenant, vec![edit], origin).await.unwrap();
                }
                Ok(())
            }
            Next::Unreachable => {
                self.next(next);
                Err(Unavailable::Disconnected.into())
            }
            Next::NoAnswer => {
                self.next(next);
                pending().await
            }
        }
    }

    fn next(&self, next: Next) {
        *self.next.lock().unwrap() = next;
    }

    fn create(&self, name: &'static str) {
        self.next(Next::Created(vec![name]));
    }

    /// The number of questions since the last call.
    fn asked(&self) -> usize {
        self.questions.swap(0, Ordering::Relaxed)
    }
}

/// A server beside others.
async fn beside_others(reads: Reads) -> (TestApp, Arc<Others>) {
    let others = Arc::new(Others {
        store: OnceLock::new(),
        next: Mutex::new(Next::Created(Vec::new())),
        questions: AtomicUsize::new(0),
    });
    let played = Arc::clone(&others);
    let fresh = Arc::new(move |tenant| {
        let played = Arc::clone(&played);
        async move { played.answer(tenant).await }.boxed()
    });
    let played_nodes = Some(PlayedNodes { fresh, lag: Duration::from_millis(250) });
    let app = TestApp::with(Options { rate_limit: None, reads, played_nodes, ..Options::default() }).await;
    assert!(others.store.set(app.server.store.clone()).is_ok());
    // From now on the token is cached, so the fast path answers.
    app.get("/v2025/connectors").await.ok();
    others.asked();
    (app, others)
}

fn has(list: &Answer, name: &str) -> bool {
    list.text().contains(&format!("\"name\":\"{name}\""))
}

fn revision(answer: &Answer) -> i64 {
    answer.header("connectory-revision").expect("the header").parse().unwrap()
}

/// A read that asks for a revision.
async fn read_after(app: &TestApp, path: &str, revisions: &[&str]) -> Answer {
    let mut request = Request::get(path).header(header::AUTHORIZATION, app.authorization());
    for revision in revisions {
        request = request.header("Connectory-Min-Revision", *revision);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_read_sees_what_others_committed_before_it_and_asks_once() {
    let (app, others) = beside_others(Reads::Fresh).await;
    for (name, path, expected) in [
        ("A", "/v2025/connectors", 200),
        ("B", "/v2025/connectors/b", 200),
        ("C", "/v2025/connectors/c/source-config", 200),
        ("D", "/connectors/v1?filters=name%20sw%20%22D%22", 200),
        ("E", "/v3/connectors/nothing", 404),
    ] {
        others.create(name);
        let answer = app.get(path).await;
        assert_eq!(answer.status.as_u16(), expected, "{path}: {}", answer.text());
        assert_eq!(others.asked(), 1, "{path}");
        assert!(path != "/v2025/connectors" || has(&answer, "A"));
        let own = app.server.store.tenants().await.unwrap()[0].id;
        let newest = app.server.store.revisions(own, None, None, 1).await.unwrap()[0].number.get();
        assert_eq!(revision(&answer), newest, "{path}");
    }
    app.get("/v2025/connectors/b").await.ok();
    assert_eq!(others.asked(), 1, "a detail that is cached");
}

#[tokio::test]
async fn without_what_others_committed_nothing_is_answered() {
    let (app, others) = beside_others(Reads::Fresh).await;
    let script_name = app.create("HR").await;
    let detail = format!("/v2025/connectors/{script_name}");
    for path in ["/v2025/connectors", &detail, "/v2025/connectors/nothing"] {
        others.next(Next::Unreachable);
        let answer = app.get(path).await;
        assert_eq!(
            (answer.header("retry-after"), answer.header("connectory-revision")),
            (Some("2"), None),
            "{path}: an old revision is no news"
        );
        assert_eq!(answer.refusal(503), "the database cannot be reached; nothing was changed, try again");
    }
    assert_eq!(app.delete(&detail).await.status, StatusCode::SERVICE_UNAVAILABLE);
    for path in ["/v2025/connectors", "/v2025/connectors/nothing"] {
        others.next(Next::NoAnswer);
        let began = Instant::now();
        assert_eq!(
            app.get(path).await.refusal(503),
            "the database does not answer in time; nothing was changed, try again"
        );
        assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    }
    others.next(Next::Created(Vec::new()));
    app.get(&detail).await.ok();
}

#[tokio::test]
async fn the_rate_limit_counts_reads_that_fail() {
    let (app, others) = beside_others(Reads::Fresh).await;
    let app = TestApp::with(Options { rate_limit: "2/10s".parse().ok(), ..app.server.options.clone() }).await;
    others.next(Next::Unreachable);
    let statuses =
        [app.get("/v2025/connectors").await, app.get("/v2025/connectors").await, app.get("/v2025/connectors").await]
            .map(|answer| answer.status.as_u16());
    assert_eq!(statuses, [503, 503, 429]);
}

#[tokio::test]
async fn what_does_not_commit_is_decided_on_fresh_lists_with_both_kinds_of_reads() {
    for reads in [Reads::Fresh, LOCAL] {
        let (app, others) = beside_others(reads).await;
        others.create("Taken");
        app.delete("/v2025/connectors/nothing").await.refusal(404);
        let named = json!({"name": "TAKEN", "className": "x.Y"});
        for (name, method, path, content_type, body, expected) in [
            ("A", Method::DELETE, "/v2025/connectors/a", "", "", 204),
            ("B", Method::PATCH, "/v2025/connectors/b", "application/json-patch+json", "[]", 200),
            (
                "C",
                Method::PATCH,
                "/v3/connectors/c",
                "application/json-patch+json",
                r#"[{"op": "test", "path": "/name", "value": "C"}]"#,
                200,
            ),
        ] {
            others.create(name);
            let answer = app.call(method, path, content_type, body).await;
            assert_eq!(answer.status.as_u16(), expected, "{path} with {reads:?}: {}", answer.text());
            assert!(revision(&answer) > 0);
        }
        assert!(app.post("/v2025/connectors", &named).await.refusal(400).starts_with("`name` is taken"), "{reads:?}");
        others.next(Next::Unreachable);
        app.delete("/v2025/connectors/nothing").await.refusal(503);
        app.post("/v2025/connectors", &named).await.refusal(503);
    }
}

#[tokio::test]
async fn a_local_read_is_answered_from_memory_and_never_older_than_it_may_be() {
    let (app, others) = beside_others(LOCAL).await;
    // The time between two questions for a tenant that is asked.
    tokio::time::sleep(Duration::from_millis(20)).await;
    others.create("Later");
    assert!(!has(&app.get("/v2025/connectors").await, "Later"), "it does not wait");
    let began = Instant::now();
    while !has(&app.get("/v2025/connectors").await, "Later") {
        assert!(began.elapsed() < Duration::from_secs(1), "the most that an answer may be behind");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    others.next(Next::Unreachable);
    assert_eq!(app.get("/v2025/connectors").await.status, StatusCode::OK);
    app.clock().turn(Duration::from_secs(2));
    app.get("/v2025/connectors").await.refusal(503);
    app.get("/v2025/connectors/later/source-config").await.refusal(503);
    others.create("Newest");
    assert!(has(&app.get("/v2025/connectors").await, "Newest"), "it waits, because the lists are too old");
}

#[tokio::test]
async fn a_tenant_that_nobody_asks_is_not_followed_any_more() {
    let (app, others) = beside_others(Reads::Local { max_staleness: Duration::from_millis(100) }).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(others.asked() >= 2, "the lists are kept up to date without requests");
    app.clock().turn(Duration::from_secs(61));
    tokio::time::sleep(Duration::from_millis(100)).await;
    others.asked();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(others.asked(), 0);
    app.get("/v2025/connectors").await.ok();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(others.asked() >= 2);
}

#[tokio::test]
async fn a_request_waits_for_the_revision_that_it_asks_for() {
    for reads in [Reads::Fresh, LOCAL] {
        let (app, others) = beside_others(reads).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = revision(&app.get("/v2025/connectors").await);
        let next = (now + 1).to_string();
        let asked = [next.as_str()];
        for path in ["/v2025/connectors", "/v2025/connectors/nothing"] {
            others.next(Next::Created(Vec::new()));
            let began = Instant::now();
            let behind = read_after(&app, path, &[&next]).await;
            assert!(began.elapsed() < Duration::from_millis(1200), "{:?}", began.elapsed());
            assert_eq!((revision(&behind), behind.header("retry-after")), (now, Some("2")), "{path}");
            assert_eq!(
                behind.refusal(503),
                format!(
                    "the newest revision is {now}, and `Connectory-Min-Revision` asks for {next}; nothing was changed"
                )
            );
        }
        let late = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            others.create("Awaited");
        };
        let (answer, ()) = tokio::join!(read_after(&app, "/v2025/connectors", &asked), late);
        assert!(has(&answer, "Awaited") && revision(&answer) > now, "{reads:?}");
        others.asked();
        others.next(Next::NoAnswer);
        if reads == LOCAL {
            assert_eq!(read_after(&app, "/v2025/connectors", &[&next]).await.status, StatusCode::OK, "it is there");
        }
    }
}

#[tokio::test]
async fn a_revision_that_is_no_number_is_refused() {
    let (app, _) = beside_others(Reads::Fresh).await;
    let most = ((1_i64 << 40) - 1).to_string();
    for values in
        [&["x"][..], &["-1"], &["+1"], &["1.0"], &[""], &["99999999999999999999"], &["1099511627776"], &["1", "1"]]
    {
        for path in ["/v2025/connectors", "/v2025/connectors/nothing/source-config"] {
            let text = read_after(&app, path, values).await.refusal(400);
            let expected = format!("`Connectory-Min-Revision` is given once, as a whole number of at most {most}");
            assert!(text.starts_with(&expected) && text.ends_with(&format!("got `{}`", values[0])), "{text}");
        }
    }
    read_after(&app, "/v2025/connectors", &["0"]).await.ok();
}

#[tokio::test]
async fn a_server_that_is_alone_has_neither_header() {
    let app = TestApp::start().await;
    if app.database().is_none() {
        return;
    }
    let script_name = app.create("HR").await;
    for path in ["/v2025/connectors", &format!("/v2025/connectors/{script_name}"), "/v2025/connectors?limit=1"] {
        for _ in 0..2 {
            let answer = read_after(&app, path, &["1099511627775"]).await;
            assert_eq!((answer.status, answer.header("connectory-revision")), (StatusCode::OK, None));
        }
    }
    assert_eq!(app.get("/health/ready").await.text(), r#"{"status":"ready"}"#);
    let (_, metrics) = crate::metrics::scrape(&app, "/metrics").await;
    assert!(!metrics.contains("follower_lag") && !metrics.contains("fresh_read"), "{metrics}");
    assert!(metrics.contains("connectory_edits_refused_total 0"), "{metrics}");
}

#[tokio::test]
async fn health_and_metrics_tell_how_far_behind_a_server_is() {
    let (app, others) = beside_others(Reads::Fresh).await;
    others.next(Next::Unreachable);
    app.get("/v2025/connectors").await.refusal(503);
    assert_eq!(app.get("/health/ready").await.text(), r#"{"status":"ready","lagSeconds":0.25,"tenantsBehind":0}"#);
    app.server.options.stopping.store(true, Ordering::Relaxed);
    let stopping = r#"{"status":"not ready","reason":"stopping","lagSeconds":0.25,"tenantsBehind":0}"#;
    assert_eq!(app.get("/health/ready").await.text(), stopping);
    let (_, metrics) = crate::metrics::scrape(&app, "/metrics").await;
    for line in ["connectory_follower_lag_seconds 0.25", "connectory_fresh_read_wait_seconds_count 2"] {
        assert!(metrics.contains(&format!("{line}\n")), "{line} in {metrics}");
    }
}

/// The edits that the store refused so far.
async fn refused(app: &TestApp) -> u64 {
    let (_, metrics) = crate::metrics::scrape(app, "/metrics").await;
    let refused = metrics.lines().find_map(|line| line.strip_prefix("connectory_edits_refused_total "));
    refused.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_clients_that_change_one_connector_none_is_refused_and_none_tries_twice() {
    let app = TestApp::start().await;
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    let patches = (0..64).map(|n| {
        let patch = json!([{"op": "add", "path": format!("/connectorMetadata/k{n}"), "value": n}]);
        let (app, path) = (&app, &path);
        async move { app.patch(path, &patch).await.ok() }
    });
    join_all(patches).await;
    let metadata = &app.get(&path).await.ok()["connectorMetadata"];
    assert!((0..64).all(|n| metadata[format!("k{n}")] == n), "{metadata}");
    assert_eq!(refused(&app).await, 0);
    let names: Vec<_> = (1..65).map(|n| format!("A{}B", "!".repeat(n))).collect();
    // Names that differ, and have one script name at first.
    let created = join_all(names.iter().map(|name| app.create(name))).await;
    let mut distinct = created.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((distinct.len(), refused(&app).await), (64, 0), "{created:?}");
    let deletions = join_all((0..64).map(|_| app.delete(&path))).await;
    let done = deletions.iter().filter(|answer| answer.status == StatusCode::NO_CONTENT).count();
    let gone = deletions.iter().filter(|answer| answer.status == StatusCode::NOT_FOUND).count();
    assert_eq!((done, gone, refused(&app).await), (1, 63, 0));
}

/// A request that has its turn of large work does not wait for a change that may wait for this turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn large_and_small_changes_of_a_large_connector_do_not_wait_for_each_other() {
    let app = TestApp::start().await;
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    let document = |n: usize| format!("<Application><!-- {} --></Application>", n.to_string().repeat(100_000));
    app.put(&format!("{path}/source-template"), document(9).as_bytes()).await.ok();
    let began = Instant::now();
    let large = (1..9).map(|n| {
        let (app, path) = (&app, &path);
        async move { app.put(&format!("{path}/source-template"), document(n).as_bytes()).await }
    });
    let small = (1..9).map(|n| {
        let (app, path) = (&app, &path);
        let patch = json!([{"op": "add", "path": format!("/connectorMetadata/k{n}"), "value": n}]);
        async move { app.patch(path, &patch).await }
    });
    let (large, small) = tokio::join!(join_all(large), join_all(small));
    for answer in large.iter().chain(&small) {
        assert!(answer.status == StatusCode::OK && !answer.text().contains("ERROR"), "{:.500}", answer.text());
    }
    assert!(began.elapsed() < TURN_TIMEOUT, "{:?}", began.elapsed());
}
