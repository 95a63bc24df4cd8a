//! What tests of the store make and commit.

use std::borrow::Borrow;
use std::sync::Arc;

use connectory_model::access::{Scope, UserLevel};
use connectory_model::document::{DocumentText, SourceTemplate};
use connectory_model::{Connector, Summary, import};
use connectory_store::{
    AccessOrigin, Author, AuthorKind, Change, Edit, NewClient, Origin, RevisionId, RevisionNumber, SigningKey, Store,
    TenantId,
};
use uuid::Uuid;

/// A new connector.
pub fn connector(name: &str) -> Arc<Connector> {
    let list = serde_json::json!([{"name": name}]).to_string();
    Arc::new(import::from_json(list.as_bytes()).unwrap().remove(0))
}

/// A connector with a document that is not UTF-8.
pub fn encoded(name: &str) -> Connector {
    let bytes = b"<?xml version='1.0' encoding='ISO-8859-1'?><Application name='\xe4'/>".to_vec();
    let source_template = SourceTemplate::stored(DocumentText::stored(bytes).unwrap());
    Connector { source_template, ..Connector::clone(&connector(name)) }
}

/// An edit of two members.
pub fn edit(change: Change, connector: impl Borrow<Connector>) -> Edit {
    Edit::new(change, connector.borrow(), &["a".to_owned(), "b".to_owned()], None)
}

/// A create of a connector.
pub fn create(name: &str) -> Edit {
    edit(Change::Create, connector(name))
}

/// Who changes connectors.
pub fn origin() -> Origin {
    let author = Author { kind: AuthorKind::Client, id: "me".to_owned(), name: Some("Me".to_owned()) };
    Origin { author, tracking_id: Some(Uuid::from_u128(7)) }
}

/// Who changes access.
pub fn by() -> AccessOrigin {
    let author =
        Author { kind: AuthorKind::Person, id: "https://id.example#me".to_owned(), name: Some("Me".to_owned()) };
    AccessOrigin { origin: Origin { author, ..origin() }, address: Some("192.0.2.7".parse().unwrap()) }
}

/// Commits one edit.
pub async fn commit(store: &Store, tenant: TenantId, edit: Edit) -> RevisionNumber {
    store.commit(tenant, vec![edit], origin()).await.unwrap()[0]
}

/// The connector as a revision left it.
pub async fn connector_at(store: &Store, tenant: TenantId, number: RevisionNumber) -> Connector {
    store.connector(RevisionId { tenant, number }).await.unwrap().unwrap()
}

/// A tenant's connectors, in the order in which they are loaded.
pub async fn summaries(store: &Store, tenant: TenantId) -> Vec<(RevisionNumber, Summary)> {
    store.load(tenant, |summaries| summaries.collect()).await.unwrap().1
}

/// A client with this id.
pub fn client(id: &str) -> NewClient {
    NewClient {
        id: id.to_owned(),
        name: "test".to_owned(),
        secret_hash: "hash".to_owned(),
        level: UserLevel::SourceAdmin,
        scopes: [Scope::ReadConnectors, Scope::Default].into(),
    }
}

/// A signing key with this id.
pub fn signing_key(id: &str) -> SigningKey {
    SigningKey { id: id.to_owned(), pem: rcgen::KeyPair::generate().unwrap().serialize_pem(), is_new: true }
}

/// The first tenant, which is created if there is none.
pub async fn tenant(store: &Store) -> TenantId {
    store.bootstrap("default".to_owned(), client("first"), by()).await.unwrap();
    store.tenants().await.unwrap()[0].id
}

/// A number that a test expects.
pub fn number(number: i64) -> RevisionNumber {
    RevisionNumber::new(number).unwrap()
}
