//! One HTTP request and its answer.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use connectory_model::json::without_mark;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{ApiError, Error, causes};
use crate::error_body::page;
use crate::etag::ETag;

/// An answer with its whole body.
pub(crate) struct Answer {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer, or the error of one with another status than 2xx. A redirect is not followed, so nothing was done.
    pub fn successful(self) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(self.refusal()) }
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
        date(&self.headers)
    }

    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(without_mark(&self.body)).map_err(|error| {
            let coding = || Some(format!("it has the content coding `{}`", coding(&self.headers)?));
            let page = || page(&self.body).map(str::to_owned);
            self.unreadable(coding().or_else(page).unwrap_or_else(|| error.to_string()))
        })
    }

    /// The error of an answer that is not as the API defines it.
    pub fn unreadable(&self, reason: impl Into<String>) -> Error {
        Error::Decoding { url: self.url.to_string(), reason: reason.into() }
    }
}

/// Bytes of an answer, after decompression. An export of a hundred thousand connectors has as many. More would fill the memory.
const LARGEST_ANSWER: usize = 1 << 30;

/// Bytes that are read of the body of an error. The answer to an apply with a thousand refusals has fewer.
const LARGEST_ERROR: usize = 4 << 20;

/// The longest time that a service is taken to ask for. No call waits so long.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The error of a call of `url` that broke.
fn failed(url: &Url) -> impl Fn(reqwest::Error) -> Error {
    |error| {
        let error = error.without_url();
        match wrong_coding(&error) {
            Some(reason) => Error::Decoding { url: url.to_string(), reason },
            None => Error::Transport { url: url.to_string(), error: Arc::new(error) },
        }
    }
}

/// Why a body is not in the content coding that its head names. None if something else failed.
fn wrong_coding(error: &reqwest::Error) -> Option<String> {
    // A connection that breaks or stops is an error of hyper, or of time.
    if error.is_timeout() || !error.is_decode() || causes(error).any(<dyn StdError>::is::<hyper::Error>) {
        return None;
    }
    let cause = causes(error).find_map(<dyn StdError>::downcast_ref::<io::Error>)?;
    (cause.kind() != io::ErrorKind::UnexpectedEof).then(|| format!("its content coding is wrong: {cause}"))
}

/// The content coding of an answer, if it is one that was not asked for: the others are decoded, and their name is gone.
fn coding(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_ENCODING)?.to_str().ok().filter(|coding| !coding.eq_ignore_ascii_case("identity"))
}

/// Sends a request to `url`, which errors name. An answer of any status is an answer, whose body is not read yet.
pub(crate) async fn send(request: RequestBuilder, url: &Url) -> Result<Response, Error> {
    request.send().await.map_err(failed(url))
}

/// The answer, or the error of one with another status than 2xx, whose body is read. No operation answers with a page, so a
/// page is that of a gateway, and nothing was done.
pub(crate) async fn successful(response: Response, url: &Url) -> Result<Response, Error> {
    if !response.status().is_success() {
        return Err(read_error(response, url).await.refusal());
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|text| text.to_str().ok()).unwrap_or_default();
    if content_type.trim_start().get(..9).is_some_and(|begin| begin.eq_ignore_ascii_case("text/html")) {
        let reason = "an HTML page instead of an answer of the API".to_owned();
        return Err(Error::Decoding { url: url.to_string(), reason });
    }
    Ok(response)
}

/// Reads an answer that is an error. Its status says enough, so a body that breaks off, or has no end, is taken as far as it
/// is there.
async fn read_error(mut response: Response, url: &Url) -> Answer {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        body.extend_from_slice(&part[..part.len().min(LARGEST_ERROR - body.len())]);
        if body.len() == LARGEST_ERROR {
            break;
        }
    }
    Answer { url: url.clone(), status, headers, body }
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

/// The time that a service asks to wait: seconds, or a date (RFC 9110, section 10.2.3). The date is by the service's clock,
/// so it is compared with the date of the answer, if there is one.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse::<f64>().ok();
    let asked = if let Some(seconds) = seconds {
        Duration::try_from_secs_f64(seconds.max(0.0).ceil()).unwrap_or(LONGEST_WAIT)
    } else {
        let now = date(headers).unwrap_or_else(SystemTime::now);
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(asked.min(LONGEST_WAIT))
}

/// The service's time when it answered.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn asked(text: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        headers.extend(date.map(|date| (DATE, HeaderValue::from_str(date).unwrap())));
        retry_after(&headers).map(|asked| asked.as_secs())
    }

    #[test]
    fn a_service_may_ask_to_wait_in_every_form_and_never_for_ever() {
        let day = LONGEST_WAIT.as_secs();
        for (text, expected) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("1.2", Some(2)),
            ("-5", Some(0)),
            ("18446744073709551615", Some(day)),
            ("99999999999999999999999", Some(day)),
            ("inf", Some(day)),
            ("nan", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(day)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(asked(text, None), expected, "{text}");
        }
    }

    #[test]
    fn a_date_is_by_the_clock_of_the_service() {
        for (now, then, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:47 GMT", 10),
            ("Sat, 06 Nov 2094 08:49:37 GMT", "Sat, 06 Nov 2094 08:49:40 GMT", 3),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:39 GMT", 2),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:36 1994", 0),
        ] {
            assert_eq!(asked(then, Some(now)), Some(expected), "{then}");
        }
    }
}
