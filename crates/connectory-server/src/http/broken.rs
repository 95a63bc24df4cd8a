//! Answers that break off because a fault asks for it: the connection ends before or within the answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use connectory_model::limits::FAULT_PAUSE;
use http::{HeaderName, HeaderValue, Method};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::faults::{Fate, Outcome};

/// The header that names the fault of an answer.
const FAULT: HeaderName = HeaderName::from_static("connectory-fault");

/// A mark in the extensions of a response: its connection ends without a byte of an answer, and over HTTP/2 its stream
/// is reset. Whoever calls a service without a network sees this mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fault: the request gets no answer")]
pub struct Dropped;

/// The error within a body that breaks off.
#[derive(Debug, thiserror::Error)]
#[error("a fault: the answer breaks off")]
struct BreaksOff;

/// Names the fault in a response that is complete otherwise, and breaks the response off if the fault asks for it.
pub fn with_fault(mut response: Response, method: &Method, fate: &Fate) -> Response {
    let value = HeaderValue::try_from(fate.to_string()).expect("a fate is ASCII");
    response.headers_mut().insert(FAULT, value);
    let has_body = method != Method::HEAD && !response.body().is_end_stream();
    match fate.outcome {
        Some(Outcome::Truncate) if has_body => response.map(|body| Body::new(Truncated::new(body))),
        Some(Outcome::Drop | Outcome::Truncate) => {
            response.extensions_mut().insert(Dropped);
            response
        }
        _ => response,
    }
}

/// The first half of a body, and then an error. Hyper ends the connection, or the stream, because of the error.
struct Truncated {
    body: Body,
    /// The bytes of the half that are not sent yet.
    left: u64,
    /// The time for the half to go out: hyper drops what it has not written yet when it gets the error.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Truncated {
    fn new(body: Body) -> Self {
        Self { left: body.size_hint().lower() / 2, body, pause: None }
    }
}

impl http_body::Body for Truncated {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.left > 0 {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)?) else { break };
            let Ok(mut bytes) = frame.into_data() else { break };
            let size = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= size as u64;
            if size > 0 {
                return Poll::Ready(Some(Ok(Frame::data(bytes.split_to(size)))));
            }
        }
        ready!(self.pause.get_or_insert_with(|| Box::pin(sleep(FAULT_PAUSE))).as_mut().poll(context));
        Poll::Ready(Some(Err(axum::Error::new(BreaksOff))))
    }

    /// The size of the whole body, which the head of the answer promises.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
