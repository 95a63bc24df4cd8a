//! Permits: what this server may admit of the requests that all servers of a database may admit together (D56).
//!
//! A request that finds a permit of its client is admitted at once. One that finds none waits for an exchange with the
//! database. An exchange is one statement for all clients that wait. At most one is on its way, and one waits that all later
//! requests share, so the number of statements does not grow with the requests. When the window has no permit left, the
//! server remembers that until the window ends, so refused requests cost the database nothing.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connectory_model::limits::{PERMIT_TIMEOUT, PERMITS_ALONE, SPARE_PERMITS};
use connectory_store::{Granted, PermitLimit, PermitRequest, StoreError, TenantId};
use enum_map::EnumMap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::rate_limit::RateLimit;
use crate::version::VersionName;

/// Takes permits from the database.
pub type TakePermits =
    Box<dyn Fn(PermitLimit, Vec<PermitRequest>) -> BoxFuture<'static, Result<Vec<Granted>, StoreError>> + Send + Sync>;

/// The bits of the integer that count permits.
const COUNT_BITS: u32 = 23;
/// The most permits that a server has of a window. A window that has more is asked for the others later.
const MOST_PERMITS: u64 = (1 << COUNT_BITS) - 1;
/// The bit that says that the database has no more permits in the window.
const NONE_LEFT: u64 = 1 << COUNT_BITS;
/// The place of the time at which the window ends: the milliseconds since the server started, enough for 34 years.
const END_SHIFT: u32 = COUNT_BITS + 1;

/// The permits that a server has of a window. One integer has the end of the window, whether there are more, and the number
/// of permits, so that they change together without a lock.
#[derive(Debug, Default)]
pub struct SharedWindow {
    permits: AtomicU64,
    /// What was granted in the window. Only an exchange uses it.
    granted: Mutex<InWindow>,
}

/// What the database granted in a window.
#[derive(Debug, Default, Clone, Copy)]
struct InWindow {
    /// The number of the window.
    number: i64,
    /// The time at which it ends, in milliseconds since the server started.
    end: u64,
    /// The permits.
    count: u64,
}

/// What a request finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// A permit, which is used now.
    Permit,
    /// The limit is reached. The number is the whole seconds until the window ends.
    NoneLeft(u64),
    /// Only the database knows.
    NotKnown,
}

fn milliseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

impl SharedWindow {
    /// Takes a permit. `elapsed` is the time since the server started.
    pub fn take(&self, elapsed: Duration) -> Taken {
        let now = milliseconds(elapsed);
        let taken = self.permits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            (state >> END_SHIFT > now && state & MOST_PERMITS > 0).then(|| state - 1)
        });
        match taken {
            Ok(_) => Taken::Permit,
            Err(state) if state >> END_SHIFT > now && state & NONE_LEFT != 0 => {
                Taken::NoneLeft(((state >> END_SHIFT) - now).div_ceil(1000))
            }
            Err(_) => Taken::NotKnown,
        }
    }

    /// Whether the server asked for permits in a window that has not ended.
    pub fn is_current(&self, elapsed: Duration) -> bool {
        self.permits.load(Ordering::Relaxed) >> END_SHIFT > milliseconds(elapsed)
    }

    fn granted(&self) -> MutexGuard<'_, InWindow> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many permits to ask for, beside those for the requests that wait.
    fn spare(&self, limit: RateLimit, elapsed: Duration) -> u64 {
        let granted = *self.granted();
        let used = if granted.end > milliseconds(elapsed) { granted.count } else { 0 };
        used.min(limit.requests.into()) / SPARE_PERMITS
    }

    /// Notes what was granted. `asked_at` is the time before the database was asked, so the window never ends later for this
    /// server than for the database.
    fn note(&self, granted: &Granted, asked_at: Duration) -> InWindow {
        let mut window = self.granted();
        if window.end == 0 || window.number != granted.window {
            *window = InWindow { number: granted.window, end: milliseconds(asked_at + granted.left), count: 0 };
        }
        window.count += granted.count;
        *window
    }

    /// Adds permits of a window. `is_all` says that the database has no more.
    fn put(&self, window: InWindow, count: u64, is_all: bool) {
        let flag = if is_all { NONE_LEFT } else { 0 };
        let put = |state: u64| {
            let before = if state >> END_SHIFT == window.end { state & MOST_PERMITS } else { 0 };
            Some(window.end << END_SHIFT | flag | (before + count).min(MOST_PERMITS))
        };
        let _always = self.permits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, put);
    }
}

