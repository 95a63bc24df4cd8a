//! Requests that are done once.

use connectory_model::limits::ONCE_KEPT;
use connectory_store::{Change, Done, Edit, Once, Refusal, RevisionNumber, Store, TenantId};

use super::Database;
use super::support::{connector, create, edit, number, origin, summaries, tenant};

/// A time of requests.
const NOW: i64 = 1_800_000_000_000;

/// A request with this key.
fn request(key: u8) -> Once {
    Once { key: [key; 32], fingerprint: [255 - key; 32], at: NOW }
}

async fn commit_once(
    store: &Store,
    tenant: TenantId,
    edits: Vec<Edit>,
    once: Once,
) -> Result<Vec<RevisionNumber>, Refusal> {
    store.commit_once(tenant, edits, origin(), once).await
}

pub async fn a_commit_with_a_key_is_made_once(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let once = request(1);
    assert_eq!(store.done(tenant, once).await.unwrap(), None);
    let both = || vec![create("HR"), create("IT")];
    assert_eq!(commit_once(&store, tenant, both(), once).await.unwrap(), [number(1), number(2)]);
    // The names are taken too, but that is not what the caller should hear.
    assert!(matches!(commit_once(&store, tenant, both(), once).await, Err(Refusal::Done)));
    let other_request = Once { fingerprint: [9; 32], ..once };
    assert!(matches!(commit_once(&store, tenant, vec![create("x")], other_request).await, Err(Refusal::Done)));
    drop(store);
    let store = database.open();
    let done = Done { fingerprint: once.fingerprint, numbers: vec![number(1), number(2)] };
    assert_eq!(store.done(tenant, once).await.unwrap(), Some(done.clone()));
    assert_eq!(store.done(tenant, other_request).await.unwrap(), Some(done), "the caller compares the fingerprints");
    assert_eq!(commit_once(&store, tenant, vec![create("x")], request(2)).await.unwrap(), [number(3)]);
    assert_eq!(summaries(&store, tenant).await.len(), 3);
}

pub async fn of_concurrent_commits_with_one_key_one_is_made(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let commits: Vec<_> = (0..50)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { commit_once(&store, tenant, vec![create(&format!("c{n}"))], request(1)).await })
        })
        .collect();
    let mut made = Vec::new();
    for commit in commits {
        match commit.await.unwrap() {
            Ok(numbers) => made.extend(numbers),
            Err(Refusal::Done) => {
                let done = store.done(tenant, request(1)).await.unwrap().unwrap();
                assert_eq!(done.numbers, [number(1)], "whoever is refused can read what was done");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(made, [number(1)]);
    assert_eq!(summaries(&store, tenant).await.len(), 1);
}

pub async fn a_commit_that_is_not_made_leaves_its_key_free(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    commit_once(&store, tenant, vec![create("HR")], request(1)).await.unwrap();
    let once = request(2);
    let refusal = commit_once(&store, tenant, vec![create("new"), create("HR")], once).await;
    assert!(matches!(refusal, Err(Refusal::NameTaken { edit: 1 })));
    assert_eq!(store.done(tenant, once).await.unwrap(), None);
    let stale = edit(Change::Delete { expected: number(7) }, connector("HR"));
    assert!(matches!(commit_once(&store, tenant, vec![stale], once).await, Err(Refusal::Conflict { .. })));
    assert_eq!(commit_once(&store, tenant, Vec::new(), once).await.unwrap(), []);
    assert_eq!(store.done(tenant, once).await.unwrap(), None);
    assert_eq!(commit_once(&store, tenant, vec![create("new")], once).await.unwrap(), [number(2)]);
}

pub async fn a_key_is_one_of_its_tenant_alone(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    for tenant in [ours, theirs] {
        assert_eq!(store.done(tenant, request(1)).await.unwrap(), None);
        assert_eq!(commit_once(&store, tenant, vec![create("HR")], request(1)).await.unwrap(), [number(1)]);
    }
}

pub async fn a_key_is_free_again_after_a_day(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let once = request(1);
    commit_once(&store, tenant, vec![create("first")], once).await.unwrap();
    let day = i64::try_from(ONCE_KEPT.as_millis()).unwrap();
    let late = Once { at: NOW + day, ..once };
    assert!(matches!(commit_once(&store, tenant, vec![create("second")], late).await, Err(Refusal::Done)));
    let later = Once { at: NOW + day + 1, fingerprint: [7; 32], ..once };
    assert_eq!(store.done(tenant, later).await.unwrap(), None);
    assert_eq!(commit_once(&store, tenant, vec![create("second")], later).await.unwrap(), [number(2)]);
    let done = store.done(tenant, later).await.unwrap().unwrap();
    assert_eq!(done, Done { fingerprint: later.fingerprint, numbers: vec![number(2)] });
}
