//! Commits: what is whole, ordered, unique and followed.

use std::sync::{Arc, Mutex};

use connectory_model::limits::CONNECTORS_PER_TENANT;
use connectory_store::{Change, Committed, Edit, Follow, QuotaExceeded, Quotas, Refusal, Store, TenantId};
use futures_util::future::join_all;

use super::Database;
use super::support::{commit, connector, create, edit, number, origin, summaries, tenant};

pub async fn several_edits_are_made_whole_under_consecutive_numbers(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let changed = commit(&store, tenant, create("changed")).await;
    let deleted = commit(&store, tenant, create("deleted")).await;
    let edits = vec![
        create("created"),
        edit(Change::Update { expected: changed }, connector("changed")),
        edit(Change::Delete { expected: deleted }, connector("deleted")),
    ];
    let numbers = store.commit(tenant, edits, origin()).await.unwrap();
    assert_eq!(numbers, [number(3), number(4), number(5)]);
    let revisions = store.revisions(tenant, None, None, 9).await.unwrap();
    let told: Vec<_> = revisions.iter().map(|revision| (revision.number.get(), revision.action.as_str())).collect();
    assert_eq!(told, [(5, "delete"), (4, "update"), (3, "create"), (2, "create"), (1, "create")]);
    let commits: Vec<_> = revisions.iter().map(|revision| revision.change.get()).collect();
    assert_eq!(commits, [5, 5, 5, 2, 1], "the revisions of a commit name its last one");
    assert!(revisions[..3].iter().all(|revision| revision.created_at == revisions[0].created_at));
    let names: Vec<_> = summaries(&store, tenant).await.into_iter().map(|(_, summary)| summary.name).collect();
    assert_eq!(names, ["changed", "created"]);
}

pub async fn a_refusal_says_which_edit_and_why_and_nothing_is_written(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let followed = Followed::of(&store);
    let first = commit(&store, tenant, create("HR")).await;
    let update = |expected, name| edit(Change::Update { expected }, connector(name));
    let stale = number(first.get() + 1);
    let delete = edit(Change::Delete { expected: first }, connector("IT"));
    let refused = [
        (create("hR"), "NameTaken { edit: 1 }"),
        (create("HR!"), "ScriptNameTaken { edit: 1 }"),
        (update(stale, "HR"), "Conflict { edit: 1, current: Some(RevisionNumber(1)) }"),
        (delete, "Conflict { edit: 1, current: None }"),
    ];
    for (edit, why) in refused {
        let refusal = store.commit(tenant, vec![create("new"), edit], origin()).await.unwrap_err();
        assert_eq!(format!("{refusal:?}"), why);
    }
    assert_eq!(store.revisions(tenant, None, None, 9).await.unwrap().len(), 1);
    assert_eq!(summaries(&store, tenant).await.len(), 1);
    assert_eq!(followed.numbers(), [1]);
    assert_eq!(commit(&store, tenant, create("new")).await, number(2), "a refusal takes no number");
}

pub async fn edits_that_are_about_the_same_connector_or_name_are_refused(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let first = commit(&store, tenant, create("HR")).await;
    let update = || edit(Change::Update { expected: first }, connector("HR"));
    let delete = || edit(Change::Delete { expected: first }, connector("HR"));
    let refused = async |edits| store.commit(tenant, edits, origin()).await.unwrap_err();
    assert!(matches!(refused(vec![update(), update()]).await, Refusal::Repeated { edit: 1 }));
    assert!(matches!(refused(vec![update(), create("x"), delete()]).await, Refusal::Repeated { edit: 2 }));
    assert!(matches!(refused(vec![delete(), create("HR")]).await, Refusal::Repeated { edit: 1 }));
    assert!(matches!(refused(vec![create("x!"), create("X")]).await, Refusal::ScriptNameTaken { edit: 1 }));
    let mut other = connectory_model::Connector::clone(&connector("X"));
    other.script_name = "other".parse().unwrap();
    let other = edit(Change::Create, Arc::new(other));
    assert!(matches!(refused(vec![create("x"), other]).await, Refusal::NameTaken { edit: 1 }));
    assert_eq!(store.revisions(tenant, None, None, 9).await.unwrap().len(), 1);
}

