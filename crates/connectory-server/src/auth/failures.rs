//! Wrong secrets: how long the next one must wait, and how many there were.
//!
//! A delay belongs to a client *and* an address. If it belonged to the client alone, anyone could lock a client out; if
//! it belonged to the address alone, one client could lock out all others behind the same proxy. Only clients that exist
//! are counted, so invented ids take no memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectory_model::limits::{ADDRESSES_PER_CLIENT, FAILURE_DELAY, FAILURES_FORGOTTEN, FREE_FAILURES, LONGEST_DELAY};
use connectory_store::{ApiClient, RefusedSignIns, Store, TenantId};

use crate::clock::Clock;
use crate::http::listen::network;

/// The time for which refused sign-ins are counted before they are written together.
const WRITE_AFTER: Duration = Duration::from_secs(1);

/// The wrong secrets of all clients.
pub struct Failures {
    store: Store,
    clock: Clock,
    recent: Arc<Mutex<Recent>>,
}

#[derive(Default)]
struct Recent {
    /// By client id, and by the network of the address.
    failures: HashMap<String, HashMap<IpAddr, Failed>>,
    /// The refused sign-ins that are not written yet.
    refused: HashMap<(TenantId, i64, String, IpAddr), u32>,
}

/// The wrong secrets that one address sent for one client.
#[derive(Clone, Copy)]
struct Failed {
    times: u32,
    last: Instant,
}

impl Failed {
    /// The time from the last wrong secret until another one is verified.
    fn delay(&self) -> Duration {
        match self.times.checked_sub(FREE_FAILURES + 1) {
            None => Duration::ZERO,
            Some(more) => FAILURE_DELAY.saturating_mul(1 << more.min(16)).min(LONGEST_DELAY),
        }
    }
}

impl Failures {
    /// No failures yet. Refused sign-ins are written to the store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, recent: Arc::default() }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the whole seconds that an address must wait before it sends a secret for a client. None if it need not
    /// wait.
    pub fn delay(&self, client_id: &str, address: IpAddr) -> Option<u64> {
        let failed = self.recent().failures.get(client_id)?.get(&network(address)).copied()?;
        let left = failed.delay().checked_sub(self.clock.now() - failed.last)?;
        (left > Duration::ZERO).then(|| left.as_secs() + 1)
    }

    /// Forgets the failures of a client from an address, because it sent the right secret.
    pub fn forget(&self, client_id: &str, address: IpAddr) {
        let mut recent = self.recent();
        if let Some(addresses) = recent.failures.get_mut(client_id) {
            addresses.remove(&network(address));
            if addresses.is_empty() {
                recent.failures.remove(client_id);
            }
        }
    }

    /// Counts a refused sign-in of a client. `is_wrong` is whether a secret was verified and was wrong.
    pub fn count(&self, client: &ApiClient, address: IpAddr, is_wrong: bool) {
        if is_wrong {
            self.recent().add(&client.id, network(address), self.clock.now());
        }
        self.note(client.tenant.id, client.id.clone(), address);
    }

    /// Writes the refused sign-ins that are not written yet.
    pub async fn flush(&self) {
        write(&self.store, &self.recent).await;
    }

    /// Notes a refused sign-in of a client or person for the tenant's list. It delays nothing.
    pub fn note(&self, tenant: TenantId, id: String, address: IpAddr) {
        let minute = i64::try_from(self.clock.unix_seconds() / 60).unwrap_or(i64::MAX);
        let mut recent = self.recent();
        let is_first = recent.refused.is_empty();
        *recent.refused.entry((tenant, minute, id, network(address))).or_default() += 1;
        drop(recent);
        if is_first {
            tokio::spawn(write_later(self.store.clone(), Arc::clone(&self.recent)));
        }
    }
}

