//! Tenants in memory: loaded on first use, evicted if there is no room, and right whatever happens meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connectory_model::access::{Scope, UserLevel};
use connectory_server::Options;
use connectory_store::TenantId;
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{TestApp, operator};

const LIST: &str = "/v3/connectors?filters=directConnect eq false or directConnect eq true&limit=250";

/// A server with so much memory for tenants, and a token of each tenant: `default`, and others.
async fn with_tenants(memory: usize, others: &[&str]) -> (TestApp, Vec<String>) {
    let app = TestApp::with(Options { rate_limit: None, catalog_memory: memory, ..Options::default() }).await;
    let mut tokens = vec![app.authorization().replacen("Bearer ", "", 1)];
    for name in others {
        app.access().create_tenant(name, &operator()).unwrap();
        tokens.push(app.client(&format!("of {name}"), name, UserLevel::OrgAdmin, &[Scope::All]).await);
    }
    (app, tokens)
}

async fn create(app: &TestApp, token: &str, name: &str) {
    let body = json!({"name": name, "className": "x.Y"}).to_string();
    app.call_as(token, Method::POST, "/v3/connectors", "application/json", body).await.ok();
}

/// The names of the custom connectors that a client sees.
async fn names(app: &TestApp, token: &str) -> BTreeSet<String> {
    let list = app.get_as(token, &LIST.replace(' ', "%20")).await.ok();
    let of_it = |item: &Value| item["name"].as_str().filter(|name| name.starts_with("t ")).map(str::to_owned);
    list.as_array().unwrap().iter().filter_map(of_it).collect()
}

async fn id(app: &TestApp, name: &str) -> TenantId {
    app.server.store.tenant(Some(name.to_owned())).await.unwrap().unwrap().id
}

async fn metric(app: &TestApp, name: &str) -> u64 {
    let request = http::Request::get("/metrics").body(()).unwrap();
    let answer = app.server.answer_collector(&request, 0);
    assert!(answer.headers().contains_key(header::CONTENT_TYPE));
    let text = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn a_tenant_is_loaded_on_its_first_use_or_at_the_start() {
    let (app, tokens) = with_tenants(usize::MAX, &["other"]).await;
    assert_eq!((metric(&app, "connectory_tenants_loaded_total").await, app.server.catalog.tenants_memory()), (0, 0));
    create(&app, &tokens[1], "t 1").await;
    assert_eq!(names(&app, &tokens[1]).await.len(), 1);
    assert_eq!(metric(&app, "connectory_tenants_loaded_total").await, 1);
    let one = metric(&app, "connectory_catalog_memory_bytes").await;
    create(&app, &tokens[1], "t 2").await;
    let two = metric(&app, "connectory_catalog_memory_bytes").await;
    assert!((400..4000).contains(&(two - one)), "{one} {two}");
    app.call_as(&tokens[1], Method::DELETE, "/v3/connectors/t-2", "", axum::body::Body::empty()).await;
    assert_eq!(metric(&app, "connectory_catalog_memory_bytes").await, one);
    let app = TestApp::with(Options { preload: true, ..Options::default() }).await;
    assert_eq!(metric(&app, "connectory_tenants_loaded_total").await, 1);
}

#[tokio::test]
async fn tenants_without_room_are_dropped_and_loaded_again_as_they_are() {
    let (app, tokens) = with_tenants(1, &["b", "c"]).await;
    for round in 1..=3 {
        for token in &tokens {
            create(&app, token, &format!("t {round}")).await;
            assert_eq!(names(&app, token).await.len(), round);
            let of_one = app.server.catalog.tenants_memory();
            assert!((10_000..40_000).contains(&of_one), "{of_one}: one tenant is in memory");
        }
    }
    assert_eq!(metric(&app, "connectory_tenants_loaded_total").await, 9);
    assert_eq!(metric(&app, "connectory_tenants_evicted_total").await, 8);
}

#[tokio::test]
async fn an_evicted_tenant_that_is_held_is_the_only_one_and_follows() {
    let (app, tokens) = with_tenants(1, &["other"]).await;
    create(&app, &tokens[0], "t 1").await;
    let tenant = id(&app, "default").await;
    let held = app.server.catalog.tenant(tenant).await.unwrap();
    create(&app, &tokens[1], "t other").await;
    assert_eq!(metric(&app, "connectory_tenants_evicted_total").await, 1);
    // What is committed while nobody looks it up reaches it.
    let found = held.entry(&"t-1".parse().unwrap()).unwrap();
    let connector = app.server.catalog.connector(&held, found.source).await.unwrap();
    let mut other = connectory_model::Connector::clone(&connector);
    (other.name, other.script_name) = ("t 2".to_owned(), "t-2".parse().unwrap());
    let edit = connectory_store::Edit::new(connectory_store::Change::Create, &other, &[], None);
    let origin = connectory_store::Origin { author: operator().origin.author, tracking_id: None };
    app.server.store.commit(tenant, vec![edit], origin).await.unwrap();
    assert!(held.entry(&"t-2".parse().unwrap()).is_some());
    create(&app, &tokens[0], "t 3").await;
    assert!(held.entry(&"t-3".parse().unwrap()).is_some());
    let again = app.server.catalog.tenant(tenant).await.unwrap();
    assert!(Arc::ptr_eq(&held, &again) && !held.has_ended());
    assert_eq!(names(&app, &tokens[0]).await.len(), 3);
}

/// Requests that are given up leave commits on their way that nobody waits for, while their tenant is evicted and loaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_missed_while_tenants_come_and_go() {
    let (app, tokens) = with_tenants(1, &["b", "c", "d"]).await;
    let app = Arc::new(app);
    let mut tasks = tokio::task::JoinSet::new();
    for (at, token) in tokens.iter().enumerate() {
        for worker in 0..2 {
            let (app, token) = (Arc::clone(&app), token.clone());
            tasks.spawn(async move {
                for n in 0..20 {
                    let name = format!("t {worker} {n}");
                    create(&app, &token, &name).await;
                    assert!(names(&app, &token).await.contains(&name), "it reads what it wrote");
                    let given_up = format!("t given up {worker} {n}");
                    let pause = Duration::from_micros(n * 100 + at as u64 * 10);
                    let _ = tokio::time::timeout(pause, create(&app, &token, &given_up)).await;
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    // A commit of a request that was given up may still be on its way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for (token, name) in tokens.iter().zip(["default", "b", "c", "d"]) {
        let read = |all: &mut dyn Iterator<Item = (connectory_store::RevisionNumber, connectory_model::Summary)>| {
            all.map(|(_, summary)| summary.name).collect::<BTreeSet<_>>()
        };
        let (head, stored) = app.server.store.load(id(&app, name).await, read).await.unwrap();
        assert_eq!(names(&app, token).await, stored);
        assert!(stored.len() >= 40);
        let tenant = app.server.catalog.tenant(id(&app, name).await).await.unwrap();
        assert_eq!(tenant.revision(), head.number);
    }
}
