//! Compressing the answers that no handler compresses (D80).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::coding::{Accepted, Coding, name_coding};
use super::conditional::Condition;
use super::error::ApiError;
use super::etag::ETag;
use crate::work::Work;

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
