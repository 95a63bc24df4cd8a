//! One call over HTTP: token, bound on concurrency, retries, refusals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, Semaphore};
use url::Url;

use crate::config::Environment;
use crate::error::{Error, Refusal, said};

/// How long before its end a token is no longer used; of a shorter one, a tenth of its time.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// When a call is made again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How often at most, apart from the first time; 4 by default.
    pub times: usize,
    /// The first pause, which doubles from time to time and is jittered; 200 ms by default.
    pub first_pause: Duration,
    /// The longest pause, unless the service asks for a longer one; 10 s by default.
    pub longest_pause: Duration,
    /// Whether POST and PATCH are made again; never by default.
    pub writes: Writes,
}

/// When a call that is not idempotent is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Never.
    Never,
    /// When the service refused it for its rate limit, and so did nothing.
    RateLimited,
    /// Whenever an idempotent one would be. It may then be done twice.
    Always,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            times: 4,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
            writes: Writes::Never,
        }
    }
}

impl Retries {
    fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_max_times(self.times)
            .with_jitter()
    }

    fn again(&self, method: &Method, error: &Error) -> bool {
        let is_limited = error.refusal().is_some_and(|refusal| refusal.status == StatusCode::TOO_MANY_REQUESTS);
        let is_passing = match error {
            Error::Refused(refusal) => matches!(refusal.status.as_u16(), 429 | 502 | 503 | 504),
            Error::Transport { .. } => true,
            _ => false,
        };
        let is_safe = method.is_idempotent()
            || match self.writes {
                Writes::Never => false,
                Writes::RateLimited => is_limited,
                Writes::Always => true,
            };
        is_passing && is_safe
    }
}

pub(crate) struct Transport {
    pub http: reqwest::Client,
    pub environment: Environment,
    pub base: Url,
    /// Where the operations stand, such as `v2025/connectors`.
    pub api_path: String,
    pub retries: Retries,
    pub permits: Semaphore,
    pub token: Mutex<Option<Token>>,
}

pub(crate) struct Token {
    text: Arc<str>,
    /// When it is time for the next.
    renewal: Instant,
}

/// A call that can be made several times.
pub(crate) struct Call<'a> {
    pub method: Method,
    pub url: Url,
    /// Adds what else the request has.
    pub with: &'a (dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            self.unreadable(match said(&self.body) {
                Some(said) if self.body.trim_ascii_start().first() == Some(&b'<') => said,
                _ => error.to_string(),
            })
        })
    }

    pub fn unreadable(&self, reason: impl Into<String>) -> Error {
        Error::Decoding { url: self.url.to_string(), reason: reason.into() }
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default = "short")]
    expires_in: u64,
}

/// For how many seconds a token counts as valid that does not say so.
const fn short() -> u64 {
    60
}

impl Transport {
    /// The address below the API's version, of path segments that may hold anything.
    pub fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        // A dot segment would name another resource; as a script name it cannot exist.
        let segments = segments.iter().map(|segment| if matches!(*segment, "." | "..") { "%2E" } else { segment });
        url.path_segments_mut()
            .expect("an http address has a path")
            .pop_if_empty()
            .extend(self.api_path.split('/'))
            .extend(segments);
        url
    }

    pub async fn call(&self, call: Call<'_>) -> Result<Answer, Error> {
        (|| self.authorized(&call))
            .retry(self.retries.pauses())
            .when(|error| self.retries.again(&call.method, error))
            .adjust(|error, pause| {
                let asked = error.refusal().and_then(|refusal| refusal.retry_after).unwrap_or_default();
                // The jitter of the pause spreads the callers that were all told to wait for the same time.
                pause.map(|pause| if asked.is_zero() { pause } else { asked + pause.min(Duration::from_secs(1)) })
            })
            .await
    }

    /// Makes a call, and once more with a new token where the first was not accepted: it may have been revoked.
    async fn authorized(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let token = self.token(None).await?;
        match self.attempt(call, &token).await {
            Err(Error::Refused(refusal)) if refusal.status == StatusCode::UNAUTHORIZED => {
                let token = self.token(Some(&token)).await?;
                self.attempt(call, &token).await.map_err(|error| match error {
                    Error::Refused(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {
                        self.not_accepted(refusal.to_string())
                    }
                    error => error,
                })
            }
            result => result,
        }
    }

    async fn attempt(&self, call: &Call<'_>, token: &str) -> Result<Answer, Error> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let request = self.http.request(call.method.clone(), call.url.clone()).bearer_auth(token);
        self.send((call.with)(request), &call.url).await
    }

    async fn send(&self, request: RequestBuilder, url: &Url) -> Result<Answer, Error> {
        let failed = |error: reqwest::Error| Error::Transport { url: url.to_string(), error: error.without_url() };
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?.to_vec();
        if status.is_client_error() || status.is_server_error() {
            let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Err(Refusal::new(status, retry_after.map(Duration::from_secs), &body).into());
        }
        Ok(Answer { url: url.clone(), headers, body })
    }

    /// A token that is not `refused`. The lock is held while one is fetched, so that all who wait get the same.
    async fn token(&self, refused: Option<&str>) -> Result<Arc<str>, Error> {
        let mut kept = self.token.lock().await;
        if let Some(token) = &*kept
            && token.renewal > Instant::now()
            && refused != Some(&*token.text)
        {
            return Ok(Arc::clone(&token.text));
        }
        let mut url = self.base.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(["oauth", "token"]);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.environment.client_id),
            ("client_secret", &self.environment.client_secret),
        ];
        let asked = Instant::now();
        let answer = self.send(self.http.post(url.clone()).form(&form), &url).await.map_err(|error| match error {
            Error::Refused(refusal) if matches!(refusal.status.as_u16(), 400 | 401 | 403) => {
                self.not_accepted(refusal.to_string())
            }
            error => error,
        })?;
        let TokenAnswer { access_token, expires_in } = answer.json()?;
        let lifetime = Duration::from_secs(expires_in);
        let text: Arc<str> = access_token.into();
        let renewal = asked + lifetime.saturating_sub(TOKEN_MARGIN.min(lifetime / 10));
        *kept = Some(Token { text: Arc::clone(&text), renewal });
        Ok(text)
    }

    fn not_accepted(&self, reason: String) -> Error {
        Error::Authentication { client_id: self.environment.client_id.clone(), reason }
    }
}
