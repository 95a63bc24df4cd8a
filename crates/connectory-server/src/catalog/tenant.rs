//! The connectors of a tenant in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use connectory_model::{ScriptName, Summary};
use connectory_store::{Changed, RevisionId, RevisionNumber, TenantId};
use tokio::sync::watch;

use super::caches::Caches;
use super::counted::Counted;
use super::entry::{Entry, Source};
use super::facets::CountedFacets;
use super::snapshot::Snapshot;
use crate::share::Share;

/// The built-in connectors, which are the initial state of every tenant.
pub(super) struct Base {
    pub(super) snapshot: Snapshot,
    pub(super) by_script_name: HashMap<ScriptName, (Arc<Entry>, Summary)>,
}

/// How current the lists of a tenant are. Times are milliseconds since the start of the catalog.
#[derive(Default)]
pub(super) struct Currency {
    /// Everything that was acknowledged before this time is in the lists.
    pub(super) as_of: AtomicU64,
    /// The last request, to the second.
    pub(super) asked: AtomicU64,
    /// Whether a task keeps the lists up to date.
    pub(super) is_kept: AtomicBool,
}

/// What a tenant takes in memory besides its connectors: its maps, its part of the list, and what others count for it.
const OVERHEAD: usize = 16 * 1024;

/// About how many bytes a tenant with this list takes in memory.
pub(super) fn memory_of(snapshot: &Snapshot) -> usize {
    OVERHEAD + snapshot.memory()
}

/// The state after all that was published.
pub(super) struct Published {
    snapshot: Snapshot,
    /// What became of the custom connectors that changed since the visible state: the connector, or none where it was deleted.
    changes: HashMap<ScriptName, Option<Arc<Entry>>>,
}

impl Published {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, changes: HashMap::new() }
    }
}

/// The connectors of a tenant.
pub struct TenantCatalog {
    pub(super) id: TenantId,
    pub(super) base: Arc<Base>,
    /// The custom connectors of the visible state.
    pub(super) by_script_name: papaya::HashMap<ScriptName, Arc<Entry>>,
    /// The published state, which readers do not see yet. Only the store's writer changes it. Changes that are committed
    /// together copy a chunk once.
    pub(super) published: Mutex<Published>,
    /// Whether the published state becomes visible at this moment: the map may have what lists do not have yet.
    pub(super) is_showing: AtomicBool,
    /// The visible state, which readers use.
    pub(super) current: ArcSwap<Snapshot>,
    /// Tells those who wait which revision is visible.
    pub(super) shown: watch::Sender<RevisionNumber>,
    /// The facets that were counted last.
    pub(super) facets: ArcSwapOption<CountedFacets>,
    /// The caches, while the tenant has a part of them.
    pub(super) caches: ArcSwapOption<Caches>,
    /// The share of the tenant in what all requests have together.
    pub(super) share: Arc<Share>,
    /// When something was last asked for, in milliseconds since the start of the catalog, to some seconds.
    pub(super) asked_at: AtomicU64,
    /// What this takes of the memory of all tenants.
    pub(super) counted: Counted,
    /// How current the lists are, if other processes commit to the database.
    pub(super) currency: Currency,
    /// Whether the store lost what this was made from.
    pub(super) ended: AtomicBool,
}

impl TenantCatalog {
    /// Returns the visible state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Whether a built-in connector has this name, compared without case.
    pub fn has_builtin_name(&self, name: &str) -> bool {
        self.base.snapshot.has_name(name)
    }

    /// Returns the facets of a snapshot. Counts them if they are not cached.
    pub fn facets(&self, snapshot: &Snapshot) -> Arc<CountedFacets> {
        let kept = self.facets.load_full().filter(|kept| kept.version == snapshot.version());
        kept.unwrap_or_else(|| {
            let counted = Arc::new(snapshot.facets());
            self.facets.store(Some(Arc::clone(&counted)));
            counted
        })
    }

    /// Tells which revision is visible, as it changes.
    pub fn shown(&self) -> watch::Receiver<RevisionNumber> {
        self.shown.subscribe()
    }

