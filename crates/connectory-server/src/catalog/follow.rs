//! The follower of the store: committed changes become visible, in the order of commits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectory_store::{Committed, Follow, TenantId};
use tokio::sync::OnceCell;

use super::tenant::TenantCatalog;

/// The loaded tenants. They follow the store, so the catalog's store is not a member: it would contain itself.
#[derive(Default)]
pub(super) struct Tenants {
    places: Mutex<HashMap<TenantId, Place>>,
    /// How many are loaded at the moment.
    loading: AtomicUsize,
}

/// A tenant that is loaded.
pub(super) struct Loading<'a>(&'a AtomicUsize);

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The place of a tenant.
#[derive(Default)]
struct Place {
    /// The tenant, once it is loaded.
    cell: Arc<OnceCell<Arc<TenantCatalog>>>,
    /// The same tenant, a moment before: it follows the store before the first request reads it.
    followed: Option<Arc<TenantCatalog>>,
}

impl Follow for Tenants {
    fn committed(&self, batch: Vec<Committed>) {
        let mut published: Vec<Arc<TenantCatalog>> = Vec::with_capacity(1);
        for Committed { tenant: id, changed, prepared } in batch {
            let followed = published.iter().position(|tenant| tenant.id == id).or_else(|| {
                published.push(self.followed(id)?);
                published.len().checked_sub(1)
            });
            if let Some(at) = followed {
                let entry = prepared.and_then(|prepared| prepared.downcast().ok()).map(|entry| *entry);
                published[at].publish(changed, entry);
            }
        }
        for tenant in published {
            tenant.show();
        }
    }

    fn lost(&self, id: TenantId) {
        if let Some(tenant) = self.places().remove(&id).and_then(|place| place.followed) {
            tenant.end();
        }
    }
}

impl Tenants {
    pub(super) fn cell(&self, id: TenantId) -> Arc<OnceCell<Arc<TenantCatalog>>> {
        Arc::clone(&self.places().entry(id).or_default().cell)
    }

    /// Begins to load a tenant.
    pub(super) fn load(&self) -> Loading<'_> {
        self.loading.fetch_add(1, Ordering::Relaxed);
        Loading(&self.loading)
    }

    /// How many tenants are loaded at the moment.
    pub(super) fn loading(&self) -> usize {
        self.loading.load(Ordering::Relaxed)
    }

    /// Makes a tenant follow the store from now on.
    pub(super) fn follow(&self, tenant: &Arc<TenantCatalog>) {
        self.places().entry(tenant.id).or_default().followed = Some(Arc::clone(tenant));
    }

    fn followed(&self, id: TenantId) -> Option<Arc<TenantCatalog>> {
        self.places().get(&id)?.followed.clone()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<TenantId, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
