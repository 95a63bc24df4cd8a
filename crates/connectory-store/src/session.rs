//! Sessions of the console. Only the hash of a session's id is stored, so a copy of the database lets nobody in.

use connectory_model::access::{Scopes, UserLevel};

use crate::access::{Tenant, TenantId};
use crate::revision::Author;

/// The SHA-256 hash of a session's id. The store never has the id itself.
pub type SessionHash = [u8; 32];

/// A session of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The tenant.
    pub tenant: Tenant,
    /// The client or person that signed in.
    pub author: Author,
    /// The rights of a person. None for a client, whose rights are those of its row.
    pub rights: Option<(UserLevel, Scopes)>,
    /// The time of the sign-in, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// The time of the last use, in milliseconds since 1970-01-01 UTC. It is exact to a minute.
    pub used_at: i64,
}

/// A session to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The hash of its id.
    pub hash: SessionHash,
    /// The tenant.
    pub tenant: TenantId,
    /// The rights of a person. None for a client.
    pub rights: Option<(UserLevel, Scopes)>,
    /// The time of the sign-in, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// The session that this one replaces: the one of the same browser.
    pub replaces: Option<SessionHash>,
}

/// The sessions that have ended: those that began or were last used before these times, in milliseconds since
/// 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// The oldest beginning of a session.
    pub created_before: i64,
    /// The oldest last use of a session.
    pub used_before: i64,
}
