//! The load: connections that send the next request as soon as the last response is complete.
//!
//! It writes prepared bytes, and parses only the head of a response. If the client cost as much as the server, the
//! harness would measure the client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A function that writes the n-th request of a run into a buffer.
pub type Requests = Arc<dyn Fn(usize, &mut Vec<u8>) + Send + Sync>;

/// The result of a run.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Requests per second.
    pub rate: f64,
    /// The median latency in microseconds.
    pub p50: f64,
    /// The 99th percentile of the latency in microseconds.
    pub p99: f64,
}

/// Writes a request. If `content_type` is empty, the request has no body headers.
pub fn request(into: &mut Vec<u8>, method: &str, path: &str, token: &str, content_type: &str, body: &[u8]) {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n");
    into.extend_from_slice(head.as_bytes());
    if !content_type.is_empty() {
        into.extend_from_slice(
            format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len()).as_bytes(),
        );
    }
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(body);
}

/// Loads a server over `connections` connections for `time`. Takes the numbers of requests from `next`.
pub async fn run(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    next: Arc<AtomicUsize>,
    requests: Requests,
) -> Result<Measure> {
    let began = Instant::now();
    let end = began + time;
    let tasks: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(connection(address, end, Arc::clone(&next), Arc::clone(&requests))))
        .collect();
    let mut all = Histogram::<u64>::new(3)?;
    for task in tasks {
        all.add(task.await??)?;
    }
    let micros = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Measure { rate: all.len() as f64 / began.elapsed().as_secs_f64(), p50: micros(0.5), p99: micros(0.99) })
}

async fn connection(
    address: SocketAddr,
    end: Instant,
    next: Arc<AtomicUsize>,
    requests: Requests,
) -> Result<Histogram<u64>> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Histogram::new(3)?;
    let mut request = Vec::new();
    loop {
        request.clear();
        requests(next.fetch_add(1, Ordering::Relaxed), &mut request);
        let sent = Instant::now();
        if sent >= end {
            return Ok(latencies);
        }
        connection.exchange(&request).await?;
        latencies.record(u64::try_from(sent.elapsed().as_nanos())?)?;
    }
}

/// A connection that is used for many requests.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024] })
    }

    /// Sends a request and reads its response, which must be a 200. Returns the range of the body in the buffer.
    async fn exchange(&mut self, request: &[u8]) -> Result<std::ops::Range<usize>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let mut body: Option<std::ops::Range<usize>> = None;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            filled += read;
            if body.is_none() {
                body = head(&self.buffer[..filled])?;
            }
            if let Some(body) = body.clone().filter(|body| body.end <= filled) {
                return Ok(body);
            }
        }
    }

    /// Sends a request and returns the body of its response.
    pub async fn body(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let body = self.exchange(request).await?;
        Ok(self.buffer[body].to_vec())
    }
}

/// Returns the range of the body, if the head is complete. A body in chunks is complete, and has their sizes in it.
fn head(bytes: &[u8]) -> Result<Option<std::ops::Range<usize>>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(bytes)? else { return Ok(None) };
    if response.code != Some(200) {
        bail!("a request was refused: {}", String::from_utf8_lossy(bytes));
    }
    let find = |name| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    if find("transfer-encoding").is_some() {
        return Ok(chunks(&bytes[start..])?.map(|length| start..start + length));
    }
    let length = find("content-length");
    let length: usize = std::str::from_utf8(length.context("an answer without a length")?.value)?.parse()?;
    Ok(Some(start..start + length))
}

/// Returns the length of a body in chunks, if it is complete.
fn chunks(bytes: &[u8]) -> Result<Option<usize>> {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        let Ok(status) = httparse::parse_chunk_size(rest) else { bail!("a chunk without a size") };
        let httparse::Status::Complete((start, length)) = status else { return Ok(None) };
        // The chunk ends with an empty line. No server here sends trailers.
        at += start + usize::try_from(length)? + 2;
        if length == 0 {
            return Ok((at <= bytes.len()).then_some(at));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn a_body_in_chunks_ends_with_its_last_chunk() {
        let whole = b"5\r\n{\r\n0}\r\nA\r\n0123456789\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(chunks(&whole[..end]).ok(), Some(None), "{end}");
        }
        assert_eq!(chunks(whole).ok(), Some(Some(whole.len())));
        assert!(chunks(b"x\r\n").is_err());
    }
}
