//! Accepting connections, and ending without cutting anyone off.
//!
//! `axum::serve` would do, but for one thing: it gives a client any time it likes to send a request's head, so a few
//! slow ones could hold every connection.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::Response;
use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

/// How long the head of a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests in flight may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until `stop` resolves, then finishes what is in flight.
pub async fn serve<R>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    stop: impl Future<Output = ()>,
) where
    R: Future<Output = Response> + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The official Python client looks headers up as the vendor's service writes them: `X-Total-Count`.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).title_case_headers(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT);
    let graceful = GracefulShutdown::new();
    // A timer that is due before any request's own: for one that is due earlier than all others, tokio wakes itself by
    // a system call.
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or the client is gone already: others may still come.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = clock.tick() => continue,
            () = &mut stop => break,
        };
        // Without this, small responses wait for the client's acknowledgement.
        let _unsupported = stream.set_nodelay(true);
        let answer = answer.clone();
        let service = hyper::service::service_fn(move |request| answer(request).map(Ok::<_, Infallible>));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "connection ended");
            }
        });
    }
    drop(listener);
    tracing::info!("stopping; finishing what is in flight");
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}
