//! Sessions of the console.

use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{SESSIONS_PER_AUTHOR, SESSIONS_PER_TENANT};
use connectory_store::{
    AccessOrigin, Author, AuthorKind, Ended, NewSession, Session, SessionHash, Store, StoreError, TenantId,
};

use super::support::{by, tenant};
use super::{Database, all};

const MINUTE: i64 = 60_000;
/// No session has ended.
const NONE: Ended = Ended { created_before: 0, used_before: 0 };

fn hash(number: usize) -> SessionHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

fn new(tenant: TenantId, number: usize, created_at: i64) -> NewSession {
    NewSession { hash: hash(number), tenant, rights: None, created_at, replaces: None }
}

fn client(id: &str) -> AccessOrigin {
    let mut by = by();
    by.origin.author = Author { kind: AuthorKind::Client, id: id.to_owned(), name: None };
    by
}

async fn find(store: &Store, number: usize, ended: Ended) -> Option<Session> {
    store.session(hash(number), ended).await.unwrap()
}

pub async fn a_session_lives_until_it_ends(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    let person =
        Author { kind: AuthorKind::Person, id: "https://id.example#7".to_owned(), name: Some("Ann".to_owned()) };
    let mut by = by();
    by.origin.author = person.clone();
    let rights = Some((UserLevel::OrgAdmin, [Scope::ReadConnectors].into()));
    let session = NewSession { rights: rights.clone(), ..new(ours, 1, 10 * MINUTE) };
    store.begin_session(session, NONE, by.clone()).await.unwrap();
    drop(store);
    let store = database.open();
    let found = find(&store, 1, NONE).await.unwrap();
    assert_eq!((found.author, found.rights, found.tenant.id), (person, rights, ours));
    assert_eq!((found.created_at, found.used_at), (10 * MINUTE, 10 * MINUTE));
    store.touch_session(hash(1), 20 * MINUTE).await.unwrap();
    for (created_before, used_before, is_there) in [(10, 20, true), (10, 21, false), (11, 0, false)] {
        let ended = Ended { created_before: created_before * MINUTE, used_before: used_before * MINUTE };
        assert_eq!(find(&store, 1, ended).await.is_some(), is_there, "{ended:?}");
    }
    // A sign-in in the same browser replaces the session.
    store.begin_session(NewSession { replaces: Some(hash(1)), ..new(ours, 2, 0) }, NONE, by.clone()).await.unwrap();
    assert_eq!(find(&store, 1, NONE).await, None);
    store.end_session(hash(2), by.clone()).await.unwrap();
    store.end_session(hash(2), by.clone()).await.unwrap();
    assert_eq!(find(&store, 2, NONE).await, None);
    store.touch_session(hash(2), MINUTE).await.unwrap();
    assert_eq!(find(&store, 2, NONE).await, None, "an ended session stays ended");
}

pub async fn sessions_of_others_never_make_room(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    let begin = async |tenant, number, id: String| {
        let new = new(tenant, number, i64::try_from(number).unwrap());
        store.begin_session(new, NONE, client(&id)).await.unwrap();
    };
    begin(theirs, 0, "them".to_owned()).await;
    begin(ours, 1, "first".to_owned()).await;
    let many = usize::try_from(SESSIONS_PER_AUTHOR).unwrap();
    for number in 2..2 + 2 * many {
        begin(ours, number, "hostile".to_owned()).await;
    }
    assert!(find(&store, 0, NONE).await.is_some() && find(&store, 1, NONE).await.is_some());
    assert!(find(&store, 1 + many, NONE).await.is_none(), "the oldest of the same author go");
    assert!(find(&store, 2 + many, NONE).await.is_some());
    let many = 0..usize::try_from(SESSIONS_PER_TENANT).unwrap();
    all(many.map(|number| begin(ours, 1000 + number, format!("client {number}")))).await;
    assert!(find(&store, 0, NONE).await.is_some(), "another tenant's stays");
    assert!(find(&store, 1, NONE).await.is_none(), "the oldest of the same tenant go");
    // Sessions that have ended are deleted with the next sign-in.
    let ended = Ended { created_before: i64::MAX, used_before: 0 };
    store.begin_session(new(ours, 1, 0), ended, client("first")).await.unwrap();
    assert!(find(&store, 1000, NONE).await.is_none() && find(&store, 0, NONE).await.is_some());
}

pub async fn a_deleted_client_has_no_sessions(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    store.begin_session(new(ours, 1, 0), NONE, client("first")).await.unwrap();
    store.begin_session(new(ours, 2, 0), NONE, client("second")).await.unwrap();
    store.delete_client(ours, "first".to_owned(), by()).await.unwrap();
    assert!(find(&store, 1, NONE).await.is_none() && find(&store, 2, NONE).await.is_some());
    let again = store.delete_client(ours, "first".to_owned(), by()).await;
    assert!(matches!(again, Err(StoreError::Unknown(_))));
}
