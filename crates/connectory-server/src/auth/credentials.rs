//! Checks the id and the secret of a client.

use std::net::IpAddr;

use connectory_store::{ApiClient, TenantId};

use super::secret::QueueFull;
use super::{Auth, CredentialsError};

impl Auth {
    /// Returns the client of the first credentials that are correct. Each item of `credentials` is an id and a secret.
    /// `address` is where the request came from. Wrong secrets for a client that exists are counted: they delay further
    /// ones for this client from this address, and the tenant's list of refused sign-ins has them.
    pub async fn authenticate(
        &self,
        credentials: Vec<(String, String)>,
        address: IpAddr,
    ) -> Result<ApiClient, CredentialsError> {
        let mut refused = None;
        for (id, secret) in credentials {
            let found = self.store.client(id.clone()).await?;
            let known = found.as_ref().map(|client| client.id.as_str());
            let hash = found.as_ref().map(|client| client.secret_hash.clone());
            if hash.as_deref().is_some_and(|hash| self.verifier.was_right(&id, &secret, hash)) {
                // Whoever shares an address with someone who guesses is not delayed.
                return found.ok_or(CredentialsError::Wrong);
            }
            let busy = |QueueFull| CredentialsError::Busy;
            let _alone = match known {
                Some(id) => Some(self.verifier.alone(id).await.map_err(busy)?),
                None => None,
            };
            if let Some(seconds) = known.and_then(|id| self.failures.delay(id, address)) {
                refused = found.map(|client| (client, Some(seconds)));
                continue;
            }
            let verified = self.verifier.verify(&id, secret, hash).await.map_err(busy)?;
            match found {
                Some(client) if verified => {
                    self.failures.forget(&client.id, address);
                    return Ok(client);
                }
                Some(client) => refused = Some((client, None)),
                None => {}
            }
        }
        let Some((client, delayed)) = refused else { return Err(CredentialsError::Wrong) };
        self.failures.count(&client, address, delayed.is_none());
        Err(delayed.map_or(CredentialsError::Wrong, CredentialsError::Delayed))
    }

    /// Writes the refused sign-ins of the last second, before the server ends.
    pub async fn flush(&self) {
        self.failures.flush().await;
    }

    /// Notes in the tenant's list of refused sign-ins that a known client or person was refused, because it has no right
    /// that it needs.
    pub fn note_refused(&self, tenant: TenantId, id: String, address: IpAddr) {
        self.failures.note(tenant, id, address);
    }
}
