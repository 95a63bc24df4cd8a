//! The activity of a tenant. Only connectory has this operation (D97).

use serde::{Deserialize, Serialize};

use super::{ConnectorRevision, RevisionAuthor};

/// The path of the activity of a tenant.
pub const ACTIVITY_PATH: &str = "/connectory/v1/activity";

/// Something that happened in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ActivityEntry {
    /// Connectors were changed.
    Change(ChangeActivity),
    /// Access was changed, or someone signed in to the console or out.
    Access(AccessActivity),
    /// Sign-ins or token requests were refused.
    Refused(RefusedActivity),
}

/// A change of one or several connectors, which one request made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChangeActivity {
    /// The time (RFC 3339), with milliseconds.
    #[cfg_attr(feature = "openapi", schema(example = "2026-05-04T03:02:01.123Z"))]
    pub created: String,
    /// The number of the change, which is that of its last revision.
    #[cfg_attr(feature = "openapi", schema(example = 42))]
    pub change: u64,
    /// How many revisions the change has.
    #[cfg_attr(feature = "openapi", schema(example = 14))]
    pub size: u64,
    /// The newest of its revisions that the request asks for, five at most.
    pub revisions: Vec<ConnectorRevision>,
}

/// A change of access, a sign-in or a sign-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AccessActivity {
    /// The time (RFC 3339), with milliseconds.
    #[cfg_attr(feature = "openapi", schema(example = "2026-05-04T03:02:01.123Z"))]
    pub created: String,
    /// What happened, such as `sign_in` or `client_created`.
    #[cfg_attr(feature = "openapi", schema(example = "client_created"))]
    pub action: String,
    /// The client, the quotas or the tenant that changed.
    pub subject: Option<String>,
    /// Who did it.
    pub author: RevisionAuthor,
    /// The address that the request came from. Null for an operator at the command line.
    pub address: Option<String>,
    /// The tracking id of the request in the server's log.
    pub tracking_id: Option<String>,
}

/// Refused sign-ins and token requests of a client or person, from one address in one minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RefusedActivity {
    /// The beginning of the minute (RFC 3339).
    #[cfg_attr(feature = "openapi", schema(example = "2026-05-04T03:02:00.000Z"))]
    pub created: String,
    /// The id of the client, or the issuer and the subject of the person.
    pub client_id: String,
    /// The address that the requests came from.
    pub address: String,
    /// How many were refused.
    pub count: u32,
}
