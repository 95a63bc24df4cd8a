//! Loads a tenant on first use.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use connectory_model::Summary;
use connectory_model::limits::CACHE_IDLE;
use connectory_store::{RevisionId, RevisionNumber, StoreError, TenantId};
use tokio::sync::watch;

use super::Catalog;
use super::entry::{Entry, Source};
use super::follow::Found;
use super::snapshot::Snapshot;
use super::tenant::{Published, TenantCatalog, memory_of};
use crate::share::Share;

impl Catalog {
    /// Returns a tenant's connectors. Loads them on first use.
    pub async fn tenant(&self, id: TenantId) -> Result<Arc<TenantCatalog>, StoreError> {
        match self.tenants.find(id) {
            Found::There(tenant) => Ok(tenant),
            Found::ToLoad(cell) => cell.get_or_try_init(|| self.load(id)).await.cloned(),
        }
    }

    /// Returns the connectors of a tenant that asks for something now. While it does, it has a part of the caches.
    pub async fn asked(&self, id: TenantId, now: Instant) -> Result<Arc<TenantCatalog>, StoreError> {
        let tenant = self.tenant(id).await?;
        tenant.asked_at.store(self.freshness.since_start(now), Ordering::Relaxed);
        self.division.note(&tenant, now);
        self.make_room(id, now);
        Ok(tenant)
    }

    /// Evicts tenants if all take more memory than they may. The one that asks stays, however large it is.
    fn make_room(&self, except: TenantId, now: Instant) {
        let evicted = self.tenants.evict(self.memory, except);
        let Some(last) = evicted.last() else { return };
        self.metrics.evicted.inc_by(evicted.len() as u64);
        let idle = self.freshness.since_start(now).saturating_sub(last.asked());
        let now = self.freshness.since_start(now);
        let is_due = now >= self.warn_again_at.load(Ordering::Relaxed);
        if u128::from(idle) < CACHE_IDLE.as_millis() && is_due {
            self.warn_again_at.store(now + 60_000, Ordering::Relaxed);
            let (memory, evictions) = (self.memory, self.metrics.evicted.get());
            tracing::warn!(
                memory,
                evictions,
                "tenants that are asked for need more than `--catalog-memory`, and are read again and again"
            );
        }
        for tenant in &evicted {
            self.division.take_back(tenant);
        }
    }

    /// Loads a tenant from the store. Commits of this server that are on their way come after it, and so does what others
    /// committed since the snapshot was read.
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
        let _loading = self.tenants.load(id);
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
        let published = Mutex::new(Published::new(snapshot.clone()));
        let counted = self.tenants.count(memory_of(&snapshot));
        let tenant = Arc::new(TenantCatalog {
            id,
            base,
            by_script_name,
            published,
            is_showing: AtomicBool::new(false),
            current: ArcSwap::from_pointee(snapshot),
            shown: watch::Sender::new(head.number),
            facets: ArcSwapOption::empty(),
            caches: ArcSwapOption::empty(),
            share: Arc::new(Share::of_tenant()),
            currency,
            asked_at: self.freshness.since_start(Instant::now()).into(),
            counted,
            ended: AtomicBool::new(false),
        });
        self.metrics.loaded.inc();
        self.tenants.keep(&tenant, head.number);
        self.store.follow_from(id, head).await;
        Ok(tenant)
    }
}
