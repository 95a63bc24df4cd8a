//! Content codings (RFC 9110, section 8.4; D80, D81): which one a client accepts, compressing answers, and reading
//! compressed bodies of requests.
//!
//! Only the answers of the Connectors API and of its extensions are compressed. They have no secrets. An answer that has a
//! secret and something that others can choose would tell the secret by its length when it is compressed (BREACH), so
//! tokens and the console's pages never are.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};

use async_compression::tokio::bufread;
use async_compression::zstd::DParameter;
use axum::BoxError;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::limits::{CODED_BYTES, CODED_STEP_BYTES, QUOTED_CHARS, ZSTD_WINDOW_LOG};
use connectory_model::shown;
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use futures_util::TryStreamExt;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use super::body::drain;
use super::conditional::Condition;
use super::error::ApiError;
use super::etag::ETag;
use crate::work::Work;

/// The codings of requests, as the answer to another one names them (RFC 9110, section 12.5.3).
const ACCEPTED: HeaderValue = HeaderValue::from_static("zstd, gzip, deflate");
/// The level of gzip: half as fast as the fastest one, and nearly as small as the default.
const GZIP_LEVEL: u32 = 4;

/// A content coding of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// The bytes as they are.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Coding {
    /// The name in `Content-Encoding`. None for the bytes as they are.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// Compresses bytes. The same bytes always become the same.
    pub fn encode(self, bytes: &Bytes) -> Bytes {
        let coded = match self {
            Self::Identity => return bytes.clone(),
            Self::Gzip => {
                let into = Vec::with_capacity(bytes.len() / 4);
                let mut encoder = gzip(into);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Zstd => zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL).and_then(|mut encoder| {
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                encoder.compress(bytes)
            }),
        };
        // The boxed slice returns the unused rest: what is cached counts by its length.
        coded.expect("memory takes all that is written").into_boxed_slice().into()
    }
}

/// A compressor with gzip.
pub fn gzip<W: io::Write>(into: W) -> GzEncoder<W> {
    GzEncoder::new(into, Compression::new(GZIP_LEVEL))
}

/// What a client accepts (RFC 9110, section 12.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    coding: Coding,
    /// Whether the bytes as they are are refused, so that small answers are compressed too.
    not_plain: bool,
}

impl Accepted {
    /// A client that asks for no coding.
    pub const PLAIN: Self = Self { coding: Coding::Identity, not_plain: false };

    /// Reads `Accept-Encoding`. Of the codings with the largest weight, zstd is taken before gzip, and both before none.
    /// `*` stands for gzip, which every client knows. A client that refuses all that there is gets the bytes as they are.
    pub fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::ACCEPT_ENCODING) {
            return Self::PLAIN;
        }
        let [mut gzip, mut zstd, mut identity, mut any] = [None; 4];
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for element in value.as_bytes().split(|byte| *byte == b',') {
                let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                let weight = match parts.next_back().filter(|part| part.contains(&b'=')) {
                    Some(part) => weight(part),
                    None => Some(1000),
                };
                let name = element.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                let of = match name {
                    b"*" => &mut any,
                    name if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => &mut gzip,
                    name if name.eq_ignore_ascii_case(b"zstd") => &mut zstd,
                    name if name.eq_ignore_ascii_case(b"identity") => &mut identity,
                    _ => continue,
                };
                *of = weight.or(*of);
            }
        }
        // What is refused is not meant by `*`.
        let any_zstd = if gzip == Some(0) { any } else { None };
        let (gzip, zstd) = (gzip.or(any).unwrap_or(0), zstd.or(any_zstd).unwrap_or(0));
        let not_plain = identity.or(any) == Some(0);
        // Without a weight of its own, no coding is as good as the least one that is accepted.
        let plain = identity.unwrap_or(0);
        let coding = match zstd.max(gzip) {
            0 => return Self::PLAIN,
            best if plain > best => Coding::Identity,
            best if zstd == best => Coding::Zstd,
            _ => Coding::Gzip,
        };
        Self { coding, not_plain }
    }

    /// The coding of an answer with so many bytes. A small one is not worth it.
    pub fn of_size(self, bytes: usize) -> Coding {
        if bytes >= CODED_BYTES || (self.not_plain && bytes > 0) { self.coding } else { Coding::Identity }
    }

    /// The coding of large answers.
    pub fn coding(self) -> Coding {
        self.coding
    }
}

