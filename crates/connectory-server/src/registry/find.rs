//! Finds a connector of a tenant.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::RevisionId;

use super::{Registry, RegistryError};
use crate::catalog::{Entry, Source, TenantCatalog};

/// A connector and its entry in the catalog.
pub struct Found {
    /// The entry of the connector in the catalog.
    pub entry: Arc<Entry>,
    /// The whole connector, with its documents.
    pub connector: Arc<Connector>,
}

impl Registry {
    /// Finds the entry of a connector.
    pub fn entry(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<Arc<Entry>, RegistryError> {
        tenant.entry(script_name).ok_or_else(|| RegistryError::NotFound(script_name.clone()))
    }

    /// Finds the newest revision of a custom connector. Fails for a built-in connector, which cannot be changed.
    pub fn custom(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<RevisionId, RegistryError> {
        match self.entry(tenant, script_name)?.source {
            Source::Stored(id) => Ok(id),
            Source::BuiltIn(_) => Err(RegistryError::BuiltIn(script_name.clone())),
        }
    }

    /// Finds a connector and reads all of it.
    pub async fn find(&self, tenant: &TenantCatalog, script_name: &ScriptName) -> Result<Found, RegistryError> {
        let entry = self.entry(tenant, script_name)?;
        let connector = self.catalog.connector(tenant, entry.source).await?;
        Ok(Found { entry, connector })
    }
}
