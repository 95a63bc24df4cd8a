//! The errors of a call.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, LOCATION};
use rustls::CertificateError;

use crate::config::ConfigError;
use crate::error_body::ErrorBody;
use crate::etag::ETag;
use crate::unreadable::Unreadable;

/// Why a call failed. Its text is a sentence for people and contains no secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The configuration is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The service's address is not an http or https URL.
    #[error("`{url}` is not the address of a service: {reason}")]
    BaseUrl {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The service could not be reached, or the connection broke.
    #[error("cannot reach {url}: {}", reasons(.url, .error))]
    Transport {
        /// The address of the call.
        url: String,
        /// The cause.
        error: Arc<reqwest::Error>,
    },
    /// TLS cannot be used: for example, the platform has no certificates.
    #[error("cannot use TLS: {0}")]
    Tls(String),
    /// The service issued no token for these credentials, or did not accept the one that it issued.
    #[error("the service did not accept the API client `{client_id}`: {reason}")]
    Authentication {
        /// The API client.
        client_id: String,
        /// The text of the service's answer.
        reason: String,
    },
    /// The service answered with an error: status 400 or above.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// What the call would change has another entity tag than [`Client::if_match`](crate::Client::if_match) was given: someone
    /// else changed it. Nothing was changed.
    #[error("{error}")]
    Changed {
        /// The answer.
        error: Box<ApiError>,
        /// The tag that it has now.
        etag: Option<ETag>,
    },
    /// A connector cannot be read. The stream of a list goes on after it.
    #[error("{0}")]
    Unreadable(Box<Unreadable>),
    /// The service's answer is not an answer of the Connectors API.
    #[error("cannot read the answer of {url}: {reason}")]
    Decoding {
        /// The address of the call.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// The header with the id under which the vendor's service, and connectory, logged a call.
const REQUEST_ID: HeaderName = HeaderName::from_static("slpt-request-id");

/// An answer that is an error: of status 400 or above, or one that the API does not have, such as a redirect.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
    body: ErrorBody,
    /// Where a redirect leads.
    location: Option<String>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, retry_after: Option<Duration>, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = ErrorBody::read(body);
        body.tracking_id = body.tracking_id.or_else(|| header(REQUEST_ID));
        let location = header(LOCATION).filter(|_| status.is_redirection());
        Self { status, retry_after, body, location }
    }

    /// What was wrong, as the service says it: in one language or in several. It may say nothing.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.body.messages.iter().map(String::as_str)
    }

    /// The reasons, where the service gives several: for example one for each refused change.
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        self.body.causes.iter().map(String::as_str)
    }

    /// The code of the error, such as `400.1 Bad request content`, if the service gives one.
    pub fn code(&self) -> Option<&str> {
        self.body.code.as_deref()
    }

    /// The id under which the service logged the call, if the service says it. connectory's has 32 hexadecimal digits.
    pub fn tracking_id(&self) -> Option<&str> {
        self.body.tracking_id.as_deref()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service answered {}", self.status)?;
        if let Some(location) = &self.location {
            // The text of a redirect says no more.
            write!(f, ", a redirect to {location}, which the client does not follow; is its address right?")?;
        } else {
            let texts = self.body.texts();
            if !texts.is_empty() {
                write!(f, ": {}", texts.join("; "))?;
            }
        }
        match self.tracking_id() {
            Some(tracking_id) => write!(f, " (tracking id {tracking_id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl Error {
    /// The error that the service answered with, if it answered.
    pub fn api_error(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) | Self::Changed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Whether TLS failed: the certificate is not accepted, or the service does not speak TLS.
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Self::Transport { error, .. } => causes(error).any(<dyn StdError>::is::<rustls::Error>),
            _ => false,
        }
    }

    /// Whether the connector does not exist.
    pub fn is_not_found(&self) -> bool {
        self.api_error().is_some_and(|error| error.status == StatusCode::NOT_FOUND)
    }
}

/// The text of the innermost cause, which reqwest leaves out of its own text.
fn reasons(url: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    // The type of this error is not public.
    if let Some(refusal) = causes(error).map(ToString::to_string).find(|text| text.starts_with("tunnel error: ")) {
        let refusal = refusal.trim_start_matches("tunnel error: ");
        return format!(
            "the proxy opens no tunnel to it ({refusal}); HTTPS_PROXY and NO_PROXY say which proxy is used"
        );
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    if scheme == "https" && causes(error).any(is_no_tls) {
        return format!("the server does not speak TLS; try http://{host}");
    }
    if scheme == "http" && causes(error).any(is_no_http) {
        return format!("the server does not speak HTTP; if it speaks TLS, try https://{host}");
    }
    if causes(error).any(is_unknown_issuer) {
        return "this machine does not trust the issuer of the server's certificate; if it is right, add the issuer to the \
                certificates of the platform, or on Linux name its file in SSL_CERT_FILE"
            .to_owned();
    }
    // The innermost error names the cause. The others only say that something failed.
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The errors that caused an error, from the outermost to the innermost.
pub(crate) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&error| {
        // An I/O error does not count the error that it contains as its source.
        let contained = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        contained.map(|error| error as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

/// Whether the error says that the peer answered the begin of TLS with something else, or not at all.
fn is_no_tls(error: &(dyn StdError + 'static)) -> bool {
    let is_other = matches!(error.downcast_ref(), Some(rustls::Error::InvalidMessage(_)));
    let is_end = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof && error.to_string() == "tls handshake eof");
    is_other || is_end
}

/// Whether the error says that the peer answered with something other than HTTP.
fn is_no_http(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
}

/// Whether the error says that no issuer of the peer's certificate is trusted.
fn is_unknown_issuer(error: &(dyn StdError + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}
