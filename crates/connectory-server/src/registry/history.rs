//! The history of connectors: the changes, their authors and their times. A deleted connector keeps its history.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::{Action, Revision, RevisionId, RevisionNumber};

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

impl Registry {
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

    /// Reads a revision of a connector, with the connector before and after the revision.
    pub async fn change(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        number: RevisionNumber,
    ) -> Result<Change, RegistryError> {
        let read = async |number| match number {
            Some(number) => self.store.revision(tenant.id(), script_name.clone(), number).await,
            None => Ok(None),
        };
        let revision = read(Some(number)).await?.ok_or(RegistryError::NoRevision(number))?;
        let source = stored(tenant, &revision);
        let after = self.catalog.connector(tenant, source).await?;
        // The previous revision of a creation, if there is one, belongs to a deleted connector with the same script
        // name.
        let before = match read(revision.previous.filter(|_| revision.action != Action::Create)).await? {
            Some(before) => Some(self.catalog.connector(tenant, stored(tenant, &before)).await?),
            None => None,
        };
        Ok(Change { revision, before, after, source })
    }
}

/// Returns the place of a connector at a revision.
fn stored(tenant: &TenantCatalog, revision: &Revision) -> Source {
    Source::Stored(RevisionId { tenant: tenant.id(), number: revision.number })
}
