//! The history of connectors: the changes, their authors and their times. A deleted connector keeps its history.

use std::sync::Arc;

use connectory_model::limits::{REVISIONS_READ, REVISIONS_SCANNED};
use connectory_model::{Connector, ScriptName};
use connectory_store::{Action, Revision, RevisionId, RevisionNumber};
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

/// The revisions that a caller asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RevisionsWanted {
    /// Those of this connector.
    pub script_name: Option<ScriptName>,
    /// Those of the author with this id or name.
    pub author: Option<String>,
    /// Those with this action.
    pub action: Option<Action>,
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

impl RevisionsWanted {
    /// Whether revisions are looked at one by one.
    fn is_filter(&self) -> bool {
        self.author.is_some() || self.action.is_some()
    }

    fn has(&self, revision: &Revision) -> bool {
        let author = &revision.author;
        let is_author = |wanted: &String| author.id == *wanted || author.name.as_ref() == Some(wanted);
        self.author.as_ref().is_none_or(is_author) && self.action.is_none_or(|action| action == revision.action)
    }
}

/// A time in milliseconds since 1970-01-01 UTC as RFC 3339 has it.
pub fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| milliseconds.to_string(), |time| format!("{time:.3}"))
}

impl Registry {
    /// Lists up to `limit` revisions with numbers below `before`, the newest first. A page may have fewer, even none, where
    /// more follow: a request looks at so many revisions at most.
    pub async fn revisions(
        &self,
        tenant: &TenantCatalog,
        wanted: &RevisionsWanted,
        mut before: Option<RevisionNumber>,
        limit: usize,
    ) -> Result<RevisionsPage, RegistryError> {
        let mut page = RevisionsPage { revisions: Vec::with_capacity(limit), next: None };
        if let Some(until) = wanted.until {
            let Some(newest) = self.store.moment_at(tenant.id(), until).await? else { return Ok(page) };
            let after = RevisionNumber::new(newest.number.get() + 1);
            before = before.map_or(after, |before| Some(after.map_or(before, |after| before.min(after))));
        }
        let mut oldest = RevisionNumber::ZERO;
        if let Some(since) = wanted.since {
            let last_before = self.store.moment_at(tenant.id(), since.saturating_sub(1)).await?;
            oldest = last_before.map_or(oldest, |moment| moment.number);
        }
        let mut scanned = 0;
        loop {
            // One more than are wanted, to know whether more follow. A filter may leave out any number of them.
            let left = limit + 1 - page.revisions.len();
            let read = if wanted.is_filter() { REVISIONS_READ } else { left.min(REVISIONS_READ) };
            let rows = u32::try_from(read).unwrap_or(u32::MAX);
            let found = self.store.revisions(tenant.id(), wanted.script_name.clone(), before, rows).await?;
            let is_last = found.len() < read;
            for revision in found {
                if revision.number <= oldest {
                    return Ok(page);
                }
                scanned += 1;
                before = Some(revision.number);
                if !wanted.has(&revision) {
                    continue;
                }
                if page.revisions.len() == limit {
                    // The one before was the last of this page.
                    page.next = page.revisions.last().map(|last| last.number).or(before);
                    return Ok(page);
                }
                page.revisions.push(revision);
            }
            if is_last {
                return Ok(page);
            }
            if scanned >= REVISIONS_SCANNED {
                page.next = before;
                return Ok(page);
            }
        }
    }

    /// Lists up to `limit` revisions of a tenant with numbers below `before`, the newest first.
    pub async fn activity(
        &self,
        tenant: &TenantCatalog,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>, RegistryError> {
        Ok(self.store.revisions(tenant.id(), None, before, limit).await?)
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
fn readable(tenant: &TenantCatalog, revision: &Revision) -> Result<Source, RegistryError> {
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
