//! What the store promises, on a real file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use connectory_model::access::{Scope, UserLevel};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale, Summary, import};
use connectory_store::access::{AccessDb, NewClient};
use connectory_store::{
    Author, AuthorKind, Change, Edit, Found, Origin, RevisionId, RevisionNumber, SigningKey, Store, StoreError,
    TenantId,
};
use tempfile::TempDir;
use uuid::Uuid;

fn connector(name: &str) -> Arc<Connector> {
    let list = serde_json::json!([{"name": name}]).to_string();
    Arc::new(import::from_json(list.as_bytes()).unwrap().remove(0))
}

fn edit(change: Change, connector: Arc<Connector>) -> Edit {
    Edit::new(change, connector, &["a".to_owned(), "b".to_owned()], None)
}

fn origin() -> Origin {
    let author = Author { kind: AuthorKind::Client, id: "me".to_owned(), name: Some("Me".to_owned()) };
    Origin { author, tracking_id: Some(Uuid::from_u128(7)) }
}

async fn commit(store: &Store, tenant: TenantId, edit: Edit) -> RevisionNumber {
    store.commit(tenant, edit, origin(), |_| (), || ()).await.unwrap()
}

/// The connector as a revision left it.
async fn connector_at(store: &Store, tenant: TenantId, number: RevisionNumber) -> Connector {
    store.connector(RevisionId { tenant, number }).await.unwrap().unwrap()
}

fn client(id: &str) -> NewClient {
    NewClient {
        id: id.to_owned(),
        name: "test".to_owned(),
        secret_hash: "hash".to_owned(),
        level: UserLevel::SourceAdmin,
        scopes: vec![Scope::ReadConnectors, Scope::Default],
    }
}

async fn open(folder: &Path) -> (Store, TenantId) {
    let store = Store::open(&folder.join("c.db")).unwrap();
    store.bootstrap("default".to_owned(), client("first")).await.unwrap();
    let tenant = store.tenants().await.unwrap()[0].id;
    (store, tenant)
}

async fn summaries(store: &Store, tenant: TenantId) -> Vec<(RevisionNumber, Summary)> {
    store.summaries(tenant, |summaries| summaries.collect()).await.unwrap()
}

#[tokio::test]
async fn a_connector_lives_through_revisions_and_a_restart() {
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let first = commit(&store, tenant, edit(Change::Create, connector("HR"))).await;
    let mut changed = Connector::clone(&connector("HR"));
    changed.class_name = "other".to_owned();
    let update = edit(Change::Update { expected: first }, Arc::new(changed.clone()));
    let second = commit(&store, tenant, update).await;
    drop(store);

    let (store, tenant) = open(folder.path()).await;
    assert_eq!(summaries(&store, tenant).await, [(second, changed.summary())]);
    assert_eq!(connector_at(&store, tenant, first).await, *connector("HR"));
    assert_eq!(connector_at(&store, tenant, second).await, changed);
    let delete = edit(Change::Delete { expected: second }, Arc::new(changed));
    let third = commit(&store, tenant, delete).await;
    assert!(summaries(&store, tenant).await.is_empty());
    let history = store.revisions(tenant, "hr".parse().ok(), None, 9).await.unwrap();
    let told: Vec<_> = history.iter().map(|revision| (revision.number, revision.action.as_str())).collect();
    assert_eq!(told, [(third, "delete"), (second, "update"), (first, "create")]);
    assert_eq!(history[0].changed, ["a", "b"]);
    assert_eq!((&history[0].author, history[0].tracking_id), (&origin().author, origin().tracking_id));
    assert_eq!(history[0].change, history[0].number);

    // One that is created anew continues the history, and may be deleted again.
    let fourth = commit(&store, tenant, edit(Change::Create, connector("HR"))).await;
    let delete = edit(Change::Delete { expected: fourth }, connector("HR"));
    let fifth = commit(&store, tenant, delete).await;
    let numbers = async |before, limit| {
        let history = store.revisions(tenant, "hr".parse().ok(), before, limit).await.unwrap();
        history.into_iter().map(|revision| revision.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 9).await, [fifth, fourth, third, second, first]);
    assert_eq!(numbers(Some(fourth), 2).await, [third, second]);
    assert_eq!(numbers(Some(first), 2).await, []);
}

