//! Reading the bodies of requests that are compressed (RFC 9110, section 8.4; D81).

use std::io::{self, Read as _};

use async_compression::tokio::bufread;
use async_compression::zstd::DParameter;
use axum::BoxError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use connectory_model::limits::{CODED_STEP_BYTES, QUOTED_CHARS, ZSTD_WINDOW_LOG};
use connectory_model::shown;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{LengthLimitError, Limited};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use super::drain::drain;
use super::error::ApiError;

/// The codings of requests, as the answer to another one names them (RFC 9110, section 12.5.3).
const ACCEPTED: HeaderValue = HeaderValue::from_static("zstd, gzip, deflate");

/// A coding of a request.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Gzip,
    Deflate,
    Zstd,
}

impl Sent {
    /// Reads the coding of a request. None if its body is sent as it is.
    fn of(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let named = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let mut named = named.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"));
        let refuse = |got: String| {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let text = format!("the content encoding must be one of zstd, gzip and deflate, or none; got {got}");
            Err(ApiError { status, ..ApiError::bad_request(text) })
        };
        match (named.next(), named.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => refuse("several".to_owned()),
            (Some(name), None) => match name.to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => Ok(Some(Self::Gzip)),
                b"deflate" => Ok(Some(Self::Deflate)),
                b"zstd" => Ok(Some(Self::Zstd)),
                _ => refuse(format!("`{}`", shown(&String::from_utf8_lossy(name), QUOTED_CHARS))),
            },
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }

    /// Decodes what a reader reads.
    async fn decoder<R: AsyncBufRead + Unpin + Send + 'static>(
        self,
        mut coded: R,
    ) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        let first = coded.fill_buf().await?;
        Ok(match self {
            // A request without a body may name a coding nevertheless.
            _ if first.is_empty() => Box::new(tokio::io::empty()),
            Self::Gzip => {
                let mut decoder = bufread::GzipDecoder::new(coded);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            // It is the format of zlib (RFC 9110, section 8.4.1.2), but some clients send it without its head.
            Self::Deflate if has_zlib_head(first) => Box::new(bufread::ZlibDecoder::new(coded)),
            Self::Deflate => Box::new(bufread::DeflateDecoder::new(coded)),
            // A decoder keeps as many bytes as the window has, but only those that were decoded take memory.
            Self::Zstd => {
                let mut decoder =
                    bufread::ZstdDecoder::with_params(coded, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)]);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
        })
    }
}

/// The error that the body of a request is not in the coding that its head names.
#[derive(Debug, thiserror::Error)]
#[error("the body is not valid {0}: {1}")]
pub struct Undecodable(&'static str, io::Error);

/// The error of a body that cannot be decoded, if an error comes from it.
pub fn undecodable<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Undecodable> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// Whether an error comes from a body that is too large before it is decoded.
pub fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(<dyn std::error::Error>::is::<LengthLimitError>)
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        // The source of an error of I/O is that of what it holds.
        Some(held) => Some(held),
        None => error.source(),
    })
}

/// What became of a whole body.
#[derive(Debug, PartialEq, Eq)]
pub enum Whole {
    /// It has no coding.
    Plain,
    /// The decoded bytes.
    Decoded(Vec<u8>),
    /// It cannot be decoded, or would have too many bytes.
    Unreadable,
}

/// Decodes a body that was kept, of a request or an answer, up to a number of bytes. It may take its time.
pub fn decode_whole(headers: &HeaderMap, bytes: &[u8], most: usize) -> Whole {
    let sent = match Sent::of(headers) {
        Ok(Some(sent)) => sent,
        Ok(None) => return Whole::Plain,
        Err(_) => return Whole::Unreadable,
    };
    let zstd = |bytes| {
        let mut decoder = zstd::Decoder::new(bytes)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG)?;
        Ok::<_, io::Error>(decoder)
    };
    let most = most as u64;
    let mut decoded = Vec::new();
    let read = match sent {
        _ if bytes.is_empty() => Ok(0),
        Sent::Gzip => MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut decoded),
        Sent::Deflate if has_zlib_head(bytes) => ZlibDecoder::new(bytes).take(most + 1).read_to_end(&mut decoded),
        Sent::Deflate => DeflateDecoder::new(bytes).take(most + 1).read_to_end(&mut decoded),
        Sent::Zstd => zstd(bytes).and_then(|decoder| decoder.take(most + 1).read_to_end(&mut decoded)),
    };
    if read.is_ok() && decoded.len() as u64 <= most { Whole::Decoded(decoded) } else { Whole::Unreadable }
}

/// Whether compressed bytes begin with the head of the format of zlib (RFC 1950).
fn has_zlib_head(bytes: &[u8]) -> bool {
    bytes[0] & 0x0F == 8 && bytes[0] >> 4 <= 7
}

/// How bodies are decoded.
#[derive(Debug, Clone, Copy)]
pub struct Decoding {
    /// The largest body before it is decoded, in bytes.
    pub most: usize,
    /// Whether the handler decodes zstd itself.
    pub leaves_zstd: bool,
}

/// Decodes the body of a request while it is read, so that every limit on bytes is one on decoded bytes.
///
/// It is decoded in small steps, which take their turn with other requests.
pub async fn decode(State(limits): State<Decoding>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::CONTENT_ENCODING) {
        return next.run(request).await;
    }
    let (mut head, body) = request.into_parts();
    let sent = match Sent::of(&head.headers) {
        Ok(sent) => sent,
        Err(error) => {
            drain(body).await;
            let mut response = error.into_response();
            response.headers_mut().insert(header::ACCEPT_ENCODING, ACCEPTED);
            return response;
        }
    };
    head.headers.remove(header::CONTENT_ENCODING);
    let body = match sent {
        None => body,
        Some(Sent::Zstd) if limits.leaves_zstd => {
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
            body
        }
        Some(sent) => {
            head.headers.remove(header::CONTENT_LENGTH);
            decoded(sent, body, limits.most)
        }
    };
    next.run(Request::from_parts(head, body)).await
}

fn decoded(sent: Sent, body: Body, most: usize) -> Body {
    let stream = TryStreamExt::map_err(Body::new(Limited::new(body, most)).into_data_stream(), io::Error::other);
    let coded = StreamReader::new(Box::pin(stream));
    let undecodable = move |error: io::Error| -> BoxError {
        // What does not come from the decoder comes from the connection.
        let is_of_body = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<axum::Error>);
        if is_of_body { error.into() } else { Undecodable(sent.name(), error).into() }
    };
    let parts = async move {
        let decoder = sent.decoder(coded).await.map_err(undecodable)?;
        let parts = ReaderStream::with_capacity(decoder, CODED_STEP_BYTES).map_err(undecodable);
        Ok::<_, BoxError>(parts.and_then(|part| async {
            tokio::task::coop::consume_budget().await;
            Ok(part)
        }))
    };
    Body::from_stream(futures_util::TryFutureExt::try_flatten_stream(parts))
}
