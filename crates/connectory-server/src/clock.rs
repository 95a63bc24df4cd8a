//! The clock. Tests turn it forward instead of waiting. If several servers share a database, its time of day is that of the
//! database, so the servers agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The system's clock, or a clock that a test has turned forward. All clones are turned together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The time by which the clock was turned, in milliseconds.
    turned: Arc<AtomicU64>,
    /// The seconds by which the time of day is ahead of the system's.
    offset: i64,
    /// The milliseconds by which the clock of the database is ahead of the system's.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// A clock whose time of day is ahead of the system's by these seconds, or behind it. Durations are not affected.
    pub fn with_offset(seconds: i64) -> Self {
        Self { offset: seconds, ..Self::default() }
    }

    /// Whether the time of day is another than the system's.
    pub fn is_off(&self) -> bool {
        self.offset != 0
    }

    /// Returns the current time for measuring durations.
    pub fn now(&self) -> Instant {
        Instant::now() + self.turned()
    }

    /// Returns the current time in seconds since 1970-01-01 UTC.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_milliseconds() / 1000
    }

    /// Returns the current time in milliseconds since 1970-01-01 UTC.
    pub fn unix_milliseconds(&self) -> u64 {
        let now = SystemTime::now() + self.turned();
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let ahead = self.offset.saturating_mul(1000).saturating_add(self.ahead.load(Ordering::Relaxed));
        u64::try_from(now).unwrap_or(u64::MAX).saturating_add_signed(ahead)
    }

    /// Lets the time of day be that of a clock that is ahead of the system's by these milliseconds, or behind it.
    pub fn follow(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    /// Turns the clock and all its clones forward.
    pub fn turn(&self, by: Duration) {
        self.turned.fetch_add(by.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn turned(&self) -> Duration {
        Duration::from_millis(self.turned.load(Ordering::Relaxed))
    }
}
