//! The API clients of a tenant: create and delete.

use connectory_model::access::{Scopes, UserLevel};
use connectory_model::limits::HASHING_BYTES;
use connectory_store::{AccessOrigin, NewClient, Origin, Tenant};

use crate::auth::secret::new_secret;

use super::{Registry, RegistryError};

impl Registry {
    /// Creates a client of a tenant. Returns its secret, which nothing else has. If there is a client with the id,
    /// that is [`StoreError::Exists`](connectory_store::StoreError::Exists).
    pub async fn create_client(
        &self,
        tenant: &Tenant,
        (id, name): (String, String),
        level: UserLevel,
        scopes: Scopes,
        by: AccessOrigin,
    ) -> Result<String, RegistryError> {
        let (new_id, secret) = (id.clone(), new_secret());
        let given = secret.clone();
        // Hashing takes as much memory as work on a large connector, and as long.
        let hash = move |_: &_| NewClient::with_secret(new_id, &given, name, level, scopes);
        let client = self.work.run(HASHING_BYTES, hash).await?;
        self.store.create_client(tenant.name.clone(), client, by.clone()).await?;
        log("client created", &id, &by);
        Ok(secret)
    }

    /// Deletes a client of a tenant.
    pub async fn delete_client(&self, tenant: &Tenant, id: String, by: AccessOrigin) -> Result<(), RegistryError> {
        self.store.delete_client(tenant.id, id.clone(), by.clone()).await?;
        log("client deleted", &id, &by);
        Ok(())
    }
}

/// Logs a change of access, as the store keeps it.
fn log(what: &str, client: &str, AccessOrigin { origin, address }: &AccessOrigin) {
    let Origin { author, tracking_id } = origin;
    let tracking_id = tracking_id.map(|id| id.simple().to_string());
    let peer = address.map(|address| address.to_string());
    tracing::info!(client, by = author.id, kind = author.kind.as_str(), peer, tracking_id, "{what}");
}
