//! One HTTP request and its answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{ApiError, Error};
use crate::error_body::{page, without_mark};
use crate::etag::ETag;

/// An answer with its whole body.
pub(crate) struct Answer {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer, or the error of one with status 400 or above.
    pub fn successful(self) -> Result<Self, Error> {
        if self.status.is_client_error() || self.status.is_server_error() {
            return Err(self.refusal());
        }
        Ok(self)
    }

    /// The error that the answer is.
    fn refusal(&self) -> Error {
        let error = ApiError::new(self.status, retry_after(&self.headers), &self.headers, &self.body);
        match self.status {
            StatusCode::PRECONDITION_FAILED => Error::Changed { error: Box::new(error), etag: ETag::of(&self.headers) },
            _ => error.into(),
        }
    }

    /// The service's time when it answered.
    pub fn date(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.headers.get(DATE)?.to_str().ok()?).ok()
    }

    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(without_mark(&self.body))
            .map_err(|error| self.unreadable(page(&self.body).map_or_else(|| error.to_string(), str::to_owned)))
    }

    /// The error of an answer that is not as the API defines it.
    pub fn unreadable(&self, reason: impl Into<String>) -> Error {
        Error::Decoding { url: self.url.to_string(), reason: reason.into() }
    }
}

/// Bytes of an answer, after decompression. An export of a hundred thousand connectors has as many. More would fill the memory.
const LARGEST_ANSWER: usize = 1 << 30;

/// The error of a call of `url` that broke.
fn failed(url: &Url) -> impl Fn(reqwest::Error) -> Error {
    |error| Error::Transport { url: url.to_string(), error: Arc::new(error.without_url()) }
}

/// Sends a request to `url`, which errors name. An answer of any status is an answer, whose body is not read yet.
pub(crate) async fn send(request: RequestBuilder, url: &Url) -> Result<Response, Error> {
    request.send().await.map_err(failed(url))
}

/// The answer, or the error of one with status 400 or above, whose body is read.
pub(crate) async fn successful(response: Response, url: &Url) -> Result<Response, Error> {
    if response.status().is_client_error() || response.status().is_server_error() {
        let answer = read(response, url).await?;
        return Err(answer.refusal());
    }
    Ok(response)
}

/// Reads the whole body of an answer.
pub(crate) async fn read(mut response: Response, url: &Url) -> Result<Answer, Error> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(failed(url))? {
        if body.len() + part.len() > LARGEST_ANSWER {
            let reason = format!("it has more than {} MiB", LARGEST_ANSWER >> 20);
            return Err(Error::Decoding { url: url.to_string(), reason });
        }
        body.extend_from_slice(&part);
    }
    Ok(Answer { url: url.clone(), status, headers, body })
}

/// The time that a service asks to wait: whole seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}
