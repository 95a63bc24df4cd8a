//! Accepting connections, and ending without cutting anyone off.
//!
//! `axum::serve` would do, but for bounds: it gives a client any time it likes to send a request, or to read an answer,
//! so a few slow ones could hold every connection. Here each connection has to send its first request's head in time
//! (the preface of HTTP/2 included, of which hyper knows no limit), and to take what is written to it. Connections are
//! bounded in all and for each peer. Where all are taken, the one that has waited longest without sending a request makes
//! room: silent connections then lock nobody out.

mod paced;
mod peers;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::response::Response;
use connectory_model::limits::{
    CONNECTIONS, CONNECTIONS_PER_PEER, FIRST_HEAD_TIMEOUT, HEAD_BYTES, HEAD_TIMEOUT, HTTP2_CONNECTION_BYTES,
    HTTP2_SEND_BYTES, HTTP2_STREAM_BYTES, HTTP2_STREAMS, SHUTDOWN_TIMEOUT,
};
use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use self::paced::Paced;
use self::peers::Peers;
pub use self::peers::{InvalidProxy, TrustedProxies};

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
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(connections.most));
    let peers = Peers::new(connections.per_peer);
    let mut silent = Silent::new(connections.most);
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
            _ = clock.tick() => continue,
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
            if !silent.make_room() {
                continue;
            }
        }
        // Where one made room, it ends at once, on another thread or while this one waits here.
        let acquiring = tokio::time::timeout(ROOM_TIMEOUT, Arc::clone(&free).acquire_owned());
        let Ok(Ok(permit)) = acquiring.await else { continue };
        // Without this, small responses wait for the client's acknowledgement.
        let _unsupported = stream.set_nodelay(true);
        let answer = answer.clone();
        let begun = Arc::new(AtomicBool::new(false));
        let service = {
            let begun = Arc::clone(&begun);
            hyper::service::service_fn(move |request| {
                begun.store(true, Ordering::Relaxed);
                answer(request, peer).map(Ok::<_, Infallible>)
            })
        };
        let connection = builder.serve_connection(TokioIo::new(Paced::new(stream)), service).into_owned();
        let connection = graceful.watch(connection);
        let has_begun = Arc::clone(&begun);
        let task = tokio::spawn(async move {
            let _until_the_end = (permit, share);
            let mut connection = std::pin::pin!(connection);
            let mut first_head = std::pin::pin!(tokio::time::sleep(FIRST_HEAD_TIMEOUT));
            let ended = poll_fn(|context| match connection.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                // Looking at the timer costs, and from the first request on others count the time.
                Poll::Pending if has_begun.load(Ordering::Relaxed) => Poll::Pending,
                Poll::Pending => first_head.as_mut().poll(context).map(|()| None),
            });
            match ended.await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(error, "connection ended"),
                None => tracing::debug!("a connection sent no request in time"),
            }
        });
        silent.push(begun, task.abort_handle());
    }
    drop(listener);
    tracing::info!("stopping; finishing what is in flight");
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// The connections that have not sent a request yet, the oldest first, among others that have or have ended.
struct Silent {
    connections: VecDeque<(Arc<AtomicBool>, AbortHandle)>,
    most: usize,
}

impl Silent {
    fn new(most: usize) -> Self {
        Self { connections: VecDeque::new(), most }
    }

    fn push(&mut self, begun: Arc<AtomicBool>, task: AbortHandle) {
        while self.connections.front().is_some_and(is_done) {
            self.connections.pop_front();
        }
        if self.connections.len() >= 2 * self.most {
            self.connections.retain(|connection| !is_done(connection));
        }
        self.connections.push_back((begun, task));
    }

    /// Ends the oldest of them; says whether there was one.
    fn make_room(&mut self) -> bool {
        while let Some(connection) = self.connections.pop_front() {
            if !is_done(&connection) {
                connection.1.abort();
                return true;
            }
        }
        false
    }
}

fn is_done((begun, task): &(Arc<AtomicBool>, AbortHandle)) -> bool {
    begun.load(Ordering::Relaxed) || task.is_finished()
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
