//! The history of connectors: what was changed, by whom and when. A deleted connector keeps its history.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::{Action, Revision, RevisionId, RevisionNumber};

use super::{Registry, RegistryError};
use crate::catalog::{Source, TenantCatalog};

/// A connector and its past, which may be all that is left of it.
pub struct Past {
    /// The connector as it is, or was when it was deleted.
    pub newest: Arc<Connector>,
    /// Where it is now, unless it was deleted.
    pub current: Option<Source>,
}

/// A revision, and the connector before and after it.
pub struct Change {
    /// The revision.
    pub revision: Revision,
    /// The connector before; nothing, if the revision created it.
    pub before: Option<Arc<Connector>>,
    /// The connector after; of a deletion, what was deleted.
    pub after: Arc<Connector>,
    /// Where `after` is.
    pub source: Source,
}

impl Registry {
    /// The newest revisions of a tenant that were made before one.
    pub async fn activity(
        &self,
        tenant: &TenantCatalog,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>, RegistryError> {
        Ok(self.store.revisions(tenant.id(), None, before, limit).await?)
    }

    /// The newest revisions of a connector that were made before one.
    pub async fn history(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>, RegistryError> {
        Ok(self.store.revisions(tenant.id(), Some(script_name.clone()), before, limit).await?)
    }

    /// A connector that exists or existed.
    pub async fn past(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<Past, RegistryError> {
        let current = tenant.entry(script_name).map(|entry| entry.source);
        let source = match current {
            Some(source) => source,
            None => match self.history(tenant, script_name, None, 1).await?.first() {
                Some(last) => stored(tenant, last),
                None => return Err(RegistryError::NotFound(script_name.clone())),
            },
        };
        Ok(Past { newest: self.catalog.connector(source).await?, current })
    }

    /// What a revision of a connector changed.
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
        let after = self.catalog.connector(source).await?;
        // Before a creation there was another connector of the same name, or none.
        let before = match read(revision.previous.filter(|_| revision.action != Action::Create)).await? {
            Some(before) => Some(self.catalog.connector(stored(tenant, &before)).await?),
            None => None,
        };
        Ok(Change { revision, before, after, source })
    }
}

/// Where a connector is at a revision.
fn stored(tenant: &TenantCatalog, revision: &Revision) -> Source {
    Source::Stored(RevisionId { tenant: tenant.id(), number: revision.number })
}
