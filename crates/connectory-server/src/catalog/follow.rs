//! The tenants in memory, and the follower of the store: committed changes become visible, in the order of commits.
//!
//! A tenant is loaded on first use. If all tenants take more memory than they may, those that were not asked for the
//! longest are evicted. Requests may hold an evicted tenant. It follows the store as long as somebody holds it, and whoever
//! asks for it meanwhile gets the same one, so there are never two states of a tenant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use connectory_store::{Committed, Follow, RevisionNumber, TenantId};
use tokio::sync::OnceCell;

use super::counted::Counted;
use super::tenant::TenantCatalog;

/// The tenants in memory. They follow the store, so the catalog's store is not a member: it would contain itself.
#[derive(Default)]
pub(super) struct Tenants {
    places: Mutex<HashMap<TenantId, Place>>,
    /// How many are loaded at the moment.
    loading: AtomicUsize,
    /// The bytes of all tenants that are in memory, those that are evicted and held included.
    memory: Arc<AtomicUsize>,
}

/// The one load of a tenant, for which all who ask wait.
type Cell = Arc<OnceCell<Arc<TenantCatalog>>>;

/// The place of a tenant.
enum Place {
    /// It is loaded. While a load reads the store, what is committed is kept for it: it may have read what was before.
    Loading { cell: Cell, missed: Option<Vec<Committed>> },
    /// It is in memory.
    Kept(Arc<TenantCatalog>),
    /// It is in memory only while somebody holds it.
    Evicted(Weak<TenantCatalog>),
}

/// Where a tenant is.
pub(super) enum Found {
    /// In memory.
    There(Arc<TenantCatalog>),
    /// In the store.
    ToLoad(Cell),
}

/// A load of a tenant, from before it reads the store until its end.
pub(super) struct Loading<'a>(&'a Tenants, TenantId);

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.loading.fetch_sub(1, Ordering::Relaxed);
        // If it has failed, another one reads what was committed meanwhile.
        if let Some(Place::Loading { missed, .. }) = self.0.places().get_mut(&self.1) {
            *missed = None;
        }
    }
}

impl Follow for Tenants {
    fn committed(&self, batch: Vec<Committed>) {
        let mut published: Vec<Arc<TenantCatalog>> = Vec::with_capacity(1);
        for commit in batch {
            if let Some(tenant) = published.iter().find(|tenant| tenant.id == commit.tenant) {
                publish(tenant, commit);
            } else if let Some((tenant, commit)) = self.followed(commit) {
                publish(&tenant, commit);
                published.push(tenant);
            }
        }
        for tenant in published {
            tenant.show();
        }
    }

    fn lost(&self, id: TenantId) {
        let tenant = match self.places().remove(&id) {
            Some(Place::Kept(tenant)) => Some(tenant),
            Some(Place::Evicted(tenant)) => tenant.upgrade(),
            Some(Place::Loading { .. }) | None => None,
        };
        if let Some(tenant) = tenant {
            tenant.end();
        }
    }
}

fn publish(tenant: &TenantCatalog, Committed { changed, prepared, .. }: Committed) {
    let entry = prepared.and_then(|prepared| prepared.downcast().ok()).map(|entry| *entry);
    tenant.publish(changed, entry);
}

impl Tenants {
    /// Finds a tenant.
    pub(super) fn find(&self, id: TenantId) -> Found {
        let mut places = self.places();
        let place = places.entry(id).or_insert_with(|| Place::Evicted(Weak::new()));
        if let Place::Evicted(evicted) = place {
            *place = match evicted.upgrade() {
                Some(tenant) => Place::Kept(tenant),
                None => Place::Loading { cell: Cell::default(), missed: None },
            };
        }
        match place {
            Place::Kept(tenant) => Found::There(Arc::clone(tenant)),
            Place::Loading { cell, .. } => Found::ToLoad(Arc::clone(cell)),
            Place::Evicted(_) => unreachable!("it was replaced above"),
        }
    }

    /// Begins to load a tenant.
    pub(super) fn load(&self, id: TenantId) -> Loading<'_> {
        self.loading.fetch_add(1, Ordering::Relaxed);
        if let Some(Place::Loading { missed, .. }) = self.places().get_mut(&id) {
            *missed = Some(Vec::new());
        }
        Loading(self, id)
    }

    /// How many tenants are loaded at the moment.
    pub(super) fn loading(&self) -> usize {
        self.loading.load(Ordering::Relaxed)
    }

    /// The bytes of all tenants in memory.
    pub(super) fn memory(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// The counter of a tenant.
    pub(super) fn count(&self, bytes: usize) -> Counted {
        Counted::new(&self.memory, bytes)
    }

    /// Keeps a tenant that is loaded, as it was at a revision. It follows the store from now on. If its history was lost
    /// meanwhile, it ends.
    pub(super) fn keep(&self, tenant: &Arc<TenantCatalog>, number: RevisionNumber) {
        let mut places = self.places();
        let Some(place @ Place::Loading { .. }) = places.get_mut(&tenant.id) else { return tenant.end() };
        if let Place::Loading { missed, .. } = std::mem::replace(place, Place::Kept(Arc::clone(tenant))) {
            for commit in missed.into_iter().flatten().filter(|commit| commit.changed.number > number) {
                publish(tenant, commit);
            }
            tenant.show();
        }
    }

    /// Evicts the tenants that were not asked for the longest, except this one, until those that are kept take at most so
    /// many bytes. Returns them.
    pub(super) fn evict(&self, most: usize, except: TenantId) -> Vec<Arc<TenantCatalog>> {
        let mut evicted = Vec::new();
        if self.memory() <= most {
            return evicted;
        }
        let mut places = self.places();
        let kept =
            places.values().filter_map(|place| if let Place::Kept(tenant) = place { Some(tenant) } else { None });
        let mut kept: Vec<_> = kept.map(|tenant| (tenant.asked(), tenant.counted.get(), tenant.id)).collect();
        let mut memory = kept.iter().map(|(_, bytes, _)| bytes).sum::<usize>();
        kept.sort_unstable_by_key(|(asked, ..)| *asked);
        for (_, bytes, id) in kept.into_iter().filter(|(.., id)| *id != except) {
            if memory <= most {
                break;
            }
            memory -= bytes;
            if let Some(place) = places.get_mut(&id)
                && let Place::Kept(tenant) = place
            {
                let tenant = Arc::clone(tenant);
                *place = Place::Evicted(Arc::downgrade(&tenant));
                evicted.push(tenant);
            }
        }
        evicted
    }

    /// The tenant that gets a commit now. If it is loaded at the moment, it gets the commit then.
    fn followed(&self, commit: Committed) -> Option<(Arc<TenantCatalog>, Committed)> {
        let mut places = self.places();
        let tenant = match places.get_mut(&commit.tenant)? {
            Place::Kept(tenant) => Some(Arc::clone(tenant)),
            Place::Loading { missed, .. } => {
                missed.as_mut()?.push(commit);
                return None;
            }
            Place::Evicted(tenant) => tenant.upgrade(),
        };
        if tenant.is_none() {
            // Nobody holds it any more.
            places.remove(&commit.tenant);
        }
        Some((tenant?, commit))
    }

    fn places(&self) -> MutexGuard<'_, HashMap<TenantId, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
