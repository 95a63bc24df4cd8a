//! What happens on a connection: whether requests are answered on it, and which answers its reader has not taken.
//!
//! Over HTTP/2 a reader keeps an answer waiting by giving it no window; to the connection that looks like a reader who
//! has nothing to read. So the answers of HTTP/2 are followed until their last byte is written, and while one of them
//! waits, the reader has to take some bytes in each span of time, as over HTTP/1.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::response::Response;
use connectory_model::limits::{HTTP2_ANSWERS, HTTP2_ANSWERS_PER_CONNECTION, WRITE_BYTES, WRITE_TIMEOUT};
use http_body::Body as _;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::holding::holding;

/// A connection.
pub struct Traffic {
    /// Ends it.
    task: OnceLock<AbortHandle>,
    begun: AtomicBool,
    in_flight: AtomicUsize,
    /// The second in which its last request began.
    last: AtomicU64,
    written: AtomicU64,
    /// How many answers wait, by whether they began in this span of time or in the one before.
    waiting: [AtomicUsize; 2],
    /// Which of the two is this span's.
    span: AtomicUsize,
    /// Those of all connections.
    waiting_in_all: Arc<AtomicUsize>,
}

impl Traffic {
    /// A connection of which nothing was heard yet.
    pub fn new(waiting_in_all: Arc<AtomicUsize>) -> Self {
        Self {
            task: OnceLock::new(),
            begun: AtomicBool::default(),
            in_flight: AtomicUsize::default(),
            last: AtomicU64::default(),
            written: AtomicU64::default(),
            waiting: Default::default(),
            span: AtomicUsize::default(),
            waiting_in_all,
        }
    }

    /// Says what ends it.
    pub fn runs_as(&self, task: AbortHandle) {
        self.task.get_or_init(|| task);
    }

    /// Ends it.
    pub fn end(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.task.get().is_some_and(AbortHandle::is_finished)
    }

    /// Whether it has sent a request.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Relaxed)
    }

    /// Since when it has nothing to do, if it had something before.
    pub fn idle_since(&self) -> Option<u64> {
        let is_idle = self.has_begun() && self.in_flight.load(Relaxed) == 0 && !self.has_waiting();
        is_idle.then(|| self.last.load(Relaxed))
    }

    /// A request begins, at this second.
    pub fn begin(self: &Arc<Self>, second: u64) -> InFlight {
        self.begun.store(true, Relaxed);
        self.last.store(second, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Counts what the reader has taken.
    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Relaxed);
    }

    /// Whether answers wait for the reader.
    pub fn has_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.load(Relaxed) > 0)
    }

    /// Follows an answer until its last byte is written. Where too many wait, the connection ends.
    pub fn follow(self: &Arc<Self>, response: Response) -> Response {
        if response.body().is_end_stream() {
            return response;
        }
        let span = self.span.load(Relaxed);
        self.waiting[span].fetch_add(1, Relaxed);
        let in_all = self.waiting_in_all.fetch_add(1, Relaxed);
        let own: usize = self.waiting.iter().map(|waiting| waiting.load(Relaxed)).sum();
        if in_all >= HTTP2_ANSWERS && own > HTTP2_ANSWERS_PER_CONNECTION {
            self.end();
        }
        let waits = Waits { traffic: Arc::clone(self), span };
        response.map(|body| holding(body, waits))
    }
}

/// A request that is being answered.
pub struct InFlight(Arc<Traffic>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// An answer that waits.
struct Waits {
    traffic: Arc<Traffic>,
    span: usize,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.traffic.waiting[self.span].fetch_sub(1, Relaxed);
        self.traffic.waiting_in_all.fetch_sub(1, Relaxed);
    }
}

/// The pace at which the reader of a connection has to take answers of HTTP/2.
pub struct Pace {
    traffic: Arc<Traffic>,
    /// The end of the span, while answers wait.
    end: Option<Pin<Box<Sleep>>>,
    runs: bool,
    /// What was written before the span.
    before: u64,
}

impl Pace {
    /// That of a connection.
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic, end: None, runs: false, before: 0 }
    }

    /// Ready when the reader was too slow.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.traffic.has_waiting() {
            self.runs = false;
            return Poll::Pending;
        }
        let next = || Instant::now() + WRITE_TIMEOUT;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep_until(next())));
        if !self.runs {
            self.runs = true;
            self.before = self.traffic.written.load(Relaxed);
            self.traffic.span.fetch_xor(1, Relaxed);
            end.as_mut().reset(next());
        }
        while end.as_mut().poll(context).is_ready() {
            let written = self.traffic.written.load(Relaxed);
            let before = &self.traffic.waiting[1 - self.traffic.span.load(Relaxed)];
            if before.load(Relaxed) > 0 && written - self.before < WRITE_BYTES as u64 {
                return Poll::Ready(());
            }
            self.before = written;
            self.traffic.span.fetch_xor(1, Relaxed);
            end.as_mut().reset(next());
        }
        Poll::Pending
    }
}
