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
use super::facets::Facets;
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

/// The connectors of a tenant.
pub struct TenantCatalog {
    pub(super) id: TenantId,
    pub(super) base: Arc<Base>,
    /// The custom connectors.
    pub(super) by_script_name: papaya::HashMap<ScriptName, Arc<Entry>>,
    /// The published state, which readers do not see yet. Only the store's writer uses it. Changes that are committed
    /// together copy a chunk once.
    pub(super) published: Mutex<Snapshot>,
    /// The visible state, which readers use.
    pub(super) current: ArcSwap<Snapshot>,
    /// Tells those who wait which revision is visible.
    pub(super) shown: watch::Sender<RevisionNumber>,
    /// The cached facets, and the version of the snapshot that they were counted in.
    pub(super) facets: ArcSwapOption<(u64, Facets)>,
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
    pub fn facets(&self, snapshot: &Snapshot) -> Arc<(u64, Facets)> {
        let kept = self.facets.load_full().filter(|kept| kept.0 == snapshot.version());
        kept.unwrap_or_else(|| {
            let counted = Arc::new((snapshot.version(), snapshot.facets()));
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

    pub(super) fn published(&self) -> MutexGuard<'_, Snapshot> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the connector with a script name.
    pub fn entry(&self, script_name: &ScriptName) -> Option<Arc<Entry>> {
        let custom = self.by_script_name.pin().get(script_name).cloned();
        custom.or_else(|| self.base.by_script_name.get(script_name).map(|(entry, _)| Arc::clone(entry)))
    }

    pub(super) fn insert(&self, entry: Entry, summary: &Summary) {
        let mut published = self.published();
        // The new connector may hide a built-in connector with another name and the same script name.
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
        // The deleted connector may have hidden a built-in connector that a later version added.
        if let Some((hidden, summary)) = self.base.by_script_name.get(script_name) {
            published.insert(Arc::clone(hidden), summary);
        }
    }

    /// Applies a change to the published state. `entry` is the rendered connector, if the caller of the commit rendered
    /// it.
    pub(super) fn publish(&self, changed: Changed, entry: Option<Entry>) {
        self.published().number = changed.number;
        let Some(summary) = changed.summary else { return self.remove(&changed.script_name) };
        let source = Source::Stored(RevisionId { tenant: self.id, number: changed.number });
        let mut entry = entry.unwrap_or_else(|| Entry::new(&summary, source));
        entry.source = source;
        self.insert(entry, &summary);
    }

    /// Makes all published changes visible to readers. Runs once for each batch, while `publish` runs once for each
    /// change.
    pub(super) fn show(&self) {
        let published = self.published();
        let current = self.current.load();
        if (published.version(), published.number) != (current.version(), current.number) {
            self.current.store(Arc::new(published.clone()));
            self.counted.set(memory_of(&published));
            self.shown.send_replace(published.number);
        }
    }
}
