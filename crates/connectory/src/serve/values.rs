//! The values of settings, as people write them: on the command line, in a variable or in the file. An error says what
//! would be right.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use connectory_model::limits::{
    BACKUP_EVERY_BOUNDS, MOST_CLOCK_OFFSET, MOST_CONNECTOR_BYTES, MOST_DRAIN, RETENTION_AGE, RETENTION_MIN,
    STALENESS_BOUNDS,
};
use connectory_model::visible;
use connectory_server::http::cors;
use connectory_server::options::EnvironmentColour;
use connectory_server::rate_limit::RateLimit;
use connectory_server::trusted_proxies::TrustedProxies;
use connectory_store::{Address, Retention};
use jiff::SignedDuration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

/// The port of the default address.
pub const PORT: u16 = 8080;
/// The host of the default address.
pub const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Reads an address with a port.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let (host, port) = match (text.parse::<IpAddr>(), text.rsplit_once(':')) {
            (Ok(_), _) => (text, ""),
            (_, Some(parts)) => parts,
            (_, None) => (text, text),
        };
        let right = SocketAddr::new(host.parse().unwrap_or(HOST), port.parse().unwrap_or(PORT));
        format!("`{text}` is not an IP address with a port; expected one such as `{right}`")
    })
}

/// Reads a number of bytes or connections.
pub fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number of 1 or more"))
}

/// Reads a number of bytes of a connector.
pub fn connector_bytes(text: &str) -> Result<NonZeroUsize, String> {
    let bytes = text.parse::<NonZeroUsize>().ok().filter(|bytes| bytes.get() <= MOST_CONNECTOR_BYTES);
    bytes.ok_or_else(|| format!("`{text}` is not a whole number from 1 to {MOST_CONNECTOR_BYTES}"))
}

/// Reads a number of seconds.
pub fn seconds(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number of seconds from 1 to {}", NonZeroU32::MAX))
}

/// Reads the address or network of a proxy.
pub fn proxy(text: &str) -> Result<String, String> {
    let text = text.to_owned();
    TrustedProxies::new(std::slice::from_ref(&text)).map(|_| text).map_err(|error| error.to_string())
}

/// Reads an origin of programs in browsers.
pub fn origin(text: &str) -> Result<String, String> {
    if cors::is_origin(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is no origin; expected one as browsers send it, such as http://localhost:4200, or `*` for all"
    ))
}

/// A database, written as `sqlite:PATH` or as an address of PostgreSQL.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server. Its password is not part of any text that this program prints.
    Postgres(Box<Address>),
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let advice = match text.split_once(':') {
            // The text may hold a password, so an error does not repeat it.
            Some(("postgres" | "postgresql", _)) => {
                let address = Address::parse(text, |name| std::env::var_os(name))
                    .map_err(|error| format!("not an address of PostgreSQL: {error}"))?;
                return Ok(Self::Postgres(Box::new(address)));
            }
            // It may hold a password, and would become the name of a file.
            Some(("sqlite", path)) if path.contains("://") => {
                return Err(
                    "not a database; an address such as postgres://USER@HOST/DATABASE has no `sqlite:` before it"
                        .to_owned(),
                );
            }
            // An address of the form `sqlite://PATH` would name another file than people mean.
            Some(("sqlite", path)) if path.starts_with("//") && !path.starts_with("///") => {
                format!("did you mean `sqlite:{}`?", path.trim_start_matches('/'))
            }
            Some(("sqlite", ":memory:")) => "there is no database without a file; expected sqlite:PATH".to_owned(),
            Some(("sqlite", path)) if !path.is_empty() => return Ok(Self::Sqlite(path.into())),
            // Words of libpq, which may hold a password too.
            _ if text.contains('=') => {
                return Err(
                    "not a database; write `host=HOST user=USER dbname=DATABASE` as postgres://USER@HOST/DATABASE"
                        .to_owned(),
                );
            }
            None if !text.is_empty() => format!("did you mean `sqlite:{text}`?"),
            // As above.
            _ => return Err("not a database; expected sqlite:PATH or postgres://USER@HOST/DATABASE".to_owned()),
        };
        Err(format!("`{text}` is not a database; {advice}"))
    }
}

