//! The activity of a tenant: changes of connectors, and for those who may see them, changes of access, sign-ins and refused
//! sign-ins. They are in one order, the newest first.
//!
//! Each of the three sources has an order of its own, in which it is read. A page takes the newest of what the sources have
//! next, until it is full. Its cursor has the place of each source, so the next page repeats nothing and leaves nothing out,
//! whatever has the same time.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use connectory_model::limits::{ACTIVITY_PARTS, ACTIVITY_READS, ACTIVITY_SCANNED};
use connectory_model::{ScriptName, Status};
use connectory_store::{
    AccessAction, AccessEvent, AccessEvents, AccessFilter, Action, RefusedFilter, RefusedPlace, RefusedSignIns,
    Revision, RevisionFilter, RevisionNumber, Who,
};

use futures_util::future::{try_join, try_join3};

use super::changed::{MEMBERS, is_member};
use super::history::{Looked, Rest, RevisionsWanted, after};
use super::{Registry, RegistryError};
use crate::catalog::TenantCatalog;

/// The milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// What is wanted of the activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Changes of connectors.
    Changes,
    /// Changes of connectors with this action.
    Action(Action),
    /// Changes of this member of connectors.
    Member(String),
    /// Changes of access, and sign-ins.
    Access,
    /// Access events with this action.
    AccessAction(AccessAction),
    /// Refused sign-ins.
    Refused,
}

impl What {
    /// Whether only those who may manage clients see it.
    pub fn is_access(&self) -> bool {
        matches!(self, Self::Access | Self::AccessAction(_) | Self::Refused)
    }

    /// All words for it.
    pub fn words() -> impl Iterator<Item = &'static str> {
        ["changes"]
            .into_iter()
            .chain(Action::ALL.iter().map(|action| action.as_str()))
            .chain(MEMBERS)
            .chain(["access"])
            .chain(AccessAction::ALL.iter().map(|action| action.as_str()))
            .chain(["refused"])
    }
}

impl FromStr for What {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let action = || Action::ALL.iter().find(|action| action.as_str() == word).copied().map(Self::Action);
        let access =
            || AccessAction::ALL.iter().find(|action| action.as_str() == word).copied().map(Self::AccessAction);
        match word {
            "changes" => Ok(Self::Changes),
            "access" => Ok(Self::Access),
            "refused" => Ok(Self::Refused),
            member if is_member(member) => Ok(Self::Member(member.to_owned())),
            _ => action().or_else(access).ok_or(()),
        }
    }
}

/// The activity that a caller asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityWanted {
    /// That of these authors. Refused sign-ins have an id only.
    pub author: Option<Who>,
    /// What was done.
    pub what: Option<What>,
    /// Changes of this connector.
    pub script_name: Option<ScriptName>,
    /// That of this time or later, in milliseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// That of this time or earlier.
    pub until: Option<i64>,
}

impl ActivityWanted {
    /// The changes that are wanted, if any are.
    fn changes(&self) -> Option<RevisionsWanted> {
        let author = self.author.clone();
        let filter = match &self.what {
            None | Some(What::Changes) => RevisionFilter { author, ..RevisionFilter::default() },
            Some(What::Action(action)) => RevisionFilter { author, action: Some(*action), changed: None },
            Some(What::Member(member)) => RevisionFilter { author, action: None, changed: Some(member.clone()) },
            Some(What::Access | What::AccessAction(_) | What::Refused) => return None,
        };
        let (script_name, since, until) = (self.script_name.clone(), self.since, self.until);
        Some(RevisionsWanted { script_name, filter, change: None, since, until })
    }

    /// The access events that are wanted, if any are.
    fn events(&self) -> Option<AccessFilter> {
        let action = match (&self.what, &self.script_name) {
            (None | Some(What::Access), None) => None,
            (Some(What::AccessAction(action)), None) => Some(*action),
            _ => return None,
        };
        Some(AccessFilter { author: self.author.clone(), action, since: self.since, until: self.until })
    }

    /// The refused sign-ins that are wanted, if any are.
    fn refused(&self) -> Option<RefusedFilter> {
        if !matches!((&self.what, &self.script_name), (None | Some(What::Refused), None)) {
            return None;
        }
        // Of a minute, only its beginning is known.
        let since = self.since.map(|since| since.saturating_add(MINUTE - 1).div_euclid(MINUTE));
        let until = self.until.map(|until| until.div_euclid(MINUTE));
        Some(RefusedFilter { client: self.author.clone(), since, until })
    }
}

