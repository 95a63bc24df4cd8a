//! A stream that ends if its reader reads too slowly.
//!
//! A response stays in memory until its reader has read all of it. A reader that reads almost nothing could keep the
//! response in memory for any time. So while bytes wait to be written, the reader must read a minimum of bytes in each
//! time span. Otherwise the connection ends.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use connectory_model::limits::{WRITE_BYTES, WRITE_TIMEOUT};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::traffic::Traffic;

/// A stream with a minimum pace of writing.
pub struct Paced<S> {
    stream: S,
    /// The timer for the end of the span, while bytes wait to be written.
    end: Option<Pin<Box<Sleep>>>,
    /// Whether the last write had to wait.
    waits: bool,
    /// The number of bytes that the reader read in this span.
    taken: usize,
    traffic: Arc<Traffic>,
}

impl<S> Paced<S> {
    /// Makes a paced stream. The first span begins when a write has to wait.
    pub fn new(stream: S, traffic: Arc<Traffic>) -> Self {
        Self { stream, end: None, waits: false, taken: 0, traffic }
    }

    fn wrote(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.taken = self.taken.saturating_add(*bytes);
                self.traffic.wrote(*bytes);
                self.waits = false;
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => ready!(self.wait(context))?,
        }
        written
    }

    /// Polls the end of the span. Returns an error if the reader was too slow; otherwise stays pending.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let next = Instant::now() + WRITE_TIMEOUT;
        let is_over = self.end.as_ref().is_some_and(|end| end.is_elapsed() || end.deadline() <= Instant::now());
        if !self.waits && (is_over || self.end.is_none()) {
            // The reader has read the bytes that waited before. These bytes are new, so a new span begins.
            self.taken = 0;
            match &mut self.end {
                Some(end) => end.as_mut().reset(next),
                None => self.end = Some(Box::pin(tokio::time::sleep_until(next))),
            }
        }
        self.waits = true;
        let Some(end) = &mut self.end else { return Poll::Pending };
        while end.as_mut().poll(context).is_ready() {
            if self.taken < WRITE_BYTES {
                let slow = "the reader took too little of an answer in time";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, slow)));
            }
            self.taken = 0;
            end.as_mut().reset(next);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.traffic.read(buffer.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(context, written)
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
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_or_next_to_nothing_is_cut_off() {
        for each in [0, 1024] {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            let reading = tokio::spawn(async move {
                let mut buffer = vec![0; 1024];
                for _ in 0..60 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let _closed = theirs.read_exact(&mut buffer[..each]).await;
                }
            });
            let refused = Paced::new(ours, Arc::new(Traffic::new(Arc::default())))
                .write_all(&vec![0; 1024 * 1024])
                .await
                .unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
            reading.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_gets_all_and_may_pause_between_answers() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let mut buffer = vec![0; 8 * 1024];
            while theirs.read_exact(&mut buffer).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut paced = Paced::new(ours, Arc::new(Traffic::new(Arc::default())));
        for _ in 0..3 {
            paced.write_all(&vec![0; 512 * 1024]).await.unwrap();
            tokio::time::sleep(WRITE_TIMEOUT * 3).await;
        }
    }
}
