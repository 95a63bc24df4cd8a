//! A connector as lists show it.

use serde::{Deserialize, Serialize};

use super::open::{Open, flag, or_empty};
use crate::metadata::{Metadata, SHORT_DESC};
use crate::{Locale, ScriptName, Status, Summary};

/// A connector as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = V3ConnectorDto))]
#[serde(rename_all = "camelCase")]
pub struct ConnectorItem {
    /// The connector's name.
    pub name: String,
    /// The connector's type.
    #[serde(rename = "type")]
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub connector_type: String,
    /// The connector's identity in paths.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub script_name: ScriptName,
    /// The class that implements the connector.
    pub class_name: Option<String>,
    /// The features, from the source template.
    pub features: Option<Vec<String>>,
    /// Whether the connector reaches its source directly.
    #[serde(default, deserialize_with = "flag")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub direct_connect: bool,
    /// Free-form members that user interfaces read.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Object))]
    #[serde(default, deserialize_with = "or_empty")]
    pub connector_metadata: Metadata,
    /// The connector's status.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Status))]
    #[serde(default, deserialize_with = "or_empty")]
    pub status: Open<Status>,
}

impl ConnectorItem {
    /// The item for a summary, with the short description of a locale.
    pub fn new(summary: &Summary, locale: Locale) -> Self {
        let mut connector_metadata = summary.connector_metadata.clone();
        let texts = &summary.short_descriptions;
        if let Some(text) = texts.get(&locale).or_else(|| texts.get(&Locale::En)) {
            connector_metadata.insert(SHORT_DESC.to_owned(), text.clone().into());
        }
        Self { connector_metadata, ..Self::without_metadata(summary) }
    }

    /// The item without its metadata, for a caller that writes the metadata in another way.
    pub fn without_metadata(summary: &Summary) -> Self {
        Self {
            name: summary.name.clone(),
            connector_type: summary.connector_type.clone(),
            script_name: summary.script_name.clone(),
            class_name: Some(summary.class_name.clone()),
            features: Some(summary.features.clone()),
            direct_connect: summary.direct_connect,
            connector_metadata: Metadata::new(),
            status: Open::Known(summary.status),
        }
    }
}
