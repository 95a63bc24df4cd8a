//! Tenants, API clients and signing keys.

use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::CLIENTS_PER_TENANT;
use connectory_store::{
    AccessAction, AccessFilter, Author, AuthorKind, Change, NewClient, Refusal, SigningKey, Store, StoreError, TenantId,
};

use super::support::{by, client, commit, connector, create, edit, origin, summaries, tenant};
use super::{Database, all};

pub async fn clients_belong_to_a_tenant_until_they_are_deleted(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    store.create_client("default".to_owned(), client("second"), by()).await.unwrap();
    let found = store.client("second".to_owned()).await.unwrap().unwrap();
    assert_eq!((found.level, found.tenant.id), (UserLevel::SourceAdmin, ours));
    assert_eq!(found.scopes, [Scope::ReadConnectors, Scope::Default].into());
    let taken = store.create_client("other".to_owned(), client("second"), by()).await;
    assert!(matches!(taken, Err(StoreError::Exists(_))));
    let nowhere = store.create_client("nope".to_owned(), client("third"), by()).await;
    assert!(matches!(nowhere, Err(StoreError::Unknown(_))));
    let ids = async |tenant| {
        let clients = store.clients(tenant, None, 10).await.unwrap();
        clients.into_iter().map(|client| client.id).collect::<Vec<_>>()
    };
    assert_eq!((ids(ours).await, ids(theirs).await), (vec!["first".to_owned(), "second".to_owned()], vec![]));
    let of_another = store.delete_client(theirs, "second".to_owned(), by()).await;
    assert!(matches!(of_another, Err(StoreError::Unknown(_))));
    store.delete_client(ours, "second".to_owned(), by()).await.unwrap();
    assert_eq!(store.client("second".to_owned()).await.unwrap(), None);
}

/// What happened to a tenant, the newest first.
async fn told(store: &Store, tenant: TenantId) -> Vec<(AccessAction, Option<String>)> {
    let events = store.access_events(tenant, AccessFilter::default(), None, 2).await.unwrap().events;
    events.into_iter().map(|event| (event.action, event.subject)).collect()
}

pub async fn a_tenant_is_renamed_beside_whoever_serves_it(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let access = database.access();
    assert!(matches!(access.rename_tenant("default", "other", &by()), Err(StoreError::Exists(_))));
    assert!(matches!(access.rename_tenant("nope", "new", &by()), Err(StoreError::Unknown(_))));
    access.rename_tenant("default", "new", &by()).unwrap();
    access.rename_tenant("new", "new", &by()).unwrap();
    assert_eq!(store.client("first".to_owned()).await.unwrap().unwrap().tenant.name, "new");
    assert_eq!(store.tenant(Some("new".to_owned())).await.unwrap().unwrap().id, ours);
    assert_eq!(store.tenant(Some("default".to_owned())).await.unwrap(), None);
    let renamed = |names: &str| (AccessAction::TenantRenamed, Some(names.to_owned()));
    assert_eq!(told(&store, ours).await, [renamed("new → new"), renamed("default → new")]);
}

pub async fn a_suspended_tenant_changes_nothing_until_it_is_resumed(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    let first = commit(&store, ours, create("HR")).await;
    let access = database.access();
    access.suspend_tenant("default", true, &by()).unwrap();
    access.suspend_tenant("default", true, &by()).unwrap();
    let since = store.client("first".to_owned()).await.unwrap().unwrap().tenant.suspended_at;
    assert!(since.is_some() && access.tenants().unwrap()[0].suspended_at == since);
    for edit in [create("IT"), edit(Change::Delete { expected: first }, connector("HR"))] {
        let refused = store.commit(ours, vec![edit], origin()).await.unwrap_err();
        assert!(matches!(refused, Refusal::Store(StoreError::Suspended)), "{refused:?}");
    }
    assert_eq!(summaries(&store, ours).await.len(), 1);
    access.suspend_tenant("default", false, &by()).unwrap();
    access.suspend_tenant("default", false, &by()).unwrap();
    assert_eq!(commit(&store, ours, create("IT")).await.get(), first.get() + 1);
    let name = || Some("default".to_owned());
    assert_eq!(
        told(&store, ours).await,
        [(AccessAction::TenantResumed, name()), (AccessAction::TenantSuspended, name())]
    );
}

pub async fn a_deleted_tenant_is_gone_at_once_and_its_rows_go_in_steps(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let access = database.access();
    let theirs = access.tenants().unwrap()[1].clone();
    access.create_client("other", &client("theirs"), &by()).unwrap();
    let edits = (0..700).map(|n| create(&format!("c {n}"))).collect();
    store.commit(theirs.id, edits, origin()).await.unwrap();
    commit(&store, ours, create("HR")).await;
    assert_eq!(access.remove_deleted().unwrap(), None);
    assert_eq!(access.delete_tenant("other").unwrap(), theirs.id);
    assert!(matches!(access.delete_tenant("other"), Err(StoreError::Unknown(_))));
    // Its name is free, its key is not, and nothing can be changed.
    assert_eq!(store.client("theirs".to_owned()).await.unwrap(), None);
    assert_eq!(store.tenants().await.unwrap().len(), 1);
    let refused = store.commit(theirs.id, vec![create("IT")], origin()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Store(StoreError::Unknown(_))), "{refused:?}");
    database.create_tenant("other");
    let again = store.tenant(Some("other".to_owned())).await.unwrap().unwrap();
    assert!(again.id != theirs.id && again.uuid != theirs.uuid);
    // A check and a backup do not mind what is half removed.
    let first = access.remove_deleted().unwrap().unwrap();
    assert!((500..1400).contains(&first.rows) && !first.is_all, "{first:?}");
    let check = || {
        let source = store.backup_source().unwrap();
        let mut found = Vec::new();
        let counts = std::thread::spawn(move || {
            source
                .check(&mut |_, _| {}, &mut |finding| found.push(format!("{finding:?}")))
                .map(|counts| (counts, found))
        });
        let (counts, found) = counts.join().unwrap().unwrap();
        assert_eq!((counts.0.tenants, counts.0.revisions, found), (2, 1, Vec::new()));
    };
    check();
    let mut rows = first.rows;
    while let Some(removed) = store.remove_deleted().await.unwrap() {
        rows += removed.rows;
    }
    assert!(rows >= 1400, "{rows}");
    assert_eq!(summaries(&store, theirs.id).await, []);
    assert_eq!(store.revisions(theirs.id, None, None, 9).await.unwrap(), []);
    assert_eq!(summaries(&store, ours).await.len(), 1);
    check();
}