pub async fn a_commit_may_take_the_names_that_it_frees(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut numbers = store.commit(tenant, ["a", "b", "c"].map(create).into(), origin()).await.unwrap();
    let rename = |expected, of, name| edit(Change::Update { expected }, renamed(of, name));
    let refused = async |edits| format!("{:?}", store.commit(tenant, edits, origin()).await.unwrap_err());
    let [a, b, c] = numbers[..] else { panic!("three revisions") };
    // A name that stays is taken, and so is one that two edits take.
    assert_eq!(refused(vec![rename(a, "a", "B"), rename(c, "c", "d")]).await, "NameTaken { edit: 0 }");
    assert_eq!(
        refused(vec![rename(a, "a", "c"), edit(Change::Update { expected: c }, connector("c"))]).await,
        "NameTaken { edit: 0 }"
    );
    assert_eq!(
        refused(vec![rename(a, "a", "b"), rename(b, "b", "d"), create_as("x", "B")]).await,
        "NameTaken { edit: 2 }"
    );
    // All exchange their names. Then one has that of a deleted one, which another takes under a new script name.
    let turned = vec![rename(a, "a", "B"), rename(b, "b", "C"), rename(c, "c", "A")];
    numbers = store.commit(tenant, turned, origin()).await.unwrap();
    assert_eq!(named(&store, tenant).await, ["c A", "a B", "b C"]);
    let [a, b, _] = numbers[..] else { panic!("three revisions") };
    let delete = edit(Change::Delete { expected: a }, renamed("a", "B"));
    store.commit(tenant, vec![create_as("x", "c"), rename(b, "b", "b"), delete], origin()).await.unwrap();
    assert_eq!(named(&store, tenant).await, ["c A", "b b", "x c"]);
    drop(store);
    let store = database.open();
    assert_eq!(named(&store, tenant).await, ["c A", "b b", "x c"]);
    // Later commits find them as they are.
    for (taken, at) in [("a", 0), ("B", 0), ("c", 0)] {
        let refusal = store.commit(tenant, vec![create_as("y", taken)], origin()).await.unwrap_err();
        assert!(matches!(refusal, Refusal::NameTaken { edit } if edit == at), "{taken}: {refusal:?}");
    }
}

/// The edit that creates a connector under another script name than the one that its name makes.
fn create_as(script_name: &str, name: &str) -> Edit {
    edit(Change::Create, renamed(script_name, name))
}

/// The script name and the name of each connector, in the order of their names.
async fn named(store: &Store, tenant: TenantId) -> Vec<String> {
    let summaries = summaries(store, tenant).await.into_iter();
    summaries.map(|(_, summary)| format!("{} {}", summary.script_name, summary.name)).collect()
}