/// A rate limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitSetting(pub Option<RateLimit>);

impl FromStr for RateLimitSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        text.parse().map(|limit| Self(Some(limit))).map_err(|error| format!("{error}, or `off`"))
    }
}

/// The time for which the server goes on after SIGTERM, written as `5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain(pub Duration);

impl FromStr for Drain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
        let time = seconds.map(Duration::from_secs).filter(|time| *time <= MOST_DRAIN);
        time.map(Self).ok_or_else(|| format!("`{text}` is not a time from `0s` to `{}s`", MOST_DRAIN.as_secs()))
    }
}

/// How current reads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadsSetting {
    /// They see what every server acknowledged before.
    #[default]
    Fresh,
    /// They are answered from memory.
    Local,
}

impl FromStr for ReadsSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fresh" => Ok(Self::Fresh),
            "local" => Ok(Self::Local),
            _ => Err(format!("`{text}` is not a kind of reads; expected `fresh` or `local`")),
        }
    }
}

/// The most characters of the name of an environment.
const ENVIRONMENT_CHARS: usize = 32;

/// The name of an environment.
pub fn environment_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_plain = !name.contains(char::is_control) && visible(name) == name;
    let is_name = !name.is_empty() && name.chars().count() <= ENVIRONMENT_CHARS && is_plain;
    if is_name {
        Ok(name.to_owned())
    } else {
        Err(format!("expected a name of 1 to {ENVIRONMENT_CHARS} characters, such as `Production`"))
    }
}

/// The colour of an environment.
pub fn environment_colour(text: &str) -> Result<EnvironmentColour, String> {
    let found = EnvironmentColour::ALL.into_iter().find(|colour| colour.word() == text);
    let words = EnvironmentColour::ALL.map(EnvironmentColour::word).join("`, `");
    found.ok_or_else(|| format!("`{text}` is not a colour of an environment; expected one of `{words}`"))
}

/// Reads a time such as `2h 30m`, if it is within bounds.
fn within(text: &str, (least, most): (Duration, Duration)) -> Option<Duration> {
    let time = Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()?;
    (least..=most).contains(&time).then_some(time)
}

/// How old the answer to a local read may be, written as `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staleness(pub Duration);

impl FromStr for Staleness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        within(text, STALENESS_BOUNDS).map(Self).ok_or_else(|| {
            let (least, most) = STALENESS_BOUNDS;
            format!("`{text}` is not a time from `{}ms` to `{}m`", least.as_millis(), most.as_secs() / 60)
        })
    }
}

/// The time from one backup to the next, written as `24h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupEvery(pub Duration);

impl FromStr for BackupEvery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        within(text, BACKUP_EVERY_BOUNDS).map(Self).ok_or_else(|| {
            let (least, most) = BACKUP_EVERY_BOUNDS;
            let (least, most) = (least.as_secs() / 60, most.as_secs() / 3600);
            format!("`{text}` is not a time from `{least}m` to `{most}h`, in minutes or hours, such as `24h`")
        })
    }
}

/// Which revisions keep their bodies, written as `2y,min=20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepRevisions(pub Retention);

impl FromStr for KeepRevisions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (age_text, min_text) = match text.split_once(',') {
            Some((age, min)) => (age, Some(min)),
            None => (text, None),
        };
        let (least, most) = RETENTION_AGE;
        let age = age(age_text).filter(|age| (least..=most).contains(age)).ok_or_else(|| {
            let (least, most) = (least.as_secs() / HOUR, most.as_secs() / YEAR);
            format!(
                "`{age_text}` is not an age from `{least}h` to `{most}y`; expected a number with s, m, h, d, w or y, such as \
                 `2y`, or with a number of revisions, such as `2y,min=20`"
            )
        })?;
        let min = match min_text {
            None => 1,
            Some(min_text) => {
                let min = min_text.strip_prefix("min=").and_then(digits);
                let min = min.and_then(|min| usize::try_from(min).ok());
                min.filter(|min| (1..=RETENTION_MIN).contains(min)).ok_or_else(|| {
                    format!("`{min_text}` is not a number of revisions; expected `min=1` to `min={RETENTION_MIN}`")
                })?
            }
        };
        Ok(Self(Retention { age, min }))
    }
}

