//! A request and its answer, as they passed: what an entry of the record is made of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use connectory_model::limits::RECORDED_BODY_BYTES;
use connectory_server::http::decode::{self, Whole};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request and its answer.
pub struct Exchange {
    /// When the request arrived.
    pub at: Timestamp,
    /// The same, for measuring.
    pub started: Instant,
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    /// The body of the request. None while it passes.
    pub sent: Option<Passed>,
    /// None if the connection ended before the answer.
    pub answer: Option<Answer>,
    /// The time from the request to the end of its answer. None while it passes.
    pub took: Option<Duration>,
    /// The room that the heads take.
    pub _room: OwnedSemaphorePermit,
}

impl Exchange {
    /// Decodes the bodies, so that secrets in them are found.
    pub fn decode(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.decode(&self.headers);
        }
        if let Some(answer) = &mut self.answer
            && let Some(body) = &mut answer.body
        {
            body.decode(&answer.headers);
        }
    }
}

/// The answer to a request.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The time from the request to the head of the answer.
    pub after: Duration,
    /// Whether the listener ends the connection instead of sending this answer.
    pub is_dropped: bool,
    /// The body of the answer. None while it passes.
    pub body: Option<Passed>,
}

/// What passed of a body, and the first bytes of it.
pub struct Passed {
    /// The bytes to record.
    pub bytes: Vec<u8>,
    /// How many bytes passed.
    pub size: u64,
    pub end: End,
    /// Whether the bytes are compressed, and are not decoded.
    pub is_coded: bool,
    /// How many bytes are recorded at most.
    most: usize,
    /// The room that `bytes` take.
    room: Option<OwnedSemaphorePermit>,
}

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Its reader did not read it to the end.
    Unread,
    /// It passed whole.
    Whole,
    /// It broke off, with this error.
    Cut(String),
}

impl Passed {
    /// A body of which nothing has passed yet, and so many bytes are recorded at most.
    pub fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), size: 0, end: End::Unread, is_coded: false, most, room: None }
    }

    /// Decodes a body in the content coding of its head. One that is not whole stays as it is, and so does one that would
    /// have more bytes than are recorded.
    pub fn decode(&mut self, headers: &HeaderMap) {
        let is_whole = self.end == End::Whole && self.bytes.len() as u64 == self.size;
        match decode::decode_whole(headers, &self.bytes, RECORDED_BODY_BYTES) {
            Whole::Plain => {}
            Whole::Decoded(bytes) if is_whole => self.bytes = bytes,
            Whole::Decoded(_) | Whole::Unreadable => self.is_coded = true,
        }
    }

    /// Adds bytes that pass. Without room for them, nothing more of this body is recorded.
    pub fn add(&mut self, bytes: &[u8], room: &Arc<Semaphore>) {
        self.size += bytes.len() as u64;
        let wanted = bytes.len().min(self.most - self.bytes.len());
        if wanted == 0 {
            return;
        }
        let permits = u32::try_from(wanted).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(room).try_acquire_many_owned(permits) else {
            self.most = self.bytes.len();
            return;
        };
        match &mut self.room {
            Some(room) => room.merge(more),
            None => self.room = Some(more),
        }
        self.bytes.extend_from_slice(&bytes[..wanted]);
    }
}
