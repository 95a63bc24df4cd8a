//! The limits of each client and person: the counts for the rate limit, one for each API version, and the share in what
//! all requests have together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectory_model::limits::COUNTED_PER_TENANT;
use connectory_store::TenantId;
use enum_map::EnumMap;

use crate::clock::Clock;
use crate::rate_limit::{RateLimit, RateWindow};
use crate::share::Share;
use crate::version::{ApiVersion, VersionName};

/// Counts requests and applies the rate limit.
#[derive(Debug)]
pub struct Limiter {
    limit: Option<RateLimit>,
    clock: Clock,
    started: Instant,
    tenants: Mutex<HashMap<TenantId, Clients>>,
}

/// The clients and people of a tenant, by id. All tokens of a client have the same limits.
type Clients = HashMap<String, Remembered>;

#[derive(Debug)]
struct Remembered {
    limits: Arc<ClientLimits>,
    seen: Instant,
}

/// The limits of a client.
#[derive(Debug)]
pub struct ClientLimits {
    /// The counts of requests.
    windows: EnumMap<VersionName, RateWindow>,
    /// The share in what all requests have together.
    pub(super) share: Arc<Share>,
}

impl ClientLimits {
    /// Whether a principal or a request uses the limits.
    fn is_used(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || Arc::strong_count(&self.share) > 1
    }
}

impl Limiter {
    /// Makes a limiter. Its first window starts now.
    pub fn new(limit: Option<RateLimit>, clock: Clock) -> Self {
        Self { limit, started: clock.now(), clock, tenants: Mutex::default() }
    }

    fn elapsed(&self) -> Duration {
        self.clock.now() - self.started
    }

    /// The limits of a client, who is seen now. If its tenant has too many clients, forgets those that nothing uses and
    /// that count no request any more, or else the one that was not seen for the longest time. The clients of other
    /// tenants stay.
    pub fn limits(&self, tenant: TenantId, tenant_share: &Arc<Share>, client_id: &str) -> Arc<ClientLimits> {
        let now = self.clock.now();
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = tenants.entry(tenant).or_default();
        if let Some(client) = clients.get_mut(client_id) {
            client.seen = now;
            return Arc::clone(&client.limits);
        }
        if clients.len() >= COUNTED_PER_TENANT {
            clients.retain(|_, client| client.limits.is_used() || self.counts_some(&client.limits));
        }
        if clients.len() >= COUNTED_PER_TENANT {
            let oldest = clients.iter().min_by_key(|(_, client)| client.seen).map(|(id, _)| id.clone());
            oldest.and_then(|id| clients.remove(&id));
        }
        let share = Arc::new(Share::of_client(Some(Arc::clone(tenant_share))));
        let limits = Arc::new(ClientLimits { windows: EnumMap::default(), share });
        clients.insert(client_id.to_owned(), Remembered { limits: Arc::clone(&limits), seen: now });
        limits
    }

    /// Whether a client made a request in the current window of any API version.
    fn counts_some(&self, client: &ClientLimits) -> bool {
        let elapsed = self.elapsed();
        self.limit.is_some_and(|limit| client.windows.values().any(|window| window.counts_some(limit, elapsed)))
    }

    /// Counts a request. If the limit is reached, returns the whole seconds to wait.
    pub fn admit(&self, client: &ClientLimits, version: &ApiVersion) -> Result<(), u64> {
        match self.limit {
            None => Ok(()),
            Some(limit) => client.windows[version.name].admit(limit, self.elapsed()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A tenant of a limiter, with its clients.
    struct Tenant<'a>(&'a Limiter, TenantId, Arc<Share>);

    impl Tenant<'_> {
        fn limits(&self, client: &str) -> Arc<ClientLimits> {
            self.0.limits(self.1, &self.2, client)
        }

        fn admit(&self, client: &str) -> Result<(), u64> {
            self.0.admit(&self.limits(client), VersionName::V3.version())
        }

        fn remembered(&self) -> usize {
            self.0.tenants.lock().unwrap()[&self.1].len()
        }
    }

    fn tenants(limiter: &Limiter) -> [Tenant<'_>; 2] {
        [1, 2].map(|id| Tenant(limiter, TenantId::new(id).unwrap(), Arc::new(Share::of_tenant())))
    }

    #[test]
    fn the_limits_of_clients_that_are_gone_are_forgotten() {
        let clock = Clock::default();
        let limiter = Limiter::new(Some("1/10s".parse().unwrap()), clock.clone());
        let [tenant, _] = tenants(&limiter);
        let used = tenant.limits("used");
        tenant.admit("counted").unwrap();
        for n in 2..COUNTED_PER_TENANT {
            tenant.limits(&format!("gone {n}"));
        }
        tenant.limits("new");
        assert_eq!(tenant.remembered(), 3, "those that are gone make room");
        tenant.admit("counted").unwrap_err();
        clock.turn(Duration::from_secs(10));
        for n in 3..COUNTED_PER_TENANT {
            tenant.limits(&format!("gone {n}"));
        }
        tenant.limits("newer");
        assert_eq!(tenant.remembered(), 2, "a token uses `used`; the window of the others has ended");
        assert!(Arc::ptr_eq(&used, &tenant.limits("used")));
    }

    #[test]
    fn a_tenant_of_very_many_clients_forgets_its_own_and_no_others() {
        let clock = Clock::default();
        let limiter = Limiter::new(Some("1/10s".parse().unwrap()), clock.clone());
        let [many, few] = tenants(&limiter);
        few.admit("one").unwrap();
        many.admit("first").unwrap();
        clock.turn(Duration::from_millis(1));
        for n in 0..COUNTED_PER_TENANT {
            many.admit(&n.to_string()).unwrap();
        }
        assert_eq!(many.remembered(), COUNTED_PER_TENANT);
        many.admit("0").unwrap_err();
        many.admit("first").expect("it was not seen for the longest time");
        few.admit("one").expect_err("its count stays");
    }
}
