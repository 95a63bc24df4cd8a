//! The outermost layer: gives each request its tracking id, renders refusals with it, and writes one line to the log.
//!
//! The log has the path without its query, because a token request may carry its secret there.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::auth::Caller;
use crate::error::{ApiError, json};

const REQUEST_ID: HeaderName = HeaderName::from_static("slpt-request-id");

/// Answers a request with `next`.
pub async fn trace<F: Future<Output = Response>>(request: Request, next: impl FnOnce(Request) -> F) -> Response {
    let tracking_id = format!("{:032x}", rand::random::<u128>());
    let started = Instant::now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    // A panic is a bug of ours; it must not look like a broken network to the client.
    let answered = AssertUnwindSafe(async { next(request).await }).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| ApiError::internal("the handler panicked").into_response());
    let status = response.status();
    let error = refusal(&response);
    let internal = error.as_ref().and_then(|error| error.internal.clone());
    let caller = response.extensions().get::<Caller>().cloned();
    if let Some(error) = error {
        let allow = response.headers().get(header::ALLOW).cloned();
        let body = serde_json::to_vec(&error.body(&tracking_id)).expect("refusals are JSON");
        response = json(status, body);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let path = uri.path();
    let id = HeaderValue::from_str(&tracking_id).expect("hexadecimal digits are a header value");
    response.headers_mut().insert(REQUEST_ID, id);

    let client = caller.as_ref().map(Caller::client_id).unwrap_or_default();
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    let status = status.as_u16();
    match status {
        500.. => {
            tracing::error!(tracking_id, client, %method, path, status, ms, error = internal, "request failed");
        }
        400.. => tracing::info!(tracking_id, client, %method, path, status, ms, "request refused"),
        _ if !method.is_safe() => tracing::info!(tracking_id, client, %method, path, status, ms, "request"),
        _ => tracing::debug!(tracking_id, client, %method, path, status, ms, "request"),
    }
    response
}

/// The refusal in a response: a handler's, or the router's own for a method that the path does not know.
fn refusal(response: &Response) -> Option<ApiError> {
    if let Some(error) = response.extensions().get::<ApiError>() {
        return Some(error.clone());
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
        return Some(ApiError::method_not_allowed(allowed));
    }
    None
}
