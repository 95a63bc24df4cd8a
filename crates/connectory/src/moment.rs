//! A moment of a tenant: a revision, or a time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The number of a revision, or a time that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// After the change that holds this revision.
    Revision(u64),
    /// At this time.
    Time(Timestamp),
}

/// Why a text is no moment.
#[derive(Debug, thiserror::Error)]
pub enum NoMoment {
    /// It is neither a number nor a time.
    #[error(
        "expected the number of a revision, such as 42, or a time, such as 2026-05-04, '2026-05-04 18:30' or \
         2026-05-04T16:30:00Z; a time without an offset is one of this machine's time zone"
    )]
    Unreadable,
    /// It has not come yet.
    #[error(
        "{0} is in the future; a time without an offset is one of this machine's time zone, and `history` prints UTC"
    )]
    Future(Timestamp),
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Revision(number));
        }
        let time = time(text)?;
        if time > Timestamp::now() { Err(NoMoment::Future(time)) } else { Ok(Self::Time(time)) }
    }
}

/// Reads a time with an offset, or one of this machine's time zone. A date is the beginning of its day.
pub fn time(text: &str) -> Result<Timestamp, NoMoment> {
    text.parse().or_else(|_| {
        let here = text.parse().and_then(|time: DateTime| time.to_zoned_datetime(TimeZone::system()));
        here.map(|time| time.timestamp()).map_err(|_| NoMoment::Unreadable)
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
