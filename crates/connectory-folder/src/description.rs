//! `connector.yaml`: the members of a connector that are not documents, in a form that diffs well.

use connectory_model::Metadata;
use connectory_model::create::NewConnector;
use connectory_model::members::Members;
use serde::Serialize;
use serde_json::Value;

use crate::error::FileError;

/// The file that makes a folder a connector folder.
pub const CONNECTOR_FILE: &str = "connector.yaml";

/// The content of `connector.yaml`. It serializes its members in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The members that a connector is created with.
    #[serde(flatten)]
    pub members: NewConnector,
    /// The free-form members.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub connector_metadata: Metadata,
}

impl Description {
    /// Reads `connector.yaml`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let description: Value =
            serde_saphyr::from_slice(bytes).map_err(|error| FileError::Yaml(error.to_string().trim().to_owned()))?;
        let members = Members::of(&description)?;
        Ok(Self {
            members: NewConnector::from_members(members, None)?,
            connector_metadata: members.metadata()?.unwrap_or_default(),
        })
    }

    /// Writes `connector.yaml`. The same members always give the same text.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("strings, booleans and JSON values are YAML")
    }
}
