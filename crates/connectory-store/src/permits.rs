//! Permits: how many requests of a client one of several processes may admit in the current window of the rate limit.

use std::time::Duration;

use crate::access::TenantId;

/// The limit that permits are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitLimit {
    /// The permits of a window.
    pub requests: u32,
    /// The length of a window in seconds.
    pub seconds: u32,
}

/// A request for permits. Only one of those that are sent together may be for the same client and API version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitRequest {
    /// The tenant of the client.
    pub tenant: TenantId,
    /// The id of the client.
    pub client: String,
    /// The path of the API version.
    pub api: &'static str,
    /// How many permits are asked for.
    pub count: u64,
}

/// The permits that a process got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The id of the client.
    pub client: String,
    /// The path of the API version.
    pub api: String,
    /// How many permits there are. If they are fewer than were asked for, the window has no more.
    pub count: u64,
    /// The number of the window.
    pub window: i64,
    /// The time until the window ends.
    pub left: Duration,
}
