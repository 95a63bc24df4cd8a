//! Long work. It runs on a thread where it may block, with a limit on parallel work, until a deadline, and only while
//! its client waits.
//!
//! A connector has up to 16 MiB, and work on it needs several times that memory. So a request that works on a large
//! connector waits for its turn: a permit stands for a number of bytes, and the largest connector takes all permits. A
//! request takes its turn once, for the first large connector or body that it needs, and has it until its response is
//! complete. So a request can never wait for itself.
//!
//! In front of each queue, a client and its tenant have gates ([`Share`]), so that the requests of one of them do not fill
//! the queue.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use connectory_model::limits::{
    APPLIES, EVENT_STREAMS, EXPORTS, INLINE_BYTES, LARGE_BYTES, NICENESS, SEARCHES, TURN_TIMEOUT, WORK_TIMEOUT,
};
use enum_map::{EnumMap, enum_map};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use crate::budget::{Budget, Charge, UNIT};
use crate::share::{Places, Queue, Share};

tokio::task_local! {
    /// The resources of the current request.
    static HELD: RefCell<Held>;
}

/// The resources that a request has until its response is complete.
#[derive(Default)]
struct Held {
    /// The tracking id of the request in the log.
    tracking_id: Option<Uuid>,
    /// The address of the client.
    address: Option<IpAddr>,
    /// The share of the caller, once the caller is known.
    share: Option<Arc<Share>>,
    /// The turn of the request, once it has one.
    turn: Option<Arc<Turn>>,
    /// The charge that counts the request body.
    body: Option<Charge>,
    /// The charge that counts the response, if the response was counted before it was made.
    answer: Option<Charge>,
}

/// A turn of a queue. It ends when this is dropped.
pub struct Turn {
    _permit: OwnedSemaphorePermit,
    _places: Places,
}

/// Gives access to the resources of the current request. Returns none outside of a request.
fn held<T>(of_request: impl FnOnce(&mut Held) -> T) -> Option<T> {
    HELD.try_with(|held| of_request(&mut held.borrow_mut())).ok()
}

/// Returns the tracking id of the current request.
pub fn tracking_id() -> Option<Uuid> {
    held(|held| held.tracking_id).flatten()
}

/// Returns the address of the client that sent the current request. Outside of a request it is `0.0.0.0`.
pub fn address() -> IpAddr {
    held(|held| held.address).flatten().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Sets whose share the current request takes from.
pub fn made_by(share: &Arc<Share>) {
    held(|held| held.share = Some(Arc::clone(share)));
}

/// Whether the current request has its turn to work on something large.
pub fn has_turn() -> bool {
    held(|held| held.turn.is_some()).unwrap_or_default()
}

/// Makes a charge for the current request, in the share of its caller.
pub fn charge(budget: &Budget) -> Charge {
    held(|held| budget.charge(held.share.as_ref())).unwrap_or_else(|| budget.charge(None))
}

/// Counts a response before it is made, unless it is small or counted already. An operation that changes a connector
/// calls this before the change, because its response must not be refused after the change.
pub fn reserve(answers: &Budget, bytes: usize) -> Result<(), WorkError> {
    let mut charge = charge(answers);
    let reserved = held(|held| {
        let has_room = held.answer.is_some() || charge.add(bytes);
        if has_room {
            held.answer.get_or_insert(charge);
        }
        has_room
    });
    if reserved == Some(false) { Err(WorkError::Busy) } else { Ok(()) }
}

/// Sets the charge that counts the response of the current request.
pub fn counted(answer: Charge) {
    held(|held| held.answer = Some(answer));
}

/// Holds the charge of a request body until the response of the current request is complete.
pub fn hold(body: Charge) {
    held(|held| held.body = Some(body));
}

/// The reason why work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// Other requests work on large connectors or search, and did not end in time.
    #[error("the server works on too many large connectors or long searches at the moment; try again")]
    Busy,
    /// The work took too long.
    #[error("this takes too long for the moment; narrow it down, or try again")]
    Late,
    /// The work panicked.
    #[error("the work panicked")]
    Panicked,
}

