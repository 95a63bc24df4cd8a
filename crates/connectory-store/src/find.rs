//! What is looked for in the history and among the access events, and the first revision of a change.

use std::collections::HashMap;
use std::net::IpAddr;

use connectory_model::Search;

use crate::access_event::{AccessAction, AccessEvent, RefusedSignIns};
use crate::revision::{Action, Author, Revision, RevisionNumber};

/// The word of the texts of all locales, as [`RevisionFilter::changed`] takes it.
const TRANSLATIONS: &str = "translations";

/// Whose revisions, events or sign-ins are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Those of the author with this id or name.
    Exactly(String),
    /// Those of the authors whose id or name contains a text.
    Containing(Search),
}

impl Who {
    /// Whether it is this author.
    fn is(&self, author: &Author) -> bool {
        let mut texts = [Some(author.id.as_str()), author.name.as_deref()].into_iter().flatten();
        texts.any(|text| match self {
            Self::Exactly(wanted) => text == wanted,
            Self::Containing(search) => search.is_in(text),
        })
    }

    /// The ids and names for it, of those that the rows have which are looked at. No database folds case as names are
    /// compared, so it looks for whole texts only.
    pub(crate) fn texts(&self, found: impl IntoIterator<Item = String>) -> Vec<String> {
        match self {
            Self::Exactly(wanted) => vec![wanted.clone()],
            Self::Containing(search) => found.into_iter().filter(|text| search.is_in(text)).collect(),
        }
    }
}

/// What a revision must have. Without a value, any revision has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevisionFilter {
    /// The author.
    pub author: Option<Who>,
    /// The action.
    pub action: Option<Action>,
    /// A member that changed: a word of [`Revision::changed`], or `translations` for the texts of any locale.
    pub changed: Option<String>,
}

impl RevisionFilter {
    /// Whether every revision has it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a revision has it.
    pub fn has(&self, revision: &Revision) -> bool {
        self.author.as_ref().is_none_or(|who| who.is(&revision.author))
            && self.action.is_none_or(|action| action == revision.action)
            && self.changed.as_ref().is_none_or(|wanted| is_changed(wanted, &revision.changed))
    }

    /// What the column with the changed members contains, with a space before and after it.
    pub(crate) fn changed_text(&self) -> Option<String> {
        let end = |wanted: &str| if wanted == TRANSLATIONS { '/' } else { ' ' };
        self.changed.as_ref().map(|wanted| format!(" {wanted}{}", end(wanted)))
    }
}

fn is_changed(wanted: &str, changed: &[String]) -> bool {
    let of_locale = |member: &String| wanted == TRANSLATIONS && member.starts_with("translations/");
    changed.iter().any(|member| member == wanted || of_locale(member))
}

/// What an access event must have. Without a value, any event has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessFilter {
    /// The author.
    pub author: Option<Who>,
    /// The action.
    pub action: Option<AccessAction>,
    /// The earliest time, in milliseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// The latest time.
    pub until: Option<i64>,
}

impl AccessFilter {
    /// Whether every event has it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Access events that were found, the newest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AccessEvents {
    /// The events.
    pub events: Vec<AccessEvent>,
    /// The number and the time of the newest event that was not looked at, if the search ended before it had enough.
    pub rest: Option<(i64, i64)>,
}

/// What refused sign-ins must have. Without a value, any have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedFilter {
    /// The client or person, of whom only the id is known.
    pub client: Option<Who>,
    /// The first minute, in minutes since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// The last minute.
    pub until: Option<i64>,
}

/// The place of refused sign-ins in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPlace {
    /// The minute, in minutes since 1970-01-01 UTC.
    pub minute: i64,
    /// The id of the client or person.
    pub client_id: String,
    /// The address.
    pub address: IpAddr,
}

impl RefusedSignIns {
    /// Their place in the order of refused sign-ins.
    pub fn place(&self) -> RefusedPlace {
        RefusedPlace { minute: self.minute, client_id: self.client_id.clone(), address: self.address }
    }
}

/// A search for the first revisions of some changes. The revisions of a change are neighbours, so a few probes find each.
pub(crate) struct Firsts(Vec<First>);

struct First {
    change: i64,
    /// The smallest number that is known to be of the change.
    known: i64,
    /// The largest number that is known to be before it.
    before: i64,
    step: i64,
}

impl First {
    /// The number to look at next. None if the first revision is known.
    fn probe(&self) -> Option<i64> {
        let is_found = self.known - self.before <= 1;
        (!is_found).then(|| (self.known - self.step).max(self.before.midpoint(self.known)))
    }
}

impl Firsts {
    /// Begins with the numbers of the last revisions.
    pub fn of(changes: &[RevisionNumber]) -> Self {
        let first = |change: &RevisionNumber| First { change: change.get(), known: change.get(), before: 0, step: 1 };
        Self(changes.iter().map(first).collect())
    }

    /// The numbers to look at next. When there are none, the search has ended.
    pub fn probes(&self) -> Vec<i64> {
        self.0.iter().filter_map(First::probe).collect()
    }

    /// Notes the changes of the numbers that were looked at. A number that is missing is of no change.
    pub fn note(&mut self, changes: &HashMap<i64, i64>) {
        for first in &mut self.0 {
            let Some(probe) = first.probe() else { continue };
            if changes.get(&probe) == Some(&first.change) {
                first.known = probe;
                first.step *= 2;
            } else {
                first.before = probe;
            }
        }
    }

    /// The numbers of the first revisions, in the order of the changes.
    pub fn found(self) -> Vec<RevisionNumber> {
        self.0.into_iter().filter_map(|first| RevisionNumber::new(first.known)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_revision_of_each_change_is_found_with_few_probes(sizes in proptest::collection::vec(1..300_i64, 1..20)) {
            let (mut changes, mut firsts, mut lasts, mut last) = (HashMap::new(), Vec::new(), Vec::new(), 0);
            for size in sizes {
                firsts.push(RevisionNumber::new(last + 1).unwrap());
                changes.extend((last + 1..=last + size).map(|number| (number, last + size)));
                last += size;
                lasts.push(RevisionNumber::new(last).unwrap());
            }
            let (mut search, mut rounds) = (Firsts::of(&lasts), 0);
            while !search.probes().is_empty() {
                search.note(&changes);
                rounds += 1;
            }
            prop_assert!(rounds <= 20, "{}", rounds);
            prop_assert_eq!(search.found(), firsts);
        }
    }
}
