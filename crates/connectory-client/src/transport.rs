//! A call of the API: its address, the token, the bound on concurrent calls, and retries.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use connectory_model::wire::{MIN_REVISION, REVISION};
use reqwest::header::{ACCEPT, HeaderName, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;
use uuid::Uuid;

use crate::error::Error;
use crate::etag::Condition;
use crate::http::{self, Answer};
use crate::retries::{OnRetry, Pauses, Retries, Retry};
use crate::token::{Access, Tokens};

pub(crate) struct Transport {
    pub http: reqwest::Client,
    pub base: Url,
    /// The path of the operations, such as `v2025/connectors`.
    pub api_path: String,
    pub retries: Retries,
    pub on_retry: Option<OnRetry>,
    /// A permit for each call that may be on its way.
    pub permits: Semaphore,
    pub tokens: Tokens,
    pub revision: KnownRevision,
}

/// The newest revision that an answer knew. Each call asks for one that is not older. So a client of several servers reads
/// what it wrote, and never reads backwards, also where reads are answered from memory. Zero before a service tells one.
#[derive(Default)]
pub(crate) struct KnownRevision(AtomicU64);

impl KnownRevision {
    /// Adds the revision to a request. Returns it.
    fn ask(&self, request: RequestBuilder) -> (RequestBuilder, u64) {
        let known = self.0.load(Ordering::Relaxed);
        (if known == 0 { request } else { request.header(MIN_REVISION, known) }, known)
    }

    /// Notes the revision of an answer to a request that asked for `asked`.
    fn note(&self, answer: &Response, asked: u64) {
        let text = answer.headers().get(REVISION).and_then(|text| text.to_str().ok());
        let Some(revision) = text.and_then(|text| text.parse().ok()) else { return };
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE && revision < asked {
            // The service does not have what it told before: a backup was restored. The next call begins anew.
            self.0.store(revision, Ordering::Relaxed);
        } else {
            self.0.fetch_max(revision, Ordering::Relaxed);
        }
    }
}

/// The header with which a service does a call once, however often it is sent.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header with the last event that a client of a stream has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A call that can be repeated.
struct Call<'a> {
    method: Method,
    url: Url,
    condition: Condition<'a>,
    /// The same key for each attempt.
    key: Option<String>,
    /// Whether the service had said, before the last attempt was sent, that it does the calls with one key once.
    does_once: AtomicBool,
    /// Adds the rest of the request: query and body.
    with: &'a (dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
}

