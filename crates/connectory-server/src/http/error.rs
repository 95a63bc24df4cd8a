//! The error that a handler answers with.
//!
//! It is not rendered before the outermost layer (`telemetry`), which knows the request's tracking id.

use connectory_model::access::Denied;
use connectory_model::limits::RETRY_AFTER;
use connectory_model::shown;
use connectory_model::wire::{ErrorMessage, ErrorResponse};
use connectory_store::{StoreError, Unavailable};
use http::StatusCode;

use crate::work::WorkError;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status of the response.
    pub status: StatusCode,
    /// What was wrong, where, and what would be right.
    pub text: String,
    /// What is to be known of an internal fault, for the log only.
    pub internal: Option<String>,
    /// After how many seconds the same request may succeed (`Retry-After`).
    pub retry_after: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), internal: None, retry_after: None }
    }

    /// 400: the request is wrong.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 403: the caller may not do this.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// 404: there is no such thing.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 404 for a connector.
    pub fn no_connector(script_name: &str) -> Self {
        let shown = shown(script_name, 100);
        Self::not_found(format!("there is no connector with the script name `{shown}` in this tenant"))
    }

    /// 405: the path knows other methods.
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path does not know the method; it knows {allowed}"))
    }

    /// 408: the body did not arrive.
    pub fn timeout(text: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, text)
    }

    /// 409: what was changed is not what was read.
    pub fn conflict() -> Self {
        Self::new(StatusCode::CONFLICT, "someone else changed this meanwhile; read it again and repeat the change")
    }

    /// 502: another server does not do its part; the log says more than the response.
    pub fn bad_gateway(text: impl Into<String>, internal: String) -> Self {
        Self { internal: Some(internal), ..Self::new(StatusCode::BAD_GATEWAY, text) }
    }

    /// 413: more bytes than are accepted.
    pub fn too_large(what: &str, limit: usize) -> Self {
        Self::payload_too_large(format!("{what} is larger than {limit} bytes"))
    }

    /// 413: something is larger than it may be.
    pub fn payload_too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// 415: another media type than this takes.
    pub fn unsupported_media_type(got: Option<&str>, expected: &str) -> Self {
        let got = got.map_or("none".to_owned(), |got| format!("`{}`", shown(got, 100)));
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the content type must be {expected}, got {got}"))
    }

    /// 500: our fault; the log says more than the response.
    pub fn internal(error: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: "an internal fault occurred; the server's log has more under this tracking id".to_owned(),
            internal: Some(error.to_string()),
            retry_after: None,
        }
    }

    /// 503: it cannot be done for the moment, and nothing was done.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self { retry_after: Some(RETRY_AFTER), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// The body, for a tracking id.
    pub fn body(&self, tracking_id: &str) -> ErrorResponse {
        ErrorResponse {
            detail_code: detail_code(self.status),
            tracking_id: tracking_id.to_owned(),
            messages: vec![ErrorMessage::english(self.text.clone())],
            causes: Vec::new(),
        }
    }
}

/// The code and words of the specification's examples; for a status without one, the status's own.
fn detail_code(status: StatusCode) -> String {
    match status {
        StatusCode::BAD_REQUEST => "400.1 Bad request content".to_owned(),
        StatusCode::NOT_FOUND => "404 Not found".to_owned(),
        StatusCode::INTERNAL_SERVER_ERROR => "500.0 Internal fault".to_owned(),
        other => format!("{} {}", other.as_u16(), other.canonical_reason().unwrap_or("Refused")),
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unknown(_) => Self::not_found(error.to_string()),
            StoreError::Exists(_) => Self::conflict(),
            StoreError::Unavailable(Unavailable::Full) => Self {
                retry_after: Some(RETRY_AFTER),
                ..Self::new(StatusCode::INSUFFICIENT_STORAGE, format!("{error}; nothing was changed"))
            },
            StoreError::Unavailable(_) => Self::unavailable(format!("{error}; nothing was changed, try again")),
            StoreError::Closed => Self::unavailable("the server is stopping; nothing was changed"),
            StoreError::Uncertain(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            other => Self::internal(&other),
        }
    }
}

impl From<WorkError> for ApiError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy | WorkError::Late => Self::unavailable(error.to_string()),
            WorkError::Panicked => Self::internal(&error),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::forbidden(denied.to_string())
    }
}
