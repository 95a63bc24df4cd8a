//! Who calls, and whether they may: token, rate limit, permission, in this order, before any handler runs.
//!
//! Verifying a token's signature and reading its client from the database is done once in a few seconds; in between
//! a token is looked up among those seen lately. That bounds how long a deleted client still gets in.

pub mod keys;
pub mod oauth;
pub mod rate_limit;
pub mod secret;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use connectory_model::access::{Permission, Scope, UserLevel};
use connectory_store::{Author, AuthorKind, Origin, Store, StoreError};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use quick_cache::sync::Cache;
use serde_json::json;

use self::keys::Keys;
use self::rate_limit::{Limiter, RateLimit, Windows};
use self::secret::Verifier;
use crate::api::body;
use crate::app::{App, StartError};
use crate::catalog;
use crate::error::ApiError;
use crate::version::ApiVersion;
use crate::work::tracking_id;

/// How long a client that was read from the database counts as current.
const CURRENT: Duration = Duration::from_secs(5);
/// How many tokens are remembered.
const REMEMBERED: usize = 10_000;

/// Authentication and what it remembers.
pub struct Auth {
    keys: Keys,
    verifier: Verifier,
    limiter: Limiter,
    /// By token. What is compared is hashed with a random key first, so its time tells nothing about a token.
    principals: Cache<String, Arc<Principal>>,
    /// By client, whatever its tokens.
    windows: Mutex<HashMap<String, Arc<Windows>>>,
}

/// The client that a token speaks for.
pub struct Principal {
    author: Author,
    level: UserLevel,
    scopes: Vec<Scope>,
    tenant: Arc<catalog::Tenant>,
    tenant_record: connectory_store::Tenant,
    windows: Arc<Windows>,
    expires_at: u64,
    checked_at: Instant,
}

impl Principal {
    /// Whether the token has not ended, and its client was read a moment ago.
    pub(crate) fn is_current(&self) -> bool {
        self.checked_at.elapsed() < CURRENT && self.expires_at > now()
    }
}

/// A principal at one version of the API: what handlers see of who calls.
#[derive(Clone)]
pub struct Caller {
    principal: Arc<Principal>,
    version: &'static ApiVersion,
}

impl Caller {
    pub(crate) fn new(principal: Arc<Principal>, version: &'static ApiVersion) -> Self {
        Self { principal, version }
    }

    /// The caller's tenant as the store has it.
    pub(crate) fn tenant_record(&self) -> &connectory_store::Tenant {
        &self.principal.tenant_record
    }

    /// The caller's level.
    pub(crate) fn level(&self) -> UserLevel {
        self.principal.level
    }

    /// The connectors that the caller sees.
    pub fn tenant(&self) -> &Arc<catalog::Tenant> {
        &self.principal.tenant
    }

    /// The client's id; of a person, the issuer and the subject.
    pub fn client_id(&self) -> &str {
        &self.principal.author.id
    }

    /// What the history says of changes that this request makes.
    pub fn origin(&self) -> Origin {
        Origin { author: self.principal.author.clone(), tracking_id: tracking_id() }
    }

    /// Whether the caller may make requests of this method.
    pub(crate) fn permit(&self, method: &Method) -> Result<(), ApiError> {
        self.has(if method.is_safe() { Permission::Read } else { Permission::Write })
    }

    /// Whether the caller has a permission.
    pub(crate) fn has(&self, permission: Permission) -> Result<(), ApiError> {
        let allowed = permission.check(self.principal.level, &self.principal.scopes);
        allowed.map_err(|denied| ApiError::forbidden(denied.to_string()))
    }

    /// The version of the API that is called.
    pub fn version(&self) -> &'static ApiVersion {
        self.version
    }
}

/// A caller who was let in before the router: permitted, and counted by the rate limit. A request brings none along.
#[derive(Clone)]
pub struct LetIn(pub Caller);

