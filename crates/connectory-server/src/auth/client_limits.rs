//! The limits of each client and person: the counts for the rate limit, one for each API version, and the share in what
//! all requests have together.
//!
//! If several servers share a database, requests need permits, which the servers share too ([`permits`](super::permits)).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectory_model::limits::COUNTED_PER_TENANT;
use connectory_store::TenantId;
use enum_map::EnumMap;

use super::permits::{Exchange, SharedLimits, TakePermits, Taken};
use crate::clock::Clock;
use crate::http::metrics::NodeMetrics;
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
    /// Takes permits from the database, if other servers count too.
    exchange: Option<Arc<Exchange>>,
}

/// Why a request is not admitted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The limit is reached. The number is the whole seconds to wait.
    Refused(u64),
    /// The request must wait for a permit.
    Waits,
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
    /// The counts of requests that this server counts by itself.
    windows: EnumMap<VersionName, RateWindow>,
    /// What this server has of the permits that all servers share. None if it counts by itself.
    pub(super) shared: Option<Arc<SharedLimits>>,
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
        Self { limit, started: clock.now(), clock, tenants: Mutex::default(), exchange: None }
    }

    /// Makes a limiter that takes permits from the database. If there is no limit, nothing is asked.
    pub fn shared(limit: Option<RateLimit>, clock: Clock, take: TakePermits, metrics: &NodeMetrics) -> Self {
        let failures = metrics.permit_failures.clone();
        let exchange = limit.map(|limit| Arc::new(Exchange::new(limit, take, failures)));
        Self { exchange, ..Self::new(limit, clock) }
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
        let shared = || SharedLimits { tenant, client: client_id.to_owned(), windows: EnumMap::default() };
        let shared = self.exchange.as_ref().map(|_| Arc::new(shared()));
        let limits = Arc::new(ClientLimits { windows: EnumMap::default(), shared, share });
        clients.insert(client_id.to_owned(), Remembered { limits: Arc::clone(&limits), seen: now });
        limits
    }

    /// Whether a client made a request in the current window of any API version.
    fn counts_some(&self, client: &ClientLimits) -> bool {
        let elapsed = self.elapsed();
        let has_permits = |shared: &SharedLimits| shared.windows.values().any(|window| window.is_current(elapsed));
        client.shared.as_deref().is_some_and(has_permits)
            || self.limit.is_some_and(|limit| client.windows.values().any(|window| window.counts_some(limit, elapsed)))
    }

    /// Counts a request, if it needs no permit of the database.
    pub fn admit_at_once(&self, client: &ClientLimits, version: &ApiVersion) -> Result<(), NotAdmitted> {
        let Some(limit) = self.limit else { return Ok(()) };
        let elapsed = self.elapsed();
        if let (Some(exchange), Some(shared)) = (&self.exchange, &client.shared) {
            match shared.windows[version.name].take(elapsed) {
                Taken::Permit => return Ok(()),
                Taken::NoneLeft(seconds) => return Err(NotAdmitted::Refused(seconds)),
                Taken::NotKnown if !exchange.is_alone(elapsed) => return Err(NotAdmitted::Waits),
                Taken::NotKnown => {}
            }
        }
        client.windows[version.name].admit(limit, elapsed).map_err(NotAdmitted::Refused)
    }

    /// Counts a request. If the limit is reached, returns the whole seconds to wait. If the database does not say whether it
    /// is, this server counts by itself.
    pub async fn admit(&self, client: &Arc<ClientLimits>, version: &ApiVersion) -> Result<(), u64> {
        match self.admit_at_once(client, version) {
            Ok(()) => return Ok(()),
            Err(NotAdmitted::Refused(seconds)) => return Err(seconds),
            Err(NotAdmitted::Waits) => {}
        }
        let (Some(exchange), Some(shared), Some(limit)) = (&self.exchange, &client.shared, self.limit) else {
            return Ok(());
        };
        let (clock, started) = (self.clock.clone(), self.started);
        let elapsed = move || clock.now() - started;
        // In a box, so that the futures of requests that do not wait have no room for this.
        match Box::pin(exchange.permit(Arc::clone(shared), version.name, elapsed)).await {
            Some(admitted) => admitted,
            None => client.windows[version.name].admit(limit, self.elapsed()),
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

        fn admit(&self, client: &str) -> Result<(), NotAdmitted> {
            self.0.admit_at_once(&self.limits(client), VersionName::V3.version())
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