pub async fn a_generated_client_has_a_secret_that_is_not_stored(database: impl Database) {
    let store = database.open();
    tenant(&store).await;
    let (client, secret) = NewClient::generate("CI".to_owned(), UserLevel::OrgAdmin, [Scope::All].into());
    let id = client.id.clone();
    store.create_client("default".to_owned(), client, by()).await.unwrap();
    let found = store.client(id).await.unwrap().unwrap();
    assert!(found.secret_hash.starts_with("$argon2id$") && !found.secret_hash.contains(&secret));
    assert_eq!((found.id.len(), secret.len()), (32, 64));
}

pub async fn the_first_tenant_is_created_once(database: impl Database) {
    let store = database.open();
    assert!(store.bootstrap("default".to_owned(), client("first"), by()).await.unwrap());
    assert!(!store.bootstrap("another".to_owned(), client("second"), by()).await.unwrap());
    let names: Vec<_> = store.tenants().await.unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, ["default"]);
    assert_eq!(store.client("second".to_owned()).await.unwrap(), None);
}

pub async fn the_first_signing_key_stays(database: impl Database) {
    let store = database.open();
    let key = |id: &str| SigningKey { id: id.to_owned(), pem: format!("pem of {id}"), is_new: true };
    assert_eq!(store.signing_keys(key("a")).await.unwrap()[0].id, "a");
    drop(store);
    let keys = database.open().signing_keys(key("b")).await.unwrap();
    assert_eq!((keys.len(), keys[0].pem.as_str()), (1, "pem of a"));
}

pub async fn a_working_store_passes_its_checks(database: impl Database) {
    let store = database.open();
    store.check_reads().await.unwrap();
    // The first check writes; the second knows of the first.
    store.check_writes().await.unwrap();
    store.check_writes().await.unwrap();
}

pub async fn clients_are_read_a_page_at_a_time(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    for (tenant, id, name) in
        [("default", "b", "same"), ("other", "c", "alpha"), ("default", "a", "same"), ("default", "z", "alpha")]
    {
        store.create_client(tenant.to_owned(), NewClient { name: name.to_owned(), ..client(id) }, by()).await.unwrap();
    }
    let (mut after, mut ids) = (None, Vec::new());
    loop {
        let page = store.clients(ours, after.take(), 1).await.unwrap();
        let Some(client) = page.into_iter().next() else { break };
        after = Some((client.name, client.id.clone()));
        ids.push(client.id);
    }
    assert_eq!(ids, ["z", "a", "b", "first"]);
}

pub async fn a_tenant_has_a_limit_on_clients(database: impl Database) {
    let store = database.open();
    tenant(&store).await;
    database.create_tenant("other");
    let clients = (1..CLIENTS_PER_TENANT).map(|number| client(&format!("client {number}")));
    all(clients.map(|client| store.create_client("default".to_owned(), client, by()))).await;
    assert!(store.client(format!("client {}", CLIENTS_PER_TENANT - 1)).await.unwrap().is_some());
    let beyond = store.create_client("default".to_owned(), client("beyond"), by()).await;
    assert!(matches!(beyond, Err(StoreError::ClientLimit(CLIENTS_PER_TENANT))));
    store.create_client("other".to_owned(), client("theirs"), by()).await.unwrap();
}

pub async fn an_issuer_is_one_of_its_database_alone<D: Database>(database: D) {
    let issuer = database.open().issuer().await.unwrap();
    assert_eq!(database.open().issuer().await.unwrap(), issuer);
    assert_ne!(D::new().unwrap().open().issuer().await.unwrap(), issuer);
}

pub async fn a_client_that_was_deleted_changes_no_access(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    let manager = NewClient { level: UserLevel::OrgAdmin, scopes: [Scope::All].into(), ..client("manager") };
    store.create_client("default".to_owned(), manager, by()).await.unwrap();
    let of = |id: &str| {
        let mut by = by();
        by.origin.author = Author { kind: AuthorKind::Client, id: id.to_owned(), name: None };
        by
    };
    store.create_client("default".to_owned(), client("made"), of("manager")).await.unwrap();
    let by_reader = store.create_client("default".to_owned(), client("x"), of("made")).await;
    assert!(matches!(by_reader, Err(StoreError::Unknown(_))), "it may not manage clients");
    store.delete_client(ours, "manager".to_owned(), by()).await.unwrap();
    let created = store.create_client("default".to_owned(), client("backdoor"), of("manager")).await;
    let deleted = store.delete_client(ours, "made".to_owned(), of("manager")).await;
    assert!(matches!((created, deleted), (Err(StoreError::Unknown(_)), Err(StoreError::Unknown(_)))));
    assert_eq!(store.client("backdoor".to_owned()).await.unwrap(), None);
}
