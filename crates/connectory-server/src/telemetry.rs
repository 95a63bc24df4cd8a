//! The outermost layer: gives each request its tracking id, renders refusals with it, counts it and logs
//! it: by default what fails, is refused or lets someone in, and all else for debugging.
//!
//! The log has the path without its query, because a token request may carry its secret there.

use std::borrow::Cow;
use std::time::Instant;

use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use uuid::Uuid;

use crate::auth::Caller;
use crate::console::ErrorPage;
use crate::error::{ApiError, json};
use crate::metrics::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("slpt-request-id");

/// A request from its arrival to its answer.
pub struct Trace {
    tracking_id: String,
    started: Instant,
}

impl Trace {
    /// A request that arrives now.
    pub fn start() -> Self {
        let tracking_id = Uuid::from_u128(rand::random()).simple().to_string();
        Self { tracking_id, started: Instant::now() }
    }

    /// Completes the response, counts it and writes the log.
    pub fn finish(
        self,
        metrics: &Metrics,
        method: &Method,
        path: &str,
        route: Cow<'static, str>,
        mut response: Response,
    ) -> Response {
        let Self { tracking_id, started } = self;
        let status = response.status();
        let error = refusal(&response);
        let internal = error.as_ref().and_then(|error| error.internal.clone());
        let caller = response.extensions_mut().remove::<Caller>();
        if let Some(error) = error {
            let allow = response.headers().get(header::ALLOW).cloned();
            let retry_after = error.retry_after.map(HeaderValue::from);
            response = match response.extensions_mut().remove::<ErrorPage>() {
                Some(page) => page.render(&error, &tracking_id),
                None => json(status, serde_json::to_vec(&error.body(&tracking_id)).expect("refusals are JSON")),
            };
            for (name, value) in [(header::ALLOW, allow), (header::RETRY_AFTER, retry_after)] {
                if let Some(value) = value {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        let client = caller.as_ref().map(Caller::client_id).unwrap_or_default();
        let took = started.elapsed();
        metrics.count(method, route, status, took);
        let ms = took.as_secs_f64() * 1000.0;
        let status = status.as_u16();
        match status {
            500.. => {
                tracing::error!(tracking_id, client, %method, path, status, ms, error = internal, "request failed");
            }
            400.. => tracing::info!(tracking_id, client, %method, path, status, ms, "request refused"),
            // What a caller changes is in the history. A token that is issued or a session that begins has no caller yet.
            _ if !method.is_safe() && caller.is_none() => {
                tracing::info!(tracking_id, %method, path, status, ms, "request");
            }
            _ => tracing::debug!(tracking_id, client, %method, path, status, ms, "request"),
        }
        let id = HeaderValue::try_from(tracking_id).expect("hexadecimal digits are a header value");
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
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
