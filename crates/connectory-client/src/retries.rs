//! When a failed call is repeated, and after which pauses.

use std::time::Duration;

use backon::ExponentialBuilder;
use reqwest::{Method, StatusCode};

use crate::error::Error;

/// When a failed call is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// The maximum number of repetitions; 4 by default.
    pub times: usize,
    /// The pause before the first repetition; 200 ms by default. Each pause is twice as long as the one before, with
    /// jitter.
    pub first_pause: Duration,
    /// The longest pause, unless the service asks for a longer one; 10 s by default.
    pub longest_pause: Duration,
    /// When POST and PATCH are repeated; never by default.
    pub writes: Writes,
}

/// When a call that is not idempotent is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Never.
    Never,
    /// After 429, because the service then did nothing.
    RateLimited,
    /// Whenever an idempotent call would be repeated. The service may then do it twice.
    Always,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            times: 4,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
            writes: Writes::Never,
        }
    }
}

impl Retries {
    /// The pauses between repetitions.
    pub(crate) fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_max_times(self.times)
            .with_jitter()
    }

    /// Whether a call is repeated after this error.
    pub(crate) fn applies(&self, method: &Method, error: &Error) -> bool {
        let is_limited = error.api_error().is_some_and(|error| error.status == StatusCode::TOO_MANY_REQUESTS);
        let is_temporary = match error {
            Error::Api(error) => matches!(error.status.as_u16(), 429 | 502 | 503 | 504),
            Error::Transport { .. } => true,
            _ => false,
        };
        let is_safe = method.is_idempotent()
            || match self.writes {
                Writes::Never => false,
                Writes::RateLimited => is_limited,
                Writes::Always => true,
            };
        is_temporary && is_safe
    }
}