/// The revisions of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityChange {
    /// The number of its last revision.
    pub change: RevisionNumber,
    /// How many revisions it has, wanted or not.
    pub size: u64,
    /// The newest of the wanted revisions, [`ACTIVITY_PARTS`] at most. There is at least one.
    pub revisions: Vec<Revision>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityItem {
    /// Connectors were changed.
    Change(ActivityChange),
    /// Access was changed, or someone signed in or out.
    Access(AccessEvent),
    /// Sign-ins were refused.
    Refused(RefusedSignIns),
}

impl ActivityItem {
    /// The time, in milliseconds since 1970-01-01 UTC.
    pub fn created_at(&self) -> i64 {
        match self {
            Self::Change(change) => change.revisions.first().map_or(0, |revision| revision.created_at),
            Self::Access(event) => event.created_at,
            Self::Refused(refused) => refused.minute.saturating_mul(MINUTE),
        }
    }
}

/// The place where a page begins: for each source the next item. Nothing of a source follows if its number is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityCursor {
    change: RevisionNumber,
    event: i64,
    refused: Option<RefusedPlace>,
}

/// The parts are separated by commas. An id may have commas, so it is the last one.
impl fmt::Display for ActivityCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.change, self.event)?;
        match &self.refused {
            Some(RefusedPlace { minute, client_id, address }) => write!(f, ",{minute},{address},{client_id}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ActivityCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(5, ',');
        let mut next = || parts.next().ok_or(());
        let change = next()?.parse().ok().and_then(RevisionNumber::new).ok_or(())?;
        let event = next()?.parse().ok().filter(|event| *event >= 0).ok_or(())?;
        let Ok(minute) = next() else { return Ok(Self { change, event, refused: None }) };
        let minute = minute.parse().map_err(|_| ())?;
        let address: IpAddr = next()?.parse().map_err(|_| ())?;
        let client_id = next()?.to_owned();
        Ok(Self { change, event, refused: Some(RefusedPlace { minute, client_id, address }) })
    }
}

/// A page of the activity, the newest first.
pub struct ActivityPage {
    /// What happened.
    pub items: Vec<ActivityItem>,
    /// Where the next page begins. None if there is nothing more.
    pub next: Option<ActivityCursor>,
    /// Whether the page ends because it looked at as much as one request may. More may follow.
    pub is_cut: bool,
}

/// What the items of a page do not say themselves.
#[derive(Debug, Default)]
pub struct ActivityDetails {
    /// The names of the clients that access events are about, by their ids. A client that was deleted has none.
    pub clients: HashMap<String, String>,
    /// The statuses before and after the revisions that changed the status. A revision is left out if retention removed it
    /// or the one before it.
    pub statuses: HashMap<RevisionNumber, (Status, Status)>,
}

/// Changes, and where the search for them ended before it had enough.
#[derive(Default)]
struct FoundChanges {
    changes: Vec<ActivityChange>,
    rest: Option<Rest>,
}

impl Registry {
    /// Reads up to `limit` items of the activity. What only those who may manage clients see is left out unless
    /// `with_access` is set. A page may have fewer items than its limit, even none, where more follow: a request looks at so
    /// much at most.
    pub async fn activity(
        &self,
        tenant: &TenantCatalog,
        wanted: &ActivityWanted,
        with_access: bool,
        cursor: Option<ActivityCursor>,
        limit: usize,
    ) -> Result<ActivityPage, RegistryError> {
        // One more than are wanted, so that the place of what follows is known.
        let rows = limit + 1;
        let changes = wanted.changes();
        let events = wanted.events().filter(|_| with_access);
        let refused = wanted.refused().filter(|_| with_access);
        let (changes, events, refused) = try_join3(
            self.changes_of(tenant, changes, cursor.as_ref(), rows),
            self.events_of(tenant, events, cursor.as_ref(), rows),
            self.refused_of(tenant, refused, cursor.as_ref(), rows),
        )
        .await?;
        Ok(merged(changes, events, refused, limit))
    }

