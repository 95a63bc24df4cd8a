//! The condition of a change: what its caller has read must still be so. It is checked against the very revision that the
//! change replaces, and again in each attempt.

use connectory_model::{Connector, ScriptName};
use connectory_store::RevisionId;

use super::{Registry, RegistryError};
use crate::catalog::{Source, Tagged, TenantCatalog};
use crate::http::conditional::{Condition, Current};
use crate::http::etag::ETag;

/// What a change expects. The default expects nothing.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The condition.
    pub condition: Condition,
    /// The part of the connector that it is about. None for the whole connector.
    pub part: Option<Tagged>,
}

/// What there is instead of what a change expects.
#[derive(Debug)]
pub struct Unexpected {
    /// The revision of the connector.
    pub id: RevisionId,
    /// The tag of the part that the condition is about. None if it is about the whole connector.
    pub tag: Option<ETag>,
}

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the connector is at revision {}", self.id.number)?;
        if let Some(tag) = &self.tag {
            write!(f, ", and what would be replaced has the tag {}", tag.as_str())?;
        }
        f.write_str(": this does not meet the condition of the request, so nothing was changed; read it again")
    }
}

impl Expected {
    /// The condition of a change to a part of a connector.
    pub fn of_part(condition: Condition, part: Tagged) -> Self {
        Self { condition, part: Some(part) }
    }

    /// Checks the condition against a connector at a revision.
    pub fn check(&self, id: RevisionId, connector: &Connector) -> Result<(), RegistryError> {
        if self.condition.is_none() {
            return Ok(());
        }
        let tag = self.part.map(|part| part.tag(connector));
        let exists = self.part.is_none_or(|part| part.exists(connector));
        if self.condition.allows(Current { etag: tag.as_ref(), revision: Some(id.number), exists }) {
            return Ok(());
        }
        Err(RegistryError::Unexpected(Box::new(Unexpected { id, tag })))
    }
}

impl Registry {
    /// Checks the condition of a request that changes nothing. Fails as [`Self::custom`] does, too.
    pub async fn check(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        expected: Expected,
    ) -> Result<(), RegistryError> {
        let id = self.custom(tenant, script_name)?;
        if !expected.condition.is_none() {
            let connector = self.catalog.connector(tenant, Source::Stored(id)).await?;
            self.work.run(connector.size(), move |_| expected.check(id, &connector)).await??;
        }
        Ok(())
    }
}
