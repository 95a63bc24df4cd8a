//! Faults: answers that go wrong because the operator asked for them, so that authors of clients can test what their
//! clients do then.
//!
//! A rule says which part of the requests of a route has which fault. This module reads rules, and draws the fate of each
//! request. It does no more than that: `fault_layer` acts as the fates say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use connectory_model::limits::{FAULT_LATENCY, FAULT_RETRY_AFTER, FAULT_STATUSES};
use http::StatusCode;
use sha2::{Digest, Sha256};

/// The routes that have no faults, because tests control the server by them.
pub const UNFAULTED: [&str; 1] = ["POST /connectory/v1/reset"];

/// All requests, in the parts that percentages are counted in: 1% is 1000 parts.
const ALL: u32 = 100_000;
/// The decimals of a percentage.
const DECIMALS: usize = 3;

/// A fault, apart from latency. The order decides which fault a draw stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The answer is an error with this status. The request does not reach its handler.
    Status(StatusCode),
    /// The connection ends without a byte of an answer. The request does not reach its handler.
    Drop,
    /// The answer breaks off in the middle of its body. The handler has done what the request asks for.
    Truncate,
    /// The answer is the error page of a gateway. The request does not reach its handler.
    Html,
}

/// The faults that have a name.
const NAMED: [(&str, Outcome); 3] = [("drop", Outcome::Drop), ("truncate", Outcome::Truncate), ("html", Outcome::Html)];

impl Outcome {
    /// Whether the handler does what the request asks for.
    pub fn reaches_the_handler(self) -> bool {
        self == Self::Truncate
    }

    /// Returns the fault with this name: a status or a word.
    fn named(name: &str) -> Option<Self> {
        if let Some((_, outcome)) = NAMED.into_iter().find(|(word, _)| *word == name) {
            return Some(outcome);
        }
        let status = StatusCode::from_bytes(name.as_bytes()).ok()?;
        FAULT_STATUSES.contains(&status.as_u16()).then_some(Self::Status(status))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.write_str(status.as_str()),
            named => f.write_str(NAMED.iter().find(|(_, outcome)| outcome == named).map_or("", |(word, _)| word)),
        }
    }
}

/// What happens to one request besides or instead of what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The fault, if it is more than latency.
    pub outcome: Option<Outcome>,
    /// The time that the answer waits.
    pub latency: Option<Duration>,
    /// The seconds of `Retry-After`, for an answer that has it.
    pub retry_after: u64,
}

impl fmt::Display for Fate {
    /// Writes the value of the header `Connectory-Fault`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outcome) = self.outcome {
            write!(f, "{outcome}")?;
        }
        if let Some(latency) = self.latency {
            let comma = if self.outcome.is_some() { ", " } else { "" };
            write!(f, "{comma}latency={}ms", latency.as_millis())?;
        }
        Ok(())
    }
}

/// The faults of one route, or of all routes that have no rule: the value of one `--fault`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    /// The route, as `METHOD PATH` with the path of the OpenAPI document. None means all routes that have no rule.
    route: Option<String>,
    /// The part of the requests that has each fault.
    parts: BTreeMap<Outcome, u32>,
    /// The shortest and the longest latency in milliseconds.
    latency: Option<RangeInclusive<u32>>,
    /// The seconds of `Retry-After`.
    retry_after: u64,
}

impl FromStr for FaultRule {
    type Err = String;

    /// Reads `[METHOD PATH: ]NAME=VALUE,NAME=VALUE…`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (route, items) = match text.rsplit_once(':') {
            Some((route, items)) => (Some(read_route(route)?), items),
            None => (None, text),
        };
        let mut rule = Self { route, parts: BTreeMap::new(), latency: None, retry_after: 1 };
        let mut names = BTreeSet::new();
        for item in items.split(',').map(str::trim) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            match name {
                "latency" => rule.latency = Some(read_latency(item, value)?),
                "retry-after" => rule.retry_after = read_retry_after(item, value)?,
                _ => {
                    let outcome = Outcome::named(name).ok_or_else(|| no_fault(item))?;
                    rule.parts.insert(outcome, read_part(item, name, value)?);
                }
            }
            if !names.insert(name) {
                return Err(format!("`{items}` names `{name}` twice; expected each name once", items = items.trim()));
            }
        }
        let sum = rule.parts.values().fold(0, |sum: u32, part| sum.saturating_add(*part));
        if sum > ALL {
            let (items, sum) = (items.trim(), percent(sum));
            return Err(format!("`{items}` has faults for {sum} of the requests; expected 100% or less in all"));
        }
        Ok(rule)
    }
}

