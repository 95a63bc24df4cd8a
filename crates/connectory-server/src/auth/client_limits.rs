//! The rate limit of each client. Requests are counted for each API version.

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
}

/// The request counts of a client, one for each API version.
#[derive(Debug, Default)]
pub struct ClientWindows(EnumMap<VersionName, RateWindow>);

impl Limiter {
    /// Makes a limiter. Its first window starts now.
    pub fn new(limit: Option<RateLimit>, clock: Clock) -> Self {
        Self { limit, started: clock.now(), clock }
    }

    fn elapsed(&self) -> Duration {
        self.clock.now() - self.started
    }

    /// Whether a client made a request in the current window of any API version.
    pub fn counts_some(&self, windows: &ClientWindows) -> bool {
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
