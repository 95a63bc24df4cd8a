//! Client ids and secrets: generated, hashed with argon2id, and verified in constant time.
//!
//! By design, a verification takes tens of milliseconds and 19 MiB. So the number of parallel verifications is at most
//! the number of processors, and the number of waiting ones is bounded. Known and unknown ids have separate queues, so
//! requests with invented ids do not delay the clients. A full queue of known ids tells that an id exists; ids are not
//! secrets.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
use connectory_model::limits::{VERIFICATIONS_PER_CLIENT, VERIFICATIONS_WAITING};
pub use connectory_store::{hash_secret as hash, new_id, new_secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Dummy hash, verified for unknown clients so that the response time does not reveal whether a client exists.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash(&new_secret()));

/// Verifies secrets, a few at a time.
pub struct Verifier {
    known: Queue,
    unknown: Queue,
    /// The verifications of each client that run or wait.
    shares: Mutex<HashMap<String, usize>>,
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
        Self { known: Queue::new(processors), unknown: Queue::new(1), shares: Mutex::default() }
    }

    /// Whether the secret matches the hash. Without a hash the result is false, after the same time.
    pub async fn verify(&self, id: &str, secret: String, hash: Option<String>) -> Result<bool, QueueFull> {
        let _share = hash.as_ref().map(|_| self.share(id)).transpose()?;
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

/// A client's verification. It counts until this is dropped.
struct Share<'a> {
    id: String,
    shares: &'a Mutex<HashMap<String, usize>>,
}

impl Verifier {
    /// Counts a verification of a client's secret, or refuses it.
    fn share(&self, id: &str) -> Result<Share<'_>, QueueFull> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let count = shares.entry(id.to_owned()).or_default();
        if *count >= VERIFICATIONS_PER_CLIENT {
            return Err(QueueFull);
        }
        *count += 1;
        Ok(Share { id: id.to_owned(), shares: &self.shares })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = shares.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                shares.remove(&self.id);
            }
        }
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
        assert_eq!(verifier.verify("a", secret.clone(), Some(hashed.clone())).await, Ok(true));
        assert_eq!(verifier.verify("a", other, Some(hashed)).await, Ok(false));
        assert_eq!(verifier.verify("a", secret, None).await, Ok(false));
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
    async fn one_client_never_fills_the_queue() {
        let verifier = Verifier::for_this_machine();
        let shares: Vec<_> = (0..VERIFICATIONS_PER_CLIENT).map(|_| verifier.share("a")).collect();
        assert!(shares.iter().all(Result::is_ok));
        assert_eq!(verifier.share("a").err(), Some(QueueFull));
        assert!(verifier.share("b").is_ok());
        drop(shares);
        assert!(verifier.share("a").is_ok());
        assert!(verifier.shares.lock().expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn a_client_that_leaves_does_not_end_the_turn_of_its_work() {
        let verifier = Verifier::for_this_machine();
        let _left = Box::pin(verifier.verify("", String::new(), None)).as_mut().now_or_never();
        assert_eq!(verifier.unknown.running.available_permits(), 0, "the work still runs");
    }
}