/// The limits on the long work of a process.
#[derive(Clone)]
pub struct Work {
    queues: EnumMap<Queue, Arc<Semaphore>>,
    /// The share of all requests without a caller.
    anonymous: Arc<Share>,
}

impl Default for Work {
    fn default() -> Self {
        let queues = enum_map! {
            Queue::Large => Arc::new(Semaphore::new(LARGE_BYTES / UNIT)),
            Queue::Searches => Arc::new(Semaphore::new(SEARCHES)),
            Queue::Exports => Arc::new(Semaphore::new(EXPORTS)),
            Queue::Events => Arc::new(Semaphore::new(EVENT_STREAMS)),
            Queue::Applies => Arc::new(Semaphore::new(APPLIES)),
            Queue::Checks => Arc::new(Semaphore::new(APPLIES)),
        };
        Self { queues, anonymous: Arc::new(Share::of_client(None)) }
    }
}

/// What is left of a request when its response is made.
#[derive(Default)]
pub struct Left {
    /// The charge of the response, if the response is counted already.
    pub counted: Option<Charge>,
    /// The share of the caller.
    pub share: Option<Arc<Share>>,
}

impl Work {
    /// Runs a request, so that it can have a turn.
    pub async fn request<T>(tracking_id: Uuid, address: IpAddr, request: impl Future<Output = T>) -> (T, Left) {
        let held_by_it = Held { tracking_id: Some(tracking_id), address: Some(address), ..Held::default() };
        HELD.scope(RefCell::new(held_by_it), async {
            let output = request.await;
            let left = held(|held| Left { counted: held.answer.take(), share: held.share.take() });
            (output, left.unwrap_or_default())
        })
        .await
    }

    /// Waits for the request's turn to work on so many bytes. Returns at once if the bytes are few or the request has
    /// its turn already.
    pub async fn turn(&self, bytes: usize) -> Result<(), WorkError> {
        self.permit(bytes).await.map(drop)
    }

    async fn permit(&self, bytes: usize) -> Result<Option<Arc<Turn>>, WorkError> {
        if bytes <= INLINE_BYTES {
            return Ok(None);
        }
        if let Some(turn) = held(|held| held.turn.clone()).flatten() {
            return Ok(Some(turn));
        }
        // At most four requests at a time, because each of them also needs the processor.
        let permits = (bytes.clamp(LARGE_BYTES / 4, LARGE_BYTES) / UNIT).try_into().unwrap_or(u32::MAX);
        let turn = Arc::new(self.wait(Queue::Large, permits).await?);
        held(|held| held.turn = Some(Arc::clone(&turn)));
        Ok(Some(turn))
    }

    /// Works on so many bytes. Uses a separate thread if the bytes are many.
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        match self.permit(bytes).await? {
            Some(turn) => apart(turn, WORK_TIMEOUT, work).await,
            None => Ok(work(&Stop::after(WORK_TIMEOUT))),
        }
    }

    /// Searches data in memory, on a separate thread.
    pub async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        apart(self.wait(Queue::Searches, 1).await?, WORK_TIMEOUT, search).await
    }

    /// Waits for a turn to search what the store has.
    pub async fn search_turn(&self) -> Result<Turn, WorkError> {
        self.wait(Queue::Searches, 1).await
    }

    /// Waits for a turn to export.
    pub async fn export_turn(&self) -> Result<Turn, WorkError> {
        self.wait(Queue::Exports, 1).await
    }

    /// Takes a turn to stream events, if there is one.
    pub fn events_turn(&self) -> Option<Turn> {
        self.wait(Queue::Events, 1).now_or_never()?.ok()
    }

    /// Waits for a turn to apply, or only to check changes.
    pub async fn apply_turn(&self, is_dry_run: bool) -> Result<Turn, WorkError> {
        self.wait(if is_dry_run { Queue::Checks } else { Queue::Applies }, 1).await
    }

    /// Waits for a turn of so many permits: at the gates of the caller, and then in the queue. The time is limited.
    async fn wait(&self, queue: Queue, permits: u32) -> Result<Turn, WorkError> {
        let share = held(|held| held.share.clone()).flatten().unwrap_or_else(|| Arc::clone(&self.anonymous));
        let waiting = async {
            let places = share.enter(queue).await;
            let permit = Arc::clone(&self.queues[queue]).acquire_many_owned(permits).await;
            Turn { _permit: permit.expect("the queue is never closed"), _places: places }
        };
        tokio::time::timeout(TURN_TIMEOUT, waiting).await.map_err(|_| WorkError::Busy)
    }
}

