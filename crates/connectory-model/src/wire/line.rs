//! The lines of an export and of an apply, and the answer to an apply. Only connectory has these operations (D47, D48).

use serde::{Deserialize, Serialize};

use super::ConnectorDetail;
use crate::ScriptName;

/// The path at which changes to several connectors are applied in one commit.
pub const APPLY_PATH: &str = "/connectory/v1/apply";

/// The path at which a change is taken back.
pub const UNDO_PATH: &str = "/connectory/v1/changes/{revision}/undo";

/// The media type of the lines: one JSON object in each.
pub const LINES_TYPE: &str = "application/x-ndjson";

/// The media type of a zip file of connector folders.
pub const ZIP_TYPE: &str = "application/zip";

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExportHead {
    /// The tenant's newest revision, as of which all lines are true.
    pub revision: u64,
    /// The SHA-256 of the built-in connectors, in hexadecimal digits.
    pub built_in_catalog: String,
}

/// A connector of an export, or a change of an apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectorLine {
    /// The connector's script name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub script_name: ScriptName,
    /// In an export: the connector's newest revision; 0 for a built-in connector. In an apply: the revision as of which the
    /// connector was read, its own or a later one of the tenant; 0 for a new connector.
    pub revision: u64,
    /// The whole connector. In an apply, null deletes it.
    pub connector: Option<ConnectorDetail>,
}

/// The last line of an export. An export without it broke off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportEnd {
    /// The number of connectors in the lines before.
    pub count: u64,
}

/// The path at which connectors are imported.
pub const IMPORT_PATH: &str = "/connectory/v1/import";

/// The answer to an import, or to its dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// The numbers. Of a dry run, `revision` is the one before, as of which it was made.
    #[serde(flatten)]
    pub applied: Applied,
    /// What is or would be done with each connector, in the order of the folders.
    pub connectors: Vec<ImportedConnector>,
}

/// What an import does with a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImportedConnector {
    /// The connector's script name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub script_name: ScriptName,
    /// What is done.
    pub result: ImportResult,
    /// The members that change, as the history names them. Empty for a new connector.
    pub changed: Vec<String>,
}

/// What an import does with a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ImportResult {
    /// It is new.
    Created,
    /// It is changed.
    Changed,
    /// It is as it was sent already.
    Unchanged,
}

/// The answer to an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The tenant's revision before the apply.
    pub before: u64,
    /// The last revision of the apply. The one before, if nothing was changed.
    pub revision: u64,
    /// The number of connectors that were created.
    pub created: u64,
    /// The number of connectors that were changed.
    pub changed: u64,
    /// The number of connectors that were deleted.
    pub deleted: u64,
    /// The number of lines that changed nothing, because the connector is so already.
    pub unchanged: u64,
}
