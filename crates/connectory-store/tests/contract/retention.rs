//! Retention: which bodies go, which parts go with them, and that nothing else changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use connectory_model::limits::{CONNECTORS_PER_TENANT, RETENTION_BODIES};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_store::{
    Change, Edit, Keys, Lease, LeasedWork, QuotaExceeded, Quotas, Refusal, Removed, Retention, Revision, RevisionId,
    RevisionNumber, Store, StoreError, TenantId,
};

use super::all;
use super::backups::{Restorable, back_up, check, records, verify};
use super::support::{commit, connector, connector_at, edit, number, origin, summaries, tenant};

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// The lease, which another store of this process may have had before.
async fn lease(store: &Store) -> Lease {
    loop {
        if let Some(lease) = store.lease(LeasedWork::Retention, Duration::from_millis(200)).await.unwrap() {
            return lease;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Removes all that may go at a time.
async fn retain(store: &Store, age: Duration, min: usize, now: i64) -> Removed {
    let mut pass = Retention { age, min }.begin(store).await.unwrap();
    let mut total = Removed::default();
    while !pass.is_done() {
        let removed = store.retain(&mut pass, &lease(store).await, now).await.unwrap();
        assert!(removed.bodies <= RETENTION_BODIES as u64, "{removed:?}");
        total.bodies += removed.bodies;
        total.bytes += removed.bytes;
    }
    total
}

/// Removes all bodies that may go. Returns how many those are.
pub(crate) async fn remove_all_that_may_go(store: &Store) -> u64 {
    retain(store, WEEK, 1, later()).await.bodies
}

/// A time at which everything that a test wrote is old.
fn later() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() + 30 * DAY
}

const WEEK: Duration = Duration::from_hours(7 * 24);

/// The numbers of the revisions that have bodies.
async fn with_bodies(store: &Store, tenant: TenantId) -> Vec<i64> {
    let mut revisions = store.revisions(tenant, None, None, 1000).await.unwrap();
    revisions.reverse();
    revisions.iter().filter(|revision| revision.has_body).map(|revision| revision.number.get()).collect()
}

/// A connector of a tenant, with the revision that it is at.
struct Edited<'a> {
    store: &'a Store,
    tenant: TenantId,
    at: RevisionNumber,
    is: Connector,
}

impl<'a> Edited<'a> {
    async fn create(store: &'a Store, tenant: TenantId, is: Connector) -> Self {
        let at = commit(store, tenant, Edit::new(Change::Create, &is, &[], None)).await;
        Self { store, tenant, at, is }
    }

    async fn holders(&self) -> connectory_store::Holders {
        self.store.holders(RevisionId { tenant: self.tenant, number: self.at }).await.unwrap()
    }

    /// Commits what becomes of the connector, as the registry does.
    async fn change(&mut self, change: impl FnOnce(&mut Connector)) -> RevisionNumber {
        let mut next = self.is.clone();
        change(&mut next);
        let holders = self.holders().await;
        let edit = Edit::new(Change::Update { expected: self.at }, &next, &[], Some((&self.is, &holders)));
        self.at = commit(self.store, self.tenant, edit).await;
        self.is = next;
        self.at
    }

    async fn delete(self) -> RevisionNumber {
        let holders = self.holders().await;
        let delete = Edit::new(Change::Delete { expected: self.at }, &self.is, &[], Some((&self.is, &holders)));
        commit(self.store, self.tenant, delete).await
    }
}

fn class(name: &str) -> impl FnOnce(&mut Connector) {
    let name = name.to_owned();
    move |connector| connector.class_name = name
}

fn text(locale: Locale, text: &str) -> impl FnOnce(&mut Connector) {
    let text = format!("ShortDesc={text}\n");
    move |connector| {
        connector.translations.0.insert(locale, Properties::parse(text.as_bytes()).unwrap());
    }
}

/// A large connector: its parts are stored by themselves.
fn large(name: &str) -> Connector {
    let mut large = Connector::clone(&connector(name));
    let text = format!("ShortDesc=Short\na={}\n", "x".repeat(70_000));
    large.translations.0.insert(Locale::De, Properties::parse(text.as_bytes()).unwrap());
    // Bytes that are no UTF-8.
    large.translations.0.insert(Locale::Nl, Properties::parse(b"ShortDesc=\xe4\n").unwrap());
    large
}

/// All is right: in the database, in a backup of it, and in what that is restored into.
async fn expect_right<D: Restorable>(store: &Store, removed: u64) {
    let (counts, findings) = check(store).await;
    assert_eq!((counts.removed_bodies, findings), (removed, vec![]));
    let backup = back_up(store).await;
    assert_eq!(verify(&backup).unwrap(), (counts, vec![]));
    let restored = D::new().unwrap();
    assert_eq!(restored.restore(backup.clone(), Keys::Keep).await.unwrap(), 0);
    let again = restored.open();
    assert_eq!(check(&again).await, (counts, vec![]));
    assert_eq!(records(&back_up(&again).await), records(&backup));
}

/// What is kept of a connector whose revisions have these ages.
pub(super) async fn old_bodies_go_and_the_newest_stay<D: Restorable>(database: D) {
    /// The ages of the revisions, the oldest first; the age and the number that are kept; which revisions stay.
    type Case = (&'static str, &'static [i64], i64, usize, &'static [usize]);
    const CASES: &[Case] = &[
        ("one", &[900 * DAY], 7 * DAY, 1, &[0]),
        ("none old", &[3 * DAY, 2 * DAY, DAY], 7 * DAY, 1, &[0, 1, 2]),
        ("all old", &[30 * DAY, 20 * DAY, 10 * DAY], 7 * DAY, 1, &[2]),
        ("all old, two stay", &[30 * DAY, 20 * DAY, 10 * DAY], 7 * DAY, 2, &[1, 2]),
        ("all old, all stay", &[30 * DAY, 20 * DAY, 10 * DAY], 7 * DAY, 20, &[0, 1, 2]),
        ("no number means one", &[30 * DAY, 20 * DAY], 7 * DAY, 0, &[1]),
        ("some old", &[30 * DAY, 20 * DAY, 6 * DAY, DAY], 7 * DAY, 1, &[2, 3]),
        ("some old, more stay", &[30 * DAY, 20 * DAY, 6 * DAY, DAY], 7 * DAY, 3, &[1, 2, 3]),
        ("current in the last hour", &[30 * DAY, 20 * DAY, HOUR - SECOND], 7 * DAY, 1, &[1, 2]),
        ("current until an hour ago", &[30 * DAY, 20 * DAY, HOUR + SECOND], 7 * DAY, 1, &[2]),
        ("exactly the age", &[7 * DAY + SECOND, 7 * DAY - SECOND, DAY], 7 * DAY, 1, &[1, 2]),
        // The clock went back: the second is at least as old as the third.
        ("a wrong clock", &[30 * DAY, -30 * DAY, 20 * DAY, DAY], 7 * DAY, 1, &[3]),
        ("a wrong clock, young", &[30 * DAY, -30 * DAY, 2 * DAY, DAY], 7 * DAY, 1, &[1, 2, 3]),
    ];
    let store = database.open();
    let tenant = tenant(&store).await;
    let now = later();
    let mut removed = 0;
    for (name, ages, age, min, stay) in CASES {
        let mut edited = Edited::create(&store, tenant, Connector::clone(&connector(name))).await;
        let first = edited.at.get();
        for n in 1..ages.len() {
            edited.change(class(&format!("c{n}"))).await;
        }
        for (number, age) in (first..).zip(*ages) {
            database.run(&format!("UPDATE revisions SET created_at = {} WHERE number = {number}", now - age));
        }
        let script_name = edited.is.script_name.clone();
        let age = Duration::from_millis(u64::try_from(*age).unwrap());
        // Those of earlier cases may lose more by this one, but not by their own settings.
        retain(&store, age, *min, now).await;
        let mut revisions = store.revisions(tenant, Some(script_name), None, 99).await.unwrap();
        revisions.reverse();
        let stayed: Vec<_> = (0..revisions.len()).filter(|at| revisions[*at].has_body).collect();
        assert_eq!(stayed, *stay, "{name}");
        removed = check(&store).await.0.removed_bodies;
    }
    expect_right::<D>(&store, removed).await;
}

/// A revision without its body says who did what and when, and cannot be read. All else is as it was.
pub(super) async fn a_revision_without_its_body_stays<D: Restorable>(database: D) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut edited = Edited::create(&store, tenant, large("HR")).await;
    for n in 0..3 {
        edited.change(class(&format!("c{n}"))).await;
    }
    let (listed, before) = (summaries(&store, tenant).await, store.revisions(tenant, None, None, 9).await.unwrap());
    let removed = retain(&store, WEEK, 2, later()).await;
    assert_eq!(removed.bodies, 2);
    assert!(removed.bytes > 0);
    let expected = |revision: Revision| Revision { has_body: revision.number.get() > 2, ..revision };
    let after = store.revisions(tenant, None, None, 9).await.unwrap();
    assert_eq!(after, before.into_iter().map(expected).collect::<Vec<_>>());
    assert_eq!(summaries(&store, tenant).await, listed);
    let left = store.left_at(RevisionId { tenant, number: number(2) }).await.unwrap();
    assert_eq!(left.iter().map(|left| (left.number, left.has_body)).collect::<Vec<_>>(), [(Some(number(2)), false)]);
    let id = RevisionId { tenant, number: number(2) };
    assert!(matches!(store.find(id, usize::MAX).await, Err(StoreError::BodyRemoved(at)) if at == number(2)));
    assert!(matches!(store.connector(id).await, Err(StoreError::BodyRemoved(_))));
    assert!(matches!(store.holders(id).await, Err(StoreError::BodyRemoved(_))));
    assert_eq!(connector_at(&store, tenant, number(4)).await, edited.is);
    let again = retain(&store, WEEK, 2, later()).await;
    assert_eq!(again, Removed::default(), "there is nothing more to remove");
    expect_right::<D>(&store, 2).await;
}

/// A part stays as long as a body names it, whichever revision holds it.
pub(super) async fn a_part_goes_with_the_last_body_that_names_it<D: Restorable>(database: D) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut states = HashMap::new();
    // 1 holds all parts. 3 holds German texts, 4 French ones, 6 French ones, 7 is small, 8 holds all, 9 names those.
    let mut edited = Edited::create(&store, tenant, large("HR")).await;
    let big = |text: &str| format!("{text}\na={}", text.repeat(70_000));
    let small = |connector: &mut Connector| connector.translations.0.clear();
    states.insert(edited.at, edited.is.clone());
    for step in 2..=9 {
        let at = match step {
            3 => edited.change(text(Locale::De, &big("b"))).await,
            4 => edited.change(text(Locale::Fr, "un")).await,
            6 => edited.change(text(Locale::Fr, "deux")).await,
            7 => edited.change(small).await,
            8 => edited.change(|connector| *connector = large("HR")).await,
            _ => edited.change(class(&format!("c{step}"))).await,
        };
        assert_eq!(at, number(step));
        states.insert(at, edited.is.clone());
    }
    let parts = async || check(&store).await.0.parts;
    // Three documents, German and Dutch texts; German; French; French; three documents, German and Dutch texts.
    assert_eq!(parts().await, 5 + 1 + 1 + 1 + 5);
    let now = later();
    let mut removed = 0;
    // With the number of bodies that are kept, the parts that are there: those of 1 that 3 replaced go with 2, the French
    // ones of 4 with 5, and all of 1, 3 and 6 with 6.
    for (min, left) in [(9, 13), (8, 13), (7, 12), (6, 12), (5, 12), (4, 11), (3, 5), (2, 5), (1, 5)] {
        removed += retain(&store, WEEK, min, now).await.bodies;
        assert_eq!(removed, 9 - min as u64);
        assert_eq!(parts().await, left, "{min}");
        for (at, state) in &states {
            if at.get() > i64::try_from(removed).unwrap() {
                assert_eq!(connector_at(&store, tenant, *at).await, *state, "{min} {at}");
            }
        }
        expect_right::<D>(&store, removed).await;
    }
    // What comes next goes on from it.
    let next = edited.change(class("next")).await;
    assert_eq!(connector_at(&store, tenant, next).await, edited.is);
    // All at once leaves the same.
    let whole = retain(&store, WEEK, 1, now + DAY).await;
    assert_eq!((whole.bodies, parts().await), (1, 5));
    expect_right::<D>(&store, 9).await;
}