impl FaultRule {
    /// Draws the fate of the request number `n` of a route.
    fn fate(&self, seed: u64, route: &str, n: u64) -> Option<Fate> {
        let digest =
            Sha256::new().chain_update(seed.to_be_bytes()).chain_update(n.to_be_bytes()).chain_update(route).finalize();
        // A number from 0 to `of` - 1. Multiplying distributes the draws evenly, and a remainder would not.
        let draw = |at: usize, of: u64| {
            let bytes = digest[at..at + 4].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            (bytes * of) >> 32
        };
        let drawn = draw(0, ALL.into());
        let mut end = 0;
        let found = self.parts.iter().find(|(_, part)| {
            end += u64::from(**part);
            drawn < end
        });
        let outcome = found.map(|(outcome, _)| *outcome);
        let latency = self.latency.as_ref().map(|span| {
            let [shortest, longest] = [span.start(), span.end()].map(|time| u64::from(*time));
            Duration::from_millis(shortest + draw(4, longest - shortest + 1))
        });
        (outcome.is_some() || latency.is_some()).then_some(Fate { outcome, latency, retry_after: self.retry_after })
    }
}

fn no_fault(item: &str) -> String {
    let (first, last) = (FAULT_STATUSES.start(), FAULT_STATUSES.end());
    format!(
        "`{item}` is not a fault; expected a status from {first} to {last}, drop, truncate, html, latency or \
         retry-after with its value, such as `429=5%`"
    )
}

/// Reads a route. Whether the server has it is checked later.
fn read_route(text: &str) -> Result<String, String> {
    let text = text.trim();
    let words: Vec<_> = text.split_whitespace().collect();
    match words[..] {
        [method, path] if method.bytes().all(|byte| byte.is_ascii_uppercase()) && path.starts_with('/') => {
            Ok(format!("{method} {path}"))
        }
        _ => Err(format!(
            "`{text}` is not a route; expected a method and a path of the OpenAPI document, such as \
             `GET /v3/connectors/{{scriptName}}: 429=5%`"
        )),
    }
}

/// Reads a percentage.
fn read_part(item: &str, name: &str, value: &str) -> Result<u32, String> {
    let parse = || {
        let number = value.strip_suffix('%')?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let decimals = Some(decimals).filter(|decimals| decimals.len() <= DECIMALS)?;
        let part = digits(whole)?.checked_mul(1000)?.checked_add(digits(&format!("{decimals:0<DECIMALS$}"))?)?;
        (part <= ALL && !decimals.is_empty()).then_some(part)
    };
    parse().ok_or_else(|| {
        format!(
            "`{item}` has no percentage from 0% to 100% with at most {DECIMALS} decimals; expected one such as \
             `{name}=5%` or `{name}=0.5%`"
        )
    })
}

/// Reads a time or a span of times, in milliseconds.
fn read_latency(item: &str, value: &str) -> Result<RangeInclusive<u32>, String> {
    let (shortest, longest) = value.split_once("..").unwrap_or((value, value));
    let most = FAULT_LATENCY.as_secs();
    match (milliseconds(shortest), milliseconds(longest)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        (Some(_), Some(_)) => Err(format!(
            "`{item}` begins with the longer time; expected the shorter one first: `latency={longest}..{shortest}`"
        )),
        _ => Err(format!(
            "`{item}` has no time in whole `ms` or `s` of {most}s or less; expected one such as `latency=200ms` or \
             `latency=200ms..2s`"
        )),
    }
}

fn milliseconds(text: &str) -> Option<u32> {
    let time = match text.strip_suffix("ms") {
        Some(number) => digits(number)?,
        None => digits(text.strip_suffix('s')?)?.checked_mul(1000)?,
    };
    (Duration::from_millis(time.into()) <= FAULT_LATENCY).then_some(time)
}

fn read_retry_after(item: &str, value: &str) -> Result<u64, String> {
    let seconds = digits(value).map(u64::from).filter(|seconds| *seconds <= FAULT_RETRY_AFTER);
    seconds.ok_or_else(|| {
        format!(
            "`{item}` has no whole number of seconds from 0 to {FAULT_RETRY_AFTER}; expected one such as \
             `retry-after=1`"
        )
    })
}

