//! The outermost layer. It gives each request a tracking id, renders errors with it, and counts and logs requests.
//!
//! Failures are logged at `error`, refusals, sign-ins and faults at `info`, everything else at `debug`. The log contains
//! the path without its query, because the query of a token request may contain the secret. If many errors with one
//! status occur in a second, only some are logged, with the number of errors that were not logged. Faults are all logged.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::response::Response;
use connectory_model::limits::{ERROR_CHARS, LOG_TEXT_BYTES, LOGGED_REFUSALS};
use connectory_model::shown;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use uuid::Uuid;

use super::broken::with_fault;
use super::error::ApiError;
use super::metrics::Metrics;
use super::response::{ErrorPage, REVISION, ResponseFacts, count_answer, json_response, take_facts};
use crate::budget::{Budget, Charge};
use crate::rate_limit::{RateLimit, RateWindow};
use crate::share::Share;

const REQUEST_ID: HeaderName = HeaderName::from_static("slpt-request-id");

/// The counters over all requests.
pub struct Telemetry {
    /// The number and the duration of requests.
    pub metrics: Metrics,
    /// The memory limit for responses to authenticated callers.
    answers: Budget,
    /// The memory limit for all other responses.
    anonymous_answers: Budget,
    logged_errors: LoggedErrors,
}

impl Telemetry {
    /// Starts to count. The budgets limit the memory of all responses together.
    pub fn new(metrics: Metrics, answers: Budget, anonymous_answers: Budget) -> Self {
        Self { metrics, answers, anonymous_answers, logged_errors: LoggedErrors::default() }
    }
}

/// A request from its arrival to its response.
pub struct Trace {
    tracking_id: Uuid,
    started: Instant,
}

impl Trace {
    /// Starts the trace of a request that arrives now.
    pub fn start() -> Self {
        Self { tracking_id: Uuid::from_u128(rand::random()), started: Instant::now() }
    }

    /// The tracking id of the request in the log.
    pub fn tracking_id(&self) -> Uuid {
        self.tracking_id
    }

    /// Completes a response that the router made.
    pub fn finish(
        self,
        telemetry: &Telemetry,
        request: &RequestFacts<'_>,
        mut response: Response,
        counted: Option<Charge>,
    ) -> Response {
        let facts = take_facts(&mut response);
        self.finish_with(telemetry, request, facts, response, counted)
    }

    /// Completes a response: counts it, renders its error, and writes the log.
    pub fn finish_with(
        self,
        telemetry: &Telemetry,
        request: &RequestFacts<'_>,
        facts: ResponseFacts,
        response: Response,
        counted: Option<Charge>,
    ) -> Response {
        let (tracking_id, started) = (self.tracking_id.simple().to_string(), self.started);
        let &RequestFacts { method, path, client: peer, waits, share } = request;
        let ResponseFacts { route, author, applicant, error, reason, is_planned, error_page, fault } = facts;
        let answers = if author.is_some() { &telemetry.answers } else { &telemetry.anonymous_answers };
        let (mut response, error) =
            rendered((answers, share), response, (error, error_page.as_deref()), (counted, waits), &tracking_id);
        let status = response.status();
        let (client, kind) = author.as_ref().map(|author| (author.id.as_str(), author.kind.as_str())).unzip();
        let client = client.or(applicant.as_deref().map(start_of));
        let took = started.elapsed();
        telemetry.metrics.count(method, route.unwrap_or_default(), status, took);
        // In thousandths of a millisecond.
        let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        let is_safe = method.is_safe();
        if let Some(fate) = &fault {
            response = with_fault(response, method, fate);
        }
        let fault = fault.map(|fate| fate.to_string());
        let fault = fault.as_deref();
        // Shorten the path and the method: they may be as long as a request's head.
        let (path, method) = (start_of(path), start_of(method.as_str()));
        match status.as_u16() {
            status @ 400.. => {
                // Each fault is logged: a client that gets no answer does not know of it otherwise.
                let admitted = if fault.is_some() { Some(0) } else { telemetry.logged_errors.admit(status) };
                if let Some(unsaid) = admitted {
                    let unsaid = Some(unsaid).filter(|unsaid| *unsaid > 0);
                    let (text, error) = error.map(|error| (Cow::from(error.text), error.internal)).unzip();
                    let (reason, error) = (text.or(reason), error.flatten());
                    let reason = reason.as_deref().map(start_of);
                    if status >= 500 && !is_planned {
                        tracing::error!(tracking_id, client, kind, %peer, %method, path, status, ms, reason, error, fault, unsaid, "request failed");
                    } else {
                        tracing::info!(tracking_id, client, kind, %peer, %method, path, status, ms, reason, fault, unsaid, "request refused");
                    }
                }
            }
            // Log faults, and changes without a caller: new tokens and new sessions. The history contains the changes
            // of callers.
            status if fault.is_some() || (!is_safe && author.is_none()) => {
                tracing::info!(tracking_id, client, kind, %peer, %method, path, status, ms, fault, "request");
            }
            status => tracing::debug!(tracking_id, client, kind, %peer, %method, path, status, ms, "request"),
        }
        let id = HeaderValue::try_from(tracking_id).expect("hexadecimal digits are a header value");
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
}

/// Returns the start of a client's text, as much as the log contains.
fn start_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOG_TEXT_BYTES)]
}

