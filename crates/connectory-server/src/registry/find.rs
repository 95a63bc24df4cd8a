//! Finding a connector of a tenant.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::RevisionId;

use super::{Registry, RegistryError};
use crate::catalog::{Entry, Source, TenantCatalog};

/// A connector and where it is.
pub struct Found {
    /// The connector as the catalog has it.
    pub entry: Arc<Entry>,
    /// All of it.
    pub connector: Arc<Connector>,
}

impl Registry {
    /// The entry of a connector.
    pub fn entry(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<Arc<Entry>, RegistryError> {
        tenant.entry(script_name).ok_or_else(|| RegistryError::NotFound(script_name.clone()))
    }

    /// The revision of a connector that can be changed: a custom one.
    pub fn custom(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<RevisionId, RegistryError> {
        match self.entry(tenant, script_name)?.source {
            Source::Stored(id) => Ok(id),
            Source::BuiltIn(_) => Err(RegistryError::BuiltIn(script_name.clone())),
        }
    }

    /// A whole connector.
    pub async fn find(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<Found, RegistryError> {
        let entry = self.entry(tenant, script_name)?;
        let connector = self.catalog.connector(entry.source).await?;
        Ok(Found { entry, connector })
    }
}
