//! Accepts connections, and stops without interrupting requests.
//!
//! `axum::serve` has no limits: a client may take any time to send a request or to read a response, so a few slow
//! clients could occupy every connection. Here each connection must send the head of its first request in time
//! (including the HTTP/2 preface, for which hyper has no limit), and must read its responses in time. The number of
//! connections is limited in total and for each peer, and so is the memory of the requests that have not got their
//! responses yet. If a limit is reached, the server ends the connections that look most like an attack ([`Opened`]). So
//! connections that send nothing, or that never end a request, cannot keep other clients out.

mod explained;
mod opened;
mod paced;
mod peers;
mod traffic;

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::BoxError;
use axum::response::Response;
use connectory_model::limits::{
    CONNECTIONS, CONNECTIONS_PER_PEER, FIRST_HEAD_TIMEOUT, HEAD_BYTES, HEAD_TIMEOUT, HTTP2_ANSWERS,
    HTTP2_CONNECTION_BYTES, HTTP2_SEND_BYTES, HTTP2_STREAM_BYTES, HTTP2_STREAMS, REQUESTS_BYTES,
};
use futures_util::FutureExt;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::explained::Explained;
use self::opened::Opened;
use self::paced::Paced;
use self::peers::Peers;
pub use self::peers::network;
use self::traffic::Pace;
pub use self::traffic::Traffic;
use super::broken::Dropped;
use crate::trusted_proxies::TrustedProxies;

/// The time that a new connection waits until another one has ended for it.
const ROOM_TIMEOUT: Duration = Duration::from_millis(100);
/// The time between two looks at the memory of requests.
const SWEEP: Duration = Duration::from_millis(100);
/// The number of looks in a second.
const SWEEPS_PER_SECOND: u32 = 10;

/// The limits on connections.
#[derive(Debug, Clone)]
pub struct Connections {
    /// The largest number of connections at a time.
    pub most: usize,
    /// The largest number of connections of one peer at a time.
    pub per_peer: usize,
    /// The trusted proxies. They have no limit, because they forward requests of many clients.
    pub trusted: Arc<TrustedProxies>,
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: CONNECTIONS, per_peer: CONNECTIONS_PER_PEER, trusted: Arc::default() }
    }
}