pub async fn a_connector_that_is_there_again_has_its_new_name(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let a = commit(&store, tenant, create("a")).await;
    // The first is on its way while the others wait, so that these are committed together.
    let together = [create("b"), edit(Change::Delete { expected: a }, connector("a")), create_as("a", "z")];
    let made = join_all(together.map(|edit| store.commit(tenant, vec![edit], origin()))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    assert_eq!(named(&store, tenant).await, ["b b", "a z"]);
    commit(&store, tenant, create_as("x", "a")).await;
    let taken = store.commit(tenant, vec![create_as("y", "z")], origin()).await;
    assert!(matches!(taken, Err(Refusal::NameTaken { edit: 0 })), "{taken:?}");
}

pub async fn names_are_compared_by_their_keys(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    for name in ["Straße", "caf\u{e9}"] {
        commit(&store, tenant, create(name)).await;
    }
    for (at, name) in ["STRASSE", "CAFE\u{301}"].into_iter().enumerate() {
        let mut namesake = connectory_model::Connector::clone(&connector(name));
        namesake.script_name = format!("namesake-{at}").parse().unwrap();
        let namesake = edit(Change::Create, Arc::new(namesake));
        let refusal = store.commit(tenant, vec![namesake], origin()).await.unwrap_err();
        assert!(matches!(refusal, Refusal::NameTaken { edit: 0 }), "{name}");
    }
    // A name that only begins like another one is free.
    commit(&store, tenant, create("strasse 2")).await;
    commit(&store, tenant, create("stras")).await;
}

/// A connector with another name than the one that its script name is made of.
fn renamed(script_name: &str, name: &str) -> Arc<connectory_model::Connector> {
    let connector = connectory_model::Connector::clone(&connector(script_name));
    Arc::new(connectory_model::Connector { name: name.to_owned(), ..connector })
}

pub async fn a_connector_gets_another_name_if_nobody_has_it(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let a = commit(&store, tenant, create("a")).await;
    let b = commit(&store, tenant, create("b")).await;
    let rename = |expected, of, name| edit(Change::Update { expected }, renamed(of, name));
    let refused = async |edits| format!("{:?}", store.commit(tenant, edits, origin()).await.unwrap_err());
    assert_eq!(refused(vec![rename(a, "a", "B")]).await, "NameTaken { edit: 0 }");
    assert_eq!(refused(vec![rename(a, "a", "x"), rename(b, "b", "X")]).await, "NameTaken { edit: 1 }");
    assert_eq!(refused(vec![rename(a, "a", "x"), create("X")]).await, "NameTaken { edit: 1 }");
    assert_eq!(refused(vec![rename(b, "a", "x")]).await, "Conflict { edit: 0, current: Some(RevisionNumber(1)) }");
    assert_eq!(summaries(&store, tenant).await.len(), 2, "nothing is written");
    // Another spelling is the same name.
    let a = commit(&store, tenant, rename(a, "a", "A")).await;
    let a = commit(&store, tenant, rename(a, "a", "z")).await;
    let listed = async || -> Vec<_> {
        let summaries = summaries(&store, tenant).await.into_iter();
        summaries.map(|(_, summary)| (summary.name, summary.script_name.as_str().to_owned())).collect()
    };
    let is = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|(name, script_name)| ((*name).to_owned(), (*script_name).to_owned())).collect()
    };
    assert_eq!(listed().await, is(&[("b", "b"), ("z", "a")]), "ordered by name");
    // The name that it had is free.
    let second = renamed("second", "a");
    let second = commit(&store, tenant, edit(Change::Create, second)).await;
    assert_eq!(refused(vec![rename(a, "a", "a")]).await, "NameTaken { edit: 0 }");
    // Commits that arrive together exchange two names.
    let rename_all = [rename(a, "a", "c"), rename(second, "second", "z"), rename(b, "b", "a")];
    let made = join_all(rename_all.map(|edit| store.commit(tenant, vec![edit], origin()))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    assert_eq!(listed().await, is(&[("a", "b"), ("c", "a"), ("z", "second")]));
    drop(store);
    let store = database.open();
    assert_eq!(summaries(&store, tenant).await.len(), 3);
    let taken = store.commit(tenant, vec![edit(Change::Create, renamed("new", "Z"))], origin()).await;
    assert!(matches!(taken, Err(Refusal::NameTaken { edit: 0 })), "{taken:?}");
}

pub async fn a_commit_of_nothing_has_no_numbers(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    assert_eq!(store.commit(tenant, Vec::new(), origin()).await.unwrap(), []);
    assert_eq!(commit(&store, tenant, create("HR")).await, number(1));
}

pub async fn concurrent_commits_are_followed_in_the_order_of_their_numbers_without_gaps(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let followed = Followed::of(&store);
    let commits: Vec<_> = (0..300)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                // Two of three names are taken already, so that refusals are between commits.
                let name = format!("c{}", n - n % 3);
                store.commit(tenant, vec![create(&name), create(&format!("{name} too"))], origin()).await.is_ok()
            })
        })
        .collect();
    let mut kept = 0;
    for commit in commits {
        kept += usize::from(commit.await.unwrap());
    }
    assert_eq!(kept, 100);
    assert_eq!(followed.numbers(), (1..=200).collect::<Vec<_>>());
    assert_eq!(summaries(&store, tenant).await.len(), 200);
}

pub async fn a_commit_is_followed_before_it_is_answered(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let followed = Followed::of(&store);
    let connector = connector("HR");
    let create = edit(Change::Create, Arc::clone(&connector)).preparing("for the follower");
    let first = commit(&store, tenant, create).await;
    {
        let committed = followed.0.lock().unwrap();
        let [Committed { tenant: of, changed, prepared }] = committed.as_slice() else { panic!("one commit") };
        assert_eq!((*of, changed.number, &changed.script_name), (tenant, first, &connector.script_name));
        assert_eq!(changed.summary.as_deref(), Some(&connector.summary()));
        assert_eq!(prepared.as_ref().unwrap().downcast_ref(), Some(&"for the follower"));
    }
    let second = commit(&store, tenant, edit(Change::Delete { expected: first }, connector)).await;
    let committed = followed.0.lock().unwrap();
    assert_eq!((committed[1].changed.number, committed[1].changed.summary.is_none()), (second, true));
}

