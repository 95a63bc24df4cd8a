//! Bodies whose bytes are recorded while they pass.

use std::pin::Pin;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::BoxError;
use connectory_model::limits::RECORDED_BODY_BYTES;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::Semaphore;

use super::exchange::{End, Exchange, Passed};
use super::secrets::Bodies;

/// What the thread that writes is told.
pub enum Told {
    /// Write the entry of this exchange.
    Exchange(Box<Exchange>),
    /// Tell when everything until here is written.
    Flush(std::sync::mpsc::SyncSender<()>),
}

/// An exchange while it passes. Its request, its answer and their bodies share it; the last of them to go leaves it to the
/// thread that writes.
pub struct Passing {
    exchange: Mutex<Option<Box<Exchange>>>,
    bodies: Bodies,
    room: Arc<Semaphore>,
    queue: Sender<Told>,
}

impl Passing {
    pub fn new(exchange: Exchange, room: Arc<Semaphore>, queue: Sender<Told>) -> Self {
        let bodies = Bodies::of(exchange.uri.path());
        Self { exchange: Mutex::new(Some(Box::new(exchange))), bodies, room, queue }
    }

    /// Notes something in the exchange.
    pub fn note(&self, note: impl FnOnce(&mut Exchange)) {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = &mut *exchange {
            note(exchange);
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let exchange = self.exchange.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut exchange) = exchange.take() {
            let took = exchange.started.elapsed();
            exchange.took.get_or_insert(took);
            // The thread ends when the file is full.
            let _ended = self.queue.send(Told::Exchange(exchange));
        }
    }
}

/// Which body it is.
#[derive(Clone, Copy)]
pub enum Side {
    Request,
    Answer,
}

/// A body that is recorded while it passes.
pub struct Tee<B> {
    body: B,
    recording: Option<Recording>,
}

/// What was recorded of a body until now. It goes into the exchange when the body is dropped.
struct Recording {
    passing: Arc<Passing>,
    side: Side,
    passed: Passed,
    /// How many bytes the body has, if it said so at its begin.
    promised: Option<u64>,
}

impl Recording {
    /// Notes whether the body has ended. The connection asks no body for its end that says so itself, or from which it got
    /// as many bytes as promised.
    fn check_end(&mut self, body: &impl Body) {
        if body.is_end_stream() || self.promised == Some(self.passed.size) {
            self.passed.end = End::Whole;
        }
    }
}

impl<B: Body> Tee<B> {
    /// A body that is recorded in this exchange. Without one, it passes as it is.
    pub fn new(body: B, passing: Option<Arc<Passing>>, side: Side) -> Self {
        let recording = passing.map(|passing| {
            let most = if passing.bodies == Bodies::Neither { 0 } else { RECORDED_BODY_BYTES };
            let promised = body.size_hint().exact();
            let mut recording = Recording { passing, side, passed: Passed::new(most), promised };
            recording.check_end(&body);
            recording
        });
        Self { body, recording }
    }
}

impl<B> Body for Tee<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, recording } = &mut *self;
        let frame = ready!(Pin::new(&mut *body).poll_frame(context)).map(|frame| frame.map_err(Into::into));
        if let Some(recording) = recording {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        recording.passed.add(bytes, &recording.passing.room);
                    }
                    recording.check_end(body);
                }
                Some(Err(error)) => recording.passed.end = End::Cut(error.to_string()),
                // The connection may ask again after an error.
                None if matches!(recording.passed.end, End::Cut(_)) => {}
                None => recording.passed.end = End::Whole,
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let passed = std::mem::replace(&mut self.passed, Passed::new(0));
        let side = self.side;
        self.passing.note(|exchange| match (side, &mut exchange.answer) {
            (Side::Request, _) => exchange.sent = Some(passed),
            (Side::Answer, Some(answer)) => {
                answer.body = Some(passed);
                exchange.took = Some(exchange.started.elapsed());
            }
            (Side::Answer, None) => {}
        });
    }
}