impl Transport {
    /// Calls an operation of the API. `segments` are the path below its version; they may hold any character.
    pub async fn call(
        &self,
        method: Method,
        segments: &[&str],
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> Result<Answer, Error> {
        self.call_below(&self.api_path, method, segments, with).await
    }

    /// Calls an operation below a path of the service.
    pub async fn call_below(
        &self,
        path: &str,
        method: Method,
        segments: &[&str],
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> Result<Answer, Error> {
        self.call_if(path, method, segments, None, with).await
    }

    /// The same, on a condition.
    pub async fn call_if(
        &self,
        path: &str,
        method: Method,
        segments: &[&str],
        condition: Condition<'_>,
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> Result<Answer, Error> {
        let has_key = matches!(method, Method::POST | Method::PATCH | Method::DELETE);
        let key = has_key.then(|| Uuid::new_v4().to_string());
        let (url, does_once) = (self.url(path, segments), AtomicBool::default());
        self.repeat_call(&Call { method, url, condition, key, does_once, with }).await
    }

    async fn repeat_call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let does_once = || call.key.is_some() && call.does_once.load(Ordering::Relaxed);
        let attempt = || async {
            let _permit = self.permit().await;
            http::read(self.authorized(call).await?, &call.url).await
        };
        let pauses = self.retries.pauses(&call.method, call.condition.is_some());
        self.repeat(pauses, does_once, attempt).await
    }

    /// Opens a stream of events, which goes on after the last one that the caller has.
    pub async fn open(&self, path: &str, longest: Duration, last: Option<&str>) -> Result<Response, Error> {
        let with = |request: RequestBuilder| {
            let request = request.header(ACCEPT, "text/event-stream").timeout(longest);
            last.into_iter().fold(request, |request, last| request.header(LAST_EVENT_ID, last))
        };
        let (url, does_once) = (self.at(path), AtomicBool::default());
        let call = Call { method: Method::GET, url, key: None, condition: None, does_once, with: &with };
        self.repeat(self.retries.pauses(&Method::GET, false), || false, || self.authorized(&call)).await
    }

    /// Reads a path of the service, without a token. Refusals are answers as well, unless another call may succeed.
    pub async fn call_without_token(&self, path: &str) -> Result<Answer, Error> {
        let url = self.at(path);
        self.repeat(
            self.retries.pauses(&Method::GET, false),
            || false,
            || async {
                let _permit = self.permit().await;
                let answer = http::read(http::send(self.http.get(url.clone()), &url).await?, &url).await?;
                match answer.status {
                    StatusCode::TOO_MANY_REQUESTS => answer.successful(),
                    status if status.is_server_error() => answer.successful(),
                    _ => Ok(answer),
                }
            },
        )
        .await
    }

    /// Reads a path of the service that is not below the API's version.
    pub async fn read(&self, path: &str) -> Result<Answer, Error> {
        let (url, with) = (self.at(path), &|request| request);
        let (does_once, condition) = (AtomicBool::default(), None);
        self.repeat_call(&Call { method: Method::GET, url, condition, key: None, does_once, with }).await
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    /// Makes a call, and again where it may be repeated.
    async fn repeat<T, F: Future<Output = Result<T, Error>>>(
        &self,
        mut pauses: Pauses,
        does_once: impl Fn() -> bool,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Error> {
        attempt
            // `Pauses` knows the length of each pause, and when there is no other.
            .retry(ConstantBuilder::new().without_max_times())
            .adjust(|error, _| pauses.next(error, does_once()))
            .notify(|error, pause| {
                if let Some(OnRetry(told)) = &self.on_retry {
                    told(Retry { error, pause });
                }
            })
            .await
    }

    fn url(&self, path: &str, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        // A dot segment would name another resource. No script name is a dot.
        let segments = segments.iter().map(|segment| if matches!(*segment, "." | "..") { "%2E" } else { segment });
        url.path_segments_mut()
            .expect("an http address has a path")
            .pop_if_empty()
            .extend(path.trim_start_matches('/').split('/'))
            .extend(segments);
        url
    }

    /// Makes a call. If the token is not accepted, it may have been revoked: makes the call again with a new one. The body
    /// of the answer is not read yet.
    async fn authorized(&self, call: &Call<'_>) -> Result<Response, Error> {
        let token = self.tokens.get(None).await?;
        match self.attempt(call, &token).await {
            Err(Error::Api(error)) if error.status == StatusCode::UNAUTHORIZED => {
                let token = self.tokens.get(Some(&token.text)).await?;
                self.attempt(call, &token).await.map_err(|error| match error {
                    Error::Api(error) if error.status == StatusCode::UNAUTHORIZED => {
                        self.tokens.not_accepted(error.to_string())
                    }
                    error => error,
                })
            }
            result => result,
        }
    }

    async fn permit(&self) -> SemaphorePermit<'_> {
        self.permits.acquire().await.expect("the semaphore is never closed")
    }

    async fn attempt(&self, call: &Call<'_>, token: &Access) -> Result<Response, Error> {
        call.does_once.store(token.does_once, Ordering::Relaxed);
        let mut request = self.http.request(call.method.clone(), call.url.clone()).bearer_auth(&token.text);
        if let Some((name, etag)) = &call.condition {
            request = request.header(name, etag.as_str());
        }
        if let Some(key) = &call.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let (request, asked) = self.revision.ask((call.with)(request));
        let response = http::send(request, &call.url).await?;
        self.revision.note(&response, asked);
        let has_tag = call.condition.as_ref().is_some_and(|(name, _)| *name == IF_NONE_MATCH);
        if has_tag && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        http::successful(response, &call.url).await
    }
}
