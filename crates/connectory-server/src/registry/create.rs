//! Creates a connector, new or as a duplicate of another one.

use std::sync::Arc;

use connectory_folder::Folder;
use connectory_model::create::NewConnector;
use connectory_model::limits::EDIT_ATTEMPTS;
use connectory_model::{Connector, ScriptName, Status, Summary};
use connectory_store::{Change, Edit, Once, Origin, Refusal, StoreError, Unavailable};

use super::changed::changed_members;
use super::{At, Registry, RegistryError};
use crate::catalog::TenantCatalog;

impl Registry {
    /// Creates a connector with a free script name, which is derived from its name. A request that is done once and was
    /// done meanwhile is refused.
    pub async fn create(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        once: Option<Once>,
        new: NewConnector,
    ) -> Result<Arc<Summary>, RegistryError> {
        let script_name = ScriptName::derive(&new.name);
        self.commit_new(tenant, origin, once, (new.build(script_name, &[]), Vec::new())).await
    }

    /// Creates a connector that has all that another one has, with a name and a status of its own. Documents are copied as
    /// they are, also those that an upload would not be allowed to have (D70): the name in them is the only change. A request
    /// that is done once and was done meanwhile is refused.
    pub async fn duplicate(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        once: Option<Once>,
        original: &At,
        (name, status): (String, Status),
    ) -> Result<Arc<Summary>, RegistryError> {
        let original = self.at(tenant, original).await?;
        let size = original.size();
        let make = move |_: &_| {
            let mut folder = Folder::from((*original).clone()).renamed(&name);
            folder.description.members.status = status;
            let duplicate = folder.into_connector(ScriptName::derive(&name));
            let members = changed_members(None, &duplicate);
            (duplicate, members)
        };
        let new = self.work.run(size, make).await?;
        self.commit_new(tenant, origin, once, new).await
    }

    /// Commits a new connector, whose script name is the derived one, or the next one that is free. `members` are those that
    /// its revision names.
    async fn commit_new(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        once: Option<Once>,
        (new, members): (Connector, Vec<String>),
    ) -> Result<Arc<Summary>, RegistryError> {
        // Names that differ may have the same script name at first. Those connectors are created one after the other.
        let first = new.script_name.clone();
        let _turn = self.queues.turn(tenant.id(), &first).await.map_err(StoreError::from)?;
        let size = new.size();
        let new = Arc::new((new, members));
        for _ in 0..EDIT_ATTEMPTS {
            // A create does not wait for a fresh list, but it is not refused without one.
            let is_taken = || tenant.snapshot().has_name(&new.0.name);
            if is_taken() {
                self.catalog.fresh(tenant).await?;
                if is_taken() {
                    return Err(RegistryError::NameTaken);
                }
            }
            let script_name = first.avoiding(|candidate| tenant.entry(candidate).is_some());
            let (limit, new) = (self.bounds.connector, Arc::clone(&new));
            // To serialize and compress a large connector takes long.
            let make = move |_: &_| -> Result<_, RegistryError> {
                let (new, members) = &*new;
                let connector = Connector { script_name, ..new.clone() };
                connector.check_bounds(limit)?;
                Ok((Edit::new(Change::Create, &connector, members, None), Arc::new(connector)))
            };
            let (edit, connector) = self.work.run(size, make).await??;
            let summary = Arc::clone(edit.summary());
            match self.catalog.commit(tenant, (edit, &connector), origin.clone(), once).await {
                Ok(_) => return Ok(summary),
                // Another request took the script name first.
                Err(Refusal::ScriptNameTaken { .. }) => self.refused(tenant).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::from(Unavailable::Busy).into())
    }
}
