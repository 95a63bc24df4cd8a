//! The client or person that a request is made for.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use connectory_model::access::{Denied, Permission, Scopes, UserLevel};
use connectory_store::{AccessOrigin, Author, Origin};
use http::Method;
use http::request::Parts;

use super::client_limits::ClientLimits;
use crate::catalog;
use crate::clock::Clock;
use crate::http::error::ApiError;
use crate::share::Share;
use crate::version::ApiVersion;
use crate::work::{address, tracking_id};

/// The time for which the data of a client is current after it was read from the database.
const CURRENT: Duration = Duration::from_secs(5);

/// The client or person that a token or a session authenticates.
pub struct Principal {
    pub(super) author: Arc<Author>,
    pub(super) level: UserLevel,
    pub(super) scopes: Scopes,
    /// The principal is kept for long, so it does not keep its tenant in memory.
    pub(super) tenant: Weak<catalog::TenantCatalog>,
    pub(super) tenant_record: connectory_store::Tenant,
    pub(super) limits: Arc<ClientLimits>,
    pub(super) expires_at: u64,
    pub(super) checked_at: Instant,
}

impl Principal {
    /// The tenant's row in the store.
    pub fn tenant_record(&self) -> &connectory_store::Tenant {
        &self.tenant_record
    }

    /// The tenant, if the token has not expired, its client was read in the last five seconds, and the tenant is in memory
    /// as it is in the store.
    pub fn current(&self, clock: &Clock) -> Option<Arc<catalog::TenantCatalog>> {
        let is_current = clock.now() - self.checked_at < CURRENT && self.expires_at > clock.unix_seconds();
        self.tenant.upgrade().filter(|tenant| is_current && !tenant.has_ended())
    }
}

/// A principal, and its tenant as it is in memory now.
pub type Present = (Arc<Principal>, Arc<catalog::TenantCatalog>);

/// A principal that calls one version of the API. Handlers see the caller as this type.
#[derive(Clone)]
pub struct Caller {
    principal: Arc<Principal>,
    tenant: Arc<catalog::TenantCatalog>,
    version: &'static ApiVersion,
}

impl Caller {
    pub fn new((principal, tenant): Present, version: &'static ApiVersion) -> Self {
        Self { principal, tenant, version }
    }

    /// The row of the caller's tenant in the store.
    pub fn tenant_record(&self) -> &connectory_store::Tenant {
        &self.principal.tenant_record
    }

    /// The user level of the caller.
    pub fn level(&self) -> UserLevel {
        self.principal.level
    }

    /// The connectors of the caller's tenant.
    pub fn tenant(&self) -> &Arc<catalog::TenantCatalog> {
        &self.tenant
    }

    /// The id of the client, or the issuer and the subject of a person.
    pub fn client_id(&self) -> &str {
        &self.principal.author.id
    }

    /// The author of the changes that this caller makes.
    pub fn author(&self) -> &Arc<Author> {
        &self.principal.author
    }

    /// The limits of the caller.
    pub(super) fn limits(&self) -> &Arc<ClientLimits> {
        &self.principal.limits
    }

    /// The share of the caller in what all requests have together.
    pub fn share(&self) -> &Arc<Share> {
        &self.principal.limits.share
    }

    /// The origin of the changes that this request makes, for the history.
    pub fn origin(&self) -> Origin {
        Origin { author: Author::clone(&self.principal.author), tracking_id: tracking_id() }
    }

    /// The origin of the changes of access that this request makes.
    pub fn access_origin(&self) -> AccessOrigin {
        AccessOrigin { origin: self.origin(), address: Some(address()) }
    }

    /// Checks whether the caller may send requests with this method.
    pub fn permit(&self, method: &Method) -> Result<(), Denied> {
        self.has(if method.is_safe() { Permission::Read } else { Permission::Write })
    }

    /// Checks whether the caller has a permission.
    pub fn has(&self, permission: Permission) -> Result<(), Denied> {
        permission.check(self.principal.level, &self.principal.scopes)
    }

    /// The API version of the request.
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
