//! What one connector promises, as a sequential specification, and the search for an order that explains a history.

use std::collections::HashSet;
use std::fmt;

use stateright::semantics::SequentialSpec;

/// What a write writes. No two writes of a run have the same one, so a read tells which write it saw. The value of a
/// new connector is its class name. Later it is the category of its metadata, which filters can find.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u32);

impl Token {
    /// The document that the server makes for a new connector.
    pub const SCAFFOLD: Self = Self(0);

    /// The token of the write with this number, which counts from one.
    pub fn new(number: u32, creates: bool) -> Self {
        Self(number * 2 + u32::from(creates))
    }

    /// Whether a create writes it.
    pub fn creates(self) -> bool {
        self.0 % 2 == 1
    }

    /// The token that a text names.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix('v')?.parse().ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A connector that exists: two parts that different operations write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    pub value: Token,
    pub document: Token,
}

impl Content {
    pub fn created(value: Token) -> Self {
        Self { value, document: Token::SCAFFOLD }
    }
}

/// One connector as a register with compare-and-set, which exists or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Connector(pub Option<Content>);

/// An operation on one connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    Create(Token),
    /// A detail.
    Read,
    /// The connector in a list.
    ReadValue,
    ReadDocument,
    /// Whether a list of the connectors with this category has it.
    Has(Token),
    /// A patch without a condition.
    Set(Token),
    /// A patch that first tests the value.
    Cas(Token, Token),
    SetDocument(Token),
    Delete,
}

impl Op {
    /// Whether it may change the connector.
    pub fn writes(self) -> bool {
        matches!(self, Self::Create(_) | Self::Set(_) | Self::Cas(..) | Self::SetDocument(_) | Self::Delete)
    }
}

/// The result of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ret {
    Done,
    NameTaken,
    /// There is no such connector.
    Missing,
    /// The test of a patch failed.
    TestFailed,
    /// The connector as it was read, or as a patch left it.
    Content(Content),
    Value(Token),
    Document(Token),
    Has(bool),
}

impl Ret {
    /// Whether a write with this result made a revision.
    pub fn is_written(self) -> bool {
        matches!(self, Self::Done | Self::Content(_))
    }
}

impl SequentialSpec for Connector {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match (*op, &mut self.0) {
            (Op::Create(value), absent @ None) => {
                *absent = Some(Content::created(value));
                Ret::Done
            }
            (Op::Create(_), Some(_)) => Ret::NameTaken,
            (Op::Has(value), content) => {
                Ret::Has(content.is_some_and(|content| content.value == value && !value.creates()))
            }
            (_, None) => Ret::Missing,
            (Op::Read, Some(content)) => Ret::Content(*content),
            (Op::ReadValue, Some(content)) => Ret::Value(content.value),
            (Op::ReadDocument, Some(content)) => Ret::Document(content.document),
            (Op::Cas(expected, _), Some(content)) if content.value != expected => Ret::TestFailed,
            (Op::Set(value) | Op::Cas(_, value), Some(content)) => {
                content.value = value;
                Ret::Content(*content)
            }
            (Op::SetDocument(document), Some(content)) => {
                content.document = document;
                Ret::Done
            }
            (Op::Delete, present) => {
                *present = None;
                Ret::Done
            }
        }
    }
}

/// An operation as its client saw it. Times are in microseconds since the start of the run.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub op: Op,
    pub start: u64,
    /// The end and the result. None if the outcome is not known: the operation may happen at any time, or never.
    pub end: Option<(u64, Ret)>,
}

/// Why there is no order.
#[derive(Debug)]
pub enum Unexplained {
    /// No order of the calls is right. These calls are the start of the longest order that is.
    Contradiction(Vec<usize>),
    /// The search has looked at too many orders.
    Undecided,
}

/// How many calls a history may have.
const MOST_CALLS: usize = u128::BITS as usize;

/// How many states a search may visit: a second, about.
const MOST_STATES: usize = 1_000_000;

/// Finds an order of calls on a connector that did not exist before, such that each call takes effect between its start
/// and its end, and its result is right.
///
/// `stateright`'s tester does the same, but it tries orders again that differ only in calls which change nothing. So it
/// does not end for a history with a fault in it. Here a set of calls that ended in the same state is tried once, and
/// a call that changes nothing is taken as soon as it is right. A test compares both on small histories.
pub fn explain(calls: &[Call]) -> Result<Vec<usize>, Unexplained> {
    assert!(calls.len() <= MOST_CALLS, "{} calls are more than a set holds", calls.len());
    let mut search = Search { calls, tried: HashSet::new(), order: Vec::new(), longest: Vec::new() };
    match search.from(0, Connector::default()) {
        Some(true) => Ok(search.order),
        Some(false) => Err(Unexplained::Contradiction(search.longest)),
        None => Err(Unexplained::Undecided),
    }
}

struct Search<'a> {
    calls: &'a [Call],
    tried: HashSet<(u128, Connector)>,
    order: Vec<usize>,
    longest: Vec<usize>,
}

