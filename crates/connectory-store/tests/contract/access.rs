//! Tenants, API clients and signing keys.

use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::CLIENTS_PER_TENANT;
use connectory_store::{Author, AuthorKind, NewClient, SigningKey, StoreError};

use super::support::{by, client, tenant};
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
