//! Databases of every schema that there was are brought up to date, and keep all that they hold.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use std::collections::HashMap;
use std::path::PathBuf;

use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::CONNECTORS_PER_TENANT;
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale, name_key};
use connectory_store::{
    AccessAction, AccessDb, AccessFilter, Author, AuthorKind, Ended, Quotas, Refusal, RefusedFilter, RefusedSignIns,
    RevisionId, RevisionNumber, SigningKey, Store, StoreError, TenantId,
};
use tempfile::TempDir;

use support::{commit, connector_at, create, number, origin, summaries};

/// A revision that a database has: the number, what it did, who did it, what it changed, and the connector it left.
type Expected = (i64, &'static str, Author, &'static str, &'static str);

fn author(kind: AuthorKind, id: &str, name: Option<&str>) -> Author {
    Author { kind, id: id.to_owned(), name: name.map(str::to_owned) }
}

fn first_client() -> Author {
    author(AuthorKind::Client, "c1", Some("First client"))
}

/// The connectors that revisions left, by name.
fn states() -> HashMap<String, Connector> {
    let mut states: HashMap<String, Connector> =
        serde_json::from_str(include_str!("fixtures/connectors.json")).unwrap();
    let mut large = states["strasse"].clone();
    let text = format!("a={}\n", "x".repeat(66_000));
    large.translations.0.insert(Locale::En, Properties::parse(text.as_bytes()).unwrap());
    states.insert("large".to_owned(), large.clone());
    large.connector_metadata.insert("category".to_owned(), "x".into());
    states.insert("large, changed".to_owned(), large);
    states
}

/// A database from a dump.
fn database(dump: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(dump).unwrap();
    (folder, path)
}

/// Expects a tenant to have these connectors, in the order of lists, and these histories.
async fn expect_tenant(store: &Store, tenant: TenantId, listed: &[(i64, &str)], histories: &[(&str, &[Expected])]) {
    let states = states();
    let found = summaries(store, tenant).await;
    let expected: Vec<_> = listed.iter().map(|(at, state)| (number(*at), states[*state].summary())).collect();
    assert_eq!(found, expected);
    let mut last = 0;
    for (script_name, history) in histories {
        let found = store.revisions(tenant, script_name.parse().ok(), None, 99).await.unwrap();
        assert_eq!(found.len(), history.len(), "{script_name}");
        let before = history.iter().skip(1).map(|(at, ..)| Some(number(*at))).chain([None]);
        for ((revision, previous), (at, action, author, changed, state)) in found.into_iter().zip(before).zip(*history)
        {
            assert_eq!((revision.number, revision.previous), (number(*at), previous), "{script_name}");
            assert_eq!((revision.action.as_str(), &revision.author), (*action, author), "{script_name} {at}");
            assert_eq!(
                (revision.script_name.as_str(), revision.changed.join(" ")),
                (*script_name, (*changed).to_owned())
            );
            assert_eq!(connector_at(store, tenant, number(*at)).await, states[*state], "{script_name} {at}");
            last = last.max(*at);
        }
    }
    assert_eq!(store.changes(tenant, RevisionNumber::ZERO).await.unwrap().as_of, number(last));
    // What comes next has the next number.
    assert_eq!(commit(store, tenant, create("new")).await, number(last + 1));
}

async fn expect_access(store: &Store) {
    let first = store.client("c1".to_owned()).await.unwrap().unwrap();
    assert_eq!((first.name.as_str(), first.secret_hash.as_str()), ("First client", "$argon2id$hash"));
    assert_eq!(
        (first.level, first.scopes, first.tenant.name.as_str()),
        (UserLevel::OrgAdmin, [Scope::All].into(), "default")
    );
    let other = store.tenant(Some("other".to_owned())).await.unwrap().unwrap();
    assert_eq!(other.quotas, Quotas { connectors: CONNECTORS_PER_TENANT, bytes: None });
    assert!(store.access_events(other.id, AccessFilter::default(), None, 1).await.unwrap().events.is_empty());
    let theirs = &store.clients(other.id, None, 10).await.unwrap()[0];
    assert_eq!((theirs.id.as_str(), theirs.level), ("c2", UserLevel::SourceAdmin));
    assert_eq!(theirs.scopes, [Scope::ReadConnectors, Scope::Default].into());
    let keys =
        store.signing_keys(SigningKey { id: "new".to_owned(), pem: "new".to_owned(), is_new: true }).await.unwrap();
    assert_eq!((keys.len(), keys[0].id.as_str(), keys[0].pem.as_str()), (1, "k", "pem"));
}

#[tokio::test]
async fn databases_of_the_first_four_schemas_keep_all_they_hold() {
    let dumps = [
        include_str!("fixtures/schema-1.sql"),
        include_str!("fixtures/schema-2.sql"),
        include_str!("fixtures/schema-3.sql"),
        include_str!("fixtures/schema-4.sql"),
    ];
    for dump in dumps {
        let (_folder, path) = database(dump);
        let store = Store::open(&path).unwrap();
        expect_access(&store).await;
        let tenants = store.tenants().await.unwrap();
        let created: Vec<_> = tenants.iter().map(|tenant| (tenant.uuid.as_str(), tenant.created_at)).collect();
        assert_eq!(created, [("u1", 1000), ("u2", 2000)]);
        let jane = author(AuthorKind::Person, "oidc:jane", Some("jane"));
        let deleted = author(AuthorKind::Client, "deleted client", None);
        let changed = "connectorMetadata translations/de translations/fr";
        let update = (6, "update", jane, changed, "hr, changed");
        let times = store.revisions(tenants[0].id, "hr".parse().ok(), None, 9).await.unwrap();
        let times: Vec<_> = times.iter().map(|revision| (revision.created_at, revision.tracking_id)).collect();
        assert_eq!(times, [(1_700_000_000_006, None), (1_700_000_000_001, None)]);
        // `Straße` and `STRASSE` have the same name now: in the order of script names.
        expect_tenant(
            &store,
            tenants[0].id,
            &[(11, "again"), (6, "hr, changed"), (4, "strasse"), (5, "strasse-2")],
            &[
                ("hr", &[update, (1, "create", first_client(), "", "hr")]),
                ("strasse", &[(4, "create", first_client(), "", "strasse")]),
                ("strasse-2", &[(5, "create", first_client(), "", "strasse-2")]),
                ("gone", &[(8, "delete", first_client(), "", "gone"), (7, "create", first_client(), "", "gone")]),
                (
                    "again",
                    &[
                        (11, "create", first_client(), "", "again"),
                        (10, "delete", first_client(), "", "again"),
                        (9, "create", deleted, "", "again"),
                    ],
                ),
            ],
        )
        .await;
        let theirs = author(AuthorKind::Client, "c2", Some("Theirs"));
        expect_tenant(
            &store,
            tenants[1].id,
            &[(12, "found"), (2, "theirs")],
            &[
                ("hr", &[(2, "create", theirs.clone(), "", "theirs")]),
                ("Found elsewhere?", &[(12, "create", theirs, "", "found")]),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn databases_since_the_fifth_schema_keep_all_they_hold() {
    let dumps = [
        include_str!("fixtures/schema-5.sql"),
        include_str!("fixtures/schema-6.sql"),
        include_str!("fixtures/schema-7.sql"),
        include_str!("fixtures/schema-8.sql"),
        include_str!("fixtures/schema-9.sql"),
    ];
    for dump in dumps {
        let (_folder, path) = database(dump);
        expect_revisions(&Store::open(&path).unwrap()).await;
    }
}

#[tokio::test]
async fn a_database_of_the_sixth_schema_keeps_sessions_access_events_and_quotas() {
    let (_folder, path) = database(include_str!("fixtures/schema-6.sql"));
    let store = Store::open(&path).unwrap();
    assert_eq!(store.issuer().await.unwrap(), "0123456789abcdef0123456789abcdef");
    let tenants = store.tenants().await.unwrap();
    let (ours, theirs) = (&tenants[0], &tenants[1]);
    assert_eq!(ours.quotas, Quotas { connectors: 7, bytes: Some(1_000_000) });
    let jane = author(AuthorKind::Person, "https://id.example jane", Some("Jane"));
    let all = Ended { created_before: 0, used_before: 0 };
    let session = store.session([7; 32], all).await.unwrap().unwrap();
    assert_eq!((&session.tenant, &session.author), (ours, &jane));
    assert_eq!(session.rights, Some((UserLevel::OrgAdmin, [Scope::All].into())));
    assert_eq!((session.created_at, session.used_at), (1_795_690_192_400, 1_795_690_192_500));
    let events = store.access_events(ours.id, AccessFilter::default(), None, 9).await.unwrap().events;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.number, event.action, event.created_at), (1, AccessAction::SignIn, 1_795_690_192_400));
    assert_eq!((&event.by.origin.author, event.by.address), (&jane, "192.0.2.7".parse().ok()));
    let refused = store.refused_sign_ins(theirs.id, RefusedFilter::default(), None, 9).await.unwrap();
    let (client_id, address) = ("c2".to_owned(), "192.0.2.8".parse().unwrap());
    assert_eq!(refused, [RefusedSignIns { tenant: theirs.id, minute: 29_928_169, client_id, address, count: 3 }]);
}

/// Expects what the dumps since the fifth schema hold.
async fn expect_revisions(store: &Store) {
    expect_access(store).await;
    let tenants = store.tenants().await.unwrap();
    let (ours, theirs) = (tenants[0].id, tenants[1].id);
    let commits: Vec<_> = store.revisions(ours, None, None, 9).await.unwrap();
    let commits: Vec<_> = commits.iter().map(|revision| (revision.number.get(), revision.change.get())).collect();
    assert_eq!(commits, [(7, 7), (6, 6), (5, 5), (4, 4), (3, 3), (2, 2), (1, 2)]);
    let jane = author(AuthorKind::Person, "https://id.example jane", Some("Jane"));
    let operator = || author(AuthorKind::Operator, "root", None);
    let changed = "connectorMetadata translations/de translations/fr";
    expect_tenant(
        store,
        ours,
        &[(7, "hr"), (5, "large, changed")],
        &[
            (
                "hr",
                &[
                    (7, "restore", first_client(), "", "hr"),
                    (6, "delete", first_client(), "", "hr, changed"),
                    (3, "update", jane, changed, "hr, changed"),
                    (1, "create", first_client(), "", "hr"),
                ],
            ),
            (
                "strasse",
                &[
                    (5, "update", first_client(), "connectorMetadata", "large, changed"),
                    (4, "update", first_client(), "translations/en", "large"),
                    (2, "create", first_client(), "", "strasse"),
                ],
            ),
        ],
    )
    .await;
    expect_tenant(
        store,
        theirs,
        &[(1, "theirs")],
        &[
            ("hr", &[(1, "create", operator(), "", "theirs")]),
            ("Found elsewhere?", &[(3, "delete", first_client(), "", "found"), (2, "create", operator(), "", "found")]),
        ],
    )
    .await;
    let first = store.revision(ours, "hr".parse().unwrap(), number(1)).await.unwrap().unwrap();
    assert_eq!(first.tracking_id, origin().tracking_id);
}

#[tokio::test]
async fn a_name_that_two_connectors_have_since_a_migration_is_free_when_both_are_gone() {
    use connectory_store::{Change, Edit};
    let (_folder, path) = database(include_str!("fixtures/schema-4.sql"));
    let store = Store::open(&path).unwrap();
    let tenant = store.tenants().await.unwrap()[0].id;
    let states = states();
    assert_eq!(name_key(&states["strasse"].name), name_key(&states["strasse-2"].name));
    let delete = async |at, state: &str| {
        let deleted = &states[state];
        commit(&store, tenant, Edit::new(Change::Delete { expected: number(at) }, deleted, &[], None)).await;
    };
    let taken = async || {
        // A script name that is free, so that the name alone is taken.
        let mut namesake = Connector::clone(&support::connector("strasse"));
        namesake.script_name = "namesake".parse().unwrap();
        let namesake = Edit::new(Change::Create, &namesake, &[], None);
        store.commit(tenant, vec![namesake], origin()).await
    };
    let clashes = || {
        let mut found = Vec::new();
        let source = connectory_store::BackupSource::open(&path).unwrap();
        source.check(&mut |_, _| {}, &mut |finding| found.push(finding.to_string())).unwrap();
        found.retain(|finding| finding.contains("has the same name"));
        found
    };
    let both = "connector `strasse-2`: the connector `strasse` has the same name; both can be read; give one of them \
                another name, because no other change of them is made before";
    let found = clashes();
    assert!(found.len() == 1 && found[0].ends_with(both), "{found:?}");
    assert!(matches!(taken().await, Err(Refusal::NameTaken { edit: 0 })));
    delete(4, "strasse").await;
    assert_eq!(clashes(), Vec::<String>::new());
    assert!(matches!(taken().await, Err(Refusal::NameTaken { edit: 0 })), "the other one has the name");
    // It may still be changed.
    let mut changed = states["strasse-2"].clone();
    "other".clone_into(&mut changed.class_name);
    let update = Edit::new(Change::Update { expected: number(5) }, &changed, &[], None);
    let newest = commit(&store, tenant, update).await;
    delete(newest.get(), "strasse-2").await;
    taken().await.unwrap();
}

#[test]
fn another_schema_is_refused_with_what_to_do() {
    let (_folder, path) = database("PRAGMA user_version = 99");
    let refusal = Store::open(&path).err().unwrap().to_string();
    let expected = "has schema version 99, this program needs 10; use the newer program that wrote it";
    assert!(refusal.ends_with(expected), "{refusal}");

    // Access management beside a server does not migrate: the server has the schema of its own program.
    let (_folder, path) = database(include_str!("fixtures/schema-5.sql"));
    let _served = Store::open(&path).unwrap();
    let older = rusqlite::Connection::open(&path).unwrap();
    older.pragma_update(None, "user_version", 4).unwrap();
    let refusal = AccessDb::open(&path).err().unwrap();
    assert!(matches!(refusal, StoreError::Schema { found: 4, expected: 10, .. }));
    let refusal = refusal.to_string();
    assert!(refusal.ends_with("use the version of the program that is serving it"), "{refusal}");
}

#[tokio::test]
async fn a_number_of_one_tenant_is_never_one_of_another() {
    let (_folder, path) = database(include_str!("fixtures/schema-5.sql"));
    let store = Store::open(&path).unwrap();
    let ours = store.tenants().await.unwrap()[0].id;
    // The key of the other tenant's first revision, counted from ours.
    assert_eq!(RevisionNumber::new((1 << 40) + 1), None);
    assert_eq!(RevisionNumber::new(-1), None);
    let last = RevisionId { tenant: ours, number: RevisionNumber::MAX };
    assert_eq!(store.find(last, usize::MAX).await.unwrap(), None);
}
