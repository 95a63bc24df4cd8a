//! Restores a connector: a new revision gives it the state of an earlier revision.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::{Change, Edit, Origin, RevisionNumber};

use super::changed::changed_members;
use super::{Given, Registry, RegistryError};
use crate::catalog::TenantCatalog;

impl Registry {
    /// Restores a connector to the state at a revision. The connector may be deleted.
    pub async fn restore(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        script_name: &ScriptName,
        number: RevisionNumber,
    ) -> Result<(), RegistryError> {
        let past = self.past(tenant, script_name).await?;
        let old = self.change(tenant, script_name, number).await?.after;
        let size = old.size();
        if past.current.is_some() {
            let next = move |connector: &Connector| {
                // Keep the current name: a connector that was deleted and created again may have another name than
                // before.
                Ok(Some(Connector { name: connector.name.clone(), ..(*old).clone() }))
            };
            self.edit_as(tenant, origin, script_name, Given::bytes(size), None, (next, Edit::restoring)).await?;
            return Ok(());
        }
        if tenant.snapshot().has_name(&old.name) {
            return Err(RegistryError::NameTaken);
        }
        let limit = self.bounds.connector;
        let make = move |_: &_| -> Result<_, RegistryError> {
            old.check_bounds(limit)?;
            let members = changed_members(None, &old);
            let edit = Edit::new(Change::Create, &old, &members, None).restoring();
            Ok((edit, old))
        };
        let (edit, old) = self.work.run(size, make).await??;
        self.catalog.commit(tenant, (edit, &old), origin.clone(), None).await?;
        Ok(())
    }
}
