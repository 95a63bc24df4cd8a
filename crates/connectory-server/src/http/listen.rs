//! Accepting connections, and ending without cutting anyone off.
//!
//! `axum::serve` would do, but for bounds: it gives a client any time it likes to send a request, or to read an answer,
//! so a few slow ones could hold every connection. Here each connection has to send its first request's head in time
//! (the preface of HTTP/2 included, of which hyper knows no limit), and to take what is written to it. Connections are
//! bounded in all and for each peer. Where all are taken, the one that has waited longest without sending a request makes
//! room, or else the one that has been idle longest: such connections then lock nobody out.

mod paced;
mod peers;
mod traffic;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::response::Response;
use connectory_model::limits::{
    CONNECTIONS, CONNECTIONS_PER_PEER, FIRST_HEAD_TIMEOUT, HEAD_BYTES, HEAD_TIMEOUT, HTTP2_CONNECTION_BYTES,
    HTTP2_SEND_BYTES, HTTP2_STREAM_BYTES, HTTP2_STREAMS, SHUTDOWN_TIMEOUT,
};
use futures_util::FutureExt;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::paced::Paced;
use self::peers::Peers;
use self::traffic::Pace;
pub use self::traffic::Traffic;
use crate::trusted_proxies::TrustedProxies;

/// How long a new connection waits for one that makes room.
const ROOM_TIMEOUT: Duration = Duration::from_millis(100);

/// How many connections there may be.
#[derive(Debug, Clone)]
pub struct Connections {
    /// At a time.
    pub most: usize,
    /// Of one peer at a time.
    pub per_peer: usize,
    /// The peers for which that does not hold, because they speak for others.
    pub trusted: Arc<TrustedProxies>,
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: CONNECTIONS, per_peer: CONNECTIONS_PER_PEER, trusted: Arc::default() }
    }
}

/// Serves until `stop` resolves, then finishes what is in flight.
pub async fn serve<R>(
    listener: TcpListener,
    connections: Connections,
    answer: impl Fn(Request<Incoming>, IpAddr) -> R + Clone + Send + 'static,
    stop: impl Future<Output = ()>,
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
    let (mut refused, mut failed) = (Repeated::default(), Repeated::default());
    // A timer that is due before any request's own: for one that is due earlier than all others, tokio wakes itself by
    // a system call.
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
                Err(error) => {
                    // Out of file descriptors, or the client is gone already: others may still come.
                    if let Some(times) = failed.again() {
                        tracing::warn!(%error, times, "could not accept a connection");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = clock.tick() => {
                second.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            () = &mut stop => break,
        };
        let Some(share) = peers.enter(peer, connections.trusted.has(peer)) else {
            if let Some(times) = refused.again() {
                tracing::warn!(%peer, times, "refused a connection: its peer has as many as one may have");
            }
            continue;
        };
        if free.available_permits() == 0 {
            if let Some(times) = refused.again() {
                tracing::warn!(%peer, times, "as many connections as there may be; one without a request makes room");
            }
            if !opened.make_room() {
                continue;
            }
        }
        // Where one made room, it ends at once, on another thread or while this one waits here.
        let acquiring = tokio::time::timeout(ROOM_TIMEOUT, Arc::clone(&free).acquire_owned());
        let Ok(Ok(permit)) = acquiring.await else { continue };
        // Without this, small responses wait for the client's acknowledgement.
        let _unsupported = stream.set_nodelay(true);
        let answer = answer.clone();
        let traffic = Arc::new(Traffic::new(Arc::clone(&waiting_in_all)));
        let service = {
            let (traffic, second) = (Arc::clone(&traffic), Arc::clone(&second));
            hyper::service::service_fn(move |mut request: Request<Incoming>| {
                let in_flight = traffic.begin(second.load(Ordering::Relaxed));
                let followed = (request.version() == Version::HTTP_2).then(|| Arc::clone(&traffic));
                if let Some(traffic) = &followed {
                    request.extensions_mut().insert(Arc::clone(traffic));
                }
                answer(request, peer).map(move |response| {
                    drop(in_flight);
                    Ok::<_, Infallible>(match followed {
                        Some(traffic) => traffic.follow(response),
                        None => response,
                    })
                })
            })
        };
        let paced = Paced::new(stream, Arc::clone(&traffic));
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(paced), service).into_owned());
        let of_task = Arc::clone(&traffic);
        let task = tokio::spawn(async move {
            let _until_the_end = (permit, share);
            let mut connection = std::pin::pin!(connection);
            let mut first_head = std::pin::pin!(tokio::time::sleep(FIRST_HEAD_TIMEOUT));
            let mut pace = Pace::new(Arc::clone(&of_task));
            let ended = poll_fn(|context| match connection.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                // Looking at the timer costs, and from the first request on others count the time.
                Poll::Pending if of_task.has_begun() => pace.poll(context).map(|()| None),
                Poll::Pending => first_head.as_mut().poll(context).map(|()| None),
            });
            match ended.await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(error, "connection ended"),
                None => tracing::debug!("a connection sent no request in time, or did not read its answers"),
            }
        });
        traffic.runs_as(task.abort_handle());
        opened.push(traffic);
    }
    drop(listener);
    tracing::info!("stopping; finishing what is in flight");
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// HTTP/1 and HTTP/2, bounded.
fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The official Python client looks headers up as the vendor's service writes them: `X-Total-Count`.
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

/// The connections, the oldest first, among others that have ended.
struct Opened {
    connections: VecDeque<Arc<Traffic>>,
    most: usize,
}

impl Opened {
    fn new(most: usize) -> Self {
        Self { connections: VecDeque::new(), most }
    }

    fn push(&mut self, connection: Arc<Traffic>) {
        while self.connections.front().is_some_and(|connection| connection.has_ended()) {
            self.connections.pop_front();
        }
        if self.connections.len() >= 2 * self.most {
            self.connections.retain(|connection| !connection.has_ended());
        }
        self.connections.push_back(connection);
    }

    /// Ends the oldest that has sent no request, or else the one that has been idle longest; says whether there was one.
    fn make_room(&mut self) -> bool {
        self.connections.retain(|connection| !connection.has_ended());
        let silent = self.connections.iter().position(|connection| !connection.has_begun());
        let idle = || {
            let idle = self.connections.iter().enumerate();
            idle.filter_map(|(at, connection)| Some((connection.idle_since()?, at))).min().map(|(_, at)| at)
        };
        let ended = silent.or_else(idle).and_then(|at| self.connections.remove(at));
        ended.inspect(|connection| connection.end()).is_some()
    }
}

/// Something that happens again and again, and is said once a second.
#[derive(Default)]
struct Repeated {
    said: Option<Instant>,
    times: u64,
}

impl Repeated {
    /// How often it happened since it was last said, if it is to be said again.
    fn again(&mut self) -> Option<u64> {
        self.times += 1;
        if self.said.is_some_and(|said| said.elapsed() < Duration::from_secs(1)) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.times))
    }
}