    /// Reads what some items of the activity do not say themselves, with one read of clients and one of revisions.
    pub async fn activity_details(
        &self,
        tenant: &TenantCatalog,
        items: &[ActivityItem],
    ) -> Result<ActivityDetails, RegistryError> {
        let (mut ids, mut revisions) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                ActivityItem::Change(change) => {
                    let is_status = |revision: &&Revision| revision.changed.iter().any(|member| member == "status");
                    let both = |of: &Revision| of.previous.map(|previous| (previous, of.number));
                    revisions.extend(change.revisions.iter().filter(is_status).filter_map(both));
                }
                ActivityItem::Access(AccessEvent {
                    action: AccessAction::ClientCreated | AccessAction::ClientDeleted,
                    subject: Some(id),
                    ..
                }) => ids.push(id.clone()),
                ActivityItem::Access(_) => {}
                ActivityItem::Refused(refused) => ids.push(refused.client_id.clone()),
            }
        }
        let mut numbers: Vec<_> = revisions.iter().flat_map(|(before, after)| [*before, *after]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        ids.sort_unstable();
        ids.dedup();
        let clients =
            async { if ids.is_empty() { Ok(HashMap::new()) } else { self.store.client_names(tenant.id(), ids).await } };
        let statuses = async {
            if numbers.is_empty() { Ok(HashMap::new()) } else { self.store.statuses(tenant.id(), numbers).await }
        };
        let (clients, found) = try_join(clients, statuses).await?;
        let both = |(before, after): (RevisionNumber, RevisionNumber)| {
            Some((after, (*found.get(&before)?, *found.get(&after)?)))
        };
        Ok(ActivityDetails { clients, statuses: revisions.into_iter().filter_map(both).collect() })
    }

    async fn changes_of(
        &self,
        tenant: &TenantCatalog,
        wanted: Option<RevisionsWanted>,
        cursor: Option<&ActivityCursor>,
        limit: usize,
    ) -> Result<FoundChanges, RegistryError> {
        let Some(wanted) = wanted else { return Ok(FoundChanges::default()) };
        let (oldest, mut before) = self.between(tenant, &wanted, cursor.map(|cursor| after(cursor.change))).await?;
        let mut found = FoundChanges::default();
        let read = limit + ACTIVITY_PARTS;
        for _ in 0..ACTIVITY_READS {
            let Looked { revisions, rest } =
                self.look(tenant, &wanted, (oldest, before), (read, ACTIVITY_SCANNED)).await?;
            let is_full = revisions.len() == read;
            let mut changes = self.grouped(tenant, revisions).await?;
            // The last change may have more revisions than were read. Then it is read again, unless it has enough.
            if is_full && changes.len() > 1 {
                changes.pop();
            }
            let last = changes.last().map(|(first, change)| (*first, change.revisions.first().map(|of| of.created_at)));
            found.changes.extend(changes.into_iter().map(|(_, change)| change));
            found.rest = rest;
            let Some((first, created_at)) = last.filter(|_| is_full) else { break };
            (before, found.rest) = (first, created_at.map(|created_at| Rest { before: first, created_at }));
            if found.changes.len() >= limit {
                break;
            }
        }
        found.changes.truncate(limit);
        Ok(found)
    }

    /// Groups revisions by their commits. Each change has the number of its first revision.
    async fn grouped(
        &self,
        tenant: &TenantCatalog,
        revisions: Vec<Revision>,
    ) -> Result<Vec<(RevisionNumber, ActivityChange)>, RegistryError> {
        let mut changes: Vec<ActivityChange> = Vec::new();
        for revision in revisions {
            match changes.last_mut().filter(|change| change.change == revision.change) {
                Some(change) if change.revisions.len() < ACTIVITY_PARTS => change.revisions.push(revision),
                Some(_) => {}
                None => changes.push(ActivityChange { change: revision.change, size: 1, revisions: vec![revision] }),
            }
        }
        let numbers = changes.iter().map(|change| change.change).collect();
        let firsts = self.store.first_of_changes(tenant.id(), numbers).await?;
        let with_size = |(first, change): (RevisionNumber, ActivityChange)| {
            let size = (change.change.get() - first.get() + 1).unsigned_abs();
            (first, ActivityChange { size, ..change })
        };
        Ok(firsts.into_iter().zip(changes).map(with_size).collect())
    }

    async fn events_of(
        &self,
        tenant: &TenantCatalog,
        filter: Option<AccessFilter>,
        cursor: Option<&ActivityCursor>,
        limit: usize,
    ) -> Result<AccessEvents, RegistryError> {
        let Some(filter) = filter else { return Ok(AccessEvents::default()) };
        let (up_to, since) = (cursor.map(|cursor| cursor.event), filter.since);
        let rows = u32::try_from(limit).unwrap_or(u32::MAX);
        let found = self.store.access_events(tenant.id(), filter, up_to, rows).await?;
        // Before the first wanted time, nothing is wanted.
        let rest = found.rest.filter(|(_, created_at)| since.is_none_or(|since| *created_at >= since));
        Ok(AccessEvents { rest, ..found })
    }

    async fn refused_of(
        &self,
        tenant: &TenantCatalog,
        filter: Option<RefusedFilter>,
        cursor: Option<&ActivityCursor>,
        limit: usize,
    ) -> Result<Vec<RefusedSignIns>, RegistryError> {
        let from = cursor.map(|cursor| cursor.refused.clone());
        let (Some(filter), None | Some(Some(_))) = (filter, &from) else { return Ok(Vec::new()) };
        let rows = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(self.store.refused_sign_ins(tenant.id(), filter, from.flatten(), rows).await?)
    }
}

