//! Reading request bodies: bounded while they stream, in time, and as what they say they are.
//!
//! A refused body is still read to a point, because a client that is sending would otherwise find its connection
//! reset instead of an answer.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, header};
use http_body::Body as _;
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::Value;

use crate::app::Options;
use crate::error::ApiError;

/// How long a body may take to arrive (our decision).
const TIMEOUT: Duration = Duration::from_mins(1);
/// How much of a refused body is read and dropped (our decision).
const DRAINED: usize = 32 * 1024 * 1024;

/// Reads a JSON body of one of the media types. A body without a type is taken for JSON.
pub async fn json(options: &Options, request: Request, media_types: &[&str]) -> Result<Value, ApiError> {
    let (head, body) = request.into_parts();
    let content_type = content_type(&head.headers);
    let essence = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    if let Some(essence) = essence
        && !media_types.iter().any(|expected| expected.eq_ignore_ascii_case(essence))
    {
        drain(body).await;
        return Err(ApiError::unsupported_media_type(content_type, &media_types.join(" or ")));
    }
    let bytes = read(body, options.max_request).await?;
    if bytes.is_empty() {
        return Err(ApiError::bad_request("the body is empty; expected JSON"));
    }
    serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))
}

/// What a request for an upload holds.
pub enum Upload {
    /// No body at all.
    Nothing,
    /// The file.
    File(Bytes),
    /// A multipart body without the part.
    NoSuchPart,
}

/// Reads the file of a multipart body: the part of this name, or the first of any name.
pub async fn upload(options: &Options, request: Request, part: Option<&str>) -> Result<Upload, ApiError> {
    let (head, body) = request.into_parts();
    let boundary = content_type(&head.headers).map(multer::parse_boundary);
    let Some(Ok(boundary)) = boundary else {
        // The official clients send no body and no type where they have no file to send.
        return match read(body, options.max_request).await? {
            bytes if bytes.is_empty() => Ok(Upload::Nothing),
            _ => Err(ApiError::bad_request(
                "the body is not multipart/form-data with a boundary; send the file as a form part named `file`",
            )),
        };
    };
    if body.size_hint().lower() > options.max_request as u64 {
        drain(body).await;
        return Err(ApiError::too_large("the request", options.max_request));
    }
    let mut stream = body.into_data_stream();
    let found = within(TIMEOUT, file(options, &mut stream, &boundary, part)).await;
    drain_stream(&mut stream).await;
    found
}

async fn file(
    options: &Options,
    stream: &mut BodyDataStream,
    boundary: &str,
    part: Option<&str>,
) -> Result<Upload, ApiError> {
    let limit = SizeLimit::new().whole_stream(options.max_request as u64).per_field(options.max_document as u64);
    let refuse = |error: multer::Error| match error {
        multer::Error::StreamSizeExceeded { .. } => ApiError::too_large("the request", options.max_request),
        multer::Error::FieldSizeExceeded { .. } => ApiError::too_large("the file", options.max_document),
        error => ApiError::bad_request(format!("the body is not valid multipart/form-data: {error}")),
    };
    let mut parts = Multipart::with_constraints(stream, boundary, Constraints::new().size_limit(limit));
    while let Some(field) = parts.next_field().await.map_err(refuse)? {
        if part.is_none_or(|name| field.name() == Some(name)) {
            return field.bytes().await.map(Upload::File).map_err(refuse);
        }
        // The next part begins where this one ends, and its bytes count as well.
        field.bytes().await.map_err(refuse)?;
    }
    Ok(Upload::NoSuchPart)
}

/// Reads a body of a few bytes or of many, up to a limit.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::too_large("the request", limit);
    if body.size_hint().lower() > limit as u64 {
        drain(body).await;
        return Err(too_large());
    }
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::new();
    let read = within(TIMEOUT, async {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| ApiError::bad_request(format!("the body broke off: {error}")))?;
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    })
    .await;
    if read.is_err() {
        drain_stream(&mut stream).await;
    }
    read.map(|()| bytes.freeze())
}

/// Reads a body to a point and drops it.
pub async fn drain(body: Body) {
    drain_stream(&mut body.into_data_stream()).await;
}

async fn drain_stream(stream: &mut BodyDataStream) {
    let mut left = DRAINED;
    let reading = async {
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whatever is left when the time is up is left to the connection.
    let _late = tokio::time::timeout(Duration::from_secs(10), reading).await;
}

async fn within<T>(limit: Duration, reading: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::time::timeout(limit, reading).await.unwrap_or_else(|_| {
        Err(ApiError::timeout(format!("the body did not arrive within {} seconds", limit.as_secs())))
    })
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    // A value that is no text cannot be any media type that is accepted.
    headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"))
}