impl Search<'_> {
    /// Whether the calls that are not taken yet have an order from this state on. None if the search is too long.
    fn from(&mut self, taken: u128, state: Connector) -> Option<bool> {
        let left = |&index: &usize| taken & (1 << index) == 0;
        let ends = (0..self.calls.len()).filter(left).filter_map(|index| self.calls[index].end);
        let Some(first_end) = ends.map(|(end, _)| end).min() else { return Some(true) };
        if !self.tried.insert((taken, state)) {
            return Some(false);
        }
        if self.tried.len() > MOST_STATES {
            return None;
        }
        let mut steps = Vec::new();
        for index in (0..self.calls.len()).filter(left) {
            let Call { op, start, end } = self.calls[index];
            let mut next = state;
            let ret = next.invoke(&op);
            if start > first_end || end.is_some_and(|(_, expected)| expected != ret) {
                continue;
            }
            match (next == state, end) {
                // It can be taken later as well as now, or never.
                (true, None) => {}
                // No later order has more to choose from than the one that takes it now.
                (true, Some(_)) => {
                    steps = vec![(index, next)];
                    break;
                }
                (false, _) => steps.push((index, next)),
            }
        }
        for (index, next) in steps {
            self.order.push(index);
            if self.order.len() > self.longest.len() {
                self.longest.clone_from(&self.order);
            }
            if self.from(taken | 1 << index, next)? {
                return Some(true);
            }
            self.order.pop();
        }
        Some(false)
    }
}

mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

    use super::*;

    /// Makes a history: calls of a few clients take effect in some order, and some of the results are then falsified.
    fn history(random: &mut StdRng) -> Vec<(usize, Call)> {
        let mut state = Connector::default();
        let mut free = [0_u64; 4];
        let mut calls = Vec::new();
        for number in 1..=random.random_range(1..9_u32) {
            let client = random.random_range(0..free.len());
            let at = u64::from(number) * 10;
            // It is `at` that orders the effects. A client makes one call at a time.
            if free[client] >= at {
                continue;
            }
            // Starts are odd and ends are even, so none is the same.
            let start = random.random_range(free[client]..at) / 2 * 2 + 1;
            let (old, new) = (Token::new(random.random_range(1..9), false), Token::new(number, false));
            let op = match random.random_range(0..9) {
                0 | 1 => Op::Create(Token::new(number, true)),
                2 => Op::Read,
                3 => Op::ReadValue,
                4 => Op::Set(new),
                5 => Op::Cas(state.0.map_or(old, |content| content.value), new),
                6 => Op::SetDocument(new),
                7 => Op::Has(old),
                _ => Op::Delete,
            };
            let mut ret = state.invoke(&op);
            if random.random_bool(0.1) {
                ret = [Ret::Missing, Ret::Done, Ret::Value(old), Ret::TestFailed][random.random_range(0..4)];
            }
            let end = at + random.random_range(0..30) * 2;
            let is_known = random.random_bool(0.9);
            // A client whose call has no end makes no other.
            free[client] = if is_known { end } else { u64::MAX };
            calls.push((client, Call { op, start, end: is_known.then_some((end, ret)) }));
        }
        calls
    }

    fn by_stateright(calls: &[(usize, Call)]) -> bool {
        let mut events = Vec::new();
        for (client, call) in calls {
            events.push((call.start, *client, Err(call.op)));
            events.extend(call.end.map(|(end, ret)| (end, *client, Ok(ret))));
        }
        events.sort_by_key(|(time, ..)| *time);
        let mut tester = LinearizabilityTester::new(Connector::default());
        for (_, client, event) in events {
            match event {
                Err(op) => tester.on_invoke(client, op).map(|_| ()),
                Ok(ret) => tester.on_return(client, ret).map(|_| ()),
            }
            .unwrap();
        }
        tester.is_consistent()
    }

    #[test]
    fn the_search_decides_as_stateright_does() {
        let mut random = StdRng::seed_from_u64(7);
        let mut found = [0; 2];
        for number in 0..4000 {
            let calls = history(&mut random);
            let alone: Vec<_> = calls.iter().map(|(_, call)| *call).collect();
            let is_explained = explain(&alone).is_ok();
            assert_eq!(is_explained, by_stateright(&calls), "history {number}: {calls:#?}");
            found[usize::from(is_explained)] += 1;
        }
        assert!(found.iter().all(|&count| count > 400), "{found:?}");
    }

    #[test]
    fn the_search_of_a_long_history_with_a_fault_ends() {
        // 60 reads at once, six writes without an end, and one read of a value that nobody wrote.
        let created = Token::new(1, true);
        let mut calls = vec![Call { op: Op::Create(created), start: 0, end: Some((1, Ret::Done)) }];
        calls.extend((2..8).map(|number| Call { op: Op::Set(Token::new(number, false)), start: 2, end: None }));
        let read = |value| Call { op: Op::ReadValue, start: 3, end: Some((9, Ret::Value(value))) };
        calls.extend((0..60).map(|number| read(Token::new(2 + number % 6, false))));
        assert!(explain(&calls).is_ok());
        calls.push(read(Token::new(99, false)));
        let Err(Unexplained::Contradiction(longest)) = explain(&calls) else { panic!("it must be found") };
        assert_eq!(longest.len(), calls.len() - 1, "all but one can be explained");
    }
}
