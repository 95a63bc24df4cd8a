//! Loads a tenant on first use.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use connectory_model::Summary;
use connectory_store::{RevisionId, RevisionNumber, StoreError, TenantId};
use tokio::sync::watch;

use super::Catalog;
use super::entry::{Entry, Source};
use super::snapshot::Snapshot;
use super::tenant::TenantCatalog;
use crate::share::Share;

impl Catalog {
    /// Returns a tenant's connectors. Loads them on first use.
    pub async fn tenant(&self, id: TenantId) -> Result<Arc<TenantCatalog>, StoreError> {
        self.tenants.cell(id).get_or_try_init(|| self.load(id)).await.cloned()
    }

    /// Returns the connectors of a tenant that asks for something now. While it does, it has a part of the caches.
    pub async fn asked(&self, id: TenantId, now: Instant) -> Result<Arc<TenantCatalog>, StoreError> {
        let tenant = self.tenant(id).await?;
        self.division.note(&tenant, now);
        Ok(tenant)
    }

    /// Loads a tenant from the store. This server makes no write to the tenant before, because every write starts from its
    /// snapshot. The store hands over what others committed since the snapshot was read.
    async fn load(&self, id: TenantId) -> Result<Arc<TenantCatalog>, StoreError> {
        let base = Arc::clone(&self.base);
        let read = move |summaries: &mut dyn Iterator<Item = (RevisionNumber, Summary)>| {
            let by_script_name = papaya::HashMap::new();
            let listed = summaries.map(|(number, summary)| {
                let entry = Arc::new(Entry::new(&summary, Source::Stored(RevisionId { tenant: id, number })));
                by_script_name.pin().insert(entry.script_name.clone(), Arc::clone(&entry));
                (entry, summary)
            });
            (Snapshot::from_ordered(listed), by_script_name)
        };
        let _loading = self.tenants.load();
        let currency = self.freshness.currency();
        let (head, (custom, by_script_name)) = self.store.load(id, read).await?;
        let mut snapshot = base.snapshot.clone();
        if !by_script_name.is_empty() {
            snapshot = custom;
            for (script_name, (entry, summary)) in &base.by_script_name {
                let hidden = by_script_name.pin().contains_key(script_name);
                if hidden || snapshot.has_name(entry.name_key()) {
                    tracing::warn!(
                        %script_name,
                        hidden,
                        "a custom connector has the name or script name of this built-in one; delete it to see this one"
                    );
                }
                if !hidden {
                    snapshot.insert(Arc::clone(entry), summary);
                }
            }
        }
        snapshot.number = head.number;
        let published = Mutex::new(snapshot.clone());
        let tenant = Arc::new(TenantCatalog {
            id,
            base,
            by_script_name,
            published,
            current: ArcSwap::from_pointee(snapshot),
            shown: watch::Sender::new(head.number),
            facets: ArcSwapOption::empty(),
            caches: ArcSwapOption::empty(),
            share: Arc::new(Share::of_tenant()),
            currency,
            ended: AtomicBool::new(false),
        });
        self.tenants.follow(&tenant);
        self.store.follow_from(id, head).await;
        Ok(tenant)
    }
}