/// What the client of a request accepts.
impl<S: Sync> FromRequestParts<S> for Accepted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// Reads the weight of a coding in thousandths: `q=` and a number from 0 to 1.
fn weight(parameter: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(parameter).ok()?;
    let (name, value) = text.split_once('=')?;
    let weight = value.trim().parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1")]
    name.trim().eq_ignore_ascii_case("q").then_some((weight * 1000.0) as u16)
}

/// Names the coding of an answer in its head, and that other clients get it in another one.
pub fn name_coding(headers: &mut HeaderMap, coding: Coding) {
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(name) = coding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
}

/// Compresses the answer to a request if its client accepts that, unless its handler has done so. Gives it the entity tag of
/// the coding. Streams stay as they are. If the server has too much to do, the answer stays as it is.
pub async fn encode(State(work): State<Work>, request: Request, next: Next) -> Response {
    let accepted = Accepted::of(request.headers());
    let condition = Condition::of_read(request.method(), request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers();
    if response.status() != StatusCode::OK || headers.contains_key(header::VARY) {
        return response;
    }
    let Some(size) = response.body().size_hint().exact().and_then(|size| size.try_into().ok()) else { return response };
    let coding = accepted.of_size(size);
    let plain_etag = headers.get(header::ETAG).cloned().map(ETag);
    let etag = plain_etag.as_ref().map(|etag| etag.coded(coding));
    let needs_no_body = condition.zip(etag.as_ref()).is_some_and(|(condition, etag)| condition.needs_no_body(etag));
    let mut named = coding;
    if coding != Coding::Identity && !needs_no_body {
        let (head, body) = response.into_parts();
        // It is there already, in one piece.
        let bytes = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return ApiError::internal(&error).into_response(),
        };
        let plain = bytes.clone();
        let body = if let Ok(coded) = work.run(bytes.len(), move |_| coding.encode(&plain)).await {
            coded
        } else {
            named = Coding::Identity;
            bytes
        };
        response = Response::from_parts(head, Body::from(body));
    }
    let headers = response.headers_mut();
    name_coding(headers, named);
    if named != Coding::Identity {
        headers.remove(header::CONTENT_LENGTH);
        if let Some(etag) = etag {
            headers.insert(header::ETAG, etag.into());
        }
    }
    response
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_with_the_largest_weight_is_taken() {
        let of = |values: &[&'static str]| {
            let headers = values.iter().map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value)));
            Accepted::of(&headers.collect())
        };
        for (values, coding) in [
            (&[][..], Coding::Identity),
            (&[""], Coding::Identity),
            (&["identity"], Coding::Identity),
            (&["br, deflate"], Coding::Identity),
            (&["gzip"], Coding::Gzip),
            (&["X-GZIP"], Coding::Gzip),
            (&["gzip, deflate, br, zstd"], Coding::Zstd),
            (&["gzip", "zstd"], Coding::Zstd),
            (&["gzip;q=1.0, zstd;q=0.9"], Coding::Gzip),
            (&["gzip ; Q=0.5 , zstd;q=0"], Coding::Gzip),
            (&["gzip;q=0"], Coding::Identity),
            (&["gzip;q=0.000"], Coding::Identity),
            (&["gzip;q=0.001"], Coding::Gzip),
            (&["gzip;q=2"], Coding::Identity),
            (&["gzip;q=x"], Coding::Identity),
            (&["gzip;q=NaN"], Coding::Identity),
            (&["*"], Coding::Gzip),
            (&["*;q=0"], Coding::Identity),
            (&["gzip;q=0, *"], Coding::Zstd),
            (&["gzip;q=0.5, identity"], Coding::Identity),
            (&["gzip, identity"], Coding::Gzip),
            (&["identity;q=0.5, *;q=0"], Coding::Identity),
            (&["gzip, *;q=0"], Coding::Gzip),
        ] {
            assert_eq!(of(values).of_size(CODED_BYTES), coding, "{values:?}");
        }
        for (value, coding) in [
            ("gzip", Coding::Identity),
            ("gzip, identity;q=0", Coding::Gzip),
            ("gzip, *;q=0", Coding::Gzip),
            ("identity;q=0", Coding::Identity),
        ] {
            assert_eq!(of(&[value]).of_size(CODED_BYTES - 1), coding, "{value}");
            assert_eq!(of(&[value]).of_size(0), Coding::Identity, "{value}: there is nothing to compress");
        }
    }
}
