//! Client ids and secrets: generated, hashed with argon2id, and verified in constant time.
//!
//! By design, a verification takes tens of milliseconds and 19 MiB. So the number of parallel verifications is at most
//! the number of processors, and the number of waiting ones is bounded. Known and unknown ids have separate queues, so
//! requests with invented ids do not delay the clients. A full queue of known ids tells that an id exists; ids are not
//! secrets.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
use connectory_model::limits::{
    RECENT_SECRET, RECENT_SECRETS, VERIFICATIONS_PER_CLIENT, VERIFICATIONS_WAITING, WORK_TIMEOUT,
};
pub use connectory_store::{hash_secret as hash, new_id, new_secret};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::work::apart;

/// Dummy hash, verified for unknown clients so that the response time does not reveal whether a client exists.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash(&new_secret()));

/// Verifies secrets, a few at a time.
pub struct Verifier {
    known: Queue,
    unknown: Queue,
    /// The clients whose secrets are verified, or wait for that.
    clients: Mutex<HashMap<String, OfClient>>,
    /// The right secrets of the last minutes.
    recent: Recent,
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
        Self {
            known: Queue::new(processors),
            unknown: Queue::new(1),
            clients: Mutex::default(),
            recent: Recent::default(),
        }
    }

    /// Whether the secret matches the hash. Without a hash the result is false, after the same time.
    pub async fn verify(&self, id: &str, secret: String, hash: Option<String>) -> Result<bool, QueueFull> {
        let Some(hash) = hash else {
            let turn = self.unknown.turn().await?;
            // Strangers get what time the processors have left.
            let verified = apart(turn, WORK_TIMEOUT, move |_| matches(&secret, &NOBODY));
            let _never = verified.await;
            return Ok(false);
        };
        let digest = self.recent.digest(&secret, &hash);
        // Another request of the client may have verified it while this one waited for its turn.
        if self.recent.has(id, &digest) {
            return Ok(true);
        }
        let turn = self.known.turn().await?;
        let verified = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, even if the client does not wait for it.
            let _turn = turn;
            matches(&secret, &hash)
        });
        let is_right = verified.await.unwrap_or(false);
        if is_right {
            self.recent.keep(id, digest);
        }
        Ok(is_right)
    }

    /// Whether a client's secret was verified and right in the last minutes.
    pub fn was_right(&self, id: &str, secret: &str, hash: &str) -> bool {
        self.recent.has(id, &self.recent.digest(secret, hash))
    }
}

fn matches(secret: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
}

/// The right secrets of the last minutes, one of each client, as digests under a random key of this process. So a client
/// that asks for very many tokens does not take the processor time of others, and neither waits.
struct Recent {
    key: [u8; 32],
    digests: Cache<String, ([u8; 32], Instant)>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { key: rand::random(), digests: Cache::new(RECENT_SECRETS) }
    }
}

impl Recent {
    /// Digests a secret and the hash that it is verified against. So a digest ends with the hash.
    fn digest(&self, secret: &str, hash: &str) -> [u8; 32] {
        let hash = Sha256::digest(hash);
        Sha256::new().chain_update(self.key).chain_update(hash).chain_update(secret).finalize().into()
    }

    /// Whether the secret of a digest was right in the last minutes. If so, remembers it anew.
    fn has(&self, id: &str, digest: &[u8; 32]) -> bool {
        let found = self.digests.get(id).filter(|(_, used)| used.elapsed() < RECENT_SECRET);
        let is_right = found.is_some_and(|(found, _)| found.ct_eq(digest).into());
        if is_right {
            self.keep(id, *digest);
        }
        is_right
    }

    fn keep(&self, id: &str, digest: [u8; 32]) {
        self.digests.insert(id.to_owned(), (digest, Instant::now()));
    }
}

/// The verifications of a client: how many run or wait, and the one that may run.
struct OfClient {
    count: usize,
    one: Arc<Semaphore>,
}

/// The turn of a client's verification among those of the same client. It ends when this is dropped.
pub struct Alone<'a> {
    _one: OwnedSemaphorePermit,
    _counted: Counted<'a>,
}

struct Counted<'a> {
    id: String,
    clients: &'a Mutex<HashMap<String, OfClient>>,
}

impl Verifier {
    /// Waits until no other secret of a client is verified, or refuses that if too many wait. So each client has one place
    /// in the queue of all, however many secrets are sent for it.
    pub async fn alone(&self, id: &str) -> Result<Alone<'_>, QueueFull> {
        let (one, counted) = {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            let of =
                clients.entry(id.to_owned()).or_insert_with(|| OfClient { count: 0, one: Arc::new(Semaphore::new(1)) });
            if of.count >= VERIFICATIONS_PER_CLIENT {
                return Err(QueueFull);
            }
            of.count += 1;
            (Arc::clone(&of.one), Counted { id: id.to_owned(), clients: &self.clients })
        };
        Ok(Alone { _one: one.acquire_owned().await.expect("the semaphore is never closed"), _counted: counted })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = clients.get_mut(&self.id) {
            of.count -= 1;
            if of.count == 0 {
                clients.remove(&self.id);
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
        let renewed = hash(&new_secret());
        for _ in 0..2 {
            assert_eq!(verifier.verify("a", secret.clone(), Some(hashed.clone())).await, Ok(true));
            assert_eq!(verifier.verify("a", other.clone(), Some(hashed.clone())).await, Ok(false));
            assert_eq!(verifier.verify("a", secret.clone(), Some(renewed.clone())).await, Ok(false));
        }
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
    async fn a_secret_that_was_right_takes_no_turn_again() {
        let verifier = Verifier { known: Queue::new(1), ..Verifier::for_this_machine() };
        let (secret, other) = (new_secret(), new_secret());
        let hashed = hash(&secret);
        assert_eq!(verifier.verify("a", secret.clone(), Some(hashed.clone())).await, Ok(true));
        let _busy = verifier.known.turn().await;
        assert_eq!(verifier.verify("a", secret.clone(), Some(hashed.clone())).await, Ok(true));
        assert!(Box::pin(verifier.verify("a", other, Some(hashed.clone()))).as_mut().now_or_never().is_none());
        assert!(
            Box::pin(verifier.verify("b", secret, Some(hashed))).as_mut().now_or_never().is_none(),
            "each has its own"
        );
    }

    #[tokio::test]
    async fn a_client_has_one_place_in_the_queue_of_all() {
        let verifier = Verifier::for_this_machine();
        let first = verifier.alone("a").await;
        assert!(first.is_ok());
        let mut waiting: Vec<_> = (1..VERIFICATIONS_PER_CLIENT).map(|_| Box::pin(verifier.alone("a"))).collect();
        for next in &mut waiting {
            assert!(next.as_mut().now_or_never().is_none(), "one at a time");
        }
        assert_eq!(verifier.alone("a").await.err(), Some(QueueFull));
        assert!(verifier.alone("b").await.is_ok());
        drop(first);
        assert!(waiting.remove(0).await.is_ok());
        drop(waiting);
        assert!(verifier.clients.lock().expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn a_client_that_leaves_does_not_end_the_turn_of_its_work() {
        let verifier = Verifier::for_this_machine();
        let _left = Box::pin(verifier.verify("", String::new(), None)).as_mut().now_or_never();
        assert_eq!(verifier.unknown.running.available_permits(), 0, "the work still runs");
    }
}
