//! A client's id and secret.

use connectory_store::ApiClient;

use super::{Auth, CredentialsError};

impl Auth {
    /// The client that one of the credentials, each an id and a secret, is right for.
    pub async fn authenticate(&self, credentials: Vec<(String, String)>) -> Result<ApiClient, CredentialsError> {
        for (id, secret) in credentials {
            let found = self.store.client(id).await?;
            let hash = found.as_ref().map(|client| client.secret_hash.clone());
            let verified = self.verifier.verify(secret, hash).await;
            if let Some(client) = found.filter(|_| verified) {
                return Ok(client);
            }
        }
        Err(CredentialsError::Wrong)
    }
}
