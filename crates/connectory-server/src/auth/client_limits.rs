//! The rate limit of each client. Requests are counted for each API version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use enum_map::EnumMap;

use crate::clock::Clock;
use crate::rate_limit::{RateLimit, RateWindow};
use crate::version::{ApiVersion, VersionName};

/// Counts requests and applies the rate limit.
#[derive(Debug)]
pub struct Limiter {
    limit: Option<RateLimit>,
    clock: Clock,
    started: Instant,
    /// By client id. All tokens of a client share them.
    clients: Mutex<HashMap<String, Arc<ClientWindows>>>,
    max_clients: usize,
}

/// The request counts of a client, one for each API version.
#[derive(Debug, Default)]
pub struct ClientWindows(EnumMap<VersionName, RateWindow>);

impl Limiter {
    /// Makes a limiter. Its first window starts now. It remembers more than `max_clients` clients only while they make
    /// requests.
    pub fn new(limit: Option<RateLimit>, clock: Clock, max_clients: usize) -> Self {
        Self { limit, started: clock.now(), clock, clients: Mutex::default(), max_clients }
    }

    fn elapsed(&self) -> Duration {
        self.clock.now() - self.started
    }

    /// The windows of a client. When there are many clients, it drops the windows that no cached token uses and that count
    /// no request any more.
    pub fn windows(&self, client_id: &str) -> Arc<ClientWindows> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= self.max_clients && !clients.contains_key(client_id) {
            clients.retain(|_, windows| Arc::strong_count(windows) > 1 || self.counts_some(windows));
        }
        Arc::clone(clients.entry(client_id.to_owned()).or_default())
    }

    /// Whether a client made a request in the current window of any API version.
    fn counts_some(&self, windows: &ClientWindows) -> bool {
        let elapsed = self.elapsed();
        self.limit.is_some_and(|limit| windows.0.values().any(|window| window.counts_some(limit, elapsed)))
    }

    /// Counts a request. If the limit is reached, returns the whole seconds to wait.
    pub fn admit(&self, windows: &ClientWindows, version: &ApiVersion) -> Result<(), u64> {
        match self.limit {
            None => Ok(()),
            Some(limit) => windows.0[version.name].admit(limit, self.elapsed()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_windows_of_clients_that_are_gone_are_dropped() {
        let clock = Clock::default();
        let limiter = Limiter::new(Some("1/10s".parse().unwrap()), clock.clone(), 2);
        let remembered = || limiter.clients.lock().unwrap().len();
        let version = VersionName::V3.version();
        let used = limiter.windows("used");
        limiter.admit(&limiter.windows("counted"), version).unwrap();
        limiter.windows("gone");
        limiter.windows("new");
        assert_eq!(remembered(), 3, "`gone` is dropped for `new`");
        limiter.admit(&limiter.windows("counted"), version).unwrap_err();
        clock.turn(Duration::from_secs(10));
        limiter.windows("newer");
        assert_eq!(remembered(), 2, "a cached token uses `used`; the window of the others has ended");
        assert!(Arc::ptr_eq(&used, &limiter.windows("used")));
    }
}
