//! The outermost layer: gives each request its tracking id, renders refusals with it, counts it and logs
//! it: by default what fails, is refused or lets someone in, and all else for debugging.
//!
//! The log has the path without its query, because a token request may carry its secret there. Of many refusals of one
//! status in a second only some are logged, with how many were not.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::response::Response;
use connectory_model::limits::{LOG_TEXT_BYTES, LOGGED_REFUSALS};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::auth::rate_limit::{RateLimit, Window};
use crate::budget::{Budget, Charge};
use crate::console::ErrorPage;
use crate::error::{ApiError, json};

const REQUEST_ID: HeaderName = HeaderName::from_static("slpt-request-id");

/// A request from its arrival to its answer.
pub struct Trace {
    tracking_id: Uuid,
    started: Instant,
}

impl Trace {
    /// A request that arrives now.
    pub fn start() -> Self {
        Self { tracking_id: Uuid::from_u128(rand::random()), started: Instant::now() }
    }

    /// The id under which the request is logged.
    pub fn tracking_id(&self) -> Uuid {
        self.tracking_id
    }

    /// Completes the response, counts it and writes the log.
    pub fn finish(
        self,
        app: &App,
        asked: &Asked<'_>,
        route: Cow<'static, str>,
        mut response: Response,
        counted: Option<Charge>,
    ) -> Response {
        let (tracking_id, started) = (self.tracking_id.simple().to_string(), self.started);
        let &Asked { method, path, client: peer, waits, .. } = asked;
        let caller = response.extensions_mut().remove::<Caller>();
        let answers = if asked.is_known || caller.is_some() { &app.answers } else { &app.anonymous_answers };
        let (mut response, error) = rendered(answers, response, (counted, waits), &tracking_id);
        let status = response.status();
        let client = caller.as_ref().map(Caller::client_id).unwrap_or_default();
        let took = started.elapsed();
        app.metrics.count(method, route, status, took);
        let ms = took.as_secs_f64() * 1000.0;
        // A path may be as long as a request's head.
        let path = start_of(path);
        match status.as_u16() {
            status @ 400.. => {
                if let Some(unsaid) = app.refusals.admit(status) {
                    let (reason, error) = error.map(|error| (error.text, error.internal)).unwrap_or_default();
                    let reason = start_of(&reason);
                    if status >= 500 {
                        tracing::error!(tracking_id, client, %peer, %method, path, status, ms, reason, error, unsaid, "request failed");
                    } else {
                        tracing::info!(tracking_id, client, %peer, %method, path, status, ms, reason, unsaid, "request refused");
                    }
                }
            }
            // What a caller changes is in the history. A token that is issued or a session that begins has no caller yet.
            status if !method.is_safe() && caller.is_none() => {
                tracing::info!(tracking_id, %peer, %method, path, status, ms, "request");
            }
            status => tracing::debug!(tracking_id, client, %method, path, status, ms, "request"),
        }
        let id = HeaderValue::try_from(tracking_id).expect("hexadecimal digits are a header value");
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
}

/// As much of what a client sent as the log has.
fn start_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOG_TEXT_BYTES)]
}

/// What was asked, for the log.
pub struct Asked<'a> {
    /// How.
    pub method: &'a Method,
    /// For what.
    pub path: &'a str,
    /// The address it comes from: the connection's, or the one that a trusted proxy has forwarded.
    pub client: IpAddr,
    /// Whether other answers wait on the same connection.
    pub waits: bool,
    /// Whether the caller is known, even if the response does not tell.
    pub is_known: bool,
}

/// The answer with its bytes counted, or with its refusal rendered.
fn rendered(
    answers: &Budget,
    mut response: Response,
    (counted, waits): (Option<Charge>, bool),
    tracking_id: &str,
) -> (Response, Option<ApiError>) {
    let mut error = refusal(&response);
    if error.is_none() {
        match answers.count(response, counted, waits) {
            Ok(counted) => return (counted, None),
            Err(refused) => {
                response = Response::new(axum::body::Body::empty());
                error = Some(refused);
            }
        }
    }
    let Some(error) = error else { return (response, None) };
    let allow = response.headers().get(header::ALLOW).cloned();
    let retry_after = error.retry_after.map(HeaderValue::from);
    let mut rendered = match response.extensions_mut().remove::<ErrorPage>() {
        Some(page) => page.render(&error, tracking_id),
        None => json(error.status, serde_json::to_vec(&error.body(tracking_id)).expect("refusals are JSON")),
    };
    for (name, value) in [(header::ALLOW, allow), (header::RETRY_AFTER, retry_after)] {
        if let Some(value) = value {
            rendered.headers_mut().insert(name, value);
        }
    }
    (rendered, Some(error))
}

/// The log's own rate limit for refusals, for each status from 400 on, so that a flood of them is sampled.
pub struct Refusals {
    started: Instant,
    logged: [Window; 200],
    unsaid: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        let logged = std::array::from_fn(|_| Window::default());
        Self { started: Instant::now(), logged, unsaid: AtomicU64::new(0) }
    }
}

impl Refusals {
    /// Whether one of this status is logged; if so, how many were not since the last one that was.
    fn admit(&self, status: u16) -> Option<u64> {
        let limit = RateLimit { requests: LOGGED_REFUSALS, seconds: NonZeroU32::MIN };
        let window = self.logged.get(usize::from(status.checked_sub(400)?))?;
        if window.admit(limit, self.started.elapsed()).is_err() {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
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
