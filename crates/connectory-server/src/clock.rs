//! The time. Tests turn it forward instead of waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The system's clock, or one that a test has turned forward. Clones are turned together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// How far it was turned, in milliseconds.
    turned: Arc<AtomicU64>,
}

impl Clock {
    /// The time, to measure durations with.
    pub fn now(&self) -> Instant {
        Instant::now() + self.turned()
    }

    /// The time in seconds since 1970-01-01 UTC.
    pub fn unix_seconds(&self) -> u64 {
        let now = SystemTime::now() + self.turned();
        now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Turns the clock forward.
    pub fn turn(&self, by: Duration) {
        self.turned.fetch_add(by.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn turned(&self) -> Duration {
        Duration::from_millis(self.turned.load(Ordering::Relaxed))
    }
}
