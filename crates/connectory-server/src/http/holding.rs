//! A body that holds a value until the connection has written its bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Makes a body that holds `held` until its last byte is written.
pub fn holding<T: Send + Sync + 'static>(body: Body, held: T) -> Body {
    Body::new(Holding { body, held: Arc::new(held) })
}

struct Holding<T> {
    body: Body,
    held: Arc<T>,
}

/// A part of the body. The connection drops it when its bytes are written.
struct HoldingBytes<T> {
    bytes: Bytes,
    _held: Arc<T>,
}

impl<T> AsRef<[u8]> for HoldingBytes<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T: Send + Sync + 'static> http_body::Body for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let held = &self.held;
        polled
            .map_ok(|frame| frame.map_data(|bytes| Bytes::from_owner(HoldingBytes { bytes, _held: Arc::clone(held) })))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