/// Reads a number of digits alone: `parse` would accept a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Writes parts as a percentage.
fn percent(parts: u32) -> String {
    let text = format!("{}.{:0DECIMALS$}", parts / 1000, parts % 1000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The faults of a server.
///
/// The fate of a request depends on the seed, on its route, and on its number `n` among the requests of this route, which
/// begins with 1. It is drawn from the SHA-256 of these bytes, one after the other:
///
/// * the seed: 8 bytes, the most significant one first;
/// * `n`: 8 bytes, the most significant one first;
/// * the route in UTF-8: the method, a space, and the path as in the OpenAPI document.
///
/// Bytes 0 to 3 of the digest are a number, the most significant byte first. Multiplied by 100,000 and divided by 2^32, it
/// is the draw. The faults of the rule stand one after the other from 0 on, each with 1,000 draws for one percent: statuses
/// in ascending order, then `drop`, `truncate` and `html`. A draw after the last of them is no fault. Bytes 4 to 7 are the
/// latency in the same way: a whole number of milliseconds between both ends of the span, ends included.
///
/// This must never change, because tests of clients depend on the fates of a seed.
#[derive(Debug, Clone)]
pub struct Faults {
    seed: u64,
    /// The rule for all routes that have no rule of their own.
    general: Option<FaultRule>,
    routes: BTreeMap<String, FaultRule>,
}

impl Faults {
    /// Makes the faults of these rules. Each route has one rule at most.
    pub fn new(rules: Vec<FaultRule>, seed: u64) -> Result<Self, String> {
        let mut this = Self { seed, general: None, routes: BTreeMap::new() };
        for rule in rules {
            if let Some(route) = rule.route.clone() {
                if this.routes.insert(route.clone(), rule).is_some() {
                    return Err(format!("`{route}` has two rules for faults; expected one with the faults of both"));
                }
            } else if this.general.replace(rule).is_some() {
                return Err("two rules for faults name no route; expected one with the faults of both, or a route \
                            such as `GET /v3/connectors: ` before the faults"
                    .to_owned());
            }
        }
        Ok(this)
    }

    /// Checks that each rule is for one of these routes. The error has the most similar route.
    pub fn check(&self, routes: &BTreeSet<String>) -> Result<(), String> {
        let Some(unknown) = self.routes.keys().find(|route| !routes.contains(*route)) else { return Ok(()) };
        let wanted = comparable(unknown);
        let closest = routes.iter().min_by_key(|route| {
            let route = comparable(route);
            [strsim::osa_distance(&route.path, &wanted.path), strsim::osa_distance(route.method, wanted.method)]
        });
        let advice = closest.map(|route| format!("; did you mean `{route}`?")).unwrap_or_default();
        Err(format!("`{unknown}` is not a route that can have faults{advice}"))
    }

    /// Draws the fate of the request number `n` of a route. Returns none for a request without a fault.
    pub fn fate(&self, route: &str, n: u64) -> Option<Fate> {
        self.routes.get(route).or(self.general.as_ref())?.fate(self.seed, route, n)
    }
}

/// A route without the names of its parameters, which people may spell in any way.
struct Comparable<'r> {
    method: &'r str,
    path: String,
}

fn comparable(route: &str) -> Comparable<'_> {
    let (method, path) = route.split_once(' ').unwrap_or_default();
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    Comparable { method, path: parts.collect::<Vec<_>>().join("/") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTE: &str = "GET /v3/connectors";

    fn rule(text: &str) -> FaultRule {
        text.parse().unwrap()
    }

    fn faults(texts: &[&str], seed: u64) -> Faults {
        Faults::new(texts.iter().map(|text| rule(text)).collect(), seed).unwrap()
    }

    #[test]
    fn a_rule_has_percentages_times_and_optionally_a_route() {
        let text = "599=2%,429=5%, 500=0.5%,drop=0.125%,truncate=0%,html=92.375%,latency=200ms..2s,retry-after=60";
        let read = rule(text);
        let parts: Vec<_> = read.parts.iter().map(|(outcome, part)| (outcome.to_string(), *part)).collect();
        let expected = [("429", 5000), ("500", 500), ("599", 2000), ("drop", 125), ("truncate", 0), ("html", 92_375)];
        assert_eq!(parts, expected.map(|(name, part)| (name.to_owned(), part)));
        assert_eq!((read.route, read.latency, read.retry_after), (None, Some(200..=2000), 60));

        let read = rule(" GET  /v3/connectors/{scriptName} : latency=60s");
        assert_eq!(read.route.as_deref(), Some("GET /v3/connectors/{scriptName}"));
        assert_eq!((read.parts.len(), read.latency, read.retry_after), (0, Some(60_000..=60_000), 1));
        assert_eq!(rule("429=100.000%"), rule("429=100%"));
    }

    #[test]
    fn a_wrong_rule_is_refused_with_what_is_wrong_and_what_would_be_right() {
        let cases = [
            ("", "`` is not a fault; expected a status from 400 to 599, drop,"),
            ("429=5%,", "`` is not a fault; expected a status from 400 to 599, drop,"),
            ("399=5%", "`399=5%` is not a fault; expected a status from 400 to 599"),
            ("600=5%", "`600=5%` is not a fault;"),
            ("0429=5%", "`0429=5%` is not a fault;"),
            ("429 = 5%", "`429 = 5%` is not a fault;"),
            ("Drop=5%", "`Drop=5%` is not a fault;"),
            ("429", "`429` has no percentage from 0% to 100% with at most 3 decimals; expected one such as `429=5%`"),
            ("429=5", "`429=5` has no percentage"),
            ("429=%", "`429=%` has no percentage"),
            ("429=+5%", "`429=+5%` has no percentage"),
            ("429=-5%", "`429=-5%` has no percentage"),
            ("429=.5%", "`429=.5%` has no percentage"),
            ("429=5.%", "`429=5.%` has no percentage"),
            ("429=1.0001%", "`429=1.0001%` has no percentage"),
            ("429=1.+1%", "`429=1.+1%` has no percentage"),
            ("429=100.001%", "`429=100.001%` has no percentage"),
            ("429=99999999999%", "`429=99999999999%` has no percentage"),
            (
                "drop=x",
                "`drop=x` has no percentage from 0% to 100% with at most 3 decimals; expected one such as `drop=5%`",
            ),
            (
                "429=60%,500=50.5%",
                "`429=60%,500=50.5%` has faults for 110.5% of the requests; expected 100% or less in all",
            ),
            ("429=1%,500=1%,429=2%", "`429=1%,500=1%,429=2%` names `429` twice; expected each name once"),
            ("latency=1s,latency=2s", "`latency=1s,latency=2s` names `latency` twice;"),
            (
                "latency",
                "`latency` has no time in whole `ms` or `s` of 60s or less; expected one such as `latency=200ms`",
            ),
            ("latency=5", "`latency=5` has no time"),
            ("latency=61s", "`latency=61s` has no time"),
            ("latency=60001ms", "`latency=60001ms` has no time"),
            ("latency=1.5s", "`latency=1.5s` has no time"),
            ("latency=1s..", "`latency=1s..` has no time"),
            ("latency=99999999s", "`latency=99999999s` has no time"),
            (
                "latency=2s..200ms",
                "`latency=2s..200ms` begins with the longer time; expected the shorter one first: `latency=200ms..2s`",
            ),
            (
                "retry-after=61",
                "`retry-after=61` has no whole number of seconds from 0 to 60; expected one such as `retry-after=1`",
            ),
            ("retry-after=1s", "`retry-after=1s` has no whole number"),
            (
                ": 429=5%",
                "`` is not a route; expected a method and a path of the OpenAPI document, such as `GET /v3/connectors/{scriptName}: 429=5%`",
            ),
            ("get /v3/connectors: 429=5%", "`get /v3/connectors` is not a route;"),
            ("/v3/connectors: 429=5%", "`/v3/connectors` is not a route;"),
            ("GET v3/connectors: 429=5%", "`GET v3/connectors` is not a route;"),
            ("GET /v3/connectors twice: 429=5%", "`GET /v3/connectors twice` is not a route;"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<FaultRule>().expect_err(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_route_has_one_rule_and_the_server_has_the_route() {
        let refused = |texts: &[&str]| Faults::new(texts.iter().map(|text| rule(text)).collect(), 0).unwrap_err();
        let error = refused(&["429=1%", "GET /a: 429=1%", "500=1%"]);
        assert!(error.starts_with("two rules for faults name no route; expected one"), "{error}");
        let error = refused(&["GET /a: 429=1%", "GET /a: 500=1%"]);
        assert_eq!(error, "`GET /a` has two rules for faults; expected one with the faults of both");

        let routes = [ROUTE, "GET /v3/connectors/{scriptName}", "PUT /v3/connectors/{scriptName}"];
        let routes = routes.map(str::to_owned).into();
        assert_eq!(faults(&["429=1%", "GET /v3/connectors: 500=1%"], 0).check(&routes), Ok(()));
        for (unknown, closest) in [
            ("GET /v3/connector", "GET /v3/connectors"),
            ("PUTT /v3/connectors/x", "PUT /v3/connectors/{scriptName}"),
            ("GET /v3/connectors/{id}", "GET /v3/connectors/{scriptName}"),
            ("GET /v3/connectors/hr", "GET /v3/connectors/{scriptName}"),
        ] {
            let error = faults(&[&format!("{unknown}: 429=1%")], 0).check(&routes).unwrap_err();
            assert_eq!(error, format!("`{unknown}` is not a route that can have faults; did you mean `{closest}`?"));
        }
    }

    /// The fates of a seed are a promise: see [`Faults`].
    #[test]
    fn fates_never_change() {
        let text = "429=20%,500=10%,503=10%,drop=10%,truncate=10%,html=10%,latency=200ms..2s";
        let fates = |seed: u64, route: &str| -> Vec<String> {
            let faults = faults(&[text], seed);
            (1..=8).map(|n| faults.fate(route, n).unwrap().to_string()).collect()
        };
        assert_eq!(
            fates(7, ROUTE),
            [
                "429, latency=274ms",
                "truncate, latency=945ms",
                "latency=792ms",
                "truncate, latency=577ms",
                "503, latency=336ms",
                "429, latency=1060ms",
                "latency=915ms",
                "drop, latency=1161ms"
            ]
        );
        assert_eq!(
            fates(8, ROUTE),
            [
                "429, latency=1151ms",
                "429, latency=352ms",
                "429, latency=954ms",
                "latency=1974ms",
                "truncate, latency=501ms",
                "latency=964ms",
                "latency=264ms",
                "latency=1553ms"
            ]
        );
        assert_eq!(
            fates(7, "POST /v3/connectors"),
            [
                "latency=1316ms",
                "latency=1501ms",
                "latency=1270ms",
                "429, latency=273ms",
                "latency=1718ms",
                "503, latency=305ms",
                "html, latency=699ms",
                "latency=439ms"
            ]
        );
        // The order in which a rule names its faults makes no difference.
        let other = faults(&["latency=200ms..2s,html=10%,truncate=10%,drop=10%,503=10%,500=10%,429=20%"], 7);
        assert_eq!(other.fate(ROUTE, 1).unwrap().to_string(), fates(7, ROUTE)[0]);
    }

    #[test]
    fn the_rule_of_a_route_replaces_the_general_rule() {
        let faults = faults(&["429=100%", "GET /a: 500=100%,retry-after=7", "GET /b: 500=0%"], 7);
        let fate = |route: &str| faults.fate(route, 1).map(|fate| fate.to_string());
        assert_eq!(fate("GET /a").as_deref(), Some("500"));
        assert_eq!(fate("GET /b"), None);
        assert_eq!(fate("GET /c").as_deref(), Some("429"));
        assert_eq!(faults.fate("GET /a", 2).unwrap().retry_after, 7);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// The bounds are more than six standard deviations away.
        #[test]
        fn each_fault_has_its_share_and_routes_do_not_depend_on_each_other(
            seed: u64, too_many in 0..=100_u32, server in 0..=100_u32, shortest in 0..100_u32, more in 0..100_u32
        ) {
            const REQUESTS: u32 = 4000;
            let server = server.min(100 - too_many);
            let text = format!("429={too_many}%,500={server}%,latency={shortest}ms..{}ms", shortest + more);
            let faults = faults(&[&text], seed);
            let is = |route: &str, n: u32, status: StatusCode| {
                faults.fate(route, n.into()).unwrap().outcome == Some(Outcome::Status(status))
            };
            let share = |of: &dyn Fn(u32) -> bool| f64::from(u32::try_from((1..=REQUESTS).filter(|n| of(*n)).count()).unwrap()) / f64::from(REQUESTS);
            let [first, other] = [ROUTE, "POST /v3/connectors"];
            let (a, b) = (StatusCode::TOO_MANY_REQUESTS, StatusCode::INTERNAL_SERVER_ERROR);
            let (p, q) = (f64::from(too_many) / 100.0, f64::from(server) / 100.0);
            for (found, expected) in [
                (share(&|n| is(first, n, a)), p),
                (share(&|n| is(first, n, b)), q),
                (share(&|n| is(first, n, a) && is(other, n, a)), p * p),
                (share(&|n| is(first, n, a) && is(first, n + 1, a)), p * p),
            ] {
                prop_assert!((found - expected).abs() < 0.06, "{found} for {expected}");
            }
            let span = Duration::from_millis(shortest.into())..=Duration::from_millis((shortest + more).into());
            for n in 1..=100 {
                prop_assert!(span.contains(&faults.fate(first, n).unwrap().latency.unwrap()));
            }
        }
    }
}
