//! Checks the id and the secret of a client.

use connectory_store::ApiClient;

use super::secret::QueueFull;
use super::{Auth, CredentialsError};

impl Auth {
    /// Returns the client of the first credentials that are correct. Each item of `credentials` is an id and a secret.
    pub async fn authenticate(&self, credentials: Vec<(String, String)>) -> Result<ApiClient, CredentialsError> {
        for (id, secret) in credentials {
            let found = self.store.client(id).await?;
            let hash = found.as_ref().map(|client| client.secret_hash.clone());
            let verified = self.verifier.verify(secret, hash).await.map_err(|QueueFull| CredentialsError::Busy)?;
            if let Some(client) = found.filter(|_| verified) {
                return Ok(client);
            }
        }
        Err(CredentialsError::Wrong)
    }
}
