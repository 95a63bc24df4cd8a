//! The follower of the store: committed changes become visible, in the order of commits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use connectory_store::{Committed, Follow, TenantId};
use tokio::sync::OnceCell;

use super::tenant::TenantCatalog;

/// The loaded tenants. They follow the store, so the catalog's store is not a member: it would contain itself.
#[derive(Default)]
pub(super) struct Tenants(Mutex<HashMap<TenantId, Arc<OnceCell<Arc<TenantCatalog>>>>>);

impl Follow for Tenants {
    fn committed(&self, batch: Vec<Committed>) {
        let mut published: Vec<Arc<TenantCatalog>> = Vec::with_capacity(1);
        for Committed { tenant: id, changed, prepared } in batch {
            let followed = published.iter().position(|tenant| tenant.id == id).or_else(|| {
                published.push(self.loaded(id)?);
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
}

impl Tenants {
    pub(super) fn cell(&self, id: TenantId) -> Arc<OnceCell<Arc<TenantCatalog>>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default())
    }

    pub(super) fn loaded(&self, id: TenantId) -> Option<Arc<TenantCatalog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id)?.get().cloned()
    }
}