/// Runs work for at most this time on a separate thread, which gives way to all others. Holds the permit until the work ends.
pub async fn apart<T: Send + 'static>(
    turn: impl Send + 'static,
    time: Duration,
    work: impl FnOnce(&Stop) -> T + Send + 'static,
) -> Result<T, WorkError> {
    let stop = Stop::after(time);
    let _client = Leaves(Arc::clone(&stop.left));
    let (result, done) = oneshot::channel();
    // The turn lasts until the work ends, even if no client waits any more.
    detached(turn, move || {
        let _client_left = result.send(work(&stop));
    })?;
    done.await.map_err(|_| WorkError::Panicked)
}

/// Starts work on a separate thread, which gives way to all others. Holds the permit until the work ends.
pub fn detached(turn: impl Send + 'static, work: impl FnOnce() + Send + 'static) -> Result<(), WorkError> {
    // A new thread and not one of tokio's: the thread lowers its priority and cannot raise it again.
    let thread = std::thread::Builder::new().name("work".to_owned()).spawn(move || {
        give_way();
        let _turn = turn;
        work();
    });
    thread.map(drop).map_err(|_| WorkError::Busy)
}

/// Lowers the priority of this thread, so that long work does not delay short work. Other systems than Linux would
/// lower the priority of the whole process.
#[cfg(target_os = "linux")]
pub fn give_way() {
    let _not_permitted = rustix::process::nice(NICENESS);
}

/// Does nothing on this system.
#[cfg(not(target_os = "linux"))]
pub fn give_way() {}

/// Decides when long work must end before it is complete.
pub struct Stop {
    deadline: Instant,
    left: Arc<AtomicBool>,
}

impl Stop {
    /// Work must end after this time.
    pub fn after(time: Duration) -> Self {
        Self { deadline: Instant::now() + time, left: Arc::default() }
    }

    /// Whether the work must end now, because its time is over or no client waits for it.
    pub fn is_due(&self) -> bool {
        self.has_left() || Instant::now() >= self.deadline
    }

    /// Whether no client waits for the work any more.
    pub fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// The time at which the work must end.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Signals that the client has left, when the request is dropped.
struct Leaves(Arc<AtomicBool>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn request<T>(request: impl Future<Output = T>) -> (T, Left) {
        Work::request(Uuid::nil(), Ipv4Addr::LOCALHOST.into(), request).await
    }

    #[tokio::test]
    async fn a_request_has_one_turn_and_others_wait_for_it() {
        let work = Work::default();
        request(async {
            for _ in 0..3 {
                work.turn(LARGE_BYTES).await.unwrap();
            }
            let other = work.clone();
            let waits = tokio::spawn(async move { request(other.turn(LARGE_BYTES)).await });
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!waits.is_finished());
            waits.abort();
            assert_eq!(work.run(1, |_| 1).await, Ok(1), "small work never waits");
        })
        .await;
        request(work.turn(LARGE_BYTES)).await.0.unwrap();
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
            request(work.run(LARGE_BYTES, busy)).await.0
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        running.abort();
        let _cancelled = running.await;
        assert!(end.recv_timeout(Duration::from_secs(1)).unwrap());
    }