#[tokio::test]
async fn what_changed_meanwhile_or_is_taken_is_refused_and_not_published() {
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let first = commit(&store, tenant, edit(Change::Create, connector("HR"))).await;
    let refuse = |change, connector| {
        let store = store.clone();
        async move {
            store.commit(tenant, edit(change, connector), origin(), |_| panic!("published"), || ()).await.unwrap_err()
        }
    };
    assert!(matches!(refuse(Change::Create, connector("hR")).await, StoreError::NameTaken));
    assert!(matches!(refuse(Change::Create, connector("HR!")).await, StoreError::ScriptNameTaken));
    let stale = RevisionNumber(first.0 + 1);
    assert!(matches!(refuse(Change::Update { expected: stale }, connector("HR")).await, StoreError::Conflict));
    assert!(matches!(refuse(Change::Delete { expected: first }, connector("IT")).await, StoreError::Conflict));
    assert_eq!(store.revisions(tenant, "hr".parse().ok(), None, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_commits_are_published_in_the_order_of_their_numbers() {
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let published = Arc::new(Mutex::new(Vec::new()));
    let commits: Vec<_> = (0..300)
        .map(|n| {
            let (store, published) = (store.clone(), Arc::clone(&published));
            tokio::spawn(async move {
                // Every third name is taken already, so that failures stand between successes.
                let name = format!("c{}", n - n % 3);
                let publish = move |number: RevisionNumber| published.lock().unwrap().push(number.0);
                store.commit(tenant, edit(Change::Create, connector(&name)), origin(), publish, || ()).await.is_ok()
            })
        })
        .collect();
    let mut kept = 0;
    for commit in commits {
        kept += usize::from(commit.await.unwrap());
    }
    assert_eq!(kept, 100);
    let published = std::mem::take(&mut *published.lock().unwrap());
    assert_eq!(published, (1..=100).collect::<Vec<_>>(), "in their order, without gaps");
    assert_eq!(summaries(&store, tenant).await.len(), 100);
}

#[tokio::test]
async fn one_process_serves_a_database_and_access_management_works_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    let (store, _) = open(folder.path()).await;
    let refusal = Store::open(&path).err().unwrap().to_string();
    assert!(refusal.contains(&format!("in use by another process (pid {})", std::process::id())), "{refusal}");

    let access = AccessDb::open(&path).unwrap();
    access.create_client("default", &client("second")).unwrap();
    let found = store.client("second".to_owned()).await.unwrap().unwrap();
    assert_eq!((found.level, found.tenant.name.as_str()), (UserLevel::SourceAdmin, "default"));
    assert_eq!(found.scopes, [Scope::ReadConnectors, Scope::Default]);
    assert!(matches!(access.create_client("default", &client("second")), Err(StoreError::Exists(_))));
    assert!(matches!(access.create_client("nope", &client("third")), Err(StoreError::Unknown(_))));
    assert!(matches!(access.delete_tenant("default"), Err(StoreError::InUse { .. })));
    access.delete_client("second").unwrap();
    assert_eq!(store.client("second".to_owned()).await.unwrap(), None);
    assert!(matches!(access.delete_client("second"), Err(StoreError::Unknown(_))));
}

#[tokio::test]
async fn deleting_a_tenant_takes_all_of_it_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    assert!(matches!(AccessDb::open(&path), Err(StoreError::Absent(_))));
    drop(Store::open(&path).unwrap());
    let access = AccessDb::open(&path).unwrap();
    let other = access.create_tenant("other").unwrap();
    assert!(matches!(access.create_tenant("other"), Err(StoreError::Exists(_))));
    access.create_client("other", &client("theirs")).unwrap();
    access.create_tenant("default").unwrap();
    access.create_client("default", &client("ours")).unwrap();
    drop(access);

    let store = Store::open(&path).unwrap();
    assert!(!store.bootstrap("default".to_owned(), client("x")).await.unwrap());
    let number = commit(&store, other.id, edit(Change::Create, connector("HR"))).await;
    let (ended, end) = mpsc::channel();
    store
        .commit(
            other.id,
            edit(Change::Delete { expected: number }, connector("HR")),
            origin(),
            move |_| ended.send(()).unwrap(),
            || (),
        )
        .await
        .unwrap();
    end.try_recv().unwrap();
    let last = commit(&store, other.id, edit(Change::Create, connector("HR"))).await;
    drop(store);

    let access = AccessDb::open(&path).unwrap();
    access.delete_tenant("other").unwrap();
    let names: Vec<_> = access.tenants().unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, ["default"]);
    let clients: Vec<_> = access.clients(None).unwrap().into_iter().map(|client| client.id).collect();
    assert_eq!(clients, ["ours"]);
    let default = access.tenants().unwrap()[0].id;
    drop(access);

    let store = Store::open(&path).unwrap();
    assert_eq!(store.revisions(other.id, None, None, 9).await.unwrap(), []);
    assert_eq!(store.revisions(other.id, "hr".parse().ok(), None, 9).await.unwrap(), []);
    let id = RevisionId { tenant: other.id, number: last };
    assert_eq!(store.find(id, usize::MAX).await.unwrap(), None);
    assert_eq!(commit(&store, default, edit(Change::Create, connector("HR"))).await, RevisionNumber(1));
}

