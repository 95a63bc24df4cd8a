//! A moment of a tenant: a revision, or a time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The number of a revision, or a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// After the change that holds this revision.
    Revision(u64),
    /// At this time.
    Time(Timestamp),
}

/// A text that is no moment.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected the number of a revision, such as 42, or a time, such as 2026-05-04, '2026-05-04 18:30' or \
     2026-05-04T16:30:00Z; a time without an offset is one of this machine's time zone"
)]
pub struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        text.parse().map(Self::Revision).or_else(|_| time(text).map(Self::Time))
    }
}

/// Reads a time with an offset, or one of this machine's time zone. A date is the beginning of its day.
pub fn time(text: &str) -> Result<Timestamp, NoMoment> {
    text.parse().or_else(|_| {
        let here = text.parse().and_then(|time: DateTime| time.to_zoned_datetime(TimeZone::system()));
        here.map(|time| time.timestamp()).map_err(|_| NoMoment)
    })
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision(number) => write!(f, "{number}"),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_moments() {
        assert_eq!("42".parse::<Moment>().unwrap().to_string(), "42");
        assert_eq!("2026-05-04T18:30:00+02:00".parse::<Moment>().unwrap().to_string(), "2026-05-04T16:30:00Z");
        for text in ["2026-05-04", "2026-05-04 18:30", "2026-05-04T18:30:01"] {
            assert!(matches!(text.parse(), Ok(Moment::Time(_))), "{text}");
        }
        for text in ["", "-1", "yesterday", "2026-13-01", "18:30"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