/// A deleted connector keeps bodies too, and can be restored. One of its script name goes on with its history.
pub(super) async fn deleted_connectors_and_those_made_again_keep_their_newest_bodies<D: Restorable>(database: D) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut edited = Edited::create(&store, tenant, large("Gone")).await;
    edited.change(text(Locale::Fr, "un")).await;
    let gone = edited.is.clone();
    let deleted = edited.delete().await;
    let mut edited = Edited::create(&store, tenant, large("Again")).await;
    edited.change(class("a")).await;
    edited.delete().await;
    let mut again = Edited::create(&store, tenant, large("Again")).await;
    let now = later();
    assert_eq!(retain(&store, WEEK, 2, now).await.bodies, 3);
    assert_eq!(with_bodies(&store, tenant).await, [2, 3, 6, 7]);
    assert_eq!(connector_at(&store, tenant, deleted).await, gone);
    expect_right::<D>(&store, 3).await;
    assert_eq!(retain(&store, WEEK, 1, now).await.bodies, 2);
    assert_eq!(with_bodies(&store, tenant).await, [3, 7]);
    assert_eq!(connector_at(&store, tenant, deleted).await, gone, "it can be restored");
    let restored = connector_at(&store, tenant, deleted).await;
    commit(&store, tenant, Edit::new(Change::Create, &restored, &[], None).restoring()).await;
    again.change(class("b")).await;
    assert_eq!(connector_at(&store, tenant, again.at).await, again.is);
    expect_right::<D>(&store, 5).await;
}

