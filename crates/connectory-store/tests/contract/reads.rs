//! Reads: what a restart keeps, what changed, and whose it is.

use std::sync::Arc;

use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_store::{Change, Changed, Changes, Edit, Found, RevisionId, RevisionNumber};

use super::Database;
use super::support::{commit, connector, connector_at, create, edit, number, origin, summaries, tenant};

pub async fn a_connector_lives_through_revisions_and_a_restart(database: impl Database) {
    let store = database.open();
    let of = tenant(&store).await;
    let first = commit(&store, of, create("HR")).await;
    let mut changed = Connector::clone(&connector("HR"));
    "other".clone_into(&mut changed.class_name);
    let update = edit(Change::Update { expected: first }, Arc::new(changed.clone()));
    let second = commit(&store, of, update).await;
    drop(store);

    let store = database.open();
    let of = tenant(&store).await;
    assert_eq!(summaries(&store, of).await, [(second, changed.summary())]);
    assert_eq!(connector_at(&store, of, first).await, *connector("HR"));
    assert_eq!(connector_at(&store, of, second).await, changed);
    let delete = edit(Change::Delete { expected: second }, Arc::new(changed));
    let third = commit(&store, of, delete).await;
    assert!(summaries(&store, of).await.is_empty());
    let history = store.revisions(of, "hr".parse().ok(), None, 9).await.unwrap();
    let told: Vec<_> = history.iter().map(|revision| (revision.number, revision.action.as_str())).collect();
    assert_eq!(told, [(third, "delete"), (second, "update"), (first, "create")]);
    assert_eq!(history[0].changed, ["a", "b"]);
    assert_eq!((&history[0].author, history[0].tracking_id), (&origin().author, origin().tracking_id));
    assert_eq!(history[0].change, history[0].number);

    // One that is created anew continues the history, and may be deleted again.
    let fourth = commit(&store, of, create("HR")).await;
    let delete = edit(Change::Delete { expected: fourth }, connector("HR"));
    let fifth = commit(&store, of, delete).await;
    let numbers = async |before, limit| {
        let history = store.revisions(of, "hr".parse().ok(), before, limit).await.unwrap();
        history.into_iter().map(|revision| revision.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 9).await, [fifth, fourth, third, second, first]);
    assert_eq!(numbers(Some(fourth), 2).await, [third, second]);
    assert_eq!(numbers(Some(first), 2).await, []);
    let previous: Vec<_> = store.revisions(of, "hr".parse().ok(), None, 9).await.unwrap();
    let previous: Vec<_> = previous.into_iter().map(|revision| revision.previous).collect();
    assert_eq!(previous, [Some(fourth), Some(third), Some(second), Some(first), None]);
}

pub async fn a_load_is_of_one_number_and_in_order(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let load = async || store.load(tenant, |summaries| summaries.map(|(_, summary)| summary.name).collect()).await;
    let (head, names): (_, Vec<String>) = load().await.unwrap();
    assert_eq!((head.number, names.len()), (RevisionNumber::ZERO, 0));
    for name in ["b", "C", "a", "Öl"] {
        commit(&store, tenant, create(name)).await;
    }
    let (head, names): (_, Vec<String>) = load().await.unwrap();
    assert_eq!((head.number, names), (number(4), ["a", "b", "C", "Öl"].map(str::to_owned).to_vec()));
    let delete = edit(Change::Delete { expected: number(3) }, connector("a"));
    commit(&store, tenant, delete).await;
    let (head, names): (_, Vec<String>) = load().await.unwrap();
    assert_eq!((head.number, names.len()), (number(5), 3), "a deletion counts");
}

pub async fn changes_are_the_current_state_of_what_changed(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    for name in ["changed", "deleted", "same", "again"] {
        commit(&store, tenant, create(name)).await;
    }
    let mut changed = Connector::clone(&connector("changed"));
    "other".clone_into(&mut changed.class_name);
    let changed = Arc::new(changed);
    commit(&store, tenant, edit(Change::Update { expected: number(1) }, connector("changed"))).await;
    commit(&store, tenant, edit(Change::Delete { expected: number(4) }, connector("again"))).await;
    commit(&store, tenant, create("again")).await;
    commit(&store, tenant, edit(Change::Update { expected: number(5) }, Arc::clone(&changed))).await;
    commit(&store, tenant, edit(Change::Delete { expected: number(2) }, connector("deleted"))).await;

    let state = |at, of: &Arc<Connector>| Changed {
        number: number(at),
        script_name: of.script_name.clone(),
        summary: Some(Arc::new(of.summary())),
    };
    let deleted = Changed { summary: None, ..state(9, &connector("deleted")) };
    let expected = [state(7, &connector("again")), state(8, &changed), deleted];
    let after = async |after| store.changes(tenant, number(after)).await.unwrap();
    assert_eq!(after(4).await, Changes { as_of: number(9), changed: expected.to_vec() });
    assert_eq!(after(7).await, Changes { as_of: number(9), changed: expected[1..].to_vec() });
    assert_eq!(after(9).await, Changes { as_of: number(9), changed: Vec::new() });
    assert_eq!(after(0).await.changed.len(), 4);
}

