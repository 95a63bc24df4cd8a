//! Deletes a connector.

use std::sync::Arc;

use connectory_model::ScriptName;
use connectory_model::limits::EDIT_ATTEMPTS;
use connectory_store::{Change, Edit, Once, Origin, Refusal, StoreError, Unavailable};

use super::{Expected, Registry, RegistryError};
use crate::catalog::{Source, TenantCatalog};
use crate::http::conditional::Condition;

impl Registry {
    /// Deletes a connector at its newest revision. Starts again if another caller changed it meanwhile. A request that is
    /// done once and was done meanwhile is refused, and so is a connector that is not as the condition wants it.
    pub async fn delete(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        once: Option<Once>,
        script_name: &ScriptName,
        condition: Condition,
    ) -> Result<(), RegistryError> {
        let expected = Expected { condition, part: None };
        let _turn = self.queues.turn(tenant.id(), script_name).await.map_err(StoreError::from)?;
        for _ in 0..EDIT_ATTEMPTS {
            let read = self.custom(tenant, script_name)?;
            let connector = self.catalog.connector(tenant, Source::Stored(read)).await?;
            expected.check(read, &connector)?;
            let size = connector.size();
            let holders = self.catalog.holders(read, &connector).await?;
            let make = move |_: &_| {
                let change = Change::Delete { expected: read.number };
                (Edit::new(change, &connector, &[], Some((&connector, &holders))), connector)
            };
            let (edit, deleted) = self.work.run(size, make).await?;
            match self.catalog.commit(tenant, (edit, &deleted), origin.clone(), once).await {
                Ok(_) => return Ok(()),
                Err(Refusal::Conflict { .. }) => self.refused(tenant).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::from(Unavailable::Busy).into())
    }
}
