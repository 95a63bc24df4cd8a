//! What was before: revisions in order, the revision at a time, and what connectors were at a revision.

use std::time::Duration;

use connectory_model::Connector;
use connectory_model::document::SourceTemplate;
use connectory_store::{Action, Change, DeletedAt, DeletedKind, Left, RevisionId, RevisionNumber};

use super::Database;
use super::support::{commit, connector, create, edit, number, origin, tenant};

pub async fn revisions_after_a_number_are_in_the_order_of_commits(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let both = store.commit(tenant, vec![create("A"), create("B")], origin()).await.unwrap();
    commit(&store, tenant, create("C")).await;
    let after = async |number, limit| {
        let revisions = store.revisions_after(RevisionId { tenant, number }, limit).await.unwrap();
        revisions.into_iter().map(|revision| (revision.number.get(), revision.commit)).collect::<Vec<_>>()
    };
    let all = after(RevisionNumber::ZERO, 9).await;
    assert_eq!(all.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(all[0].1.is_some() && all[0].1 == all[1].1 && all[1].1 != all[2].1, "a commit has one id: {all:?}");
    assert_eq!(after(both[0], 1).await, all[1..2]);
    assert_eq!(after(number(3), 9).await, []);
    let newest = store.revisions(tenant, None, None, 1).await.unwrap();
    assert_eq!(newest[0].commit, all[2].1);
    assert!(newest[0].has_body);
}

pub async fn a_moment_is_found_by_its_number_and_by_its_time(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    assert_eq!(store.moment_at(tenant, i64::MAX).await.unwrap(), None);
    store.commit(tenant, vec![create("A"), create("B")], origin()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    commit(&store, tenant, create("C")).await;
    let of = async |at| store.moment_of(RevisionId { tenant, number: number(at) }).await.unwrap();
    let (first, second, third) = (of(1).await.unwrap(), of(2).await.unwrap(), of(3).await.unwrap());
    assert_eq!((first.change, third.change), (number(2), number(3)));
    assert_eq!((of(0).await, of(9).await), (None, Some(third)));
    let at = async |time| store.moment_at(tenant, time).await.unwrap();
    assert_eq!(at(first.created_at - 1).await, None);
    assert_eq!(at(first.created_at).await, Some(second), "all of the commit");
    assert_eq!(at(third.created_at - 1).await, Some(second));
    assert_eq!((at(third.created_at).await, at(i64::MAX).await), (Some(third), Some(third)));
}

pub async fn what_connectors_were_at_a_revision_is_known(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    for name in ["Kept", "Changed", "Deleted", "Again"] {
        commit(&store, tenant, create(name)).await;
    }
    let expected = |at| Change::Delete { expected: number(at) };
    commit(&store, tenant, edit(expected(4), connector("Again"))).await;
    // Here is the moment: number 5.
    commit(&store, tenant, edit(Change::Update { expected: number(2) }, connector("Changed"))).await;
    commit(&store, tenant, edit(Change::Update { expected: number(6) }, connector("Changed"))).await;
    commit(&store, tenant, edit(expected(3), connector("Deleted"))).await;
    commit(&store, tenant, create("Again")).await;
    commit(&store, tenant, create("New")).await;
    commit(&store, tenant, edit(expected(10), connector("New"))).await;
    let left = async |at| {
        let mut left = store.left_at(RevisionId { tenant, number: number(at) }).await.unwrap();
        left.sort_by(|a, b| a.script_name.as_str().cmp(b.script_name.as_str()));
        left.into_iter()
            .map(|Left { script_name, number, has_body }| {
                assert_eq!(has_body, number.is_some());
                (script_name.to_string(), number)
            })
            .collect::<Vec<_>>()
    };
    let told = |told: &[(&str, Option<i64>)]| -> Vec<_> {
        told.iter().map(|(name, at)| ((*name).to_owned(), at.map(number))).collect()
    };
    assert_eq!(left(5).await, told(&[("again", None), ("changed", Some(2)), ("deleted", Some(3)), ("new", None)]));
    assert_eq!(left(10).await, told(&[("new", Some(10))]));
    assert_eq!(left(11).await, []);
    assert_eq!(left(0).await.len(), 5);
}

pub async fn revisions_are_read_by_their_numbers(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    for name in ["A", "B", "C"] {
        commit(&store, ours, create(name)).await;
    }
    commit(&store, theirs, create("Other")).await;
    let at = async |tenant, numbers: &[i64]| {
        let numbers = numbers.iter().copied().map(number).collect();
        let mut found = store.revisions_at(tenant, numbers).await.unwrap();
        found.sort_by_key(|revision| revision.number);
        found.into_iter().map(|revision| (revision.number.get(), revision.script_name.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(at(ours, &[3, 1, 9]).await, [(1, "a".to_owned()), (3, "c".to_owned())]);
    assert_eq!(at(theirs, &[1, 2, 3]).await, [(1, "other".to_owned())], "a number is one of its tenant");
    assert_eq!(at(ours, &[]).await, []);
}

pub async fn deleted_connectors_are_read_from_the_last_deleted_on(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    for (at, name) in [(1, "A"), (2, "B"), (3, "C"), (4, "D")] {
        assert_eq!(commit(&store, ours, create(name)).await, number(at));
    }
    let large = {
        let mut large = (*connector("Large")).clone();
        large.source_template = SourceTemplate::stored(format!("<Application>{}</Application>", "x".repeat(100_000)));
        large
    };
    commit(&store, ours, edit(Change::Create, large.clone())).await;
    let delete = |at, connector: Connector| edit(Change::Delete { expected: number(at) }, connector);
    for (at, name) in [(2, "B"), (1, "A"), (3, "C")] {
        commit(&store, ours, delete(at, (*connector(name)).clone())).await;
    }
    commit(&store, ours, delete(5, large)).await;
    // One that is there again is not deleted any more.
    commit(&store, ours, create("C")).await;
    commit(&store, theirs, create("Other")).await;
    let read = async |tenant, kind, before: Option<i64>, limit| {
        let at = store.deleted_at(tenant, kind, before.map(number), limit).await.unwrap();
        store.deleted(tenant, at).await.unwrap()
    };
    let of_kind = async |tenant, kind, before, limit| {
        let deleted = read(tenant, kind, before, limit).await;
        deleted.into_iter().map(|deleted| (deleted.deletion.number.get(), deleted.name.unwrap())).collect::<Vec<_>>()
    };
    let of = async |tenant, before, limit| of_kind(tenant, DeletedKind::Free, before, limit).await;
    let told = |told: &[(i64, &str)]| told.iter().map(|(at, name)| (*at, (*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(of(ours, None, 9).await, told(&[(9, "Large"), (7, "A"), (6, "B")]));
    assert_eq!(of(ours, None, 1).await, told(&[(9, "Large")]));
    assert_eq!(of(ours, Some(9), 1).await, told(&[(7, "A")]));
    assert_eq!(of(ours, Some(6), 9).await, []);
    assert_eq!(of(theirs, None, 9).await, []);
    let first = read(ours, DeletedKind::Free, None, 1).await.remove(0);
    assert_eq!((first.deletion.action, first.deletion.has_body), (Action::Delete, true));
    assert_eq!(first.connector_type.as_deref(), Some("custom Large"));
    // Those whose script name was given to another connector have their places among the others. One that was restored is
    // none of them.
    let all = told(&[(9, "Large"), (8, "C"), (7, "A"), (6, "B")]);
    assert_eq!(of_kind(ours, DeletedKind::All, None, 9).await, all);
    assert_eq!(of_kind(ours, DeletedKind::All, Some(9), 1).await, told(&[(8, "C")]));
    assert_eq!(of_kind(ours, DeletedKind::All, Some(8), 9).await, told(&[(7, "A"), (6, "B")]));
    let replaced = read(ours, DeletedKind::All, None, 9).await;
    assert_eq!(replaced.iter().map(|of| of.is_replaced).collect::<Vec<_>>(), [false, true, false, false]);
    // They are read in any order, and one of another tenant is not there.
    let at = |numbers: &[i64]| numbers.iter().map(|at| DeletedAt { number: number(*at), is_replaced: true }).collect();
    let read = store.deleted(ours, at(&[6, 99, 9])).await.unwrap();
    assert_eq!(
        read.iter().map(|of| (of.deletion.number.get(), of.is_replaced)).collect::<Vec<_>>(),
        [(6, true), (9, true)]
    );
    assert_eq!(store.deleted(theirs, at(&[9])).await.unwrap(), []);
    assert_eq!([store.deleted_count(ours, 9).await.unwrap(), store.deleted_count(ours, 3).await.unwrap()], [4, 3]);
    commit(&store, ours, create("A").restoring()).await;
    assert_eq!(of_kind(ours, DeletedKind::All, None, 9).await, told(&[(9, "Large"), (8, "C"), (6, "B")]));
    assert_eq!((store.deleted_count(ours, 9).await.unwrap(), store.deleted_count(theirs, 9).await.unwrap()), (3, 0));
}