/// What is removed in one tenant is of that tenant. What goes is in every tenant.
pub(super) async fn every_tenant_keeps_its_own<D: Restorable>(database: D) {
    let store = database.open();
    let ours = tenant(&store).await;
    for name in ["second", "third"] {
        database.create_tenant(name);
    }
    let tenants: Vec<_> = store.tenants().await.unwrap().into_iter().map(|tenant| tenant.id).collect();
    for tenant in &tenants[..2] {
        let mut edited = Edited::create(&store, *tenant, large("HR")).await;
        for n in 0..3 {
            edited.change(class(&format!("c{n}"))).await;
        }
    }
    let now = later();
    let second = "(SELECT id FROM tenants WHERE name = 'second')";
    database.run(&format!("UPDATE revisions SET created_at = {now} WHERE tenant_id = {second}"));
    assert_eq!(retain(&store, WEEK, 1, now).await.bodies, 3);
    assert_eq!(with_bodies(&store, ours).await, [4]);
    assert_eq!(with_bodies(&store, tenants[1]).await, [1, 2, 3, 4]);
    assert_eq!(retain(&store, WEEK, 1, now + 30 * DAY).await.bodies, 3);
    expect_right::<D>(&store, 6).await;
}

/// A quota of bytes counts what is stored.
pub(super) async fn what_is_removed_is_free_for_others<D: Restorable>(database: D) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut edited = Edited::create(&store, tenant, Connector::clone(&connector("HR"))).await;
    let random = |seed: u32| {
        // What does not shrink much.
        let words: Vec<_> = (0..2000_u32).map(|n| (n ^ seed).wrapping_mul(2_654_435_761).to_string()).collect();
        move |connector: &mut Connector| text(Locale::Fr, &words.join(" "))(connector)
    };
    for seed in 1..=4 {
        edited.change(random(seed)).await;
    }
    let quotas = |bytes| Quotas { connectors: CONNECTORS_PER_TENANT, bytes: Some(bytes) };
    database.set_quotas("default", quotas(64_000));
    let at = edited.at;
    let mut next = edited.is.clone();
    random(5)(&mut next);
    let update = || Edit::new(Change::Update { expected: at }, &next, &[], None);
    let refused = store.commit(tenant, vec![update()], origin()).await;
    assert!(matches!(refused, Err(Refusal::Quota(QuotaExceeded::Bytes(64_000)))), "{refused:?}");
    let removed = retain(&store, WEEK, 1, later()).await;
    assert!(removed.bodies == 4 && removed.bytes > 30_000, "{removed:?}");
    let fifth = commit(&store, tenant, update()).await;
    assert_eq!(connector_at(&store, tenant, fifth).await, next);
    // The same after a restart, which counts anew: the rest of the quota is as large as it was.
    drop(edited);
    drop(store);
    let store = database.open();
    let mut at = fifth;
    let mut count = 0;
    while let Ok(numbers) = {
        random(6 + count)(&mut next);
        let update = Edit::new(Change::Update { expected: at }, &next, &[], None);
        store.commit(tenant, vec![update], origin()).await
    } {
        at = numbers[0];
        count += 1;
    }
    // Three large bodies were removed, and a small one. Two were there, and there was room for so many more.
    let (each, count) = (removed.bytes / 3, u64::from(count));
    let stored = |bodies: u64| bodies * each;
    assert!(stored(2 + count) < 65_000 && stored(3 + count) > 63_000, "{each} {count}");
    assert!(count > 0);
    expect_right::<D>(&store, 4).await;
}

