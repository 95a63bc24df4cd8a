//! A tenant's connectors in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use connectory_model::{ScriptName, Summary};
use connectory_store::{Changed, RevisionId, TenantId};

use super::entry::{Entry, Source};
use super::facets::Facets;
use super::snapshot::Snapshot;

/// What every tenant starts from: the built-in connectors.
pub(super) struct Base {
    pub(super) snapshot: Snapshot,
    pub(super) by_script_name: HashMap<ScriptName, (Arc<Entry>, Summary)>,
}

/// A tenant's connectors.
pub struct TenantCatalog {
    pub(super) id: TenantId,
    pub(super) base: Arc<Base>,
    /// The custom connectors.
    pub(super) by_script_name: papaya::HashMap<ScriptName, Arc<Entry>>,
    /// What was published, used by the store's writer alone: changes that are committed together copy a chunk once.
    pub(super) published: Mutex<Snapshot>,
    /// The same when it is shown.
    pub(super) current: ArcSwap<Snapshot>,
    /// The counted values of the state of this number.
    pub(super) facets: ArcSwapOption<(u64, Facets)>,
}

impl TenantCatalog {
    /// The connectors as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The values by which a state of the list can be narrowed.
    pub fn facets(&self, snapshot: &Snapshot) -> Arc<(u64, Facets)> {
        let kept = self.facets.load_full().filter(|kept| kept.0 == snapshot.version());
        kept.unwrap_or_else(|| {
            let counted = Arc::new((snapshot.version(), snapshot.facets()));
            self.facets.store(Some(Arc::clone(&counted)));
            counted
        })
    }

    /// The tenant's key in the store.
    pub fn id(&self) -> TenantId {
        self.id
    }

    pub(super) fn published(&self) -> MutexGuard<'_, Snapshot> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connector of a script name.
    pub fn entry(&self, script_name: &ScriptName) -> Option<Arc<Entry>> {
        let custom = self.by_script_name.pin().get(script_name).cloned();
        custom.or_else(|| self.base.by_script_name.get(script_name).map(|(entry, _)| Arc::clone(entry)))
    }

    pub(super) fn insert(&self, entry: Entry, summary: &Summary) {
        let mut published = self.published();
        // A built-in connector of another name may be hidden by this one.
        if let Some(before) = self.entry(&entry.script_name).filter(|before| before.order() != entry.order()) {
            published.remove(&before);
        }
        let entry = Arc::new(entry);
        published.insert(Arc::clone(&entry), summary);
        self.by_script_name.pin().insert(entry.script_name.clone(), entry);
    }

    pub(super) fn remove(&self, script_name: &ScriptName) {
        let mut published = self.published();
        if let Some(entry) = self.by_script_name.pin().remove(script_name) {
            published.remove(entry);
        }
        // A built-in connector that came with a later version may have been hidden by this one.
        if let Some((hidden, summary)) = self.base.by_script_name.get(script_name) {
            published.insert(Arc::clone(hidden), summary);
        }
    }

    /// Prepares a change to be shown; `entry` is the connector as its caller has rendered it.
    pub(super) fn publish(&self, changed: Changed, entry: Option<Entry>) {
        let Some(summary) = changed.summary else { return self.remove(&changed.script_name) };
        let source = Source::Stored(RevisionId { tenant: self.id, number: changed.number });
        let mut entry = entry.unwrap_or_else(|| Entry::new(&summary, source));
        entry.source = source;
        self.insert(entry, &summary);
    }

    /// Lets readers see all that was published.
    pub(super) fn show(&self) {
        let published = self.published();
        if published.version() != self.current.load().version() {
            self.current.store(Arc::new(published.clone()));
        }
    }
}