#[tokio::test]
async fn a_small_change_to_a_large_connector_is_a_small_write() {
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let mut large = Connector::clone(&connector("HR"));
    for (at, locale) in [Locale::De, Locale::En, Locale::Fr].into_iter().enumerate() {
        // Texts that cannot be compressed much.
        let values = (0..120_000_u64).map(|n| (n + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text = values.map(|value| format!("k{value:x}={value:x}")).collect::<Vec<_>>().join("\n");
        large.translations.0.insert(locale, Properties::parse(text.as_bytes()).unwrap());
    }
    let latin1 = Properties::parse(b"a=\xe4\n").unwrap();
    large.translations.0.insert(Locale::Nl, latin1);
    assert!(large.size() > 6 << 20);
    let stored = || {
        let connection = rusqlite::Connection::open(folder.path().join("c.db")).unwrap();
        let bytes = "SELECT (SELECT sum(length(body)) FROM revisions) + (SELECT sum(length(body)) FROM parts)";
        connection.query_row(bytes, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let first = commit(&store, tenant, edit(Change::Create, Arc::new(large.clone()))).await;
    let before = stored();
    assert!(before > 3 << 20, "{before}");

    // Twice, so that the second names what is held by the first, not by the one before it.
    let (mut newest, mut current) = (first, large.clone());
    for n in 0..2 {
        let holders = store.holders(RevisionId { tenant, number: newest }).await.unwrap();
        let mut next = current.clone();
        next.connector_metadata.insert("n".to_owned(), n.into());
        let update = Change::Update { expected: newest };
        let update = Edit::new(update, Arc::new(next.clone()), &[], Some((&current, &holders)));
        newest = commit(&store, tenant, update).await;
        current = next;
    }
    let holders = store.holders(RevisionId { tenant, number: newest }).await.unwrap();
    let delete = Change::Delete { expected: newest };
    let delete = Edit::new(delete, Arc::new(current.clone()), &[], Some((&current, &holders)));
    let last = commit(&store, tenant, delete).await;
    assert!(stored() - before < 3 << 10, "{before} {}", stored());

    assert_eq!(connector_at(&store, tenant, first).await, large);
    assert_eq!(connector_at(&store, tenant, newest).await, current);
    assert_eq!(connector_at(&store, tenant, last).await, current);
    let id = RevisionId { tenant, number: newest };
    assert!(matches!(store.find(id, 1 << 20).await.unwrap(), Some(Found::Large(bytes)) if bytes > 6 << 20));
}

#[tokio::test]
async fn the_first_signing_key_stays() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path()).await;
    let key = |id: &str| SigningKey { id: id.to_owned(), pem: format!("pem of {id}") };
    assert_eq!(store.signing_keys(key("a")).await.unwrap()[0].id, "a");
    let keys = store.signing_keys(key("b")).await.unwrap();
    assert_eq!((keys.len(), keys[0].pem.as_str()), (1, "pem of a"));
}

#[test]
fn a_database_from_the_future_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refusal = Store::open(&path).err().unwrap().to_string();
    assert!(refusal.contains("schema version 99") && refusal.contains("newer program"), "{refusal}");
}

#[test]
fn a_panic_of_the_writer_ends_the_process_with_a_last_line() {
    const PANICS: &str = "CONNECTORY_TEST_PANICS";
    if std::env::var_os(PANICS).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let (store, tenant) = open(folder.path()).await;
            let create = edit(Change::Create, connector("HR"));
            let _never = store.commit(tenant, create, origin(), |_| panic!("while publishing"), || ()).await;
        });
        return;
    }
    let name = "a_panic_of_the_writer_ends_the_process_with_a_last_line";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = again.args(["--exact", name, "--nocapture"]).env(PANICS, "1").output().unwrap();
    assert!(!ended.status.success());
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.lines().last().unwrap().starts_with("connectory: the thread `writer` panicked"), "{told}");
}