/// Connectors are edited and read while their old bodies go, by two processes where there may be two. No body lacks a part.
pub(super) async fn edits_beside_retention_lack_nothing<D: Restorable>(database: D) {
    const EDITS: usize = 40;
    let store = database.open();
    let tenant = tenant(&store).await;
    let other = database.open_another().unwrap_or_else(|| store.clone());
    let is_done = Arc::<AtomicBool>::default();
    let removing: Vec<_> = [store.clone(), other.clone()]
        .map(|store| {
            let is_done = Arc::clone(&is_done);
            tokio::spawn(async move {
                let mut removed = 0;
                while !is_done.load(Ordering::Relaxed) {
                    let now = later();
                    let mut pass = Retention { age: WEEK, min: 1 }.begin(&store).await.unwrap();
                    let lease = lease(&store).await;
                    // The lease ends in the middle of a pass, and another process takes it.
                    while !pass.is_done() {
                        let step = store.retain(&mut pass, &lease, now).await.unwrap();
                        removed += step.bodies;
                        if step.is_elsewhere {
                            break;
                        }
                    }
                }
                removed
            })
        })
        .into();
    let editing = (0..4).map(|writer| {
        let store = if writer % 2 == 0 { store.clone() } else { other.clone() };
        async move {
            let mut edited = Edited::create(&store, tenant, large(&format!("L{writer}"))).await;
            for n in 0..EDITS {
                match n % 4 {
                    0 => edited.change(text(Locale::Fr, &n.to_string())).await,
                    1 => edited.change(text(Locale::De, &format!("{n}\na={}", "y".repeat(70_000)))).await,
                    _ => edited.change(class(&format!("c{n}"))).await,
                };
                assert_eq!(connector_at(&store, tenant, edited.at).await, edited.is);
            }
            (edited.at, edited.is)
        }
    });
    let newest = all(editing).await;
    is_done.store(true, Ordering::Relaxed);
    let mut removed = 0;
    for removing in removing {
        removed += removing.await.unwrap();
    }
    removed += retain(&store, WEEK, 1, later()).await.bodies;
    assert_eq!(removed, 4 * EDITS as u64, "each is counted once");
    for (at, is) in newest {
        assert_eq!(connector_at(&store, tenant, at).await, is);
    }
    assert_eq!(with_bodies(&store, tenant).await.len(), 4);
    expect_right::<D>(&store, removed).await;
}

