//! Long work: on a thread where it may block, a little of it at a time, within a deadline, and not after its client has
//! left.
//!
//! Connectors have up to 16 MiB, and what is made of one while it is worked on takes several times that. So a request
//! that works on something large waits for its turn: permits stand for bytes, the largest connector takes all of them.
//! A request takes its turn once, at the first large thing it needs, and keeps it until it is answered; it can
//! therefore never wait for itself.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use connectory_model::limits::{INLINE_BYTES, LARGE_BYTES, NICENESS, SEARCHES, TURN_TIMEOUT, WORK_TIMEOUT};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use crate::budget::{Budget, Charge, UNIT};

tokio::task_local! {
    /// What the request that runs holds until it is answered.
    static HELD: RefCell<Held>;
}

/// What a request holds until it is answered.
#[derive(Default)]
struct Held {
    /// The id under which it is logged.
    tracking_id: Option<Uuid>,
    /// Its turn, once it has one.
    turn: Option<Arc<OwnedSemaphorePermit>>,
    /// What its body is counted with.
    body: Option<Charge>,
    /// What its answer will be counted with, if that was counted before it was made.
    answer: Option<Charge>,
}

/// What the request that runs holds; nothing outside of one.
fn held<T>(of_request: impl FnOnce(&mut Held) -> T) -> Option<T> {
    HELD.try_with(|held| of_request(&mut held.borrow_mut())).ok()
}

/// The id under which the request that runs is logged.
pub fn tracking_id() -> Option<Uuid> {
    held(|held| held.tracking_id).flatten()
}

/// Counts a request's answer before it is made, unless it is small or counted already. What changes something does so
/// before the change, because its answer must not be refused after it.
pub fn reserve(answers: &Budget, bytes: usize) -> Result<(), WorkError> {
    let mut charge = answers.charge();
    let reserved = held(|held| {
        let has_room = held.answer.is_some() || charge.add(bytes);
        if has_room {
            held.answer.get_or_insert(charge);
        }
        has_room
    });
    if reserved == Some(false) { Err(WorkError::Busy) } else { Ok(()) }
}

/// Says what a request's answer is counted with.
pub fn counted(answer: Charge) {
    held(|held| held.answer = Some(answer));
}

/// Keeps what a request's body is counted with until the request is answered.
pub fn hold(body: Charge) {
    held(|held| held.body = Some(body));
}

/// Why work is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// Others work on large connectors or search, and did not end in time.
    #[error("the server works on too many large connectors or long searches at the moment; try again")]
    Busy,
    /// It took too long.
    #[error("this takes too long for the moment; narrow it down, or try again")]
    Late,
    /// The work panicked.
    #[error("the work panicked")]
    Panicked,
}

/// The long work of a process.
#[derive(Clone)]
pub struct Work {
    large: Arc<Semaphore>,
    searches: Arc<Semaphore>,
}

impl Default for Work {
    fn default() -> Self {
        Self { large: Arc::new(Semaphore::new(LARGE_BYTES / UNIT)), searches: Arc::new(Semaphore::new(SEARCHES)) }
    }
}

impl Work {
    /// Runs a request, so that it can have a turn. Also returns what its answer is counted with already.
    pub async fn request<T>(tracking_id: Uuid, request: impl Future<Output = T>) -> (T, Option<Charge>) {
        let held_by_it = Held { tracking_id: Some(tracking_id), ..Held::default() };
        HELD.scope(RefCell::new(held_by_it), async {
            let output = request.await;
            (output, held(|held| held.answer.take()).flatten())
        })
        .await
    }

    /// Waits for the request's turn to work on this many bytes, unless they are few or it has its turn already.
    pub async fn turn(&self, bytes: usize) -> Result<(), WorkError> {
        self.permit(bytes).await.map(drop)
    }

