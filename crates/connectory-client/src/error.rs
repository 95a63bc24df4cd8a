//! What can go wrong with a call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use connectory_model::wire::ErrorResponse;
use reqwest::StatusCode;

use crate::config::ConfigError;

/// Why a call failed. Its text is a sentence for people; no text holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no usable configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The service's address is no URL.
    #[error("`{url}` is not the address of a service: {reason}")]
    BaseUrl {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The service could not be reached, or the connection broke.
    #[error("cannot reach {url}: {}", reasons(.error))]
    Transport {
        /// What was called.
        url: String,
        /// What went wrong.
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
        /// What the service said.
        reason: String,
    },
    /// The service refused the call.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The service's answer is not what it should be.
    #[error("cannot read the answer of {url}: {reason}")]
    Decoding {
        /// What was called.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// An answer of status 400 or above.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The body, where it is the API's own.
    pub response: Option<ErrorResponse>,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
    /// What the body says, if it is something else.
    other: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let response: Option<ErrorResponse> = serde_json::from_slice(body).ok();
        let other = if response.is_some() { None } else { text_of(body) };
        Self { status, response, retry_after, other }
    }

    /// The id under which the service logged the call: 32 hexadecimal digits.
    pub fn tracking_id(&self) -> Option<&str> {
        self.response.as_ref().map(|response| response.tracking_id.as_str())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.response.iter().flat_map(|response| response.messages.iter().chain(&response.causes));
        let texts: Vec<_> = texts.map(|message| message.text.as_str()).collect();
        let text = if texts.is_empty() { self.other.clone() } else { Some(texts.join("; ")) };
        write!(f, "the service answered {}", self.status)?;
        if let Some(text) = text {
            write!(f, ": {text}")?;
        }
        match self.tracking_id() {
            Some(tracking_id) => write!(f, " (tracking id {tracking_id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Error {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether there is no such connector.
    pub fn is_not_found(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.status == StatusCode::NOT_FOUND)
    }
}

/// The text of a body that is not an `ErrorResponseDto`: the message of a JSON object, or the start of a plain text.
pub(crate) fn text_of(body: &[u8]) -> Option<String> {
    const LONGEST: usize = 200;
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) {
        let member = ["error_description", "error", "message"].iter().find_map(|member| object.get(*member)?.as_str());
        return member.map(|text| text.trim().to_owned());
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('<') {
        return Some("an HTML page instead of an answer of the API".to_owned());
    }
    (!text.is_empty()).then(|| text.chars().take(LONGEST).collect())
}

/// An error with what caused it, which reqwest leaves out of its text.
fn reasons(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut reasons = Vec::new();
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = next {
        reasons.push(error.to_string());
        next = error.source();
    }
    // The innermost says what happened; the ones around it repeat that something did.
    reasons.pop().unwrap_or_else(|| error.to_string())
}