/// An edit that was made before a step, of the revision that is the newest, and is committed after it.
pub(super) async fn an_edit_made_before_a_step_and_committed_after_it_is_whole<D: Restorable>(database: D) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut edited = Edited::create(&store, tenant, large("HR")).await;
    edited.change(text(Locale::Fr, "un")).await;
    edited.change(class("c")).await;
    let holders = edited.holders().await;
    let mut next = edited.is.clone();
    "d".clone_into(&mut next.class_name);
    let made = || Edit::new(Change::Update { expected: number(3) }, &next, &[], Some((&edited.is, &holders)));
    assert_eq!(retain(&store, WEEK, 1, later()).await.bodies, 2);
    let at = commit(&store, tenant, made()).await;
    assert_eq!(retain(&store, WEEK, 1, later()).await.bodies, 1);
    assert_eq!(connector_at(&store, tenant, at).await, next);
    // It names parts that the newest one has, so it is refused after another edit, whatever is left of them.
    let refused = store.commit(tenant, vec![made()], origin()).await;
    assert!(matches!(refused, Err(Refusal::Conflict { .. })), "{refused:?}");
    expect_right::<D>(&store, 3).await;
}

/// More revisions than one step removes.
pub(super) async fn a_long_history_goes_in_steps_from_its_oldest_on<D: Restorable>(database: D) {
    const REVISIONS: i64 = 100;
    let store = database.open();
    let tenant = tenant(&store).await;
    let mut edited = Edited::create(&store, tenant, Connector::clone(&connector("HR"))).await;
    while edited.at < number(REVISIONS) {
        let class_name = format!("c{}", edited.at);
        edited.change(class(&class_name)).await;
    }
    commit(&store, tenant, edit(Change::Create, connector("IT"))).await;
    let now = later();
    let mut pass = Retention { age: WEEK, min: 10 }.begin(&store).await.unwrap();
    let mut steps = Vec::new();
    while !pass.is_done() {
        let removed = store.retain(&mut pass, &lease(&store).await, now).await.unwrap().bodies;
        steps.extend((removed > 0).then_some(removed));
        let left = with_bodies(&store, tenant).await;
        let gone = i64::try_from(steps.iter().sum::<u64>()).unwrap();
        assert_eq!(left, (gone + 1..=REVISIONS + 1).collect::<Vec<_>>());
    }
    assert_eq!(steps, [32, 32, 26]);
    expect_right::<D>(&store, 90).await;
}