impl Recent {
    fn add(&mut self, client_id: &str, network: IpAddr, now: Instant) {
        if !self.failures.contains_key(client_id) {
            let is_recent = |failed: &Failed| now - failed.last < FAILURES_FORGOTTEN;
            self.failures.retain(|_, addresses| addresses.values().any(is_recent));
        }
        let addresses = self.failures.entry(client_id.to_owned()).or_default();
        if !addresses.contains_key(&network) && addresses.len() >= ADDRESSES_PER_CLIENT {
            // Another address of the same client makes room, never one of another client.
            let oldest = addresses.iter().min_by_key(|(_, failed)| failed.last).map(|(address, _)| *address);
            oldest.and_then(|address| addresses.remove(&address));
        }
        let failed = addresses.entry(network).or_insert(Failed { times: 0, last: now });
        if now - failed.last >= FAILURES_FORGOTTEN {
            failed.times = 0;
        }
        failed.times = failed.times.saturating_add(1);
        failed.last = now;
    }
}

/// Writes the refused sign-ins of the next second.
async fn write_later(store: Store, recent: Arc<Mutex<Recent>>) {
    tokio::time::sleep(WRITE_AFTER).await;
    write(&store, &recent).await;
}

async fn write(store: &Store, recent: &Mutex<Recent>) {
    let refused = std::mem::take(&mut recent.lock().unwrap_or_else(PoisonError::into_inner).refused);
    let refused = refused.into_iter().map(|((tenant, minute, client_id, address), count)| RefusedSignIns {
        tenant,
        minute,
        client_id,
        address,
        count,
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() {
        return;
    }
    if let Err(error) = store.add_refused_sign_ins(refused).await {
        tracing::warn!(%error, "could not keep refused sign-ins");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn failures(folder: &tempfile::TempDir) -> Failures {
        Failures::new(Store::open(&folder.path().join("c.db")).unwrap(), Clock::default())
    }

    fn fail(failures: &Failures, id: &str, address: IpAddr) {
        let now = failures.clock.now();
        failures.recent().add(id, network(address), now);
    }

    #[test]
    fn failures_delay_a_pair_of_client_and_address_for_longer_and_longer() {
        let folder = tempfile::tempdir().unwrap();
        let failures = failures(&folder);
        for _ in 0..=FREE_FAILURES {
            assert_eq!(failures.delay("a", ip(1)), None);
            fail(&failures, "a", ip(1));
        }
        let mut delays = Vec::new();
        for _ in 0..20 {
            let delay = failures.delay("a", ip(1)).unwrap();
            delays.push(delay);
            assert_eq!((failures.delay("b", ip(1)), failures.delay("a", ip(2))), (None, None));
            failures.clock.turn(Duration::from_secs(delay));
            assert_eq!(failures.delay("a", ip(1)), None);
            fail(&failures, "a", ip(1));
        }
        assert!(delays.is_sorted() && delays[0] < delays[3], "{delays:?}");
        assert!(*delays.last().unwrap() <= LONGEST_DELAY.as_secs() + 1);
        failures.forget("a", ip(1));
        assert_eq!(failures.delay("a", ip(1)), None);
        assert!(failures.recent().failures.is_empty());
    }

    #[test]
    fn addresses_make_room_for_others_of_the_same_client_only() {
        let folder = tempfile::tempdir().unwrap();
        let failures = failures(&folder);
        let several = |id, address| (0..=FREE_FAILURES).for_each(|_| fail(&failures, id, address));
        several("other", ip(1));
        for number in 0..2 * u32::try_from(ADDRESSES_PER_CLIENT).unwrap() {
            several("a", ip(number));
        }
        assert!(failures.delay("other", ip(1)).is_some());
        assert_eq!(failures.recent().failures["a"].len(), ADDRESSES_PER_CLIENT);
        failures.clock.turn(FAILURES_FORGOTTEN);
        fail(&failures, "new", ip(1));
        assert_eq!(failures.recent().failures.len(), 1, "old failures go");
    }
}
