//! `--record`: writes requests and answers to a file, as HAR 1.2 and without secrets.
//!
//! The recorder stands around the function that answers. A request and its answer pass as they are, and leave a copy of
//! their heads and of the first bytes of their bodies ([`tee`]). A thread of its own makes an entry of it
//! ([`entry`], [`secrets`]) and writes it ([`file`]). So no request waits for the file.

mod entry;
mod exchange;
mod file;
mod secrets;
mod tee;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::response::Response;
use connectory_model::limits::{RECORD_CLOSE_TIMEOUT, RECORD_FILE_BYTES, RECORD_HEAD_BYTES, RECORD_QUEUE_BYTES};
use http::{Extensions, Request};
use jiff::Timestamp;
use tokio::sync::{Semaphore, TryAcquireError};

use self::entry::Entry;
use self::exchange::{Answer, Exchange};
use self::file::HarFile;
pub use self::tee::Tee;
use self::tee::{Passing, Side, Told};

/// Records requests and their answers.
#[derive(Clone)]
pub struct Recorder {
    queue: Sender<Told>,
    /// The bytes that entries may take until they are written. It is closed when nothing more is recorded.
    room: Arc<Semaphore>,
    /// How many requests are not recorded because there was no room.
    missing: Arc<AtomicU64>,
    /// Whether the listener ends the connection instead of sending an answer with these extensions.
    is_dropped: fn(&Extensions) -> bool,
    path: Arc<Path>,
}

/// The bounds of a record.
struct Bounds {
    queue: usize,
    file: u64,
}

impl Recorder {
    /// Creates the file, or replaces it, and starts the thread that writes it. `is_dropped` says by its extensions whether
    /// the listener ends the connection instead of sending an answer.
    pub fn create(path: &Path, is_dropped: fn(&Extensions) -> bool) -> Result<Self> {
        Self::with(path, is_dropped, &Bounds { queue: RECORD_QUEUE_BYTES, file: RECORD_FILE_BYTES })
    }

    fn with(path: &Path, is_dropped: fn(&Extensions) -> bool, bounds: &Bounds) -> Result<Self> {
        let file = HarFile::create(path, bounds.file)?;
        let (queue, told) = mpsc::channel();
        let room = Arc::new(Semaphore::new(bounds.queue));
        let recorder = Self { queue, room, missing: Arc::default(), is_dropped, path: path.into() };
        let writer = Writer {
            file,
            told,
            room: Arc::clone(&recorder.room),
            missing: Arc::clone(&recorder.missing),
            path: path.to_owned(),
        };
        thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || writer.run())
            .context("cannot start the thread that records")?;
        Ok(recorder)
    }

    /// Answers a request by this function, and records both.
    pub async fn answer<B, R>(self, request: Request<B>, answer: impl FnOnce(Request<Tee<B>>) -> R) -> Response
    where
        B: hyper::body::Body,
        R: Future<Output = Response>,
    {
        let passing = self.begin(&request);
        let response = answer(request.map(|body| Tee::new(body, passing.clone(), Side::Request))).await;
        let Some(passing) = passing else { return response };
        passing.note(|exchange| {
            exchange.answer = Some(Answer {
                status: response.status(),
                headers: response.headers().clone(),
                after: exchange.started.elapsed(),
                is_dropped: (self.is_dropped)(response.extensions()),
                body: None,
            });
        });
        response.map(|body| Body::new(Tee::new(body, Some(passing), Side::Answer)))
    }

    /// Begins to record a request, if there is room for it.
    fn begin<B>(&self, request: &Request<B>) -> Option<Arc<Passing>> {
        let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
        let uri = request.uri();
        let head = RECORD_HEAD_BYTES + uri.path().len() + uri.query().map_or(0, str::len) + headers.sum::<usize>();
        let room = match Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(head).unwrap_or(u32::MAX)) {
            Ok(room) => room,
            Err(TryAcquireError::Closed) => return None,
            Err(TryAcquireError::NoPermits) => {
                if self.missing.fetch_add(1, Ordering::Relaxed) == 0 {
                    let path = self.path.display();
                    tracing::warn!(%path, "more requests arrive than can be recorded; the record has their number");
                }
                return None;
            }
        };
        let exchange = Exchange {
            at: Timestamp::now(),
            started: Instant::now(),
            method: request.method().clone(),
            uri: uri.clone(),
            version: request.version(),
            headers: request.headers().clone(),
            sent: None,
            answer: None,
            took: None,
            _room: room,
        };
        Some(Arc::new(Passing::new(exchange, Arc::clone(&self.room), self.queue.clone())))
    }

    /// Waits until all that has ended is written, but no longer than `RECORD_CLOSE_TIMEOUT`. What ends later may be lost, so
    /// this comes after the runtime's end, which ends all connections.
    pub fn finish(&self) {
        let (written, wait) = mpsc::sync_channel(1);
        let is_told = self.queue.send(Told::Flush(written)).is_ok();
        if is_told && wait.recv_timeout(RECORD_CLOSE_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(path = %self.path.display(), "the last requests were not recorded in time");
        }
    }
}

/// The thread that writes the file.
struct Writer {
    file: HarFile,
    told: Receiver<Told>,
    room: Arc<Semaphore>,
    missing: Arc<AtomicU64>,
    path: PathBuf,
}

/// Why nothing more is recorded.
const FULL: &str = "the file has as many bytes as it may have: what came after the last entry is not recorded";

impl Writer {
    /// Writes until the file is full, cannot be written or is no longer as it was written, or until all recorders are gone.
    fn run(mut self) {
        let path = self.path.display().to_string();
        let ended = self.write();
        // From here on, nothing is copied for the record.
        self.room.close();
        match ended {
            Ok(true) => {}
            Ok(false) => tracing::warn!(path, most = RECORD_FILE_BYTES, "the record is full; it ends here"),
            Err(error) => tracing::warn!(path, %error, "cannot write the record; it ends here"),
        }
    }

    /// Writes what is told. Returns whether there was room for it.
    fn write(&mut self) -> std::io::Result<bool> {
        let mut missing = 0;
        while let Ok(told) = self.told.recv() {
            self.file.check()?;
            let now = self.missing.load(Ordering::Relaxed);
            let comment = (now > 0).then(|| format!("{now} requests are missing: there was no room for them"));
            match told {
                Told::Exchange(mut exchange) => {
                    exchange.decode();
                    if !self.file.append(&Entry::of(&exchange), comment.as_deref())? {
                        let comment = comment.map(|comment| format!("{comment}; {FULL}"));
                        self.file.comment(comment.as_deref().unwrap_or(FULL))?;
                        return Ok(false);
                    }
                }
                Told::Flush(written) => {
                    if let Some(comment) = comment.filter(|_| now != missing) {
                        self.file.comment(&comment)?;
                    }
                    // Nobody waits any more.
                    let _late = written.send(());
                }
            }
            missing = now;
        }
        Ok(true)
    }
}