pub async fn changes_after_an_unknown_number_tell_the_newest(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let none = store.changes(tenant, RevisionNumber::MAX).await.unwrap();
    assert_eq!(none, Changes { as_of: RevisionNumber::ZERO, changed: Vec::new() });
    commit(&store, tenant, create("HR")).await;
    let none = store.changes(tenant, number(2)).await.unwrap();
    assert_eq!(none, Changes { as_of: number(1), changed: Vec::new() });
}

pub async fn a_revision_is_read_as_one_of_its_tenant_and_connector_only(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    database.create_tenant("other");
    let other = store.tenants().await.unwrap()[1].id;
    let first = commit(&store, tenant, create("HR")).await;
    let second = commit(&store, tenant, edit(Change::Update { expected: first }, connector("HR"))).await;
    let read = async |tenant, script_name: &str, number| {
        store.revision(tenant, script_name.parse().unwrap(), number).await.unwrap()
    };
    let found = read(tenant, "hr", second).await.unwrap();
    assert_eq!((found.number, found.previous), (second, Some(first)));
    assert_eq!(Some(found), store.revisions(tenant, None, None, 1).await.unwrap().pop());
    assert_eq!(read(tenant, "it", second).await, None);
    assert_eq!(read(other, "hr", second).await, None);
    assert_eq!(read(tenant, "hr", number(3)).await, None);
    assert_eq!(read(tenant, "hr", RevisionNumber::MAX).await, None);
}

pub async fn tenants_are_separate(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("theirs");
    let theirs = store.tenants().await.unwrap()[1].id;
    let first = commit(&store, ours, create("HR")).await;
    assert_eq!(commit(&store, theirs, create("HR")).await, first, "each tenant counts for itself");
    let second = commit(&store, theirs, create("IT")).await;
    assert_eq!(summaries(&store, ours).await.len(), 1);
    assert_eq!(summaries(&store, theirs).await.len(), 2);
    assert_eq!(store.revisions(ours, None, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.revisions(ours, "it".parse().ok(), None, 9).await.unwrap(), []);
    assert_eq!(store.changes(ours, RevisionNumber::ZERO).await.unwrap().as_of, first);
    for number in [second, RevisionNumber::MAX] {
        assert_eq!(store.find(RevisionId { tenant: ours, number }, usize::MAX).await.unwrap(), None);
    }
    let delete = edit(Change::Delete { expected: first }, connector("HR"));
    commit(&store, ours, delete).await;
    assert_eq!(summaries(&store, theirs).await.len(), 2);
}

pub async fn large_connectors_are_read_as_they_were_written(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut large = Connector::clone(&connector("HR"));
    let text = (0..9000).map(|n| format!("k{n}={n}")).collect::<Vec<_>>().join("\n");
    large.translations.0.insert(Locale::De, Properties::parse(text.as_bytes()).unwrap());
    large.translations.0.insert(Locale::Nl, Properties::parse(b"a=\xe4\n").unwrap());
    let (first, mut states) = (commit(&store, tenant, edit(Change::Create, Arc::new(large.clone()))).await, Vec::new());
    // Twice, so that the second names what is held by the first, not by the one before it.
    let (mut newest, mut current) = (first, large);
    states.push((first, current.clone()));
    for n in 0..2 {
        let holders = store.holders(RevisionId { tenant, number: newest }).await.unwrap();
        let mut next = current.clone();
        next.connector_metadata.insert("n".to_owned(), n.into());
        let update = Change::Update { expected: newest };
        let update = Edit::new(update, &next, &[], Some((&current, &holders)));
        newest = commit(&store, tenant, update).await;
        current = next;
        states.push((newest, current.clone()));
    }
    let holders = store.holders(RevisionId { tenant, number: newest }).await.unwrap();
    let delete = Edit::new(Change::Delete { expected: newest }, &current, &[], Some((&current, &holders)));
    states.push((commit(&store, tenant, delete).await, current));
    for (number, state) in states {
        assert_eq!(connector_at(&store, tenant, number).await, state);
        let found = store.find(RevisionId { tenant, number }, 64 << 10).await.unwrap();
        assert!(matches!(found, Some(Found::Large(bytes)) if bytes > 64 << 10), "{number}");
    }
}