/// Seconds of an hour.
const HOUR: u64 = 3600;
/// Seconds of a year, which has 365 days.
const YEAR: u64 = 365 * 24 * HOUR;

/// Reads a whole number with a unit.
fn age(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => HOUR,
        "d" => 24 * HOUR,
        "w" => 7 * 24 * HOUR,
        "y" => YEAR,
        _ => return None,
    };
    digits(number)?.checked_mul(seconds).map(Duration::from_secs)
}

/// Reads a number of digits alone.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The seconds by which a clock is ahead, or behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset(pub i64);

impl FromStr for ClockOffset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let offset = text.parse::<SignedDuration>().map(|offset| offset.as_secs());
        offset.ok().filter(|offset| offset.unsigned_abs() <= MOST_CLOCK_OFFSET.as_secs()).map(Self).ok_or_else(|| {
            let hours = MOST_CLOCK_OFFSET.as_secs() / 3600;
            format!("`{text}` is not a time such as `90s`, `-1h` or `2h 30m`, of {hours} hours at most")
        })
    }
}

/// The address at which clients reach the server: scheme, host and port, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(pub String);

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = web_address(text, "https://connectors.example.com")?;
        let origin = url.origin().ascii_serialization();
        // The console's links and cookies are for the root of a host.
        if url.as_str() == format!("{origin}/") {
            Ok(Self(origin))
        } else {
            Err(format!("`{text}` has more than a scheme, a host and a port; expected `{origin}`"))
        }
    }
}

/// The issuer of an OpenID provider. It is compared with the provider's own text, so it stays as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(pub String);