/// Why a call is not let in.
enum Refusal {
    /// 401: the token.
    Token(&'static str),
    /// 429: too many calls; come back after so many seconds.
    RateLimit(u64),
    /// 403, or our fault.
    Error(ApiError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl IntoResponse for Refusal {
    /// The bodies that the specification gives for 401 and 429, which are not its usual ones.
    fn into_response(self) -> Response {
        match self {
            Self::Token(reason) => {
                let body = json!({"error": format!("JWT validation failed: {reason}")}).to_string();
                let mut response = crate::error::json(StatusCode::UNAUTHORIZED, body);
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
            Self::RateLimit(seconds) => {
                let body = json!({"message": " Rate Limit Exceeded "}).to_string();
                let mut response = crate::error::json(StatusCode::TOO_MANY_REQUESTS, body);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::Error(error) => error.into_response(),
        }
    }
}

/// The layer in front of every operation of an API version.
pub async fn authorize(
    State((app, version)): State<(Arc<App>, &'static ApiVersion)>,
    route: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = match request.extensions_mut().remove::<LetIn>() {
        Some(LetIn(caller)) => Ok(caller),
        None => app.auth.admit(&app, version, request.method(), request.headers()).await,
    };
    let mut response = match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(caller);
            response
        }
        Err(refusal) => {
            body::drain(request.into_body()).await;
            refusal.into_response()
        }
    };
    response.extensions_mut().insert(route);
    response
}

impl Auth {
    /// Authentication with the keys of a store.
    pub async fn new(store: &Store, rate_limit: Option<RateLimit>) -> Result<Self, StartError> {
        Ok(Self {
            keys: Keys::load(store).await?,
            verifier: Verifier::for_this_machine(),
            limiter: Limiter::new(rate_limit),
            principals: Cache::new(REMEMBERED),
            windows: Mutex::default(),
        })
    }

    async fn admit(
        &self,
        app: &App,
        version: &'static ApiVersion,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Caller, Refusal> {
        let principal = self.principal(app, bearer(headers).map_err(Refusal::Token)?).await?;
        let caller = Caller { principal, version };
        self.count(&caller).map_err(Refusal::RateLimit)?;
        caller.permit(method).map_err(Refusal::Error)?;
        Ok(caller)
    }

    /// Counts a request against the rate limit, or says after how many whole seconds to come back.
    pub(crate) fn count(&self, caller: &Caller) -> Result<(), u64> {
        self.limiter.admit(&caller.principal.windows, caller.version)
    }

    /// The caller, if the token was seen lately and needs no second look.
    pub(crate) fn remembered(&self, version: &'static ApiVersion, headers: &HeaderMap) -> Option<Caller> {
        let principal = self.principals.get(bearer(headers).ok()?)?;
        principal.is_current().then_some(Caller { principal, version })
    }

    /// The principal of a token.
    async fn principal(&self, app: &App, token: &str) -> Result<Arc<Principal>, Refusal> {
        if let Some(principal) = self.principals.get(token).filter(|principal| principal.is_current()) {
            return Ok(principal);
        }
        let claims = self.keys.verify(token).map_err(Refusal::Token)?;
        let Some(client) = app.store.client(claims.client_id).await? else {
            self.principals.remove(token);
            return Err(Refusal::Token("the client of the JWT does not exist any more"));
        };
        // A token never does more than its client may now, nor more than it was issued for.
        let scopes = client.scopes.into_iter().filter(|scope| claims.scope.contains(scope)).collect();
        let author = Author { kind: AuthorKind::Client, id: client.id, name: Some(client.name) };
        let principal = self.principal_until(app, author, client.level, scopes, client.tenant, claims.exp).await?;
        self.principals.insert(token.to_owned(), Arc::clone(&principal));
        Ok(principal)
    }

    /// A principal with these rights as of now.
    pub(crate) async fn principal_until(
        &self,
        app: &App,
        author: Author,
        level: UserLevel,
        scopes: Vec<Scope>,
        tenant: connectory_store::Tenant,
        expires_at: u64,
    ) -> Result<Arc<Principal>, StoreError> {
        Ok(Arc::new(Principal {
            scopes,
            level,
            windows: self.windows(&author.id),
            tenant: app.catalog.tenant(tenant.id).await?,
            tenant_record: tenant,
            author,
            expires_at,
            checked_at: Instant::now(),
        }))
    }

    fn windows(&self, client_id: &str) -> Arc<Windows> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(windows.entry(client_id.to_owned()).or_default())
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, &'static str> {
    let value = headers.get(header::AUTHORIZATION).ok_or("JWT is missing")?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer".len()).ok_or("JWT is malformed")?;
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err("JWT is missing");
    }
    // Between scheme and token is white space (RFC 9110, section 11.4), and a token has none.
    let token = token.strip_prefix(b" ").ok_or("JWT is malformed")?.trim_ascii();
    std::str::from_utf8(token).map_err(|_| "JWT is malformed")
}

/// The time in seconds since 1970-01-01 UTC.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(|| ApiError::internal("an operation without authorization"))
    }
}
