//! The checks of a log: each connector is a register, each list is of one moment, and each write is a revision.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use connectory_store::{Action, Revision, RevisionId, Store};
use uuid::Uuid;

use crate::client::document;
use crate::log::{Entry, List, Log, Name, Outcome};
use crate::model::{Content, Op, Ret, Token, Unexplained, explain};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A client got an answer that no request may get.
    Answer,
    /// The history of a connector has no order.
    Register,
    /// A list is not of one moment between its start and its end.
    List,
    /// The revisions are not those of the writes.
    Revisions,
    /// A search for an order was given up. Nothing is known.
    Undecided,
}

/// All faults of a log, with lines that explain them.
pub type Faults = Vec<(Fault, String)>;

/// A revision and the state that it left.
pub struct Row {
    pub number: i64,
    pub name: Name,
    pub action: Action,
    pub tracking_id: Option<Uuid>,
    pub content: Option<Content>,
}

/// All revisions of a tenant, the oldest first.
#[derive(Default)]
pub struct Revisions {
    /// The number of each.
    pub numbers: Vec<i64>,
    /// Those of the clients' connectors.
    pub rows: Vec<Row>,
}

/// Reads all revisions of the first tenant.
pub async fn revisions(store: &Store) -> Revisions {
    let tenant = store.tenant(None).await.unwrap().unwrap().id;
    let (mut numbers, mut rows, mut before) = (Vec::new(), Vec::new(), None);
    loop {
        let page = store.revisions(tenant, None, before, 500).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        for Revision { number, script_name, action, tracking_id, .. } in page {
            numbers.push(number.get());
            // The others are the writes that look whether the servers have recovered.
            let Some(name) = Name::parse(script_name.as_str()) else { continue };
            let content = if action == Action::Delete {
                None
            } else {
                let connector = store.connector(RevisionId { tenant, number }).await.unwrap().unwrap();
                let category = connector.connector_metadata.get("category").and_then(|category| category.as_str());
                let value = Token::parse(category.unwrap_or(&connector.class_name)).unwrap();
                Some(Content { value, document: document(connector.correlation_config.as_str()).unwrap() })
            };
            rows.push(Row { number: number.get(), name, action, tracking_id, content });
        }
    }
    numbers.reverse();
    rows.reverse();
    Revisions { numbers, rows }
}

/// Checks a log against the revisions at its end.
pub fn check(log: &Log, Revisions { numbers, rows }: &Revisions) -> Faults {
    let mut faults: Faults = log.wrong.iter().map(|answer| (Fault::Answer, answer.clone())).collect();
    if let Some((number, place)) = numbers.iter().zip(1..).find(|(number, place)| *number != place) {
        faults.push((Fault::Revisions, format!("revision {place} of all has the number {number}")));
    }
    check_registers(log, &mut faults);
    check_writes(log, rows, &mut faults);
    check_lists(log, rows, &mut faults);
    faults
}

/// The names and values of a list, each as a read of a connector.
fn reads(list: &List) -> impl Iterator<Item = Entry> + '_ {
    list.seen.iter().map(|(&number, value)| Entry {
        client: list.client,
        node: list.node,
        name: Name { round: list.round, number },
        op: Op::ReadValue,
        start: list.start,
        end: list.end,
        outcome: Outcome::Known(value.map_or(Ret::Missing, Ret::Value)),
        tracking_id: None,
    })
}

fn check_registers(log: &Log, faults: &mut Faults) {
    let mut histories = BTreeMap::<Name, Vec<Entry>>::new();
    for entry in log.entries.iter().copied().chain(log.lists.iter().flat_map(reads)) {
        // A read whose answer is not known says nothing.
        if entry.call().is_some_and(|call| call.end.is_some() || call.op.writes()) {
            histories.entry(entry.name).or_default().push(entry);
        }
    }
    for (name, mut entries) in histories {
        entries.sort_by_key(|entry| entry.start);
        let calls: Vec<_> = entries.iter().filter_map(Entry::call).collect();
        match explain(&calls) {
            Ok(_) => {}
            Err(Unexplained::Undecided) => {
                faults.push((Fault::Undecided, format!("{name}: the search for an order was given up")));
            }
            Err(Unexplained::Contradiction(longest)) => {
                let mut text = format!("{name}: no order explains its history. The longest that is right:\n");
                for &index in &longest {
                    writeln!(text, "    {}", entries[index]).unwrap();
                }
                writeln!(text, "  It cannot go on with one of these:").unwrap();
                let taken: HashSet<_> = longest.into_iter().collect();
                for (_, entry) in entries.iter().enumerate().filter(|(index, _)| !taken.contains(index)) {
                    writeln!(text, "    {entry}").unwrap();
                }
                faults.push((Fault::Register, text));
            }
        }
    }
}

/// Whether a write may have made a revision, given the content of the connector before and after.
fn can_make(op: Op, before: Option<Content>, row: &Row) -> bool {
    let written = match op {
        Op::Create(value) => before.is_none().then(|| Content::created(value)),
        Op::Set(value) => before.map(|before| Content { value, ..before }),
        Op::Cas(expected, value) => {
            before.filter(|before| before.value == expected).map(|before| Content { value, ..before })
        }
        Op::SetDocument(document) => before.map(|before| Content { document, ..before }),
        Op::Delete => return before.is_some() && row.content.is_none(),
        Op::Read | Op::ReadValue | Op::ReadDocument | Op::Has(_) => return false,
    };
    written.is_some() && written == row.content
}

