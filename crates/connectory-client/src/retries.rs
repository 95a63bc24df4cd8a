//! When a failed call is repeated, how often, and after which pauses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use reqwest::Method;

use crate::error::Error;

/// When a failed call is repeated. A call that fails for several causes has a count for each.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// The maximum number of repetitions after 429; 10 by default. Give more to a program that makes many calls and has
    /// time: the service did nothing, and says in `Retry-After` when it will.
    pub rate_limited: usize,
    /// The maximum number of repetitions after 502, 503 and 504; 4 by default. If the service asks to wait for more than a
    /// minute, the call fails at once.
    pub unavailable: usize,
    /// The maximum number of repetitions if the service cannot be reached, or the connection breaks; 2 by default. A call
    /// that fails in TLS is not repeated, because a wrong certificate stays wrong.
    pub unreachable: usize,
    /// The pause before the first repetition; 200 ms by default. Each pause is twice as long as the one before, with
    /// jitter.
    pub first_pause: Duration,
    /// The longest pause, unless the service asks for a longer one; 10 s by default.
    pub longest_pause: Duration,
    /// When POST and PATCH are repeated if the service may do a repeat a second time; never by default.
    ///
    /// connectory does not: every POST, PATCH and DELETE of this SDK has a random `Idempotency-Key`, and connectory does the
    /// calls with one key once. It says so in a header of the answer with each token, which the client has before its first
    /// call. So a call is repeated like a read if the service had said so before the call was sent. The vendor's cloud does
    /// not say so, and ignores the key.
    pub writes: Writes,
}

/// When a call that is not idempotent is repeated, if the service does not do the calls with one key once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Never.
    Never,
    /// After 429, because the service then did nothing.
    RateLimited,
    /// Whenever an idempotent call would be repeated. The service may then do it twice.
    Always,
}

/// A call that failed and will be repeated.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Retry<'a> {
    /// Why the call failed.
    pub error: &'a Error,
    /// The pause before it is repeated.
    pub pause: Duration,
}

/// What a program does when a call will be repeated.
#[derive(Clone)]
pub(crate) struct OnRetry(pub Arc<dyn Fn(Retry<'_>) + Send + Sync>);

impl fmt::Debug for OnRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRetry")
    }
}

/// Why a call failed, if it may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    RateLimited,
    Unavailable,
    Unreachable,
}

impl Cause {
    fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Api(error) => match error.status.as_u16() {
                429 => Some(Self::RateLimited),
                502..=504 => Some(Self::Unavailable),
                _ => None,
            },
            Error::Transport { .. } if error.is_tls() => None,
            Error::Transport { .. } => Some(Self::Unreachable),
            _ => None,
        }
    }
}

impl Error {
    /// Whether the same call may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        Cause::of(self).is_some()
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            rate_limited: 10,
            unavailable: 4,
            unreachable: 2,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
            writes: Writes::Never,
        }
    }
}

impl Retries {
    /// Repeats nothing.
    pub const NONE: Self = Self {
        rate_limited: 0,
        unavailable: 0,
        unreachable: 0,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        writes: Writes::Never,
    };

    /// The pauses of one call. A change on a condition that the service may do twice would be refused the second time, as if
    /// someone else had changed what it changed itself. So it is repeated only after 429.
    pub(crate) fn pauses(&self, method: &Method, has_condition: bool) -> Pauses {
        let is_refused_twice = has_condition && *method == Method::PUT;
        let is_never = matches!(self.writes, Writes::Never);
        let pauses = |times| self.growing(Duration::ZERO).with_max_times(times).build();
        Pauses {
            rate_limited: pauses(self.rate_limited),
            unavailable: pauses(self.unavailable),
            unreachable: pauses(self.unreachable),
            is_idempotent: method.is_idempotent() && !is_refused_twice,
            writes: if is_refused_twice && is_never { Writes::RateLimited } else { self.writes },
        }
    }

    /// The pauses of something that is tried for as long as it takes, none shorter than this.
    pub(crate) fn endless_pauses(&self, shortest: Duration) -> ExponentialBackoff {
        self.growing(shortest).without_max_times().build()
    }

    /// Pauses that grow, with jitter, none shorter than this.
    fn growing(&self, shortest: Duration) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause.max(shortest))
            .with_max_delay(self.longest_pause.max(shortest))
            .with_jitter()
    }
}

/// The pauses of one call, for each cause of a failure.
pub(crate) struct Pauses {
    rate_limited: ExponentialBackoff,
    unavailable: ExponentialBackoff,
    unreachable: ExponentialBackoff,
    is_idempotent: bool,
    writes: Writes,
}

impl Pauses {
    /// The longest pause that an unavailable service may ask for: most restarts take less.
    const LONGEST_ASKED: Duration = Duration::from_mins(1);
    /// The longest pause for a rate limit. The windows of services are shorter; a longer pause is that of a quota.
    const LONGEST_LIMITED: Duration = Duration::from_mins(15);

    /// The pause before the call is repeated after an error, if it is repeated. `does_once` says whether the service does
    /// this call once, however often it is sent.
    pub fn next(&mut self, error: &Error, does_once: bool) -> Option<Duration> {
        let cause = Cause::of(error)?;
        let is_safe = match self.writes {
            _ if self.is_idempotent || does_once => true,
            Writes::Never => false,
            Writes::RateLimited => cause == Cause::RateLimited,
            Writes::Always => true,
        };
        let asked = error.api_error().and_then(|error| error.retry_after).unwrap_or_default();
        let longest = if cause == Cause::RateLimited { Self::LONGEST_LIMITED } else { Self::LONGEST_ASKED };
        if !is_safe || asked > longest {
            return None;
        }
        let pause = match cause {
            Cause::RateLimited => &mut self.rate_limited,
            Cause::Unavailable => &mut self.unavailable,
            Cause::Unreachable => &mut self.unreachable,
        }
        .next()?;
        // The service asks many callers to wait for the same time. The jitter of the pause spreads them.
        Some(if asked.is_zero() { pause } else { asked + pause.min(Duration::from_secs(1)) })
    }
}
