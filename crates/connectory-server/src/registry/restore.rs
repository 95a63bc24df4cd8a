//! Restores a connector: a new revision gives it the state of an earlier revision.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::{Change, Edit, Once, Origin, RevisionNumber};

use super::changed::changed_members;
use super::{Edited, Expected, Given, Registry, RegistryError};
use crate::catalog::TenantCatalog;
use crate::http::conditional::{Condition, Current};

impl Registry {
    /// Restores a connector to the state at a revision. The connector may be deleted. A request that is done once and was
    /// done meanwhile is refused, and so is a connector that is not as the condition wants it. A deleted one meets none that
    /// asks for something.
    pub async fn restore(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        once: Option<Once>,
        script_name: &ScriptName,
        (number, condition): (RevisionNumber, Condition),
    ) -> Result<Edited, RegistryError> {
        let (_, source) = self.revision(tenant, script_name, number).await?;
        let old = self.catalog.connector(tenant, source).await?;
        let restored = Restored { old, script_name, origin, once, condition };
        if tenant.entry(script_name).is_none() {
            match self.restore_deleted(tenant, &restored).await {
                // Another request restored or created it meanwhile.
                Err(RegistryError::NameTaken | RegistryError::Conflict)
                    if self.is_there(tenant, script_name).await? => {}
                restored => return restored,
            }
        }
        let Restored { old, condition, .. } = restored;
        let size = old.size();
        let next = move |connector: &Connector| {
            // Keep the current name: a connector that was deleted and created again may have another name than before.
            Ok(Some(Connector { name: connector.name.clone(), ..(*old).clone() }))
        };
        let given = Given { bytes: size, answers_detail: true, expected: Expected { condition, part: None } };
        self.edit_as(tenant, origin, script_name, given, once, (next, Edit::restoring)).await
    }

    /// Whether the tenant has a connector by now, whichever process created it.
    async fn is_there(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<bool, RegistryError> {
        self.catalog.fresh(tenant).await?;
        Ok(tenant.entry(script_name).is_some())
    }

    async fn restore_deleted(
        &self,
        tenant: &Arc<TenantCatalog>,
        Restored { old, script_name, origin, once, condition }: &Restored<'_>,
    ) -> Result<Edited, RegistryError> {
        if !condition.allows(Current { etag: None, revision: None, exists: false }) {
            return Err(RegistryError::NotFound((*script_name).clone()));
        }
        if tenant.snapshot().has_name(&old.name) {
            return Err(RegistryError::NameTaken);
        }
        let size = old.size();
        self.catalog.reserve_detail(size)?;
        let (limit, old) = (self.bounds.connector, Arc::clone(old));
        let make = move |_: &_| -> Result<_, RegistryError> {
            old.check_bounds(limit)?;
            let members = changed_members(None, &old);
            let edit = Edit::new(Change::Create, &old, &members, None).restoring();
            Ok((edit, old))
        };
        let (edit, old) = self.work.run(size, make).await??;
        let source = self.catalog.commit(tenant, (edit, &old), Origin::clone(origin), *once).await?;
        Ok(Edited::Changed(source, old))
    }
}

/// What is restored, and for whom.
struct Restored<'a> {
    old: Arc<Connector>,
    script_name: &'a ScriptName,
    origin: &'a Origin,
    once: Option<Once>,
    condition: Condition,
}
