//! The activity of a connection: the requests in flight, and the responses that its reader has not read yet.
//!
//! Over HTTP/2, a reader delays a response by granting it no window. The connection cannot distinguish this from a
//! reader that has nothing to read. So the server follows each HTTP/2 response until its last byte is written. While a
//! response waits, the reader must read a minimum of bytes in each time span, as over HTTP/1.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::response::Response;
use connectory_model::limits::{
    HEAD_BYTES, HTTP2_ANSWERS, HTTP2_ANSWERS_PER_CONNECTION, REQUEST_OVERHEAD, UNCOUNTED_BYTES, WRITE_BYTES,
    WRITE_TIMEOUT,
};
use http_body::Body as _;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::holding::holding;
use crate::share::Share;

/// The activity of one connection.
pub struct Traffic {
    /// The handle that ends the connection.
    task: OnceLock<AbortHandle>,
    begun: AtomicBool,
    /// The share of the first known caller to whom the server has responded.
    caller: OnceLock<Arc<Share>>,
    in_flight: AtomicUsize,
    /// The second in which the last request began.
    last: AtomicU64,
    /// The number of bytes read since the connection was last idle.
    read: AtomicUsize,
    /// Whether the next byte is the first one after an idle time.
    is_idle: AtomicBool,
    written: AtomicU64,
    /// The number of waiting responses that began in the current time span, and the number that began before it.
    waiting: [AtomicUsize; 2],
    /// The index of the current span in `waiting`.
    span: AtomicUsize,
    /// The number of waiting responses on all connections.
    waiting_in_all: Arc<AtomicUsize>,
}

impl Traffic {
    /// Makes the state of a connection that has sent nothing yet.
    pub fn new(waiting_in_all: Arc<AtomicUsize>) -> Self {
        Self {
            task: OnceLock::new(),
            begun: AtomicBool::default(),
            caller: OnceLock::new(),
            in_flight: AtomicUsize::default(),
            last: AtomicU64::default(),
            read: AtomicUsize::default(),
            is_idle: AtomicBool::default(),
            written: AtomicU64::default(),
            waiting: Default::default(),
            span: AtomicUsize::default(),
            waiting_in_all,
        }
    }

    /// Sets the handle that ends the connection.
    pub fn runs_as(&self, task: AbortHandle) {
        self.task.get_or_init(|| task);
    }

    /// The handle that ends the connection.
    pub fn end(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        self.task.get().is_some_and(AbortHandle::is_finished)
    }

    /// Whether the connection has sent a request.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Relaxed)
    }

    /// Whether the server knows the caller of the connection, because it responded to one of its tokens or sessions.
    pub fn is_known(&self) -> bool {
        self.caller.get().is_some()
    }

    /// The share of the caller, if the server knows the caller.
    pub fn caller(&self) -> Option<&Arc<Share>> {
        self.caller.get()
    }

    /// Records that the server knows the caller.
    pub fn know(&self, caller: &Arc<Share>) {
        self.caller.get_or_init(|| Arc::clone(caller));
    }

    /// The second in which the last request began.
    pub fn last(&self) -> u64 {
        self.last.load(Relaxed)
    }

    /// Whether requests are in flight, or responses wait for the reader.
    pub fn is_busy(&self) -> bool {
        self.in_flight.load(Relaxed) > 0 || self.has_waiting()
    }

    /// Counts bytes that were read. They belong to requests that have not got their responses yet.
    pub fn read(&self, bytes: usize) {
        if self.is_idle.load(Relaxed) {
            self.is_idle.store(false, Relaxed);
            self.read.store(0, Relaxed);
        }
        self.read.fetch_add(bytes, Relaxed);
    }

    /// Estimates the memory of the requests that have not got their responses yet: their heads, the first bytes of their
    /// bodies, and what the server keeps for each. The budget of bodies counts the other bytes.
    pub fn requests(&self) -> usize {
        if self.is_idle.load(Relaxed) {
            return 0;
        }
        let in_flight = self.in_flight.load(Relaxed);
        self.read.load(Relaxed).min((in_flight + 1) * (HEAD_BYTES + UNCOUNTED_BYTES)) + in_flight * REQUEST_OVERHEAD
    }

    /// Records that a request begins in this second.
    pub fn begin(self: &Arc<Self>, second: u64) -> InFlight {
        self.begun.store(true, Relaxed);
        self.last.store(second, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Counts bytes that the reader has read.
    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Relaxed);
    }

    /// Whether responses wait for the reader.
    pub fn has_waiting(&self) -> bool {
        self.waiting() > 0
    }

    /// The number of responses that wait for the reader.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.load(Relaxed)).sum()
    }

    /// Follows a response until its last byte is written. Ends the connection if far too many responses wait, on all
    /// connections and on this one. If too many wait, [`Opened`](super::opened::Opened) ends connections soon.
    pub fn follow(self: &Arc<Self>, response: Response) -> Response {
        if response.body().is_end_stream() {
            return response;
        }
        let span = self.span.load(Relaxed);
        self.waiting[span].fetch_add(1, Relaxed);
        let in_all = self.waiting_in_all.fetch_add(1, Relaxed);
        if in_all >= 2 * HTTP2_ANSWERS && self.waiting() > HTTP2_ANSWERS_PER_CONNECTION {
            self.end();
        }
        let waits = Waits { traffic: Arc::clone(self), span };
        response.map(|body| holding(body, waits))
    }
}

/// A request in flight. It is counted until this is dropped.
pub struct InFlight(Arc<Traffic>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.0.is_idle.store(true, Relaxed);
        }
    }
}

/// A response that waits for the reader. It is counted until this is dropped.
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

/// Checks that the reader of a connection reads its HTTP/2 responses fast enough.
pub struct Pace {
    traffic: Arc<Traffic>,
    /// The timer for the end of the span, while responses wait.
    end: Option<Pin<Box<Sleep>>>,
    runs: bool,
    /// The number of bytes written before the span.
    before: u64,
}

impl Pace {
    /// Makes the check for a connection.
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic, end: None, runs: false, before: 0 }
    }

    /// Returns ready when the reader was too slow.
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