    async fn permit(&self, bytes: usize) -> Result<Option<Arc<OwnedSemaphorePermit>>, WorkError> {
        if bytes <= INLINE_BYTES {
            return Ok(None);
        }
        if let Some(permit) = held(|held| held.turn.clone()).flatten() {
            return Ok(Some(permit));
        }
        // No more than four at a time, because all of them also want the processor.
        let permits = (bytes.clamp(LARGE_BYTES / 4, LARGE_BYTES) / UNIT).try_into().unwrap_or(u32::MAX);
        let permit = Arc::new(acquire(&self.large, permits).await?);
        held(|held| held.turn = Some(Arc::clone(&permit)));
        Ok(Some(permit))
    }

    /// Works on this many bytes: on a thread of its own where they are many.
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        match self.permit(bytes).await? {
            Some(permit) => apart(permit, work).await,
            None => Ok(work(&Stop::after(WORK_TIMEOUT))),
        }
    }

    /// Looks through much that is in memory already.
    pub async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        apart(acquire(&self.searches, 1).await?, search).await
    }
}

/// Waits for permits, not for long.
async fn acquire(semaphore: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit, WorkError> {
    let acquiring = Arc::clone(semaphore).acquire_many_owned(permits);
    tokio::time::timeout(TURN_TIMEOUT, acquiring).await.ok().and_then(Result::ok).ok_or(WorkError::Busy)
}

/// Works on a thread of its own.
async fn apart<T: Send + 'static>(
    permit: impl Send + 'static,
    work: impl FnOnce(&Stop) -> T + Send + 'static,
) -> Result<T, WorkError> {
    let stop = Stop::after(WORK_TIMEOUT);
    let _client = Leaves(Arc::clone(&stop.left));
    let (result, done) = oneshot::channel();
    // A thread of its own, not one of tokio's: it gives way to all others, and cannot take that back.
    let thread = std::thread::Builder::new().name("work".to_owned()).spawn(move || {
        give_way();
        // Kept until the work ends, even if nobody waits for it any more.
        let _permit = permit;
        let _client_left = result.send(work(&stop));
    });
    thread.map_err(|_| WorkError::Busy)?;
    done.await.map_err(|_| WorkError::Panicked)
}

/// Lets other threads go first, so that long work delays no short one. On other systems this would be one of the whole
/// process.
#[cfg(target_os = "linux")]
fn give_way() {
    let _not_permitted = rustix::process::nice(NICENESS);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// When long work should end before it is done.
pub struct Stop {
    deadline: Instant,
    left: Arc<AtomicBool>,
}

impl Stop {
    /// After so long.
    pub fn after(time: Duration) -> Self {
        Self { deadline: Instant::now() + time, left: Arc::default() }
    }

    /// Whether it should end now: its time is over, or nobody waits for it.
    pub fn is_due(&self) -> bool {
        self.has_left() || Instant::now() >= self.deadline
    }

    /// Whether nobody waits for it any more.
    pub fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// The end of its time.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Says that the client has left, when the request is dropped.
struct Leaves(Arc<AtomicBool>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_has_one_turn_and_others_wait_for_it() {
        let work = Work::default();
        Work::request(Uuid::nil(), async {
            for _ in 0..3 {
                work.turn(LARGE_BYTES).await.unwrap();
            }
            let other = work.clone();
            let waits = tokio::spawn(async move { Work::request(Uuid::nil(), other.turn(LARGE_BYTES)).await });
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!waits.is_finished());
            waits.abort();
            assert_eq!(work.run(1, |_| 1).await, Ok(1), "small work never waits");
        })
        .await;
        Work::request(Uuid::nil(), work.turn(LARGE_BYTES)).await.0.unwrap();
    }

    #[tokio::test]
    async fn work_is_told_that_its_client_has_left() {
        let (ended, end) = std::sync::mpsc::channel();
        let work = Work::default();
        let running = tokio::spawn(async move {
            let busy = move |stop: &Stop| {
                while !stop.is_due() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                ended.send(stop.left.load(Ordering::Relaxed)).unwrap();
            };
            Work::request(Uuid::nil(), work.run(LARGE_BYTES, busy)).await.0
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        running.abort();
        let _cancelled = running.await;
        assert!(end.recv_timeout(Duration::from_secs(1)).unwrap());
    }
}
