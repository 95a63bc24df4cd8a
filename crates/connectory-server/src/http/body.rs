//! Reads request bodies: with limits on size and time, and as the media type that they declare.
//!
//! A part of a refused body is still read. Otherwise a client that is still sending would get a connection reset
//! instead of the response.

use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use connectory_model::json::{self, JsonError};
use connectory_model::limits::{BODY_TIMEOUT, FORM_FIELDS, JSON_VALUES, QUOTED_CHARS};
use connectory_model::{reason, shown};
use futures_util::{Stream, StreamExt};
use http::request::Parts;
use http::{HeaderMap, header};
use http_body::Body as _;
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::Value;

use super::decode;
use super::drain::{drain, drain_stream};
use super::error::ApiError;
use super::multipart::{self, Unfolding};
use crate::budget::Budget;
use crate::work::{Work, charge, hold};

/// Reads bodies within the server's limits.
pub struct Bodies {
    /// The largest body, in bytes.
    pub max_request: usize,
    /// The largest document, in bytes.
    pub max_document: usize,
    /// The memory limit for all bodies together.
    pub budget: Budget,
    /// Runs the parsing of large bodies.
    pub work: Work,
}

/// The content of an upload request.
pub enum UploadedFile {
    /// The request has no body.
    Nothing,
    /// The content of the file.
    File(Bytes),
    /// The multipart body has no part with the expected name. The first part with another one has this one.
    NoSuchPart(Option<String>),
}

impl Bodies {
    /// Reads the bytes of a JSON body with one of the media types. A body without a media type is read as JSON.
    pub async fn json(&self, request: Request, media_types: &[&str]) -> Result<(Parts, Bytes), ApiError> {
        let (head, body) = request.into_parts();
        let content_type = content_type(&head.headers);
        let essence = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
        if let Some(essence) = essence
            && !media_types.iter().any(|expected| expected.eq_ignore_ascii_case(essence))
        {
            drain(body).await;
            return Err(ApiError::unsupported_media_type(content_type, &media_types.join(" or ")));
        }
        let bytes = self.read_in(BODY_TIMEOUT, body, self.max_request).await?;
        if bytes.is_empty() {
            return Err(ApiError::bad_request("the body is empty; expected JSON"));
        }
        Ok((head, bytes))
    }

    /// Parses the bytes of a JSON body.
    pub async fn parse(&self, bytes: Bytes) -> Result<Value, ApiError> {
        let parsed = self.work.run(bytes.len(), move |_| json::from_slice(&bytes, JSON_VALUES)).await?;
        parsed.map_err(|error| {
            let found = match error {
                JsonError::Syntax(_) | JsonError::Utf16 => " is",
                JsonError::TooManyValues(_) => " has",
                JsonError::Digits { .. } => ":",
            };
            ApiError::bad_request(format!("the body{found} {error}"))
        })
    }

    /// Reads the file of a multipart body: the part with this name, or the first part if the name is none.
    pub async fn upload(&self, request: Request, part: Option<&str>) -> Result<UploadedFile, ApiError> {
        let (head, body) = request.into_parts();
        let Some(boundary) = content_type(&head.headers).and_then(multipart::boundary) else {
            // The official clients send no body and no media type if they have no file.
            return match self.read_in(BODY_TIMEOUT, body, self.max_request).await? {
                bytes if bytes.is_empty() => Ok(UploadedFile::Nothing),
                _ => Err(ApiError::bad_request(
                    "the body is not multipart/form-data with a boundary; send the file as a form part named `file`",
                )),
            };
        };
        if body.size_hint().lower() > self.max_request as u64 {
            drain(body).await;
            return Err(ApiError::too_large("the request", self.max_request));
        }
        let mut stream = body.into_data_stream();
        let mut charge = charge(&self.budget);
        let mut unfolding = Unfolding::new(&boundary);
        let counted = (&mut stream).map(|chunk| match chunk {
            Ok(chunk) if charge.add(chunk.len()) => Ok(unfolding.pass(chunk)),
            Ok(_) => Err(TooManyBodies.into()),
            Err(error) => Err(BoxError::from(error)),
        });
        let found = within(BODY_TIMEOUT, self.file(counted, &boundary, part)).await;
        hold(charge);
        drain_stream(&mut stream).await;
        found
    }

