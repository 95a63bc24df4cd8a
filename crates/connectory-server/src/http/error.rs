//! The error that a handler returns.
//!
//! The outermost layer (`telemetry`) renders the error, because it knows the tracking id of the request.

use connectory_model::access::Denied;
use connectory_model::limits::RETRY_AFTER;
use connectory_model::shown;
use connectory_model::wire::{ErrorMessage, ErrorResponse};
use connectory_store::{StoreError, Unavailable};
use http::StatusCode;

use super::etag::ETag;
use crate::work::WorkError;

/// The reason why a request is refused or fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status of the response.
    pub status: StatusCode,
    /// The message: what is wrong, where, and what would be right.
    pub text: String,
    /// Further reasons, where there are several.
    pub causes: Box<[String]>,
    /// The cause of an internal fault, for the log only.
    pub internal: Option<Box<str>>,
    /// The seconds after which the same request may succeed (`Retry-After`).
    pub retry_after: Option<u64>,
    /// The tag of what there is now, of a request whose condition does not hold.
    pub etag: Option<Box<ETag>>,
}

impl ApiError {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), causes: Box::default(), internal: None, retry_after: None, etag: None }
    }

    /// 400: the request is wrong.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 403: the caller does not have the permission.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// 404: the requested object does not exist.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 404: the connector does not exist.
    pub fn no_connector(script_name: &str) -> Self {
        let shown = shown(script_name, 100);
        Self::not_found(format!("there is no connector with the script name `{shown}` in this tenant"))
    }

    /// 405: the path allows other methods only.
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path does not know the method; it knows {allowed}"))
    }

    /// 408: the body did not arrive in time.
    pub fn timeout(text: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, text)
    }

    /// 409: the connector changed after the caller read it.
    pub fn conflict() -> Self {
        Self::new(StatusCode::CONFLICT, "someone else changed this meanwhile; read it again and repeat the change")
    }

    /// 412: the condition of the request does not hold.
    pub fn precondition_failed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, text)
    }

    /// The same error with the tag of what there is now.
    #[must_use]
    pub fn with_etag(self, etag: ETag) -> Self {
        Self { etag: Some(Box::new(etag)), ..self }
    }

    /// 502: another server failed. The log has more details than the response.
    pub fn bad_gateway(text: impl Into<String>, internal: String) -> Self {
        Self { internal: Some(internal.into()), ..Self::new(StatusCode::BAD_GATEWAY, text) }
    }

    /// The same error with further reasons.
    #[must_use]
    pub fn with_causes(self, causes: Vec<String>) -> Self {
        Self { causes: causes.into(), ..self }
    }

    /// 413: the size is larger than a limit in bytes.
    pub fn too_large(what: &str, limit: usize) -> Self {
        Self::payload_too_large(format!("{what} is larger than {limit} bytes"))
    }

    /// 413: the size is larger than a limit, with a message of the caller.
    pub fn payload_too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// 415: the operation does not accept the media type.
    pub fn unsupported_media_type(got: Option<&str>, expected: &str) -> Self {
        let got = got.map_or("none".to_owned(), |got| format!("`{}`", shown(got, 100)));
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the content type must be {expected}, got {got}"))
    }

    /// 422: the request is right, but not together with an earlier one.
    pub fn unprocessable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, text)
    }

    /// 500: an internal fault. The log has more details than the response.
    pub fn internal(error: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: "an internal fault occurred; the server's log has more under this tracking id".to_owned(),
            causes: Box::default(),
            internal: Some(error.to_string().into()),
            retry_after: None,
            etag: None,
        }
    }

    /// 503: the request is not possible at the moment, and nothing was done.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self { retry_after: Some(RETRY_AFTER), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// Makes the body of the response, with a tracking id.
    pub fn body(&self, tracking_id: &str) -> ErrorResponse {
        ErrorResponse {
            detail_code: detail_code(self.status),
            tracking_id: tracking_id.to_owned(),
            messages: vec![ErrorMessage::english(self.text.clone())],
            causes: self.causes.iter().map(ErrorMessage::english).collect(),
        }
    }
}

/// Returns the code and the text of the specification's example. A status without an example has its own code and text.
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
            StoreError::BodyRemoved(_) => Self { status: StatusCode::GONE, ..Self::not_found(error.to_string()) },
            StoreError::Exists(_) => Self::conflict(),
            StoreError::Suspended => Self::forbidden(error.to_string()),
            StoreError::ClientLimit(_) | StoreError::Unfinished => Self::bad_request(error.to_string()),
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