/// What a server has of the permits of a client.
#[derive(Debug)]
pub struct SharedLimits {
    pub(super) tenant: TenantId,
    pub(super) client: String,
    pub(super) windows: EnumMap<VersionName, SharedWindow>,
}

/// A request that waits for a permit.
struct Waiting {
    shared: Arc<SharedLimits>,
    version: VersionName,
    reply: oneshot::Sender<Result<(), u64>>,
}

impl Waiting {
    fn window(&self) -> &SharedWindow {
        &self.shared.windows[self.version]
    }
}

/// The requests that wait for the next exchange.
#[derive(Default)]
struct Queue {
    next: Vec<Waiting>,
    /// Whether a task makes exchanges.
    is_running: bool,
}

/// Takes permits for all requests that wait.
pub struct Exchange {
    limit: RateLimit,
    take: TakePermits,
    queue: Mutex<Queue>,
    /// The time until which this server counts by itself, in milliseconds since it started.
    alone_until: AtomicU64,
    /// Whether the last exchange failed.
    has_failed: AtomicBool,
    failures: Counter,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Exchange {
    /// Makes an exchange for a limit. `failures` counts the exchanges that fail.
    pub fn new(limit: RateLimit, take: TakePermits, failures: Counter) -> Self {
        let (alone_until, has_failed) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { limit, take, queue: Mutex::default(), alone_until, has_failed, failures }
    }

    /// Whether this server counts by itself, because the database did not answer just now.
    pub fn is_alone(&self, elapsed: Duration) -> bool {
        self.alone_until.load(Ordering::Relaxed) > milliseconds(elapsed)
    }

    /// Waits for a permit. If the limit is reached, the error is the whole seconds to wait. None if the database did not
    /// answer. `elapsed` tells the time since the server started. A caller that leaves takes no permit with it.
    pub async fn permit(
        self: &Arc<Self>,
        shared: Arc<SharedLimits>,
        version: VersionName,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Option<Result<(), u64>> {
        let (reply, answer) = oneshot::channel();
        let is_running = {
            let mut queue = self.queue();
            // After a failure, one request tries again, and the others do not wait for it.
            if queue.is_running && self.has_failed.load(Ordering::Relaxed) {
                return None;
            }
            queue.next.push(Waiting { shared, version, reply });
            std::mem::replace(&mut queue.is_running, true)
        };
        if !is_running {
            tokio::spawn(Arc::clone(self).run(elapsed));
        }
        answer.await.ok()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes exchanges until no request waits.
    async fn run(self: Arc<Self>, elapsed: impl Fn() -> Duration) {
        loop {
            let waiting = {
                let mut queue = self.queue();
                queue.is_running = !queue.next.is_empty();
                if !queue.is_running {
                    return;
                }
                std::mem::take(&mut queue.next)
            };
            // After a panic, whoever waits counts alone.
            let _panicked = AssertUnwindSafe(self.round(waiting, &elapsed)).catch_unwind().await;
        }
    }

    /// Makes an exchange.
    async fn round(&self, waiting: Vec<Waiting>, elapsed: impl Fn() -> Duration) {
        let asked_at = elapsed();
        if self.is_alone(asked_at) {
            return;
        }
        let waiting = unknown(waiting, asked_at).into_values();
        let asked: Vec<_> =
            waiting.filter_map(|of_client| Some((self.request(&of_client, asked_at)?, of_client))).collect();
        if asked.is_empty() {
            return;
        }
        let limit = PermitLimit { requests: self.limit.requests, seconds: self.limit.seconds.get() };
        let requests = asked.iter().map(|(request, _)| request.clone()).collect();
        let granted = match timeout(PERMIT_TIMEOUT, (self.take)(limit, requests)).await {
            Ok(Ok(granted)) => granted,
            Ok(Err(error)) => return self.fail(&error.to_string(), elapsed()),
            Err(_) => return self.fail("the database did not answer in time", elapsed()),
        };
        if self.has_failed.swap(false, Ordering::Relaxed) {
            tracing::info!("the rate limit is counted together with other servers again");
        }
        let mut granted: HashMap<_, _> =
            granted.into_iter().map(|granted| ((granted.client.clone(), granted.api.clone()), granted)).collect();
        for (request, of_client) in asked {
            if let Some(granted) = granted.remove(&(request.client, request.api.to_owned())) {
                answer(of_client, &granted, request.count, asked_at);
            }
        }
    }

    /// Asks for the permits of a client.
    fn request(&self, of_client: &[Waiting], now: Duration) -> Option<PermitRequest> {
        let first = of_client.first()?;
        Some(PermitRequest {
            tenant: first.shared.tenant,
            client: first.shared.client.clone(),
            api: first.version.version().base,
            count: (of_client.len() as u64 + first.window().spare(self.limit, now)).min(MOST_PERMITS),
        })
    }

    /// Lets this server count by itself for some time. The first failure is logged.
    fn fail(&self, why: &str, now: Duration) {
        self.alone_until.store(milliseconds(now + PERMITS_ALONE), Ordering::Relaxed);
        self.failures.inc();
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(why, "this server counts the rate limit alone until the database answers");
        }
    }
}

/// Answers those who find a permit by now. Returns the others, by client and version, without those who have left.
fn unknown(waiting: Vec<Waiting>, now: Duration) -> HashMap<(String, VersionName), Vec<Waiting>> {
    let mut unknown: HashMap<_, Vec<_>> = HashMap::new();
    for waiting in waiting {
        if waiting.reply.is_closed() {
            continue;
        }
        let answer = match waiting.window().take(now) {
            Taken::Permit => Ok(()),
            Taken::NoneLeft(seconds) => Err(seconds),
            Taken::NotKnown => {
                unknown.entry((waiting.shared.client.clone(), waiting.version)).or_default().push(waiting);
                continue;
            }
        };
        let _left = waiting.reply.send(answer);
    }
    unknown
}

/// Gives permits to the requests of a client that wait, and keeps the rest for later ones.
fn answer(of_client: Vec<Waiting>, granted: &Granted, asked: u64, asked_at: Duration) {
    let Some((shared, version)) = of_client.first().map(|first| (Arc::clone(&first.shared), first.version)) else {
        return;
    };
    let window = &shared.windows[version];
    let (in_window, is_all) = (window.note(granted, asked_at), granted.count < asked);
    let seconds = in_window.end.saturating_sub(milliseconds(asked_at)).div_ceil(1000).max(1);
    let mut rest = granted.count;
    let mut refused = Vec::new();
    for waiting in of_client {
        if rest == 0 {
            refused.push(waiting);
        } else if waiting.reply.send(Ok(())).is_ok() {
            rest -= 1;
        }
    }
    window.put(in_window, rest, is_all);
    for waiting in refused {
        let _left = waiting.reply.send(Err(seconds));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::AtomicI64;

    use connectory_store::{TenantId, Unavailable};
    use futures_util::future::{join_all, pending};
    use tokio::time::sleep;

    use super::super::client_limits::{ClientLimits, Limiter, NotAdmitted};
    use super::*;
    use crate::clock::Clock;
    use crate::http::metrics::NodeMetrics;
    use crate::share::Share;

    const LIMIT: u64 = 100;

    /// A database that several servers take permits from.
    #[derive(Default)]
    struct Database {
        taken: Mutex<HashMap<(i64, String, &'static str), u64>>,
        window: AtomicI64,
        statements: AtomicU64,
        is_gone: AtomicBool,
        hangs: AtomicBool,
    }

    impl Database {
        fn grant(&self, limit: PermitLimit, requests: Vec<PermitRequest>) -> Vec<Granted> {
            let window = self.window.load(Ordering::Relaxed);
            let mut taken = self.taken.lock().unwrap();
            let granted = requests.into_iter().map(|PermitRequest { client, api, count, .. }| {
                let taken = taken.entry((window, client.clone(), api)).or_default();
                let count = count.min(u64::from(limit.requests) - *taken);
                *taken += count;
                Granted { client, api: api.to_owned(), count, window, left: Duration::from_secs(8) }
            });
            granted.collect()
        }

        fn taken(&self) -> u64 {
            self.taken.lock().unwrap().values().sum()
        }
    }

    /// A server of a database, with a client.
    struct Node {
        limiter: Limiter,
        client: Arc<ClientLimits>,
        clock: Clock,
        metrics: NodeMetrics,
    }

    impl Node {
        fn new(database: &Arc<Database>) -> Self {
            let (clock, metrics, database) = (Clock::default(), NodeMetrics::default(), Arc::clone(database));
            let take: TakePermits = Box::new(move |limit, requests| {
                let database = Arc::clone(&database);
                async move {
                    database.statements.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(2)).await;
                    if database.hangs.load(Ordering::Relaxed) {
                        pending::<()>().await;
                    }
                    if database.is_gone.load(Ordering::Relaxed) {
                        return Err(Unavailable::Disconnected.into());
                    }
                    Ok(database.grant(limit, requests))
                }
                .boxed()
            });
            let limiter = Limiter::shared(Some("100/10s".parse().unwrap()), clock.clone(), take, &metrics);
            let share = Arc::new(Share::of_tenant());
            let client = limiter.limits(TenantId::new(1).unwrap(), &share, "client");
            Self { limiter, client, clock, metrics }
        }

        async fn admit(&self) -> Result<(), u64> {
            self.limiter.admit(&self.client, VersionName::V3.version()).await
        }

        fn at_once(&self) -> Result<(), NotAdmitted> {
            self.limiter.admit_at_once(&self.client, VersionName::V3.version())
        }
    }

    fn nodes(database: &Arc<Database>) -> [Node; 3] {
        std::array::from_fn(|_| Node::new(database))
    }

    #[tokio::test]
    async fn of_many_requests_at_once_over_three_servers_as_many_as_the_limit_are_admitted() {
        let database = Arc::<Database>::default();
        let nodes = nodes(&database);
        let answers = join_all((0..300).map(|at| nodes[at % 3].admit())).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
        assert!(answers.iter().all(|answer| *answer == Ok(()) || *answer == Err(8)), "{answers:?}");
        assert!(database.statements.load(Ordering::Relaxed) <= 6, "two for each server");
    }

    #[tokio::test(start_paused = true)]
    async fn nine_tenths_of_the_limit_are_admitted_however_they_are_distributed() {
        for seed in 0..30_usize {
            let database = Arc::<Database>::default();
            let nodes = nodes(&database);
            let mut number = seed;
            for request in 0..90 {
                // First all on one server, then on another; or mixed in some way.
                number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                let node = if seed < 3 { (request / (20 + 25 * seed)).min(2) } else { (number >> 16) % (1 + seed % 3) };
                nodes[node].admit().await.unwrap_or_else(|_| panic!("{seed}: request {request} is refused"));
            }
            assert!(database.taken() <= LIMIT);
        }
    }

    #[tokio::test]
    async fn a_busy_server_asks_ever_more_seldom_and_a_refused_request_asks_nothing() {
        let database = Arc::<Database>::default();
        let node = Node::new(&database);
        for _ in 0..100 {
            node.admit().await.unwrap();
        }
        assert!(database.statements.load(Ordering::Relaxed) <= 40, "{:?}", database.statements);
        assert_eq!(node.admit().await, Err(8));
        let before = database.statements.load(Ordering::Relaxed);
        for _ in 0..50 {
            assert!(matches!(node.at_once(), Err(NotAdmitted::Refused(1..=8))));
        }
        assert_eq!(database.statements.load(Ordering::Relaxed), before);
        node.clock.turn(Duration::from_secs(8));
        database.window.store(1, Ordering::Relaxed);
        assert_eq!(node.at_once(), Err(NotAdmitted::Waits), "the window has ended");
        assert_eq!(node.admit().await, Ok(()));
    }

    #[tokio::test]
    async fn the_permits_of_those_who_leave_are_used_by_others() {
        let database = Arc::<Database>::default();
        let node = Node::new(&database);
        {
            let mut first = Box::pin(node.admit());
            assert!(first.as_mut().now_or_never().is_none());
            // The exchange is on its way when these come, and these leave.
            sleep(Duration::from_millis(1)).await;
            let mut left: Vec<_> = (0..90).map(|_| Box::pin(node.admit())).collect();
            for waiting in &mut left {
                assert!(waiting.as_mut().now_or_never().is_none());
            }
        }
        sleep(Duration::from_millis(20)).await;
        assert_eq!(database.taken(), 1, "nothing is asked for those who have left");
        assert_eq!(node.at_once(), Ok(()), "the permit of the first one, who has left too");
        let answers = join_all((0..150).map(|_| node.admit())).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 99);
        assert_eq!(database.taken(), LIMIT);
    }

    #[tokio::test]
    async fn a_server_counts_alone_while_the_database_is_gone() {
        let database = Arc::<Database>::default();
        let node = Node::new(&database);
        database.is_gone.store(true, Ordering::Relaxed);
        let answers = join_all((0..150).map(|_| node.admit())).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
        assert_eq!(node.metrics.permit_failures.get(), 1);
        assert!(matches!(node.at_once(), Err(NotAdmitted::Refused(_))), "nobody waits meanwhile");
        database.is_gone.store(false, Ordering::Relaxed);
        node.clock.turn(PERMITS_ALONE);
        assert_eq!(node.admit().await, Ok(()), "it asks again");
        assert_eq!(database.taken(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_hangs_holds_a_request_up_for_a_second() {
        let database = Arc::<Database>::default();
        let node = Node::new(&database);
        database.hangs.store(true, Ordering::Relaxed);
        let began = tokio::time::Instant::now();
        assert_eq!(node.admit().await, Ok(()));
        assert_eq!(began.elapsed(), PERMIT_TIMEOUT);
        assert_eq!(node.at_once(), Ok(()));
        node.clock.turn(PERMITS_ALONE);
        let waited = join_all((0..20).map(|_| async {
            let began = tokio::time::Instant::now();
            assert_eq!(node.admit().await, Ok(()));
            began.elapsed()
        }));
        let mut waited = waited.await;
        waited.sort_unstable();
        assert_eq!(
            waited[18..],
            [Duration::ZERO, PERMIT_TIMEOUT],
            "one tries again, and the others do not wait for it"
        );
    }

    #[tokio::test]
    async fn without_a_limit_the_database_is_not_asked() {
        let take: TakePermits = Box::new(|_, _| panic!("it is asked"));
        let limiter = Limiter::shared(None, Clock::default(), take, &NodeMetrics::default());
        let client = limiter.limits(TenantId::new(1).unwrap(), &Arc::new(Share::of_tenant()), "client");
        for _ in 0..1000 {
            limiter.admit(&client, VersionName::V3.version()).await.unwrap();
        }
    }
}
