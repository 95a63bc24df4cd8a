//! Client ids and secrets: generated, hashed with argon2id, and verified in constant time.
//!
//! By design, a verification takes tens of milliseconds and 19 MiB. So the number of parallel verifications is at most
//! the number of processors, and the number of waiting ones is bounded. Known and unknown ids have separate queues, so
//! requests with invented ids do not delay the clients. A full queue of known ids tells that an id exists; ids are not
//! secrets.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
use connectory_model::limits::VERIFICATIONS_WAITING;
pub use connectory_store::{hash_secret as hash, new_id, new_secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Dummy hash, verified for unknown clients so that the response time does not reveal whether a client exists.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash(&new_secret()));

/// Verifies secrets, a few at a time.
pub struct Verifier {
    known: Queue,
    unknown: Queue,
}

/// Verifications that run, and those that wait for them.
struct Queue {
    running: Arc<Semaphore>,
    waiting: Semaphore,
}

/// The queue is full.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueFull;

impl Queue {
    fn new(running: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(running)), waiting: Semaphore::new(VERIFICATIONS_WAITING) }
    }

    /// Waits for a turn. The turn ends when the permit is dropped.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, QueueFull> {
        let _place = self.waiting.try_acquire().map_err(|_| QueueFull)?;
        Ok(Arc::clone(&self.running).acquire_owned().await.expect("the semaphore is never closed"))
    }
}

impl Verifier {
    /// Makes a verifier that runs as many verifications of known ids at once as this machine has processors, and one of an
    /// unknown id.
    pub fn for_this_machine() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { known: Queue::new(processors), unknown: Queue::new(1) }
    }

    /// Whether the secret matches the hash. Without a hash the result is false, after the same time.
    pub async fn verify(&self, secret: String, hash: Option<String>) -> Result<bool, QueueFull> {
        let queue = if hash.is_some() { &self.known } else { &self.unknown };
        let turn = queue.turn().await?;
        let verified = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, even if the client does not wait for it.
            let _turn = turn;
            let is_known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.clone());
            let matches = PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok());
            matches && is_known
        });
        Ok(verified.await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_secret_is_verified_against_its_hash_alone() {
        let (secret, other) = (new_secret(), new_secret());
        let hashed = hash(&secret);
        assert!(hashed.starts_with("$argon2id$") && !hashed.contains(&secret));
        let verifier = Verifier::for_this_machine();
        assert_eq!(verifier.verify(secret.clone(), Some(hashed.clone())).await, Ok(true));
        assert_eq!(verifier.verify(other, Some(hashed)).await, Ok(false));
        assert_eq!(verifier.verify(secret, None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_queue_has_an_end_and_its_turns_last_as_long_as_their_work() {
        let queue = Queue::new(1);
        let turn = queue.turn().await.expect("the first turn");
        let mut waiting: Vec<_> = (0..VERIFICATIONS_WAITING).map(|_| Box::pin(queue.turn())).collect();
        for turn in &mut waiting {
            assert!(turn.as_mut().now_or_never().is_none());
        }
        assert_eq!(queue.turn().await.err(), Some(QueueFull));
        waiting.pop();
        let mut last = Box::pin(queue.turn());
        assert!(last.as_mut().now_or_never().is_none(), "a client that leaves makes room");
        drop((turn, waiting));
        let _turn = last.await.expect("its turn");
    }

    #[tokio::test]
    async fn a_client_that_leaves_does_not_end_the_turn_of_its_work() {
        let verifier = Verifier { known: Queue::new(1), unknown: Queue::new(1) };
        let _left = Box::pin(verifier.verify(String::new(), None)).as_mut().now_or_never();
        assert_eq!(verifier.unknown.running.available_permits(), 0, "the work still runs");
    }
}
