//! A rate limit: a number of requests in each time window.
//!
//! The specification gives a number per window, so requests are counted exactly. A leaky bucket, which rate limiting
//! crates use, would admit a full bucket and the requests that leak meanwhile: up to twice the number.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of requests per period, for example `100/10s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RateLimit {
    /// The number of requests per window.
    pub requests: u32,
    /// The length of a window in seconds.
    pub seconds: NonZeroU32,
}

impl RateLimit {
    /// The limit of the specification.
    pub const STANDARD: Self = Self { requests: 100, seconds: NonZeroU32::new(10).expect("not zero") };
}

/// The error for a text that is not a rate limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate limit; expected requests per seconds, such as `100/10s`")]
pub struct InvalidRateLimit(String);

impl FromStr for RateLimit {
    type Err = InvalidRateLimit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (requests, period) = text.split_once('/')?;
            let requests = requests.trim().parse().ok().filter(|requests| *requests > 0)?;
            let seconds = period.trim().strip_suffix('s')?;
            let seconds = if seconds.is_empty() { NonZeroU32::MIN } else { seconds.parse().ok()? };
            Some(Self { requests, seconds })
        };
        parse().ok_or_else(|| InvalidRateLimit(text.to_owned()))
    }
}

impl TryFrom<String> for RateLimit {
    type Error = InvalidRateLimit;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RateLimit> for String {
    fn from(limit: RateLimit) -> Self {
        limit.to_string()
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.requests, self.seconds)
    }
}

/// The state of a window. The upper half of the integer is the number of the window, the lower half is the count of its
/// requests. One integer contains both, so that they change together without a lock.
#[derive(Debug, Default)]
pub struct RateWindow(AtomicU64);

impl RateWindow {
    /// Whether a request was counted in the window at this time.
    pub fn counts_some(&self, limit: RateLimit, elapsed: Duration) -> bool {
        self.0.load(Ordering::Relaxed) >> 32 == Self::number(limit, elapsed) & u64::from(u32::MAX)
    }

    /// Returns the number of the window at a time. Numbers start at 1, so that an unused counter never belongs to the
    /// current window.
    fn number(limit: RateLimit, elapsed: Duration) -> u64 {
        elapsed.as_secs() / u64::from(limit.seconds.get()) + 1
    }

    /// Counts one more request. `elapsed` is the time since the first window began. If the limit is reached, returns
    /// the whole seconds to wait.
    pub fn admit(&self, limit: RateLimit, elapsed: Duration) -> Result<(), u64> {
        let seconds = u64::from(limit.seconds.get());
        let window = Self::number(limit, elapsed);
        let number = window & u64::from(u32::MAX);
        let counted = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            let (of, count) = (state >> 32, state & u64::from(u32::MAX));
            match of == number {
                true if count >= u64::from(limit.requests) => None,
                true => Some(state + 1),
                false => Some(number << 32 | 1),
            }
        });
        // The rest of a second counts as a whole second, because elapsed seconds are rounded down.
        counted.map(|_| ()).map_err(|_| window * seconds - elapsed.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_requests_per_seconds() {
        assert_eq!("100/10s".parse(), Ok(RateLimit::STANDARD));
        assert_eq!("5/s".parse(), Ok(RateLimit { requests: 5, seconds: NonZeroU32::MIN }));
        for text in ["", "100", "0/10s", "100/0s", "100/10", "-1/1s", "a/bs"] {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_limit_is_read_back_as_it_is_written(requests in 1..u32::MAX, seconds: NonZeroU32) {
            let limit = RateLimit { requests, seconds };
            proptest::prop_assert_eq!(limit.to_string().parse(), Ok(limit));
        }

        #[test]
        fn any_text_is_a_limit_or_refused(text in "[0-9/s -]{0,12}") {
            if let Ok(limit) = text.parse::<RateLimit>() {
                proptest::prop_assert!(limit.requests > 0);
            }
        }
    }

    #[test]
    fn a_window_admits_exactly_its_number_and_says_when_to_come_back() {
        let limit: RateLimit = "3/10s".parse().expect("valid");
        let window = RateWindow::default();
        let at = Duration::from_millis;
        let admitted = (0..5).filter(|_| window.admit(limit, at(2500)).is_ok()).count();
        assert_eq!(admitted, 3);
        assert_eq!(window.admit(limit, at(2500)), Err(8));
        assert_eq!(window.admit(limit, at(9999)), Err(1));
        assert!(window.counts_some(limit, at(9999)) && !window.counts_some(limit, at(10_000)));
        assert_eq!(window.admit(limit, at(10_000)), Ok(()));
    }
}
