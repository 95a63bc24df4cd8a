//! Client ids and secrets: generated, hashed with argon2id, and verified in constant time.
//!
//! By design, a verification takes tens of milliseconds and 19 MiB. So the number of parallel verifications is at most
//! the number of processors. A flood of token requests then slows down only token requests.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
pub use connectory_store::{hash_secret as hash, new_id, new_secret};
use tokio::sync::Semaphore;

/// Dummy hash, verified for unknown clients so that the response time does not reveal whether a client exists.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash(&new_secret()));

/// Verifies secrets, a few at a time.
pub struct Verifier(Semaphore);

impl Verifier {
    /// Makes a verifier that runs as many verifications at once as this machine has processors.
    pub fn for_this_machine() -> Self {
        Self(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)))
    }

    /// Whether the secret matches the hash. Without a hash the result is false, after the same time.
    pub async fn verify(&self, secret: String, hash: Option<String>) -> bool {
        let _permit = self.0.acquire().await.expect("the semaphore is never closed");
        let verified = tokio::task::spawn_blocking(move || {
            let is_known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.clone());
            let matches = PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok());
            matches && is_known
        });
        verified.await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_verified_against_its_hash_alone() {
        let (secret, other) = (new_secret(), new_secret());
        let hashed = hash(&secret);
        assert!(hashed.starts_with("$argon2id$") && !hashed.contains(&secret));
        let verifier = Verifier::for_this_machine();
        assert!(verifier.verify(secret.clone(), Some(hashed.clone())).await);
        assert!(!verifier.verify(other, Some(hashed)).await);
        assert!(!verifier.verify(secret, None).await);
    }
}