    async fn file(
        &self,
        stream: impl Stream<Item = Result<Bytes, BoxError>> + Send,
        boundary: &str,
        part: Option<&str>,
    ) -> Result<UploadedFile, ApiError> {
        let limit = SizeLimit::new().whole_stream(self.max_request as u64).per_field(self.max_document as u64);
        let refuse = |error: multer::Error| match error {
            multer::Error::StreamSizeExceeded { .. } => ApiError::too_large("the request", self.max_request),
            multer::Error::FieldSizeExceeded { .. } => ApiError::too_large("the file", self.max_document),
            multer::Error::StreamReadFailed(cause) if cause.is::<TooManyBodies>() => TooManyBodies.into(),
            multer::Error::StreamReadFailed(cause) if decode::is_too_large(&*cause) => {
                ApiError::too_large("the request", self.max_request)
            }
            multer::Error::StreamReadFailed(cause) => ApiError::bad_request(broken(&*cause)),
            error => ApiError::bad_request(format!("the body is not valid multipart/form-data: {}", reason(&error))),
        };
        let mut parts = Multipart::with_constraints(stream, boundary, Constraints::new().size_limit(limit));
        let (mut file, mut other) = (None, None);
        for _ in 0..FORM_FIELDS {
            let Some(mut field) = parts.next_field().await.map_err(refuse)? else {
                return Ok(file.map_or(UploadedFile::NoSuchPart(other), UploadedFile::File));
            };
            let name = multipart::part_name(field.headers());
            if part.is_none() || name.as_deref() == part {
                if file.is_some() {
                    let name = shown(part.unwrap_or_default(), QUOTED_CHARS);
                    return Err(ApiError::bad_request(format!("the form has two parts named `{name}`; send one file")));
                }
                expect_as_it_is(field.headers())?;
                let bytes = field.bytes().await.map_err(refuse)?;
                // A part with any name is the first one.
                if part.is_none() {
                    return Ok(UploadedFile::File(bytes));
                }
                file = Some(bytes);
                continue;
            }
            other = other.or(name);
            // Read the rest of this part, because the next part begins after it. Its bytes count for the limits.
            while field.chunk().await.map_err(refuse)?.is_some() {}
        }
        Err(ApiError::bad_request(format!("the form has more than {FORM_FIELDS} parts")))
    }

    /// Reads a body that arrives within a time, up to a limit in bytes. The body counts for the memory limit of all bodies until the response is
    /// complete.
    pub async fn read_in(&self, time: Duration, body: Body, limit: usize) -> Result<Bytes, ApiError> {
        let too_large = || ApiError::too_large("the request", limit);
        if body.size_hint().lower() > limit as u64 {
            drain(body).await;
            return Err(too_large());
        }
        let mut stream = body.into_data_stream();
        let mut bytes = BytesMut::new();
        let mut charge = charge(&self.budget);
        let read = within(time, async {
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|error| {
                    if decode::is_too_large(&error) { too_large() } else { ApiError::bad_request(broken(&error)) }
                })?;
                if bytes.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                if !charge.add(chunk.len()) {
                    return Err(TooManyBodies.into());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(())
        })
        .await;
        hold(charge);
        if read.is_err() {
            drop(bytes);
            drain_stream(&mut stream).await;
            return read.map(|()| Bytes::new());
        }
        Ok(bytes.freeze())
    }
}

/// Refuses a file that is compressed, or written in another alphabet, as mail is. No client of the API does so (RFC 7578,
/// section 4.7).
fn expect_as_it_is(headers: &HeaderMap) -> Result<(), ApiError> {
    const PLAIN: [(&str, &[&str]); 2] =
        [("Content-Transfer-Encoding", &["7bit", "8bit", "binary"]), ("Content-Encoding", &["identity"])];
    for (header, plain) in PLAIN {
        let Some(encoding) = headers.get(header) else { continue };
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        if !plain.iter().any(|known| encoding.trim().eq_ignore_ascii_case(known)) {
            let encoding = shown(encoding.trim(), QUOTED_CHARS);
            return Err(ApiError::bad_request(format!(
                "the part has the {header} `{encoding}`; send the bytes of the file as they are, without this header"
            )));
        }
    }
    Ok(())
}

/// The error that the bodies of a client, of a tenant or of all have reached their memory limit.
#[derive(Debug, thiserror::Error)]
#[error("too many large requests, of this client or of all, are being read at the moment; try again")]
struct TooManyBodies;

impl From<TooManyBodies> for ApiError {
    fn from(error: TooManyBodies) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// Why a body cannot be read: it is not in the coding that its head names, or the connection broke.
pub fn broken(error: &(dyn std::error::Error + 'static)) -> String {
    match decode::undecodable(error) {
        Some(error) => error.to_string(),
        None => format!("the body broke off: {error}"),
    }
}

async fn within<T>(limit: Duration, reading: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::time::timeout(limit, reading).await.unwrap_or_else(|_| {
        Err(ApiError::timeout(format!("the body did not arrive within {} seconds", limit.as_secs())))
    })
}

/// The media type that a request declares.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    // A value that is not text cannot be an accepted media type. `?` replaces it.
    headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"))
}
