//! What a service says about itself, at [`SERVICE_PATH`]. Only connectory does.

use serde::{Deserialize, Serialize};

use super::open::Open;

/// The path of [`ServiceInfo`].
pub const SERVICE_PATH: &str = "/connectory/v1";

/// The path of the service's own operations on connectors.
pub const CONNECTORS_PATH: &str = "/connectory/v1/connectors";

/// The path at which a server for tests is reset.
pub const RESET_PATH: &str = "/connectory/v1/reset";

/// A service's name, version, capabilities and limits. Members are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceInfo {
    /// The name of the program: `connectory`.
    #[cfg_attr(feature = "openapi", schema(example = "connectory"))]
    pub name: String,
    /// The version of the program.
    #[cfg_attr(feature = "openapi", schema(example = "0.1.0"))]
    pub version: String,
    /// What the service can do that the specification does not have.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Capability>))]
    pub capabilities: Vec<Open<Capability>>,
    /// The limits of the service.
    pub limits: ServiceLimits,
}

impl ServiceInfo {
    /// Whether the service has a capability.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&Open::Known(capability))
    }
}

/// An extension of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Capability {
    /// Lists take the parameter `statuses` (D10).
    Statuses,
    /// Lists take the parameter `custom` (D10).
    Custom,
    /// Lists take the parameter `q` (D90).
    Search,
    /// `POST`, `PATCH` and `DELETE` with the header `Idempotency-Key` are done once (D44).
    IdempotencyKey,
    /// `PATCH /connectory/v1/connectors/{scriptName}` also changes status, name, type, className and directConnect (D46).
    UpdateInPlace,
    /// `GET /connectory/v1/connectors` answers whole connectors as of one revision (D47).
    Export,
    /// `POST /connectory/v1/apply` makes changes to several connectors in one commit (D48).
    Apply,
    /// `PATCH` and `DELETE /connectory/v1/connectors` change several connectors in one commit (D108).
    ChangeMany,
    /// The history of connectors can be read, compared and restored, below `/connectory/v1/connectors/{scriptName}/revisions`
    /// and at `/connectory/v1/revisions` (D53).
    History,
    /// `POST /connectory/v1/changes/{revision}/undo` takes a whole change back (D109).
    UndoChange,
    /// `GET /connectory/v1/deleted-connectors` answers the connectors that can be restored (D93).
    DeletedConnectors,
    /// `GET /connectory/v1/activity` answers who did what in the tenant, and revisions can be selected by what they changed
    /// (D97 to D99).
    Activity,
    /// `POST /connectory/v1/connectors/{scriptName}/duplicate` makes a connector of another one (D114).
    Duplicate,
    /// `GET /connectory/v1/compare` compares two connectors (D115).
    Compare,
    /// `POST /connectory/v1/import` imports connectors, and an export is a zip file for a client that asks for one (D111, D112).
    Import,
    /// `GET /connectory/v1/events` sends what changes (D54).
    Events,
    /// Reads have entity tags, and reads and changes take conditions (D49 to D52).
    ConditionalRequests,
    /// The service is one for tests, which `POST /connectory/v1/reset` brings back to what it was started with (D43).
    Reset,
    /// The service is one for tests, and some of its answers are wrong because its operator asked for it (D42).
    Faults,
}

impl Capability {
    /// The capabilities that every service of this version has.
    pub const ALWAYS: [Self; 17] = [
        Self::Statuses,
        Self::Custom,
        Self::Search,
        Self::IdempotencyKey,
        Self::UpdateInPlace,
        Self::Export,
        Self::Apply,
        Self::ChangeMany,
        Self::History,
        Self::UndoChange,
        Self::DeletedConnectors,
        Self::Activity,
        Self::Duplicate,
        Self::Compare,
        Self::Import,
        Self::Events,
        Self::ConditionalRequests,
    ];
}

/// The limits that a client should know before it sends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceLimits {
    /// The largest document, in bytes.
    #[cfg_attr(feature = "openapi", schema(example = 5_242_880))]
    pub max_document_bytes: u64,
    /// The largest body of a request, in bytes.
    #[cfg_attr(feature = "openapi", schema(example = 10_485_760))]
    pub max_request_bytes: u64,
    /// The largest connector, in bytes of JSON.
    #[cfg_attr(feature = "openapi", schema(example = 16_777_216))]
    pub max_connector_bytes: u64,
    /// The largest set of changes that is applied at once, in bytes before compression. None if the service cannot apply.
    #[cfg_attr(feature = "openapi", schema(example = 268_435_456))]
    pub max_apply_bytes: Option<u64>,
    /// The largest number of changes that are applied at once.
    #[cfg_attr(feature = "openapi", schema(example = 10_000))]
    pub max_apply_lines: Option<u64>,
    /// The requests that each client may make to an API version. Null means any number.
    pub rate_limit: Option<RequestRate>,
}

/// A number of requests in each window of some seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RequestRate {
    /// The number of requests.
    #[cfg_attr(feature = "openapi", schema(example = 100))]
    pub requests: u32,
    /// The length of a window in seconds.
    #[cfg_attr(feature = "openapi", schema(example = 10))]
    pub seconds: u32,
}
