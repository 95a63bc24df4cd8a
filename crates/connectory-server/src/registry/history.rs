//! The history of connectors: the changes, their authors and their times. A deleted connector keeps its history.

use std::fmt;
use std::sync::Arc;

use connectory_model::limits::{REVISIONS_READ, REVISIONS_SCANNED};
use connectory_model::{Connector, ScriptName};
use connectory_store::{Action, Revision, RevisionFilter, RevisionId, RevisionNumber};
use jiff::Timestamp;

use super::{Registry, RegistryError};
use crate::catalog::{Source, TenantCatalog};

/// A connector that exists or was deleted.
pub struct Past {
    /// The current connector, or the connector when it was deleted.
    pub newest: Arc<Connector>,
    /// The place of the current connector. None if it was deleted.
    pub current: Option<Source>,
}

/// A revision, and the connector before and after the revision.
pub struct Change {
    /// The revision that the caller asked for.
    pub revision: Revision,
    /// The connector before the revision. None if the revision created it.
    pub before: Option<Arc<Connector>>,
    /// The connector after the revision, or for a deletion, the deleted connector.
    pub after: Arc<Connector>,
    /// The place of `after`.
    pub source: Source,
}

/// A connector at one of its revisions, or as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The connector.
    pub script_name: ScriptName,
    /// The number of the revision.
    pub revision: Option<RevisionNumber>,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.script_name.as_str())?;
        match self.revision {
            Some(number) => write!(f, ", revision {number}"),
            None => Ok(()),
        }
    }
}

/// The revisions that a caller asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevisionsWanted {
    /// Those of this connector.
    pub script_name: Option<ScriptName>,
    /// Those that have this.
    pub filter: RevisionFilter,
    /// Those of the change with this number.
    pub change: Option<RevisionNumber>,
    /// Those of this time or later, in milliseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// Those of this time or earlier.
    pub until: Option<i64>,
}

/// Revisions, the newest first.
pub struct RevisionsPage {
    /// The revisions.
    pub revisions: Vec<Revision>,
    /// The number below which more may follow. None if there are no more.
    pub next: Option<RevisionNumber>,
}

/// What one search found. It looks at so many revisions at most.
pub(super) struct Looked {
    /// The revisions, the newest first.
    pub revisions: Vec<Revision>,
    /// Where the next search begins, if this one ended before it had enough: it looks at numbers below this one.
    pub rest: Option<Rest>,
}

/// The place where a search ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// The next search looks at numbers below this one.
    pub before: RevisionNumber,
    /// The time of the newest of them, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// A time in milliseconds since 1970-01-01 UTC as RFC 3339 has it.
pub fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| milliseconds.to_string(), |time| format!("{time:.3}"))
}

/// The number after one.
pub(super) fn after(number: RevisionNumber) -> RevisionNumber {
    RevisionNumber::new(number.get() + 1).unwrap_or(RevisionNumber::MAX)
}

/// The number before one.
pub(super) fn before(number: RevisionNumber) -> RevisionNumber {
    RevisionNumber::new(number.get() - 1).unwrap_or(RevisionNumber::ZERO)
}

impl Registry {
    /// Lists up to `limit` revisions with numbers below `before`, the newest first. A page may have fewer, even none, where
    /// more follow: a request looks at so many revisions at most.
    pub async fn revisions(
        &self,
        tenant: &TenantCatalog,
        wanted: &RevisionsWanted,
        before: Option<RevisionNumber>,
        limit: usize,
    ) -> Result<RevisionsPage, RegistryError> {
        let between = self.between(tenant, wanted, before).await?;
        // One more than are wanted, to know whether more follow.
        let Looked { mut revisions, rest } = self.look(tenant, wanted, between, (limit + 1, REVISIONS_SCANNED)).await?;
        let is_full = revisions.len() > limit;
        revisions.truncate(limit);
        let last = revisions.last().map(|last| last.number).filter(|_| is_full);
        Ok(RevisionsPage { revisions, next: last.or(rest.map(|rest| rest.before)) })
    }

    /// Finds the numbers between which the wanted revisions are, of those below `before`.
    pub(super) async fn between(
        &self,
        tenant: &TenantCatalog,
        wanted: &RevisionsWanted,
        before: Option<RevisionNumber>,
    ) -> Result<(RevisionNumber, RevisionNumber), RegistryError> {
        let newest = self.store.moment_of(RevisionId { tenant: tenant.id(), number: RevisionNumber::MAX }).await?;
        let end = newest.map_or(RevisionNumber::ZERO, |newest| after(newest.number));
        let mut between = (RevisionNumber::ZERO, before.map_or(end, |before| before.min(end)));
        if let Some(until) = wanted.until {
            let last = self.store.moment_at(tenant.id(), until).await?;
            between.1 = between.1.min(last.map_or(RevisionNumber::ZERO, |last| after(last.number)));
        }
        if let Some(since) = wanted.since {
            let last_before = self.store.moment_at(tenant.id(), since.saturating_sub(1)).await?;
            between.0 = last_before.map_or(between.0, |moment| moment.number);
        }
        if let Some(change) = wanted.change {
            let first = match self.store.moment_of(RevisionId { tenant: tenant.id(), number: change }).await? {
                Some(moment) if moment.change == change => {
                    self.store.first_of_changes(tenant.id(), vec![change]).await?.first().copied()
                }
                _ => None,
            };
            between.0 = between.0.max(first.map_or(change, self::before));
            between.1 = between.1.min(after(change));
        }
        Ok(between)
    }

