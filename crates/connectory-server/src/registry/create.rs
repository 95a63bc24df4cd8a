//! Creates a connector.

use std::sync::Arc;

use connectory_model::create::NewConnector;
use connectory_model::limits::EDIT_ATTEMPTS;
use connectory_model::{ScriptName, Summary};
use connectory_store::{Change, Edit, Once, Origin, Refusal, StoreError, Unavailable};

use super::{Registry, RegistryError};
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
        // Names that differ may have the same script name at first. Those connectors are created one after the other.
        let first = ScriptName::derive(&new.name);
        let _turn = self.queues.turn(tenant.id(), &first).await.map_err(StoreError::from)?;
        for _ in 0..EDIT_ATTEMPTS {
            // A create does not wait for a fresh list, but it is not refused without one.
            let is_taken = || tenant.snapshot().has_name(&new.name);
            if is_taken() {
                self.catalog.fresh(tenant).await?;
                if is_taken() {
                    return Err(RegistryError::NameTaken);
                }
            }
            let script_name = first.avoiding(|candidate| tenant.entry(candidate).is_some());
            let connector = Arc::new(new.clone().build(script_name, &[]));
            connector.check_bounds(self.bounds.connector)?;
            let edit = Edit::new(Change::Create, &connector, &[], None);
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
