//! What was before: revisions in order, the revision at a time, and what connectors were at a revision.

use std::time::Duration;

use connectory_store::{Change, Left, RevisionId, RevisionNumber};

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
