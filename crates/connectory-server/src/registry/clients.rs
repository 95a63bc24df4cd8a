//! The API clients of a tenant: create and delete.

use connectory_model::access::{Scopes, UserLevel};
use connectory_store::{AccessOrigin, NewClient, Tenant};

use super::{Registry, RegistryError};
use crate::work::WorkError;

impl Registry {
    /// Creates a client of a tenant. Returns its id and its secret, which nothing else has.
    pub async fn create_client(
        &self,
        tenant: &Tenant,
        name: String,
        level: UserLevel,
        scopes: Scopes,
        by: AccessOrigin,
    ) -> Result<(String, String), RegistryError> {
        let generated = tokio::task::spawn_blocking(move || NewClient::generate(name, level, scopes)).await;
        let (client, secret) = generated.map_err(|_| WorkError::Panicked)?;
        let id = client.id.clone();
        self.store.create_client(tenant.name.clone(), client, by).await?;
        Ok((id, secret))
    }

    /// Deletes a client of a tenant.
    pub async fn delete_client(&self, tenant: &Tenant, id: String, by: AccessOrigin) -> Result<(), RegistryError> {
        Ok(self.store.delete_client(tenant.id, id, by).await?)
    }
}