    /// Finds up to `limit` revisions with numbers between two, the newest first. It looks at `scanned` revisions at most.
    pub(super) async fn look(
        &self,
        tenant: &TenantCatalog,
        wanted: &RevisionsWanted,
        (after, before): (RevisionNumber, RevisionNumber),
        (limit, scanned): (usize, usize),
    ) -> Result<Looked, RegistryError> {
        if let Some(script_name) = &wanted.script_name {
            return self
                .look_in_connector(tenant, script_name, &wanted.filter, (after, before), (limit, scanned))
                .await;
        }
        // Numbers have no gaps, so this bounds how many revisions the database looks at.
        let scanned = i64::try_from(scanned).ok().filter(|_| !wanted.filter.is_empty()).unwrap_or(i64::MAX);
        let floor =
            RevisionNumber::new(before.get().saturating_sub(1).saturating_sub(scanned)).unwrap_or(after).max(after);
        let rows = u32::try_from(limit).unwrap_or(u32::MAX);
        let revisions = self.store.find_revisions(tenant.id(), wanted.filter.clone(), (floor, before), rows).await?;
        if revisions.len() == limit || floor == after {
            return Ok(Looked { revisions, rest: None });
        }
        // The tenants of old databases do have gaps. This skips them.
        let next = self.store.moment_of(RevisionId { tenant: tenant.id(), number: floor }).await?;
        let next = next.filter(|next| next.number > after);
        let rest = next.map(|next| Rest { before: self::after(next.number), created_at: next.created_at });
        Ok(Looked { revisions, rest })
    }

    /// Finds revisions of one connector. They are a chain, which is read from its newest link on.
    async fn look_in_connector(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        filter: &RevisionFilter,
        (after, mut before): (RevisionNumber, RevisionNumber),
        (limit, scanned): (usize, usize),
    ) -> Result<Looked, RegistryError> {
        let (mut revisions, mut looked) = (Vec::new(), 0);
        loop {
            let left = limit - revisions.len();
            let read = if filter.is_empty() { left.min(REVISIONS_READ) } else { REVISIONS_READ };
            let rows = u32::try_from(read).unwrap_or(u32::MAX);
            let links = self.store.revisions(tenant.id(), Some(script_name.clone()), Some(before), rows).await?;
            let is_last = links.len() < read;
            for link in links {
                if link.number <= after {
                    return Ok(Looked { revisions, rest: None });
                }
                (before, looked) = (link.number, looked + 1);
                if looked > scanned {
                    let rest = Rest { before: self::after(link.number), created_at: link.created_at };
                    return Ok(Looked { revisions, rest: Some(rest) });
                }
                if filter.has(&link) {
                    revisions.push(link);
                }
                if revisions.len() == limit {
                    return Ok(Looked { revisions, rest: None });
                }
            }
            if is_last {
                return Ok(Looked { revisions, rest: None });
            }
        }
    }

    /// Lists up to `limit` revisions of a connector with numbers below `before`, the newest first.
    pub async fn history(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>, RegistryError> {
        Ok(self.store.revisions(tenant.id(), Some(script_name.clone()), before, limit).await?)
    }

    /// Finds a connector that exists or existed.
    pub async fn past(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<Past, RegistryError> {
        let current = tenant.entry(script_name).map(|entry| entry.source);
        let source = match current {
            Some(source) => source,
            None => match self.history(tenant, script_name, None, 1).await?.first() {
                Some(last) => stored(tenant, last),
                None => return Err(RegistryError::NotFound(script_name.clone())),
            },
        };
        Ok(Past { newest: self.catalog.connector(tenant, source).await?, current })
    }

    /// Finds a revision of a connector, and the place of the connector at the revision. That of a deletion is the deleted
    /// connector.
    pub async fn revision(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        number: RevisionNumber,
    ) -> Result<(Revision, Source), RegistryError> {
        let revision = self.store.revision(tenant.id(), script_name.clone(), number).await?;
        let revision = revision.ok_or(RegistryError::NoRevision(number))?;
        let source = readable(tenant, &revision)?;
        Ok((revision, source))
    }

    /// Reads a connector at a revision, or as it is now. At a deletion, it is the connector that was deleted.
    pub async fn at(&self, tenant: &TenantCatalog, at: &At) -> Result<Arc<Connector>, RegistryError> {
        let source = match at.revision {
            Some(number) => self.revision(tenant, &at.script_name, number).await?.1,
            None => self.entry(tenant, &at.script_name)?.source,
        };
        Ok(self.catalog.connector(tenant, source).await?)
    }

    /// Reads a revision of a connector, with the connector before and after the revision.
    pub async fn change(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        number: RevisionNumber,
    ) -> Result<Change, RegistryError> {
        let (revision, source) = self.revision(tenant, script_name, number).await?;
        let after = self.catalog.connector(tenant, source).await?;
        // The previous revision of a creation, or of the restore of a deleted connector, is a deletion, if there is one.
        let previous = match revision.previous {
            Some(number) => self.store.revision(tenant.id(), script_name.clone(), number).await?,
            None => None,
        };
        let before = match previous.filter(|previous| previous.action != Action::Delete) {
            Some(previous) => Some(self.catalog.connector(tenant, readable(tenant, &previous)?).await?),
            None => None,
        };
        Ok(Change { revision, before, after, source })
    }
}

/// Returns the place of a connector at a revision, unless retention removed it.
pub(super) fn readable(tenant: &TenantCatalog, revision: &Revision) -> Result<Source, RegistryError> {
    if revision.has_body {
        Ok(stored(tenant, revision))
    } else {
        Err(RegistryError::BodyRemoved { number: revision.number, created_at: revision.created_at })
    }
}

/// Returns the place of a connector at a revision.
fn stored(tenant: &TenantCatalog, revision: &Revision) -> Source {
    Source::Stored(RevisionId { tenant: tenant.id(), number: revision.number })
}