/// Merges what the sources have next by time. Of items with one time, changes are first, then access events.
fn merged(changes: FoundChanges, events: AccessEvents, refused: Vec<RefusedSignIns>, limit: usize) -> ActivityPage {
    // What was not looked at may be newer than what other sources have.
    let floor = changes.rest.map(|rest| rest.created_at).max(events.rest.map(|(_, created_at)| created_at));
    let rest = (changes.rest, events.rest);
    let mut changes = changes.changes.into_iter().map(ActivityItem::Change).peekable();
    let mut events = events.events.into_iter().map(ActivityItem::Access).peekable();
    let mut refused = refused.into_iter().map(ActivityItem::Refused).peekable();
    let mut items = Vec::new();
    let is_cut = loop {
        let times = [changes.peek(), events.peek(), refused.peek()].map(|item| item.map(ActivityItem::created_at));
        let Some(newest) = times.iter().flatten().copied().max() else { break floor.is_some() };
        if items.len() == limit {
            break false;
        }
        if floor.is_some_and(|floor| newest < floor) {
            break true;
        }
        items.extend(match times.iter().position(|time| *time == Some(newest)) {
            Some(0) => changes.next(),
            Some(1) => events.next(),
            _ => refused.next(),
        });
    };
    let change = match changes.next() {
        Some(ActivityItem::Change(change)) => change.change,
        _ => rest.0.map_or(RevisionNumber::ZERO, |rest| super::history::before(rest.before)),
    };
    let event = match events.next() {
        Some(ActivityItem::Access(event)) => event.number,
        _ => rest.1.map_or(0, |(number, _)| number),
    };
    let refused = match refused.next() {
        Some(ActivityItem::Refused(refused)) => Some(refused.place()),
        _ => None,
    };
    let is_end = change == RevisionNumber::ZERO && event == 0 && refused.is_none();
    let next = (!is_end).then_some(ActivityCursor { change, event, refused });
    ActivityPage { items, next, is_cut }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use connectory_store::{AccessOrigin, Author, AuthorKind, TenantId};
    use proptest::prelude::*;

    use super::*;

    fn change(number: i64, created_at: i64) -> ActivityChange {
        let number = RevisionNumber::new(number).unwrap();
        let author = Author { kind: AuthorKind::Client, id: "a".to_owned(), name: None };
        let revision = Revision {
            number,
            change: number,
            previous: None,
            script_name: "a".parse().unwrap(),
            action: Action::Create,
            changed: Vec::new(),
            author,
            tracking_id: None,
            created_at,
            commit: None,
            has_body: true,
        };
        ActivityChange { change: number, size: 1, revisions: vec![revision] }
    }

    fn event(number: i64, created_at: i64) -> AccessEvent {
        let by = AccessOrigin::operator("root".to_owned());
        AccessEvent { number, action: AccessAction::SignIn, subject: None, by, created_at }
    }

    fn refused(minute: i64) -> RefusedSignIns {
        let (tenant, address) = (TenantId::new(1).unwrap(), "::1".parse().unwrap());
        RefusedSignIns { tenant, minute, client_id: "a,b".to_owned(), address, count: 1 }
    }

    /// What a source has from a place on, if one request looks at `scanned` of it. Every third one is not wanted.
    fn from_place<T: Clone>(all: &[T], place: usize, scanned: usize, limit: usize) -> (Vec<T>, Option<usize>) {
        let place = place.min(all.len());
        let found: Vec<_> = (place..all.len().min(place + scanned))
            .filter(|at| at % 3 != 2)
            .take(limit)
            .map(|at| all[at].clone())
            .collect();
        let rest = (found.len() < limit && place + scanned < all.len()).then_some(place + scanned);
        (found, rest)
    }

    proptest! {
        /// Whatever has the same time, and however much of a source is looked at in one request.
        #[test]
        fn pages_repeat_nothing_leave_nothing_out_and_are_in_order(
            times in proptest::collection::vec((0..3_u8, 0..2_i64), 0..60),
            limit in 1..6_usize,
            scanned in 1..9_usize,
        ) {
            let (mut changes, mut events, mut refusals, mut minute) = (Vec::new(), Vec::new(), Vec::new(), 0);
            for (source, later) in times {
                minute += later;
                match source {
                    0 => changes.push(change(1 + i64::try_from(changes.len()).unwrap(), minute * MINUTE)),
                    1 => events.push(event(1 + i64::try_from(events.len()).unwrap(), minute * MINUTE)),
                    _ if refusals.last().is_none_or(|last: &RefusedSignIns| last.minute < minute) => refusals.push(refused(minute)),
                    _ => {}
                }
            }
            changes.reverse();
            events.reverse();
            refusals.reverse();
            let wanted = |at: &(usize, i64)| at.0 % 3 != 2;
            let mut expected: Vec<_> = changes.iter().map(|change| change.revisions[0].created_at).enumerate().filter(wanted)
                .chain(events.iter().map(|event| event.created_at).enumerate().filter(wanted))
                .map(|(_, time)| time)
                .chain(refusals.iter().map(|refused| refused.minute * MINUTE))
                .collect();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            let (mut cursor, mut items): (Option<ActivityCursor>, Vec<ActivityItem>) = (None, Vec::new());
            for _ in 0..1000 {
                let place = cursor.as_ref().map_or(0, |cursor| changes.len() - usize::try_from(cursor.change.get()).unwrap());
                let (found, rest) = from_place(&changes, place, scanned, limit + 1);
                let rest = rest.map(|at| Rest { before: after(changes[at].change), created_at: changes[at].revisions[0].created_at });
                let found_changes = FoundChanges { changes: found, rest };
                let place = cursor.as_ref().map_or(0, |cursor| events.len() - usize::try_from(cursor.event).unwrap());
                let (found, rest) = from_place(&events, place, scanned, limit + 1);
                let rest = rest.map(|at| (events[at].number, events[at].created_at));
                let found_events = AccessEvents { events: found, rest };
                let from = cursor.as_ref().map(|cursor| cursor.refused.clone());
                let follows = |refused: &&RefusedSignIns| from.as_ref().is_none_or(|from| from.as_ref().is_some_and(|from| refused.minute <= from.minute));
                let found_refused = refusals.iter().filter(follows).take(limit + 1).cloned().collect();
                let page = merged(found_changes, found_events, found_refused, limit);
                prop_assert!(page.items.len() == limit || page.is_cut || page.next.is_none());
                items.extend(page.items);
                // A cursor is read as it was written.
                cursor = page.next.map(|next| next.to_string().parse().unwrap());
                if cursor.is_none() {
                    break;
                }
            }
            prop_assert!(cursor.is_none(), "it ends");
            let times: Vec<_> = items.iter().map(ActivityItem::created_at).collect();
            prop_assert_eq!(times, expected);
            let keys: std::collections::HashSet<_> = items.iter().map(|item| format!("{item:?}")).collect();
            prop_assert_eq!(keys.len(), items.len(), "each is there once");
        }
    }
}
