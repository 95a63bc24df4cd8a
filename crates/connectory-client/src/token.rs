//! The access token: cached until shortly before it expires, and fetched once for all callers that need one.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, WeakShared};
use reqwest::header::HeaderName;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::config::Environment;
use crate::error::Error;
use crate::http;

/// How long before it expires a token is replaced. A tenth of the lifetime, if that is less.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// The tokens of one API client.
pub(crate) struct Tokens {
    http: reqwest::Client,
    url: Url,
    environment: Environment,
    cache: Arc<Mutex<Cache>>,
}

#[derive(Default)]
struct Cache {
    token: Option<Token>,
    /// The request for a token that is on its way. Weak: it ends when no caller waits for it.
    request: Option<WeakShared<Request>>,
}

struct Token {
    access: Access,
    /// When it is replaced.
    renewal: Instant,
}

/// What a call needs to know of a token.
#[derive(Clone)]
pub(crate) struct Access {
    pub text: Arc<str>,
    /// Whether the service does a call with the same `Idempotency-Key` once. It says so with each token.
    pub does_once: bool,
}

/// A request for a token. All callers that wait get its result, an error as well.
type Request = BoxFuture<'static, Result<Access, Error>>;

/// The header in which a service says with a token for how many seconds it keeps an `Idempotency-Key`.
const KEYS_KEPT: HeaderName = HeaderName::from_static("connectory-idempotency-key");

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    /// Seconds: a whole number (RFC 6749, section 4.2.2), and a text or a fraction from some services.
    #[serde(default)]
    expires_in: Value,
}

impl TokenAnswer {
    /// The lifetime of the token.
    fn lifetime(&self) -> Duration {
        let seconds = match &self.expires_in {
            Value::Number(seconds) => seconds.as_f64(),
            Value::String(seconds) => seconds.trim().parse().ok(),
            _ => None,
        };
        let seconds =
            seconds.map_or(Some(DEFAULT_LIFETIME), |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        seconds.unwrap_or(LONGEST_LIFETIME).min(LONGEST_LIFETIME)
    }
}

/// Default lifetime of a token without `expires_in`.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);

/// The longest time for which a token is used. A service that says more may as well mean that it never expires.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

impl Tokens {
    /// The tokens of an API client, issued by the service at `base`.
    pub fn new(http: reqwest::Client, base: &Url, environment: Environment) -> Self {
        let mut url = base.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(["oauth", "token"]);
        Self { http, url, environment, cache: Arc::default() }
    }

    /// The environment of the API client.
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// A token other than `refused`.
    pub async fn get(&self, refused: Option<&str>) -> Result<Access, Error> {
        let request = {
            let mut cache = lock(&self.cache);
            if let Some(token) = &cache.token
                && token.renewal > Instant::now()
                && refused != Some(&*token.access.text)
            {
                return Ok(token.access.clone());
            }
            let on_its_way = cache.request.as_ref().and_then(WeakShared::upgrade);
            on_its_way.unwrap_or_else(|| {
                let request = self.request().shared();
                cache.request = request.downgrade();
                request
            })
        };
        request.await
    }

    /// Asks for a token and caches it.
    fn request(&self) -> Request {
        let (http, url, environment) = (self.http.clone(), self.url.clone(), self.environment.clone());
        let cache = Arc::clone(&self.cache);
        async move {
            let result = fetch(&http, &url, &environment).await;
            let mut cache = lock(&cache);
            cache.request = None;
            let token = result?;
            let access = token.access.clone();
            cache.token = Some(token);
            Ok(access)
        }
        .boxed()
    }

    /// The error of credentials, or of a token, that the service does not accept.
    pub fn not_accepted(&self, reason: String) -> Error {
        not_accepted(&self.environment, reason)
    }
}

fn lock(cache: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    cache.lock().expect("nothing panics while it has the lock")
}

async fn fetch(client: &reqwest::Client, url: &Url, environment: &Environment) -> Result<Token, Error> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &environment.client_id),
        ("client_secret", &environment.client_secret),
    ];
    let asked = Instant::now();
    let answered = async {
        let response = http::send(client.post(url.clone()).form(&form), url).await?;
        http::read(response, url).await?.successful()
    };
    let answer = answered.await.map_err(|error| match error {
        Error::Api(error) if matches!(error.status.as_u16(), 400 | 401 | 403) => {
            not_accepted(environment, error.to_string())
        }
        error => error,
    })?;
    let does_once = answer.headers.contains_key(KEYS_KEPT);
    let token: TokenAnswer = answer.json()?;
    let lifetime = token.lifetime();
    let access_token = token.access_token;
    // RFC 6750, section 2.1, has fewer characters. A header takes these.
    if access_token.is_empty() || !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(answer.unreadable("its `access_token` is not a token"));
    }
    let renewal = asked + lifetime.saturating_sub(TOKEN_MARGIN.min(lifetime / 10));
    Ok(Token { access: Access { text: access_token.into(), does_once }, renewal })
}

fn not_accepted(environment: &Environment, reason: String) -> Error {
    Error::Authentication { client_id: environment.client_id.clone(), reason }
}