/// Serves until `stop` resolves, then finishes the requests in flight until the time that `stop` resolved to.
pub async fn serve<R>(
    listener: TcpListener,
    connections: Connections,
    answer: impl Fn(Request<Incoming>, IpAddr) -> R + Clone + Send + 'static,
    stop: impl Future<Output = tokio::time::Instant>,
) where
    R: Future<Output = Response> + Send + 'static,
{
    let builder = protocols();
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(connections.most));
    let peers = Peers::new(connections.per_peer);
    let mut opened = Opened::new(connections.most);
    let waiting_in_all = Arc::<AtomicUsize>::default();
    let second = Arc::<AtomicU64>::default();
    let [mut refused, mut failed, mut crowded, mut unread] = std::array::from_fn(|_| Repeated::default());
    // This timer is due before the timers of all requests. If a new timer were due before all others, tokio would make
    // a system call to wake itself.
    let mut clock = tokio::time::interval(SWEEP);
    let mut ticks = 0;
    let mut stop = std::pin::pin!(stop);
    let deadline = loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
                Err(error) => {
                    // The process has no free file descriptor, or the client is gone already. Later connections may
                    // succeed.
                    if let Some(times) = failed.again() {
                        tracing::warn!(%error, times, "could not accept a connection");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = clock.tick() => {
                ticks += 1;
                if ticks % SWEEPS_PER_SECOND == 0 {
                    second.fetch_add(1, Ordering::Relaxed);
                }
                if waiting_in_all.load(Ordering::Relaxed) > HTTP2_ANSWERS {
                    let ended = opened.end_unread(HTTP2_ANSWERS);
                    if ended > 0 && let Some(times) = unread.again() {
                        tracing::warn!(ended, times, "too many answers of HTTP/2 wait for their readers; ended their connections");
                    }
                }
                let ended = opened.shrink(REQUESTS_BYTES);
                if ended > 0 && let Some(times) = crowded.again() {
                    tracing::warn!(ended, times, "requests that have not arrived hold too much memory; ended their connections");
                }
                continue;
            }
            deadline = &mut stop => break deadline,
        };
        let Some(share) = peers.enter(peer, connections.trusted.has(peer)) else {
            if let Some(times) = refused.again() {
                tracing::warn!(%peer, times, "refused a connection: its peer has as many as one may have");
            }
            continue;
        };
        if free.available_permits() == 0 {
            if let Some(times) = refused.again() {
                tracing::warn!(%peer, times, "as many connections as there may be; one that does nothing makes room");
            }
            if !opened.make_room(second.load(Ordering::Relaxed)) {
                continue;
            }
        }
        // A connection that was ended for this one stops at once, on another thread or during this wait.
        let acquiring = tokio::time::timeout(ROOM_TIMEOUT, Arc::clone(&free).acquire_owned());
        let Ok(Ok(permit)) = acquiring.await else { continue };
        // Without this option, small responses wait for the client's acknowledgement.
        let _unsupported = stream.set_nodelay(true);
        let answer = answer.clone();
        let traffic = Arc::new(Traffic::new(Arc::clone(&waiting_in_all)));
        let service = {
            let (traffic, second) = (Arc::clone(&traffic), Arc::clone(&second));
            hyper::service::service_fn(move |mut request: Request<Incoming>| {
                let in_flight = traffic.begin(second.load(Ordering::Relaxed));
                let followed = (request.version() == Version::HTTP_2).then(|| Arc::clone(&traffic));
                if followed.is_some() || !traffic.is_known() {
                    request.extensions_mut().insert(Arc::clone(&traffic));
                }
                answer(request, peer).map(move |response| {
                    drop(in_flight);
                    // Hyper answers nothing if there is an error.
                    if let Some(dropped) = response.extensions().get::<Dropped>() {
                        return Err(*dropped);
                    }
                    Ok(match followed {
                        Some(traffic) => traffic.follow(response),
                        None => response,
                    })
                })
            })
        };
        let paced = Paced::new(stream, Arc::clone(&traffic));
        let explained = Explained::new(paced, Arc::clone(&traffic), peer);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(explained), service).into_owned());
        let ends = until_it_ends(connection, Arc::clone(&traffic));
        let task = tokio::spawn(async move {
            let _until_the_end = (permit, share);
            ends.await;
        });
        traffic.runs_as(task.abort_handle());
        opened.push(traffic);
    };
    drop(listener);
    tracing::info!("accepting no more connections; finishing what is in flight");
    if tokio::time::timeout_at(deadline, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time; dropping their connections");
    }
}

/// Runs a connection. Ends it if it sends no request in time, or reads its responses too slowly.
async fn until_it_ends(connection: impl Future<Output = Result<(), BoxError>>, traffic: Arc<Traffic>) {
    let mut connection = std::pin::pin!(connection);
    let mut first_head = std::pin::pin!(tokio::time::sleep(FIRST_HEAD_TIMEOUT));
    let mut pace = Pace::new(Arc::clone(&traffic));
    let ended = poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        // Polling the timer costs time. After the first request, other timeouts apply.
        Poll::Pending if traffic.has_begun() => pace.poll(context).map(|()| None),
        Poll::Pending => first_head.as_mut().poll(context).map(|()| None),
    });
    match ended.await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(error, "connection ended"),
        None => tracing::debug!("a connection sent no request in time, or did not read its answers"),
    }
}

/// Configures HTTP/1 and HTTP/2 with limits.
fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The official Python client expects the spelling of the vendor's service: `X-Total-Count`.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).title_case_headers(true);
    builder.http1().max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_STREAM_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_BYTES)
        .max_send_buf_size(HTTP2_SEND_BYTES);
    builder
}

/// An event that may repeat often, and is logged at most once a second.
#[derive(Default)]
struct Repeated {
    said: Option<Instant>,
    times: u64,
}

impl Repeated {
    /// Counts the event. If it must be logged now, returns the number of times since it was last logged.
    fn again(&mut self) -> Option<u64> {
        self.times += 1;
        if self.said.is_some_and(|said| said.elapsed() < Duration::from_secs(1)) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.times))
    }
}
