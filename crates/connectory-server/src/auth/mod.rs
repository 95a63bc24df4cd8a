//! Authentication and authorization: token, rate limit and permission, in this order, before any handler runs.
//!
//! The server verifies a token's signature and reads its client from the database once in five seconds. In between, the
//! token is cached. So a deleted client is refused after five seconds at most.

mod bearer;
mod client_limits;
mod credentials;
mod error;
mod failures;
pub mod keys;
pub mod layer;
mod permits;
mod principal;
pub mod secret;
mod tokens;

use std::sync::Arc;

use connectory_model::access::{Scopes, UserLevel};
use connectory_store::{Author, AuthorKind, Store, StoreError};
use futures_util::FutureExt;
use http::{HeaderMap, Method};

pub use self::bearer::bearer;
use self::client_limits::Limiter;
pub use self::client_limits::NotAdmitted;
pub use self::error::{AuthError, CredentialsError};
use self::failures::Failures;
use self::keys::{Keys, KeysError};
pub use self::principal::{Caller, Present, Principal};
use self::secret::Verifier;
use self::tokens::Tokens;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::http::metrics::NodeMetrics;
use crate::rate_limit::RateLimit;
use crate::version::ApiVersion;

/// Authenticates requests, and caches verified tokens.
pub struct Auth {
    store: Store,
    catalog: Arc<Catalog>,
    clock: Clock,
    keys: Keys,
    verifier: Verifier,
    failures: Failures,
    limiter: Limiter,
    tokens: Tokens<Arc<Principal>>,
}

impl Auth {
    /// Makes the authentication, with the signing keys of a store.
    pub async fn new(
        store: Store,
        catalog: Arc<Catalog>,
        rate_limit: Option<RateLimit>,
        clock: Clock,
        metrics: &NodeMetrics,
    ) -> Result<Self, KeysError> {
        let limiter = if store.is_shared() {
            let store = store.clone();
            let take = move |limit, requests| {
                let store = store.clone();
                async move { store.take_permits(limit, requests).await }.boxed()
            };
            Limiter::shared(rate_limit, clock.clone(), Box::new(take), metrics)
        } else {
            Limiter::new(rate_limit, clock.clone())
        };
        Ok(Self {
            limiter,
            keys: Keys::load(&store).await?,
            verifier: Verifier::for_this_machine(),
            failures: Failures::new(store.clone(), clock.clone()),
            tokens: Tokens::default(),
            store,
            catalog,
            clock,
        })
    }

    /// Returns the caller of a request, whose token is checked.
    pub async fn caller(&self, version: &'static ApiVersion, headers: &HeaderMap) -> Result<Caller, AuthError> {
        let token = bearer(headers).map_err(|reason| AuthError::Token(reason.into()))?;
        Ok(Caller::new(self.principal(token).await?, version))
    }

    /// Checks the rate limit of a caller, and the permission that the method of a request needs.
    pub async fn admit(&self, caller: &Caller, method: &Method) -> Result<(), AuthError> {
        self.count(caller).await.map_err(AuthError::RateLimit)?;
        Ok(caller.permit(method)?)
    }

    /// The clock that the authentication uses.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The keys that sign tokens.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Counts a request for the rate limit. If the limit is reached, returns the whole seconds to wait.
    pub async fn count(&self, caller: &Caller) -> Result<(), u64> {
        self.limiter.admit(caller.limits(), caller.version()).await
    }

    /// Counts a request for the rate limit, if it need not wait for a permit.
    pub fn count_at_once(&self, caller: &Caller) -> Result<(), NotAdmitted> {
        self.limiter.admit_at_once(caller.limits(), caller.version())
    }

    /// Returns the caller, if the token was verified in the last five seconds.
    pub fn cached(&self, version: &'static ApiVersion, headers: &HeaderMap) -> Option<Caller> {
        let principal = self.tokens.get(bearer(headers).ok()?)?;
        let tenant = principal.current(&self.clock)?;
        Some(Caller::new((principal, tenant), version))
    }

    /// Returns the principal of a token, cached or after verification, and its tenant.
    pub async fn principal(&self, token: &str) -> Result<Present, AuthError> {
        if let Some(principal) = self.tokens.get(token)
            && let Some(tenant) = principal.current(&self.clock)
        {
            return Ok((principal, tenant));
        }
        if self.store.is_shared() {
            // In a box, so that the futures of requests that do not wait have no room for this.
            Box::pin(self.keys.look_for_key(token, &self.store, self.clock.now())).await?;
        }
        let now = self.clock.unix_seconds();
        let claims = self.keys.verify(token, now).map_err(AuthError::Token)?;
        let Some(client) = self.store.client(claims.client_id.clone()).await? else {
            self.tokens.forget(token, &claims.client_id);
            return Err(AuthError::Token("the client of the JWT does not exist any more".into()));
        };
        if claims.tenant_id != client.tenant.uuid {
            return Err(AuthError::Token("the JWT was issued for another tenant".into()));
        }
        // A token has only the scopes that it was issued with and that its client has now.
        let scopes = client.scopes.narrowed(&claims.scope);
        let author = Author { kind: AuthorKind::Client, id: client.id, name: Some(client.name) };
        let present = self.principal_until(author, client.level, scopes, client.tenant, claims.exp).await?;
        let principal = &present.0;
        let owner = (principal.tenant_record.id, principal.author.id.as_str());
        self.tokens.keep(token, owner, Arc::clone(principal), claims.exp, now);
        Ok(present)
    }

    /// Makes a principal that has these rights now. Loads its tenant.
    pub async fn principal_until(
        &self,
        author: Author,
        level: UserLevel,
        scopes: Scopes,
        tenant: connectory_store::Tenant,
        expires_at: u64,
    ) -> Result<Present, StoreError> {
        if tenant.suspended_at.is_some() {
            return Err(StoreError::Suspended);
        }
        let catalog = self.catalog.asked(tenant.id, self.clock.now()).await?;
        let principal = Principal {
            scopes,
            level,
            limits: self.limiter.limits(tenant.id, catalog.share(), &author.id),
            tenant: Arc::downgrade(&catalog),
            tenant_record: tenant,
            author: Arc::new(author),
            expires_at,
            checked_at: self.clock.now(),
        };
        Ok((Arc::new(principal), catalog))
    }
}
