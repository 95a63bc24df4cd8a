//! Who calls, and whether they may: token, rate limit, permission, in this order, before any handler runs.
//!
//! A token's signature is verified and its client read from the database once in five seconds; in between the token is
//! cached. So a deleted client is refused after five seconds at most.

mod bearer;
mod client_limits;
mod credentials;
mod error;
pub mod keys;
pub mod layer;
mod principal;
pub mod secret;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use connectory_model::access::{Scope, UserLevel};
use connectory_store::{Author, AuthorKind, Store, StoreError};
use http::{HeaderMap, Method};
use quick_cache::sync::Cache;

pub use self::bearer::bearer;
use self::client_limits::{ClientWindows, Limiter};
pub use self::error::{AuthError, CredentialsError};
use self::keys::{Keys, KeysError};
pub use self::principal::{Caller, Principal};
use self::secret::Verifier;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::rate_limit::RateLimit;
use crate::version::ApiVersion;

/// How many verified tokens are cached.
const CACHED_TOKENS: usize = 10_000;

/// Authentication, and the tokens that it has verified.
pub struct Auth {
    store: Store,
    catalog: Arc<Catalog>,
    clock: Clock,
    keys: Keys,
    verifier: Verifier,
    limiter: Limiter,
    /// By token. What is compared is hashed with a random key first, so its time tells nothing about a token.
    principals: Cache<String, Arc<Principal>>,
    /// By client, whatever its tokens.
    windows: Mutex<HashMap<String, Arc<ClientWindows>>>,
}

impl Auth {
    /// Authentication with the keys of a store.
    pub async fn new(
        store: Store,
        catalog: Arc<Catalog>,
        rate_limit: Option<RateLimit>,
        clock: Clock,
    ) -> Result<Self, KeysError> {
        Ok(Self {
            keys: Keys::load(&store).await?,
            verifier: Verifier::for_this_machine(),
            limiter: Limiter::new(rate_limit, clock.clone()),
            principals: Cache::new(CACHED_TOKENS),
            windows: Mutex::default(),
            store,
            catalog,
            clock,
        })
    }

    /// Lets a request in: its token, the rate limit, and the permission that its method takes.
    pub async fn admit(
        &self,
        version: &'static ApiVersion,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Caller, AuthError> {
        let principal = self.principal(bearer(headers).map_err(AuthError::Token)?).await?;
        let caller = Caller::new(principal, version);
        self.count(&caller).map_err(AuthError::RateLimit)?;
        caller.permit(method)?;
        Ok(caller)
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The keys that tokens are signed with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Counts a request against the rate limit, or says after how many whole seconds to come back.
    pub fn count(&self, caller: &Caller) -> Result<(), u64> {
        self.limiter.admit(caller.windows(), caller.version())
    }

    /// The caller, if the token was verified recently.
    pub fn cached(&self, version: &'static ApiVersion, headers: &HeaderMap) -> Option<Caller> {
        let principal = self.principals.get(bearer(headers).ok()?)?;
        principal.is_current(&self.clock).then_some(Caller::new(principal, version))
    }

    /// The principal of a token.
    pub async fn principal(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        if let Some(principal) = self.principals.get(token).filter(|principal| principal.is_current(&self.clock)) {
            return Ok(principal);
        }
        let claims = self.keys.verify(token, self.clock.unix_seconds()).map_err(AuthError::Token)?;
        let Some(client) = self.store.client(claims.client_id).await? else {
            self.principals.remove(token);
            return Err(AuthError::Token("the client of the JWT does not exist any more"));
        };
        // A token never does more than its client may now, nor more than it was issued for.
        let scopes = client.scopes.into_iter().filter(|scope| claims.scope.contains(scope)).collect();
        let author = Author { kind: AuthorKind::Client, id: client.id, name: Some(client.name) };
        let principal = self.principal_until(author, client.level, scopes, client.tenant, claims.exp).await?;
        self.principals.insert(token.to_owned(), Arc::clone(&principal));
        Ok(principal)
    }

    /// A principal with these rights as of now.
    pub async fn principal_until(
        &self,
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
            tenant: self.catalog.tenant(tenant.id).await?,
            tenant_record: tenant,
            author: Arc::new(author),
            expires_at,
            checked_at: self.clock.now(),
        }))
    }

    /// The windows of a client. Those of clients that no cached token belongs to are dropped when there are many, once
    /// they count nothing any more.
    fn windows(&self, client_id: &str) -> Arc<ClientWindows> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= CACHED_TOKENS && !windows.contains_key(client_id) {
            windows.retain(|_, of_client| Arc::strong_count(of_client) > 1 || self.limiter.counts_some(of_client));
        }
        Arc::clone(windows.entry(client_id.to_owned()).or_default())
    }
}