    /// A request of a client that takes its turn, and has it until the end.
    fn asks(work: &Work, share: &Arc<Share>, ends: &Arc<Semaphore>) -> tokio::task::JoinHandle<Result<(), WorkError>> {
        let (work, share, ends) = (work.clone(), Arc::clone(share), Arc::clone(ends));
        tokio::spawn(async move {
            let asking = async {
                made_by(&share);
                work.turn(LARGE_BYTES / 4).await?;
                let _end = ends.acquire().await;
                Ok(())
            };
            request(asking).await.0
        })
    }

    #[tokio::test(start_paused = true)]
    async fn however_much_one_client_or_tenant_asks_others_get_their_turn_at_once() {
        let work = Work::default();
        let tenants = [(); 2].map(|()| Arc::new(Share::of_tenant()));
        let client = |tenant: usize| Arc::new(Share::of_client(Some(Arc::clone(&tenants[tenant]))));
        let (never, at_once) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(1)));
        let (greedy, other, others) = (client(0), client(0), client(1));
        let with_held = |quarters: usize| LARGE_BYTES / UNIT * (4 - quarters) / 4;
        let free = || work.queues[Queue::Large].available_permits();
        let soon = || tokio::time::sleep(TURN_TIMEOUT / 10);

        let many: Vec<_> = (0..50).map(|_| asks(&work, &greedy, &never)).collect();
        soon().await;
        assert_eq!(free(), with_held(2), "a client has two turns");
        asks(&work, &other, &at_once).await.unwrap().expect("another client of the tenant has its turn");
        let more: Vec<_> = (0..50).map(|_| asks(&work, &other, &never)).collect();
        soon().await;
        assert_eq!(free(), with_held(3), "a tenant has three turns");
        asks(&work, &others, &at_once).await.unwrap().expect("another tenant has its turn");

        // Whoever waits at a gate and leaves, or has its turn and leaves, makes room.
        for request in many.iter().chain(&more) {
            request.abort();
        }
        soon().await;
        assert_eq!(free(), with_held(0));
        asks(&work, &greedy, &at_once).await.unwrap().expect("the places are free again");
        let [_first, _second] = [(); 2].map(|()| asks(&work, &greedy, &never));
        soon().await;
        assert_eq!(
            asks(&work, &greedy, &at_once).await.unwrap(),
            Err(WorkError::Busy),
            "the time at a gate is limited"
        );
    }

    #[tokio::test]
    async fn a_client_searches_once_at_a_time_and_others_search_meanwhile() {
        let work = Work::default();
        let tenants = [(); 2].map(|()| Arc::new(Share::of_tenant()));
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let ends = Arc::new(std::sync::Mutex::new(ends));
        let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let search = |share: &Arc<Share>| {
            let (work, share, ends) = (work.clone(), Arc::clone(share), Arc::clone(&ends));
            let running = Arc::clone(&running);
            tokio::spawn(request(async move {
                made_by(&share);
                let searching = move |_: &Stop| {
                    running.fetch_add(1, Ordering::Relaxed);
                    let _ended = ends.lock().unwrap().recv();
                };
                work.search(searching).await
            }))
        };
        let settle = || tokio::time::sleep(Duration::from_millis(100));
        let mut searches = Vec::new();
        for (tenant, expected) in [(0, 1), (0, 2), (0, 2), (1, 3)] {
            let client = Arc::new(Share::of_client(Some(Arc::clone(&tenants[tenant]))));
            searches.extend((0..10).map(|_| search(&client)));
            settle().await;
            assert_eq!(running.load(Ordering::Relaxed), expected);
        }
        drop(end);
        for search in searches {
            search.await.unwrap().0.expect("each has its turn");
        }
    }
}