/// The facts of a request that its response and the log need.
pub struct RequestFacts<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// The path of the request, without its query.
    pub path: &'a str,
    /// The address of the client: the address of the connection, or the address that a trusted proxy forwarded.
    pub client: IpAddr,
    /// Whether other responses wait on the same connection.
    pub waits: bool,
    /// The share of the caller, in which the response counts.
    pub share: Option<&'a Arc<Share>>,
}

/// Counts the bytes of the response, or renders its error.
fn rendered(
    (answers, share): (&Budget, Option<&Arc<Share>>),
    mut response: Response,
    (error, page): (Option<ApiError>, Option<&dyn ErrorPage>),
    (counted, waits): (Option<Charge>, bool),
    tracking_id: &str,
) -> (Response, Option<ApiError>) {
    let mut error = error.or_else(|| method_not_allowed(&response));
    if error.is_none() {
        match count_answer(answers, share, response, counted, waits) {
            Ok(counted) => return (counted, None),
            Err(refused) => {
                response = Response::new(axum::body::Body::empty());
                error = Some(refused);
            }
        }
    }
    let Some(mut error) = error else { return (response, None) };
    // A text may quote the client's input.
    error.text.truncate(shown(&error.text, ERROR_CHARS).len());
    let allow = response.headers().get(header::ALLOW).cloned();
    let revision = response.headers().get(REVISION).cloned();
    let codings = response.headers().get(header::ACCEPT_ENCODING).cloned();
    let retry_after = error.retry_after.map(HeaderValue::from);
    let etag = error.etag.as_deref().cloned().map(HeaderValue::from);
    let mut rendered = match page {
        Some(page) => page.render(&error, tracking_id),
        None => json_response(error.status, serde_json::to_vec(&error.body(tracking_id)).expect("errors are JSON")),
    };
    let headers = [
        (header::ALLOW, allow),
        (REVISION, revision),
        (header::ACCEPT_ENCODING, codings),
        (header::RETRY_AFTER, retry_after),
        (header::ETAG, etag),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            rendered.headers_mut().insert(name, value);
        }
    }
    (rendered, Some(error))
}

/// How many errors of a kind are logged.
pub(super) const LOGGED: RateLimit = RateLimit { requests: LOGGED_REFUSALS, seconds: NonZeroU32::MIN };

/// The rate limit of the log for errors: one for each status from 400, so that a flood of errors is sampled.
struct LoggedErrors {
    started: Instant,
    logged: [RateWindow; 200],
    unsaid: AtomicU64,
}

impl Default for LoggedErrors {
    fn default() -> Self {
        let logged = std::array::from_fn(|_| RateWindow::default());
        Self { started: Instant::now(), logged, unsaid: AtomicU64::new(0) }
    }
}

impl LoggedErrors {
    /// Decides whether to log an error with this status. If so, returns the number of errors that were not logged since
    /// the last logged one.
    fn admit(&self, status: u16) -> Option<u64> {
        let window = self.logged.get(usize::from(status.checked_sub(400)?))?;
        if window.admit(LOGGED, self.started.elapsed()).is_err() {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

/// Makes the error for the router's 405 response.
fn method_not_allowed(response: &Response) -> Option<ApiError> {
    (response.status() == StatusCode::METHOD_NOT_ALLOWED).then(|| {
        let allowed = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
        ApiError::method_not_allowed(allowed)
    })
}
