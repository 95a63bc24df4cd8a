//! Access events: who changed access, who signed in, and from where. They are kept beside the history.

use std::net::IpAddr;

use crate::access::TenantId;
use crate::revision::{Author, AuthorKind, Origin, words};

/// The author of a change of access or of a sign-in, with the address that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessOrigin {
    /// The author and the request.
    pub origin: Origin,
    /// The address of the peer, or the address that a trusted proxy forwarded. None for an operator at the command line.
    pub address: Option<IpAddr>,
}

impl AccessOrigin {
    /// An operator at the command line. `user` is the name of the user in the system.
    pub fn operator(user: String) -> Self {
        let author = Author { kind: AuthorKind::Operator, id: user, name: None };
        Self { origin: Origin { author, tracking_id: None }, address: None }
    }
}

words! {
    /// The action of an access event. The numbers are in the database.
    pub enum AccessAction {
        /// Someone signed in to the console.
        SignIn = 1, "sign_in",
        /// A client was created.
        ClientCreated = 2, "client_created",
        /// A client was deleted.
        ClientDeleted = 3, "client_deleted",
        /// The tenant was created.
        TenantCreated = 4, "tenant_created",
        /// The quotas of the tenant were changed.
        QuotasChanged = 5, "quotas_changed",
        /// Someone signed out of the console.
        SignOut = 6, "sign_out",
        /// The tenant got another name.
        TenantRenamed = 7, "tenant_renamed",
        /// The tenant was suspended.
        TenantSuspended = 8, "tenant_suspended",
        /// The tenant was resumed.
        TenantResumed = 9, "tenant_resumed",
    }
}

/// Deleting reads all sign-ins of a tenant, so it is done for one in this many events.
pub(crate) const SIGN_INS_BETWEEN_DELETES: i64 = 64;

impl AccessAction {
    /// Whether an event is one of those of which the oldest are deleted.
    pub(crate) fn is_sign_in(self) -> bool {
        match self {
            Self::SignIn | Self::SignOut => true,
            Self::ClientCreated
            | Self::ClientDeleted
            | Self::TenantCreated
            | Self::QuotasChanged
            | Self::TenantRenamed
            | Self::TenantSuspended
            | Self::TenantResumed => false,
        }
    }
}

/// A change of access or a sign-in, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEvent {
    /// The number, unique in the tenant. Later events have larger numbers.
    pub number: i64,
    /// What happened.
    pub action: AccessAction,
    /// The client or the quotas that changed.
    pub subject: Option<String>,
    /// Who did it, and from where.
    pub by: AccessOrigin,
    /// The time, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// Refused sign-ins of a client from an address in one minute. Token requests with a wrong secret count as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefusedSignIns {
    /// The tenant of the client.
    pub tenant: TenantId,
    /// The minute, in minutes since 1970-01-01 UTC.
    pub minute: i64,
    /// The id of the client.
    pub client_id: String,
    /// The address.
    pub address: IpAddr,
    /// The number of refused sign-ins.
    pub count: u32,
}
