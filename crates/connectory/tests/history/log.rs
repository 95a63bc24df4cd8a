//! What the clients of a run log, and what they say of it in lines.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Instant;

use uuid::Uuid;

use crate::model::{Call, Op, Ret, Token};

/// How many connectors the clients of a round meet at.
pub const NAMES: usize = 6;

/// A connector: the round that uses its name, and its number there. Rounds are short, so that the history of a connector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub round: u32,
    pub number: usize,
}

impl Name {
    const LAST_ROUND: u32 = 999_999;

    /// Names of later rounds come first in lists.
    pub fn prefix(round: u32) -> String {
        format!("r{:06}-", Self::LAST_ROUND - round)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (round, number) = text.strip_prefix('r')?.split_once("-c")?;
        let round = Self::LAST_ROUND.checked_sub(round.parse().ok()?)?;
        Some(Self { round, number: number.parse().ok()? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}c{}", Self::prefix(self.round), self.number)
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Known(Ret),
    /// It did not happen and will not: it was not sent, or the server said so.
    NotDone,
    /// It may have happened, or will.
    Unknown,
}

/// A request on one connector.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub client: usize,
    pub node: usize,
    pub name: Name,
    pub op: Op,
    pub start: u64,
    pub end: u64,
    pub outcome: Outcome,
    /// The tracking id of the answer, if there was one.
    pub tracking_id: Option<Uuid>,
}

impl Entry {
    /// The entry for the search, unless nothing happened.
    pub fn call(&self) -> Option<Call> {
        let end = match self.outcome {
            Outcome::Known(ret) => Some((self.end, ret)),
            Outcome::NotDone => return None,
            Outcome::Unknown => None,
        };
        Some(Call { op: self.op, start: self.start, end })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, node, name, op, start, end, outcome, tracking_id } = self;
        let op = format!("{op:?}");
        let outcome = match outcome {
            Outcome::Known(ret) => format!("{ret:?}"),
            other => format!("{other:?}"),
        };
        write!(f, "{start:>10} to {end:>10} µs  client {client:>2}, node {node}  {name}  {op:<18} {outcome}")?;
        tracking_id.map_or(Ok(()), |id| write!(f, "  [{}]", id.simple()))
    }
}

/// An answered list, of the names of a round that it must have if they exist.
#[derive(Debug, Clone)]
pub struct List {
    pub client: usize,
    pub node: usize,
    pub round: u32,
    pub start: u64,
    pub end: u64,
    /// The value of each connector; none if the list does not have it. Connectors that the page does not reach are missing.
    pub seen: BTreeMap<usize, Option<Token>>,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, node, round, start, end, seen } = self;
        let prefix = Name::prefix(*round);
        write!(f, "{start:>10} to {end:>10} µs  client {client:>2}, node {node}  list of {prefix}: {seen:?}")
    }
}

/// What all clients logged.
#[derive(Debug, Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    pub lists: Vec<List>,
    /// Answers that no request may get.
    pub wrong: Vec<String>,
}

impl Log {
    pub fn add(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.lists.extend(other.lists);
        self.wrong.extend(other.wrong);
    }

    /// How many operations there were, by their kind and outcome.
    pub fn statistics(&self) -> String {
        let mut counts = BTreeMap::<_, BTreeMap<_, usize>>::new();
        for entry in &self.entries {
            let kind = |debug: String| debug.split('(').next().unwrap_or_default().to_owned();
            let outcome = match entry.outcome {
                Outcome::Known(ret) => kind(format!("{ret:?}")),
                other => format!("{other:?}"),
            };
            *counts.entry(kind(format!("{:?}", entry.op))).or_default().entry(outcome).or_default() += 1;
        }
        let mut text = format!("{} operations, {} lists\n", self.entries.len(), self.lists.len());
        for (op, outcomes) in counts {
            let outcomes: Vec<_> = outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
            writeln!(text, "  {op:<12} {}", outcomes.join(", ")).unwrap();
        }
        text
    }
}

/// The time of a run, in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }
}