    /// The share of the tenant in what all requests have together.
    pub fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Whether the tenant must be looked up again, because this is not the state of the database any more.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked_at.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// The tenant's key in the store.
    pub fn id(&self) -> TenantId {
        self.id
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the visible connector with a script name. A list that is asked for later is not older than what this finds.
    pub fn entry(&self, script_name: &ScriptName) -> Option<Arc<Entry>> {
        let custom = self.custom_entry(script_name);
        if self.is_showing.load(Ordering::Acquire) {
            // The lists have it when the lock is free.
            drop(self.published());
        }
        custom.or_else(|| self.base_entry(script_name))
    }

    fn custom_entry(&self, script_name: &ScriptName) -> Option<Arc<Entry>> {
        self.by_script_name.pin().get(script_name).cloned()
    }

    fn base_entry(&self, script_name: &ScriptName) -> Option<Arc<Entry>> {
        self.base.by_script_name.get(script_name).map(|(entry, _)| Arc::clone(entry))
    }

    /// Finds the published custom connector with a script name.
    fn published_entry(&self, published: &Published, script_name: &ScriptName) -> Option<Arc<Entry>> {
        published.changes.get(script_name).cloned().unwrap_or_else(|| self.custom_entry(script_name))
    }

    /// Applies a change to the published state. `entry` is the rendered connector, if the caller of the commit rendered
    /// it.
    pub(super) fn publish(&self, changed: Changed, entry: Option<Entry>) {
        let mut published = self.published();
        published.snapshot.number = changed.number;
        let before = self.published_entry(&published, &changed.script_name);
        let Some(summary) = changed.summary else {
            if let Some(entry) = before {
                published.snapshot.remove(&entry);
                published.changes.insert(changed.script_name.clone(), None);
            }
            // The deleted connector may have hidden a built-in connector that a later version added.
            if let Some((hidden, summary)) = self.base.by_script_name.get(&changed.script_name) {
                published.snapshot.insert(Arc::clone(hidden), summary);
            }
            return;
        };
        let source = Source::Stored(RevisionId { tenant: self.id, number: changed.number });
        let mut entry = entry.unwrap_or_else(|| Entry::new(&summary, source));
        entry.source = source;
        // The new connector may hide a built-in connector with another name and the same script name.
        let before = before.or_else(|| self.base_entry(&entry.script_name));
        if let Some(before) = before.filter(|before| before.order() != entry.order()) {
            published.snapshot.remove(&before);
        }
        let entry = Arc::new(entry);
        published.snapshot.insert(Arc::clone(&entry), &summary);
        published.changes.insert(entry.script_name.clone(), Some(entry));
    }

    /// Makes all published changes visible to readers. Runs once for each batch, while `publish` runs once for each
    /// change.
    pub(super) fn show(&self) {
        let mut published = self.published();
        let current = self.current.load();
        let Published { snapshot, changes } = &mut *published;
        if (snapshot.version(), snapshot.number) == (current.version(), current.number) {
            return;
        }
        let snapshot = Arc::new(snapshot.clone());
        self.is_showing.store(true, Ordering::Release);
        let by_script_name = self.by_script_name.pin();
        for (script_name, entry) in std::mem::take(changes) {
            match entry {
                Some(entry) => drop(by_script_name.insert(script_name, entry)),
                None => drop(by_script_name.remove(&script_name)),
            }
        }
        self.current.store(Arc::clone(&snapshot));
        self.is_showing.store(false, Ordering::Release);
        self.counted.set(memory_of(&snapshot));
        self.shown.send_replace(snapshot.number);
    }
}

#[cfg(test)]
mod tests {
    use connectory_model::import;
    use serde_json::json;
    use tempfile::TempDir;

    use super::super::testing::with_tenant;
    use super::*;
    use crate::options::Options;

    /// A change of the connector `Test`, which exists afterwards or not.
    fn changed(number: i64, exists: bool) -> Changed {
        let list = json!([{"name": "Test"}]).to_string();
        let summary = import::from_json(list.as_bytes()).unwrap().remove(0).summary();
        let number = RevisionNumber::try_from(number).unwrap();
        Changed { number, script_name: summary.script_name.clone(), summary: exists.then(|| Arc::new(summary)) }
    }

    fn is_listed(snapshot: &Snapshot) -> bool {
        snapshot.has_name("Test")
    }

    #[tokio::test]
    async fn what_is_published_is_found_when_lists_have_it() {
        let folder = TempDir::new().unwrap();
        let (catalog, id) = with_tenant(&folder, &Options::default()).await;
        let tenant = catalog.tenant(id).await.unwrap();
        let name = changed(1, true).script_name;
        let seen = || (tenant.entry(&name).is_some(), is_listed(&tenant.snapshot()));

        tenant.publish(changed(1, true), None);
        assert_eq!(seen(), (false, false));
        tenant.show();
        assert_eq!(seen(), (true, true));
        tenant.publish(changed(2, false), None);
        tenant.publish(changed(3, true), None);
        tenant.publish(changed(4, false), None);
        assert_eq!(seen(), (true, true));
        tenant.show();
        assert_eq!(seen(), (false, false));
    }

    #[tokio::test]
    async fn no_list_is_older_than_a_connector_that_was_found_before() {
        let folder = TempDir::new().unwrap();
        let (catalog, id) = with_tenant(&folder, &Options::default()).await;
        let tenant = catalog.tenant(id).await.unwrap();
        let name = changed(1, true).script_name;
        let is_over = AtomicBool::new(false);
        let looks = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut looks = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let before = tenant.snapshot();
                    let is_found = tenant.entry(&name).is_some();
                    let after = tenant.snapshot();
                    if before.version() == after.version() {
                        assert_eq!(is_found, is_listed(&after), "at revision {}", after.number());
                        looks += 1;
                    }
                }
                looks
            });
            for number in 1..=50_000 {
                tenant.publish(changed(number, number % 2 == 1), None);
                tenant.show();
            }
            is_over.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        assert!(looks > 1000, "{looks}");
    }
}
