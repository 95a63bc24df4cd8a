//! A stream that explains why a request cannot be read.
//!
//! Hyper refuses what is no HTTP before the server sees it, with an empty answer. Such an answer gets the body and the
//! tracking id that every other error has (D82). Hyper answers by itself only if it cannot read a head, and ends the
//! connection then. This stream replaces such an answer while the connection has not begun any request: later, bytes that look
//! like it may be a part of another answer.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use connectory_model::limits::HEAD_BYTES;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

use super::traffic::Traffic;
use crate::http::error::ApiError;
use crate::http::telemetry::LOGGED;
use crate::rate_limit::RateWindow;

/// The most bytes of an answer of hyper without a body.
const MOST: usize = 512;

/// A stream that explains the refusals of hyper.
pub struct Explained<S> {
    stream: S,
    traffic: Arc<Traffic>,
    peer: IpAddr,
    /// The answer that replaces another one.
    own: Option<Own>,
}

struct Own {
    bytes: Vec<u8>,
    written: usize,
    /// How many bytes it replaces.
    replaced: usize,
}

impl<S: AsyncWrite + Unpin> Explained<S> {
    /// Explains what is refused on a stream to a peer.
    pub fn new(stream: S, traffic: Arc<Traffic>, peer: IpAddr) -> Self {
        Self { stream, traffic, peer, own: None }
    }

    /// Whether another answer is being written. Begins it if hyper writes one of its own.
    fn explains(&mut self, parts: &[IoSlice<'_>]) -> bool {
        if self.own.is_some() {
            return true;
        }
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if self.traffic.has_begun() || size > MOST {
            return false;
        }
        let answer: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let Some(status) = refusal(&answer) else { return false };
        self.own = Some(Own { bytes: explained(status, self.peer), written: 0, replaced: size });
        true
    }

    fn poll_own(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(own) = &mut self.own else { return Poll::Ready(Ok(0)) };
        while let Some(rest @ [_, ..]) = own.bytes.get(own.written..) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => own.written += written,
            }
        }
        let replaced = own.replaced;
        self.own = None;
        Poll::Ready(Ok(replaced))
    }
}

/// The status of a whole answer of hyper without a body that refuses a request.
fn refusal(answer: &[u8]) -> Option<StatusCode> {
    let text = std::str::from_utf8(answer).ok()?.strip_prefix("HTTP/1.")?;
    let head = text.get(1..)?.strip_suffix("\r\n\r\n")?.to_ascii_lowercase();
    let is_empty = !head.contains("\r\n\r\n") && head.contains("\r\ncontent-length: 0");
    let status = head.strip_prefix(' ')?.get(..3)?.parse().ok()?;
    is_empty.then_some(status).filter(StatusCode::is_client_error)
}

/// The rate limit of the log, because whoever connects can have such a line.
static SAID: LazyLock<(Instant, RateWindow)> = LazyLock::new(|| (Instant::now(), RateWindow::default()));

/// The answer that says why.
fn explained(status: StatusCode, peer: IpAddr) -> Vec<u8> {
    let text = match status {
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            format!("the head of the request is larger than {HEAD_BYTES} bytes; shorten its address or its headers")
        }
        _ => "the request is not valid HTTP/1.1; in its address, a space, `\"`, `<`, `>` and other characters that an address may \
              not contain must be written as %20, %22, %3C, %3E and so on"
            .to_owned(),
    };
    let tracking_id = Uuid::from_u128(rand::random()).simple().to_string();
    let status_code = status.as_u16();
    if SAID.1.admit(LOGGED, SAID.0.elapsed()).is_ok() {
        tracing::info!(tracking_id, %peer, status = status_code, reason = text, "request refused");
    }
    let error = ApiError { status, ..ApiError::bad_request(text) };
    let body = serde_json::to_string(&error.body(&tracking_id)).expect("errors are JSON");
    let reason = status.canonical_reason().unwrap_or("Refused");
    format!(
        "HTTP/1.1 {status_code} {reason}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nSLPT-Request-ID: \
         {tracking_id}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.explains(&[IoSlice::new(bytes)]) {
            return self.poll_own(context);
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.explains(parts) {
            return self.poll_own(context);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REFUSAL: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\nDate: Sat, 28 Nov 2026 01:00:00 GMT\r\n\r\n";

    async fn written(parts: &[&[u8]], has_begun: bool) -> Vec<u8> {
        // The reader takes few bytes at a time.
        let (ours, mut theirs) = tokio::io::duplex(7);
        let traffic = Arc::new(Traffic::new(Arc::default()));
        let _in_flight = has_begun.then(|| traffic.begin(0));
        let mut stream = Explained::new(ours, traffic, Ipv4Addr::LOCALHOST.into());
        let reading = tokio::spawn(async move {
            let mut bytes = Vec::new();
            theirs.read_to_end(&mut bytes).await.unwrap();
            bytes
        });
        for part in parts {
            stream.write_all(part).await.unwrap();
        }
        drop(stream);
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn only_what_hyper_says_before_any_request_is_replaced() {
        let text = String::from_utf8(written(&[REFUSAL], false).await).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(head.contains(&format!("SLPT-Request-ID: {}\r\n", body["trackingId"].as_str().unwrap())));
        assert_eq!(written(&[REFUSAL], true).await, REFUSAL, "it may be a part of an answer");
        let preface = b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0";
        for other in [&preface[..], b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &[REFUSAL, b"x"].concat()] {
            assert_eq!(written(&[other], false).await, other);
        }
    }
}