/// Checks that the order of the revisions is one of the writes' times, that each acknowledged write is one revision, and each unknown one at most one,
/// and that there are no others.
fn check_writes(log: &Log, rows: &[Row], faults: &mut Faults) {
    let mut fault = |text: String| faults.push((Fault::Revisions, text));
    let answered: HashMap<_, _> = log.entries.iter().filter_map(|entry| Some((entry.tracking_id?, entry))).collect();
    // The writes without a known revision, by what identifies their revision: the connector, and for a write the token.
    let mut unknown = HashMap::<_, Vec<&Entry>>::new();
    for entry in log.entries.iter().filter(|entry| entry.outcome == Outcome::Unknown && entry.op.writes()) {
        unknown.entry((entry.name, written(entry.op))).or_default().push(entry);
    }
    let mut found = HashSet::new();
    // The write of a revision so far that began last.
    let mut last: Option<&Entry> = None;
    let mut contents = HashMap::<Name, Option<Content>>::new();
    for row in rows {
        let Row { number, name, action, tracking_id, content } = row;
        let action = action.as_str();
        let before = contents.insert(*name, *content).flatten();
        let shown = || format!("revision {number} ({action} of {name}, {before:?} to {content:?})");
        let entry = tracking_id.and_then(|id| answered.get(&id)).copied();
        if let (Some(entry), Some(last)) = (entry, last)
            && entry.outcome != Outcome::Unknown
            && entry.end < last.start
        {
            fault(format!(
                "{} is later than a write that began when its own had ended:\n    {entry}\n    {last}",
                shown()
            ));
        }
        last = last.into_iter().chain(entry).max_by_key(|entry| entry.start);
        match entry {
            Some(entry) if entry.outcome == Outcome::NotDone => {
                fault(format!("{} is of a write that was refused:\n    {entry}", shown()));
            }
            Some(entry) if entry.name != *name || !can_make(entry.op, before, row) => {
                fault(format!("{} is not what its write writes:\n    {entry}", shown()));
            }
            Some(entry) if matches!(entry.outcome, Outcome::Known(ret) if !ret.is_written()) => {
                fault(format!("{} is of a write that was refused:\n    {entry}", shown()));
            }
            Some(entry) => {
                if !found.insert((entry.client, entry.start)) {
                    fault(format!("{} is the second of one write:\n    {entry}", shown()));
                }
            }
            // Nobody got the answer with this id.
            None => {
                let key = (*name, new_token(before, *content));
                let candidates = unknown.get(&key).map(Vec::as_slice).unwrap_or_default();
                let free =
                    |entry: &&&Entry| can_make(entry.op, before, row) && !found.contains(&(entry.client, entry.start));
                match candidates.iter().find(free) {
                    Some(entry) => drop(found.insert((entry.client, entry.start))),
                    None => fault(format!("{} is of no write whose outcome is unknown", shown())),
                }
            }
        }
    }
    for entry in &log.entries {
        let is_written = matches!(entry.outcome, Outcome::Known(ret) if entry.op.writes() && ret.is_written());
        if is_written && !found.contains(&(entry.client, entry.start)) {
            fault(format!("an acknowledged write has no revision:\n    {entry}"));
        }
    }
}

/// The token that a write writes. A delete has none.
fn written(op: Op) -> Option<Token> {
    match op {
        Op::Create(token) | Op::Set(token) | Op::Cas(_, token) | Op::SetDocument(token) => Some(token),
        _ => None,
    }
}

/// The token that is new in the second content.
fn new_token(before: Option<Content>, after: Option<Content>) -> Option<Token> {
    let after = after?;
    if before.is_some_and(|before| before.value == after.value) { Some(after.document) } else { Some(after.value) }
}

/// Checks that each list has the state after some revision: one that is not older than what was acknowledged before the
/// request, and not newer than what was sent after the answer.
fn check_lists(log: &Log, rows: &[Row], faults: &mut Faults) {
    let answered: HashMap<_, _> = log.entries.iter().filter_map(|entry| Some((entry.tracking_id?, entry))).collect();
    let mut rounds = HashMap::<u32, Vec<(&Row, Option<&Entry>)>>::new();
    for row in rows {
        let entry = row.tracking_id.and_then(|id| answered.get(&id)).copied();
        rounds.entry(row.name.round).or_default().push((row, entry));
    }
    for list in &log.lists {
        let rows = rounds.get(&list.round).map(Vec::as_slice).unwrap_or_default();
        // How many revisions the list must have, and how many it may have.
        let is_before = |entry: &Entry| entry.outcome != Outcome::Unknown && entry.end < list.start;
        let least = rows.iter().rposition(|(_, entry)| entry.is_some_and(is_before)).map_or(0, |last| last + 1);
        let is_after = |entry: &Entry| entry.start > list.end;
        let most = rows.iter().position(|(_, entry)| entry.is_some_and(is_after)).unwrap_or(rows.len());
        let mut state = BTreeMap::<usize, Token>::new();
        let mut is_found = false;
        for length in 0..=most {
            if let Some((row, _)) = length.checked_sub(1).and_then(|last| rows.get(last)) {
                match row.content {
                    Some(content) => drop(state.insert(row.name.number, content.value)),
                    None => drop(state.remove(&row.name.number)),
                }
            }
            is_found |= length >= least && list.seen.iter().all(|(number, value)| state.get(number).copied() == *value);
        }
        if !is_found {
            let mut text =
                format!("no state after {least} to {most} of the round's revisions is this list:\n    {list}\n");
            for (index, (row, entry)) in rows.iter().enumerate() {
                let Row { number, name, content, .. } = row;
                write!(text, "    {} revision {number} of {name}: {content:?}", index + 1).unwrap();
                match entry {
                    Some(entry) => writeln!(text, ", written {} to {} µs", entry.start, entry.end).unwrap(),
                    None => writeln!(text).unwrap(),
                }
            }
            faults.push((Fault::List, text));
        }
    }
}
