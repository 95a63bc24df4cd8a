//! What was before: moments of a tenant, and its connectors at one of them.

use connectory_model::ScriptName;

use crate::error::Result;
use crate::revision::{Revision, RevisionNumber};

/// A revision as a moment of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The number of the revision.
    pub number: RevisionNumber,
    /// The number of the last revision of the same commit.
    pub change: RevisionNumber,
    /// The time of the commit, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// A connector that changed after a revision, as it was at the revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The script name of the connector.
    pub script_name: ScriptName,
    /// The number of its newest revision then. None if it did not exist.
    pub number: Option<RevisionNumber>,
    /// Whether the connector at that revision can be read.
    pub has_body: bool,
}

/// A connector that was deleted and not restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The revision that deleted it.
    pub deletion: Revision,
    /// The name that it had. None if retention removed the connector.
    pub name: Option<String>,
    /// The type that it had.
    pub connector_type: Option<String>,
    /// Whether another connector was created with its script name since.
    pub is_replaced: bool,
}

/// Where a deleted connector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedAt {
    /// The number of the revision that deleted it.
    pub number: RevisionNumber,
    /// Whether another connector was created with its script name since.
    pub is_replaced: bool,
}

/// Which deleted connectors are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedKind {
    /// Those whose script name no connector was given since.
    Free,
    /// Those whose script name another connector was given since, too.
    All,
}

impl Deleted {
    /// A deleted connector with its name and type, if they can be read.
    pub(crate) fn new(deletion: Revision, named: Option<(String, String)>, is_replaced: bool) -> Self {
        let (name, connector_type) = named.unzip();
        Self { deletion, name, connector_type, is_replaced }
    }
}

/// Finds the newest revision that was committed at a time or before it. `read` reads the newest revision up to a number.
/// The times of a tenant grow with its numbers, as far as the clock of the database does not go back.
pub(crate) fn search(
    time: i64,
    mut read: impl FnMut(RevisionNumber) -> Result<Option<Moment>>,
) -> Result<Option<Moment>> {
    let mut found = None;
    let mut search = Search::below(read(RevisionNumber::MAX)?);
    while let Some(up_to) = search.next() {
        let moment = read(up_to)?;
        if search.note(time, moment) {
            found = moment;
        }
    }
    Ok(found)
}

/// A binary search in the numbers of a tenant, of which some may be missing.
pub(crate) struct Search {
    low: i64,
    high: i64,
    asked: i64,
}

impl Search {
    /// Begins with the newest revision, so that each step halves what there is.
    pub fn below(newest: Option<Moment>) -> Self {
        Self { low: 1, high: newest.map_or(0, |newest| newest.number.get()), asked: 0 }
    }

    /// The number up to which the next revision is read.
    pub fn next(&mut self) -> Option<RevisionNumber> {
        self.asked = self.low.midpoint(self.high);
        RevisionNumber::new(self.asked).filter(|_| self.low <= self.high)
    }

    /// Notes what was read. Returns whether it is the best so far.
    pub fn note(&mut self, time: i64, moment: Option<Moment>) -> bool {
        match moment {
            Some(moment) if moment.created_at <= time => {
                self.low = self.asked + 1;
                true
            }
            Some(moment) => {
                self.high = moment.number.get() - 1;
                false
            }
            None => {
                self.low = self.asked + 1;
                false
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Numbers may have gaps, and several revisions may have one time.
        #[test]
        fn a_search_finds_what_a_scan_finds(
            steps in proptest::collection::vec((1..50_i64, 0..3_i64), 0..40),
            time in 0..60_i64,
        ) {
            let mut moments = Vec::new();
            let (mut number, mut created_at) = (0, 0);
            for (step, later) in steps {
                number += step;
                created_at += later;
                let number = RevisionNumber::new(number).unwrap();
                moments.push(Moment { number, change: number, created_at });
            }
            let read = |up_to| Ok(moments.iter().rev().find(|moment| moment.number <= up_to).copied());
            let scanned = moments.iter().rev().find(|moment| moment.created_at <= time).copied();
            prop_assert_eq!(search(time, read).unwrap(), scanned);
        }
    }
}