impl FromStr for Issuer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = web_address(text, "https://login.example.com")?;
        let mut right = url.clone();
        right.set_query(None);
        right.set_fragment(None);
        let _infallible = (right.set_username(""), right.set_password(None));
        if url == right {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` has a user, a query or a fragment; expected an issuer such as `{right}`"))
        }
    }
}

fn web_address(text: &str, example: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| format!("`{text}` is not an http:// or https:// address; expected one such as `{example}`"))
}

/// What to log: a filter in the syntax of `tracing`. A word alone must be a level: `tracing` would take any other word
/// for a target, and log nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter.
    pub fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
        let is_filter = EnvFilter::try_new(text).is_ok()
            && text.split(',').map(str::trim).all(|part| part.contains(['=', '[']) || is_level(part));
        if is_filter {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` is no log filter; expected a level (error, warn, info, debug, trace or off), or a level for each \
             target such as `warn,connectory_server=debug`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that each text is refused with an error that contains what would be right.
    fn refused<T: FromStr<Err = String>>(texts: &[(&str, &str)]) {
        for (text, right) in texts {
            let error = text.parse::<T>().err().unwrap_or_else(|| panic!("{text} is accepted"));
            assert!(error.starts_with(&format!("`{text}` ")) && error.contains(right), "{error}");
        }
    }

    #[test]
    fn a_wrong_address_shows_the_right_one() {
        for (text, right) in [
            ("7102", "`127.0.0.1:7102`"),
            (":7102", "`127.0.0.1:7102`"),
            ("localhost:7102", "`127.0.0.1:7102`"),
            ("0.0.0.0", "`0.0.0.0:8080`"),
            ("::1", "`[::1]:8080`"),
            ("10.0.0.1:99999", "`10.0.0.1:8080`"),
            ("", "`127.0.0.1:8080`"),
        ] {
            let error = address(text).unwrap_err();
            assert!(error.ends_with(right), "{error}");
        }
        assert_eq!(address("[::1]:7102"), Ok(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7102))));
    }

    #[test]
    fn numbers_are_whole_and_at_least_one() {
        for text in ["0", "-1", "1.5", "10MB", "", "99999999999999999999999"] {
            assert!(at_least_one(text).unwrap_err().contains("whole number of 1 or more"));
            assert!(seconds(text).unwrap_err().contains("from 1 to 4294967295"));
        }
    }

    #[test]
    fn a_database_is_a_file_of_sqlite() {
        refused::<Database>(&[
            ("z.db", "did you mean `sqlite:z.db`?"),
            ("/srv/z.db", "did you mean `sqlite:/srv/z.db`?"),
            ("sqlite://z.db", "did you mean `sqlite:z.db`?"),
            ("sqlite::memory:", "without a file"),
        ]);
        for text in ["mysql:x", "sqlite:", ""] {
            let expected = "not a database; expected sqlite:PATH or postgres://USER@HOST/DATABASE";
            assert_eq!(text.parse::<Database>().unwrap_err(), expected, "{text}");
        }
        for text in ["sqlite:postgres://app:secret@h/d", "sqlite:///postgres://app:secret@h/d"] {
            let error = text.parse::<Database>().unwrap_err();
            assert!(error.contains("has no `sqlite:` before it") && !error.contains("secret"), "{error}");
        }
        for text in ["host=127.0.0.1 user=app password=secret", "password='a:b' dbname=x"] {
            let error = text.parse::<Database>().unwrap_err();
            assert!(error.ends_with("postgres://USER@HOST/DATABASE") && !error.contains("secret"), "{error}");
        }
        for path in ["z.db", "/srv/z.db", "///srv/z.db"] {
            let database = format!("sqlite:{path}").parse();
            assert!(matches!(&database, Ok(Database::Sqlite(found)) if found.as_os_str() == path), "{database:?}");
        }
    }

    #[test]
    fn a_time_to_drain_has_a_unit_and_a_bound() {
        assert_eq!("8s".parse(), Ok(Drain(Duration::from_secs(8))));
        refused::<Drain>(&["9s", "5", "-1s", "1m", "s", "1.5s", ""].map(|text| (text, "not a time from `0s` to `8s`")));
    }

    #[test]
    fn reads_are_fresh_or_local_and_local_ones_have_a_bound() {
        assert_eq!("local".parse(), Ok(ReadsSetting::Local));
        refused::<ReadsSetting>(&["Fresh", "stale", "", "strong"].map(|text| (text, "expected `fresh` or `local`")));
        for (text, milliseconds) in [("100ms", 100), ("1s", 1000), ("1s 500ms", 1500), ("1m", 60_000)] {
            assert_eq!(text.parse(), Ok(Staleness(Duration::from_millis(milliseconds))), "{text}");
        }
        refused::<Staleness>(
            &["99ms", "61s", "-1s", "1", "0s", "", "1h"].map(|text| (text, "not a time from `100ms` to `1m`")),
        );
    }

    #[test]
    fn an_environment_has_a_short_name_and_one_of_five_colours() {
        assert_eq!(environment_name(" Prüfung 2 "), Ok("Prüfung 2".to_owned()));
        for text in ["", "  ", "a\nb", "\u{202e}x", &"a".repeat(33)] {
            assert!(environment_name(text).is_err_and(|error| error.contains("1 to 32 characters")), "{text:?}");
        }
        assert_eq!(environment_colour("amber"), Ok(EnvironmentColour::Amber));
        for text in ["Red", "#f00", ""] {
            assert!(environment_colour(text).is_err_and(|error| error.ends_with("`amber`, `red`")), "{text:?}");
        }
    }

    #[test]
    fn a_time_between_backups_has_a_unit_and_bounds() {
        for (text, minutes) in [("1m", 1), ("24h", 1440), ("1h 30m", 90), ("744h", 44_640)] {
            assert_eq!(text.parse(), Ok(BackupEvery(Duration::from_mins(minutes))), "{text}");
        }
        let wrong = ["59s", "745h", "24", "-1h", "1d", ""];
        refused::<BackupEvery>(&wrong.map(|text| (text, "not a time from `1m` to `744h`")));
    }

    #[test]
    fn revisions_are_kept_for_an_age_and_up_to_a_number() {
        for (text, seconds, min) in [
            ("3600s", 3600, 1),
            ("90m", 5400, 1),
            ("1h", 3600, 1),
            ("2d", 2 * 86_400, 1),
            ("1w,min=1", 7 * 86_400, 1),
            ("2y,min=20", 730 * 86_400, 20),
            ("100y,min=1000000", 36_500 * 86_400, 1_000_000),
        ] {
            let retention = Retention { age: Duration::from_secs(seconds), min };
            assert_eq!(text.parse(), Ok(KeepRevisions(retention)), "{text}");
        }
        let ages = ["", "y", "2", "0y", "59m", "101y", "-1d", "+1d", "1.5y", "1 y", "2Y", "2é", "1d 2h", "min=2"];
        refused::<KeepRevisions>(
            &ages.map(|text| (text, "is not an age from `1h` to `100y`; expected a number with s, m,")),
        );
        refused::<KeepRevisions>(&[
            ("99999999999999999999y", "is not an age"),
            ("18446744073709551615y", "is not an age"),
        ]);
        for (text, wrong) in [
            ("2y,", ""),
            ("2y,20", "20"),
            ("2y,min=0", "min=0"),
            ("2y,min=+2", "min=+2"),
            ("2y,min=1000001", "min=1000001"),
        ] {
            let error = text.parse::<KeepRevisions>().unwrap_err();
            let right = format!("`{wrong}` is not a number of revisions; expected `min=1` to `min=1000000`");
            assert_eq!(error, right, "{text}");
        }
    }

    #[test]
    fn a_clock_may_be_ahead_or_behind() {
        for (text, seconds) in
            [("90s", 90), ("-1h", -3600), ("+10m", 600), ("2h 30m", 9000), ("0s", 0), ("8760h", 31_536_000)]
        {
            assert_eq!(text.parse(), Ok(ClockOffset(seconds)), "{text}");
        }
        refused::<ClockOffset>(
            &["3600", "1", "8761h", "-9000h", "1d", "h", "", "1 fortnight"].map(|text| (text, "`-1h`")),
        );
    }

    #[test]
    fn a_public_address_has_a_scheme_a_host_and_a_port_only() {
        let https = "`https://connectors.example.com`";
        refused::<PublicUrl>(&[
            ("foo", https),
            ("example.com", https),
            ("example.com:8080", https),
            ("ftp://example.com", https),
            ("https://", https),
            ("", https),
            ("https://example.com/registry", "expected `https://example.com`"),
            ("https://example.com/?a=b", "expected `https://example.com`"),
            ("https://example.com/#a", "expected `https://example.com`"),
            ("http://user:pass@example.com:81/", "expected `http://example.com:81`"),
        ]);
        for (text, origin) in [
            ("https://example.com/", "https://example.com"),
            ("HTTPS://Example.com:443", "https://example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(text.parse(), Ok(PublicUrl(origin.to_owned())));
        }
    }

    #[test]
    fn an_issuer_is_an_address_and_stays_as_it_is_written() {
        refused::<Issuer>(&[
            ("login.example.com", "`https://login.example.com`"),
            ("https://login.example.com/realm?x", "such as `https://login.example.com/realm`"),
            ("https://me@login.example.com/", "such as `https://login.example.com/`"),
        ]);
        for text in ["https://login.example.com", "http://localhost:1/realms/a/"] {
            assert_eq!(text.parse(), Ok(Issuer(text.to_owned())));
        }
    }

    #[test]
    fn a_word_alone_in_a_log_filter_is_a_level() {
        refused::<LogFilter>(
            &["nonsense", "verbose", "infoo", "info,connectory", "connectory_server=infoo", "info,", "[a", ""]
                .map(|text| (text, "expected a level (error, warn,")),
        );
        for text in
            ["info", "DEBUG", "off", "warn,connectory_server=debug", "connectory_server=debug, warn", "[a]=info"]
        {
            assert_eq!(text.parse(), Ok(LogFilter(text.to_owned())), "{text}");
        }
    }
}