pub async fn of_concurrent_edits_of_one_revision_one_is_made(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let expected = commit(&store, tenant, create("HR")).await;
    let commits: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            let update = edit(Change::Update { expected }, connector("HR"));
            tokio::spawn(async move { store.commit(tenant, vec![update], origin()).await })
        })
        .collect();
    let mut made = Vec::new();
    for commit in commits {
        match commit.await.unwrap() {
            Ok(numbers) => made.extend(numbers),
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::Conflict { current: Some(current), .. } if current == number(2)));
            }
        }
    }
    assert_eq!(made, [number(2)]);
}

/// Keeps all that it is told.
struct Followed(Mutex<Vec<Committed>>);

impl Followed {
    fn of(store: &Store) -> Arc<Self> {
        let followed = Arc::new(Self(Mutex::default()));
        store.follow(Arc::<Self>::clone(&followed));
        followed
    }

    fn numbers(&self) -> Vec<i64> {
        self.0.lock().unwrap().iter().map(|committed| committed.changed.number.get()).collect()
    }
}

impl Follow for Followed {
    fn committed(&self, batch: Vec<Committed>) {
        self.0.lock().unwrap().extend(batch);
    }

    fn lost(&self, _: TenantId) {}
}

pub async fn no_commit_exceeds_the_quotas_of_its_tenant(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    assert_eq!(store.tenants().await.unwrap()[0].quotas, Quotas { connectors: CONNECTORS_PER_TENANT, bytes: None });
    let refused = async |edits| match store.commit(ours, edits, origin()).await {
        Err(Refusal::Quota(quota)) => Some(quota),
        other => {
            other.unwrap();
            None
        }
    };
    let three = QuotaExceeded::Connectors(3);
    let first = commit(&store, ours, create("a")).await;
    database.set_quotas("default", Quotas { connectors: 3, bytes: None });
    assert_eq!(refused(vec![create("b"), create("c"), create("d")]).await, Some(three), "a commit is whole or nothing");
    // Of concurrent commits, as many pass as there is room for.
    let many = (0..10).map(|number| store.commit(ours, vec![create(&format!("n{number}"))], origin()));
    let made = join_all(many).await.into_iter().flatten().count();
    assert_eq!(made, 2);
    assert_eq!(refused(vec![create("x")]).await, Some(three));
    commit(&store, theirs, create("x")).await;
    let update = commit(&store, ours, edit(Change::Update { expected: first }, connector("a"))).await;
    commit(&store, ours, edit(Change::Delete { expected: update }, connector("a"))).await;
    let again = commit(&store, ours, create("a")).await;
    assert_eq!(refused(vec![create("x")]).await, Some(three));
    // A quota of bytes counts every revision, those from before it was set too.
    database.set_quotas("default", Quotas { connectors: 100, bytes: Some(1) });
    let more = || edit(Change::Update { expected: again }, connector("a"));
    assert_eq!(refused(vec![more()]).await, Some(QuotaExceeded::Bytes(1)));
    database.set_quotas("default", Quotas { connectors: 100, bytes: Some(100_000) });
    let (mut expected, mut updates) = (again, 0);
    loop {
        match store.commit(ours, vec![edit(Change::Update { expected }, connector("a"))], origin()).await {
            Ok(numbers) => expected = numbers[0],
            Err(Refusal::Quota(QuotaExceeded::Bytes(100_000))) => break,
            Err(error) => panic!("{error}"),
        }
        updates += 1;
    }
    assert!((50..2000).contains(&updates), "{updates} updates fit");
    commit(&store, ours, edit(Change::Delete { expected }, connector("a"))).await;
    drop(store);
    // A new start counts the same.
    let store = database.open();
    let refused = store.commit(ours, vec![create("x")], origin()).await;
    assert!(matches!(refused, Err(Refusal::Quota(QuotaExceeded::Bytes(_)))), "{refused:?}");
}
