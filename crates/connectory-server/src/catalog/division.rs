//! The division of the caches among the tenants that ask.
//!
//! A tenant that is alone has all. While others ask too, each has a quarter, or less if they are more than four. How much
//! each of them asks for makes no difference. A tenant that has not asked for a minute has no caches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectory_model::limits::{CACHE_IDLE, CACHE_PART};
use connectory_store::TenantId;

use super::caches::Caches;
use super::tenant::TenantCatalog;

/// The number of tenants above which the parts become smaller only when the tenants are twice as many. All parts are changed
/// then, and that takes time.
const EXACT: usize = 16;
/// The time between two looks for tenants that do not ask any more.
const SWEEP: Duration = Duration::from_secs(1);

/// The tenants that have a part of the caches.
#[derive(Default)]
pub(super) struct Division(Mutex<Asking>);

#[derive(Default)]
struct Asking {
    /// Each with the time at which it was last noted.
    tenants: HashMap<TenantId, (Arc<TenantCatalog>, Instant)>,
    /// How many parts there are. Each tenant has one.
    parts: u64,
    swept: Option<Instant>,
}

impl Division {
    /// Notes that a tenant asks for something now, and divides the caches again if there are other parts than before.
    ///
    /// This is called when the client of a request is read from the store, which is every few seconds while a client
    /// sends requests. So a request that is answered from a cache does not need to note anything.
    pub(super) fn note(&self, tenant: &Arc<TenantCatalog>, now: Instant) {
        let mut asking = self.asking();
        let known = asking.tenants.get_mut(&tenant.id).filter(|(known, _)| Arc::ptr_eq(known, tenant));
        let is_new = known.map(|(_, noted)| *noted = now).is_none();
        if is_new && let Some((before, _)) = asking.tenants.insert(tenant.id, (Arc::clone(tenant), now)) {
            before.caches.store(None);
        }
        if asking.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP) {
            asking.swept = Some(now);
            asking.tenants.retain(|_, (tenant, noted)| {
                let stays = now.saturating_duration_since(*noted) <= CACHE_IDLE && !tenant.has_ended();
                if !stays {
                    tenant.caches.store(None);
                }
                stays
            });
        }
        asking.divide();
        if is_new {
            // The others have made room before.
            tenant.caches.store(Some(Arc::new(Caches::with_parts(asking.parts))));
        }
    }

    /// Takes the part of a tenant back that is evicted.
    pub(super) fn take_back(&self, tenant: &Arc<TenantCatalog>) {
        let mut asking = self.asking();
        if asking.tenants.get(&tenant.id).is_some_and(|(known, _)| Arc::ptr_eq(known, tenant)) {
            asking.tenants.remove(&tenant.id);
        }
        tenant.caches.store(None);
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    /// Fits the caches of all tenants to the number of parts that there are now.
    fn divide(&mut self) {
        let parts = match self.tenants.len() {
            1 => 1,
            few @ ..=EXACT => (few as u64).max(CACHE_PART),
            many => (many as u64).next_power_of_two(),
        };
        if parts != std::mem::replace(&mut self.parts, parts) {
            for caches in self.tenants.values().filter_map(|(tenant, _)| tenant.caches.load_full()) {
                caches.fit(parts);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use connectory_model::Locale;
    use connectory_model::wire::DetailShape;
    use connectory_store::{AccessDb, AccessOrigin, Store};

    use super::super::{Catalog, Detail, Freshness, Source};
    use super::*;
    use crate::budget::Budget;
    use crate::http::coding::Coding;
    use crate::http::etag::ETag;
    use crate::http::metrics::{CatalogMetrics, NodeMetrics};
    use crate::options::Options;
    use crate::share::Pool;
    use crate::work::Work;

    const MIB: usize = 1024 * 1024;

    /// Keeps so many details of a size.
    fn ask(tenant: &TenantCatalog, count: usize, size: usize) {
        for n in 0..count {
            let key = (Source::BuiltIn(n), Locale::En, DetailShape::WithPolicies);
            tenant.caches.load().as_ref().unwrap().details.insert(
                (key, Coding::Identity),
                Detail { json: vec![0; size].into(), etag: ETag::of(""), coding: Coding::Identity },
            );
        }
    }

    /// The bytes of details that are kept.
    fn kept(tenant: &TenantCatalog) -> usize {
        tenant.caches.load().as_ref().map_or(0, |caches| caches.details.weight().try_into().unwrap())
    }

    #[tokio::test]
    async fn a_tenant_that_is_alone_has_all_caches_and_one_of_several_a_quarter() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("c.db")).unwrap();
        let access = AccessDb::open(&folder.path().join("c.db")).unwrap();
        for name in ["a", "b", "c", "d", "e", "f"] {
            access.create_tenant(name, &AccessOrigin::operator("test".to_owned())).unwrap();
        }
        let ids: Vec<_> = store.tenants().await.unwrap().into_iter().map(|tenant| tenant.id).collect();
        let freshness = Freshness::new(store.clone(), &Options::default(), NodeMetrics::default());
        let answers = Budget::new(Pool::Answers, MIB);
        let catalog = Catalog::new(
            store,
            Vec::new(),
            Work::default(),
            answers,
            freshness,
            (usize::MAX, CatalogMetrics::default()),
        );
        let start = Instant::now();
        let asked =
            async |n: usize, seconds| catalog.asked(ids[n], start + Duration::from_secs(seconds)).await.unwrap();
        let all = Caches::with_parts(1).capacity();

        let greedy = asked(0, 0).await;
        ask(&greedy, 1000, MIB / 10);
        let (alone, room) = (kept(&greedy), 40 * MIB);
        assert!((room * 3 / 4..=room).contains(&alone), "{alone}: alone it has all");

        let few = asked(1, 1).await;
        assert!(kept(&greedy) <= room / 4, "it makes room at once");
        ask(&few, 2, MIB - 1);
        ask(&greedy, 1000, MIB / 10);
        assert!(kept(&few) >= 2 * (MIB - 1), "large details are kept, and stay while the other asks for many");
        assert!((room / 8..=room / 4).contains(&kept(&greedy)), "{}: it has a quarter", kept(&greedy));

        for n in 2..6 {
            asked(n, 2).await;
            let mut parts = Vec::new();
            for id in &ids {
                parts.extend(catalog.tenant(*id).await.unwrap().caches.load().as_ref().map(|of| of.capacity()));
            }
            let sum: u64 = parts.iter().sum();
            assert!(parts.iter().all(|part| *part <= all / 4) && sum <= all, "{parts:?} of {all}");
            assert!(n < 3 || sum > all - 1000, "four tenants or more have all");
        }

        let back = asked(0, 62).await;
        assert!(Arc::ptr_eq(&back, &greedy));
        assert_eq!(kept(&few), 0, "it has not asked for a minute");
        assert!(back.caches.load().as_ref().unwrap().capacity() < all / 4, "four others asked a minute ago");
        asked(0, 63).await;
        assert_eq!(back.caches.load().as_ref().unwrap().capacity(), all, "it is alone again");
    }
}
