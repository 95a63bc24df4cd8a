//! The client or person that a request is made for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use connectory_model::access::{Denied, Permission, Scope, UserLevel};
use connectory_store::{Author, Origin};
use http::Method;
use http::request::Parts;

use super::client_limits::ClientWindows;
use crate::catalog;
use crate::clock::Clock;
use crate::http::error::ApiError;
use crate::version::ApiVersion;
use crate::work::tracking_id;

/// For how long a client that was read from the database counts as current.
const CURRENT: Duration = Duration::from_secs(5);

/// The client that a token speaks for.
pub struct Principal {
    pub(super) author: Arc<Author>,
    pub(super) level: UserLevel,
    pub(super) scopes: Vec<Scope>,
    pub(super) tenant: Arc<catalog::TenantCatalog>,
    pub(super) tenant_record: connectory_store::Tenant,
    pub(super) windows: Arc<ClientWindows>,
    pub(super) expires_at: u64,
    pub(super) checked_at: Instant,
}

impl Principal {
    /// The tenant as the store has it.
    pub fn tenant_record(&self) -> &connectory_store::Tenant {
        &self.tenant_record
    }

    /// Whether the token has not ended, and its client was read a moment ago.
    pub fn is_current(&self, clock: &Clock) -> bool {
        clock.now() - self.checked_at < CURRENT && self.expires_at > clock.unix_seconds()
    }
}

/// A principal at one version of the API: what handlers see of who calls.
#[derive(Clone)]
pub struct Caller {
    principal: Arc<Principal>,
    version: &'static ApiVersion,
}

impl Caller {
    pub fn new(principal: Arc<Principal>, version: &'static ApiVersion) -> Self {
        Self { principal, version }
    }

    /// The caller's tenant as the store has it.
    pub fn tenant_record(&self) -> &connectory_store::Tenant {
        &self.principal.tenant_record
    }

    /// The caller's level.
    pub fn level(&self) -> UserLevel {
        self.principal.level
    }

    /// The connectors that the caller sees.
    pub fn tenant(&self) -> &Arc<catalog::TenantCatalog> {
        &self.principal.tenant
    }

    /// The client's id; of a person, the issuer and the subject.
    pub fn client_id(&self) -> &str {
        &self.principal.author.id
    }

    /// The author of what this caller changes.
    pub fn author(&self) -> &Arc<Author> {
        &self.principal.author
    }

    /// The windows in which the caller's requests are counted.
    pub(super) fn windows(&self) -> &ClientWindows {
        &self.principal.windows
    }

    /// What the history says of changes that this request makes.
    pub fn origin(&self) -> Origin {
        Origin { author: Author::clone(&self.principal.author), tracking_id: tracking_id() }
    }

    /// Whether the caller may make requests of this method.
    pub fn permit(&self, method: &Method) -> Result<(), Denied> {
        self.has(if method.is_safe() { Permission::Read } else { Permission::Write })
    }

    /// Whether the caller has a permission.
    pub fn has(&self, permission: Permission) -> Result<(), Denied> {
        permission.check(self.principal.level, &self.principal.scopes)
    }

    /// The version of the API that is called.
    pub fn version(&self) -> &'static ApiVersion {
        self.version
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(|| ApiError::internal("an operation without authorization"))
    }
}
