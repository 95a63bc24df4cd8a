//! One HTTP request and its answer. An answer of status 400 or above is an error.

use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{ApiError, Error, text_of};

/// An answer with its whole body.
pub(crate) struct Answer {
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            self.unreadable(match text_of(&self.body) {
                Some(text) if self.body.trim_ascii_start().first() == Some(&b'<') => text,
                _ => error.to_string(),
            })
        })
    }

    /// The error of an answer that is not as the API defines it.
    pub fn unreadable(&self, reason: impl Into<String>) -> Error {
        Error::Decoding { url: self.url.to_string(), reason: reason.into() }
    }
}

/// Sends a request to `url`, which errors name.
pub(crate) async fn send(request: RequestBuilder, url: &Url) -> Result<Answer, Error> {
    let failed =
        |error: reqwest::Error| Error::Transport { url: url.to_string(), error: Arc::new(error.without_url()) };
    let response = request.send().await.map_err(failed)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(failed)?.to_vec();
    if status.is_client_error() || status.is_server_error() {
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        return Err(ApiError::new(status, retry_after.map(Duration::from_secs), &body).into());
    }
    Ok(Answer { url: url.clone(), headers, body })
}
