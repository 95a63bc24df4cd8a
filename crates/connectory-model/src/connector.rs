//! The connector: everything that one revision holds, and the summary that lists are made of.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::{CorrelationConfig, Document, DocumentKind, SourceConfig, SourceTemplate};
use crate::translations::Translations;
use crate::{Locale, ScriptName};

/// Free-form members that user interfaces read, such as `category`, `labels` and `shortDesc`.
pub type Metadata = Map<String, Value>;

/// The member of the metadata that a locale's short description replaces.
pub const SHORT_DESC: &str = "shortDesc";

/// About how many bytes a value takes in memory, with its place in what holds it.
fn memory_of(value: &Value) -> usize {
    let below = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(memory_of).sum(),
        Value::Object(members) => memory_of_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    2 * size_of::<Value>() + below
}

fn memory_of_members(members: &Metadata) -> usize {
    members.iter().map(|(name, value)| name.len() + memory_of(value)).sum()
}

/// The labels in metadata: an array of strings, or one string.
pub fn labels(metadata: &Metadata) -> impl Iterator<Item = &str> {
    let labels = match metadata.get("labels") {
        Some(Value::Array(labels)) => labels.as_slice(),
        Some(label) => std::slice::from_ref(label),
        None => &[],
    };
    labels.iter().filter_map(Value::as_str)
}

/// How far a connector is; lists show only what is released, unless asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// No longer to be used.
    Deprecated,
    /// Being built.
    Development,
    /// For trying out.
    Demo,
    /// In use.
    Released,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 4] = [Self::Deprecated, Self::Development, Self::Demo, Self::Released];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deprecated => "DEPRECATED",
            Self::Development => "DEVELOPMENT",
            Self::Demo => "DEMO",
            Self::Released => "RELEASED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status; expected DEPRECATED, DEVELOPMENT, DEMO or RELEASED")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    /// Reads a status in any case: the vendor's own guide sends `released`.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownStatus(word.chars().take(40).collect()))
    }
}

/// A text in Unicode lower case: filters compare members by it, so that `ÄRZTE` and `ärzte` are equal. Names are compared
/// by [`crate::name_key`].
pub fn lower_key(text: &str) -> String {
    text.to_lowercase()
}

/// A whole connector, as one revision keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    /// Unique in its tenant without case.
    pub name: String,
    /// Its identity in paths; never changes.
    pub script_name: ScriptName,
    /// The kind of source it connects.
    #[serde(rename = "type")]
    pub connector_type: String,
    /// The class that implements it.
    pub class_name: String,
    /// Whether it reaches its source directly.
    pub direct_connect: bool,
    /// How far it is.
    pub status: Status,
    /// Free-form members.
    pub connector_metadata: Metadata,
    /// The form that an administrator fills in.
    pub source_config: SourceConfig,
    /// The application object of a new source.
    pub source_template: SourceTemplate,
    /// How accounts find their identity.
    pub correlation_config: CorrelationConfig,
    /// The form's texts by locale.
    pub translations: Translations,
}

impl Connector {
    /// The stored text of a document.
    pub fn document(&self, kind: DocumentKind) -> &str {
        match kind {
            DocumentKind::SourceConfig => self.source_config.as_str(),
            DocumentKind::SourceTemplate => self.source_template.as_str(),
            DocumentKind::CorrelationConfig => self.correlation_config.as_str(),
        }
    }

    /// How many bytes its documents and translations have.
    pub fn size(&self) -> usize {
        let documents: usize = DocumentKind::ALL.iter().map(|kind| self.document(*kind).len()).sum();
        let translations: usize = self.translations.0.values().map(|text| text.text().len()).sum();
        documents + translations
    }

    /// About how many bytes it takes in memory.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.size() + memory_of_members(&self.connector_metadata)
    }

    /// Puts a checked document in the place of the old one.
    pub fn set_document(&mut self, document: Document) {
        match document {
            Document::SourceConfig(document) => self.source_config = document,
            Document::SourceTemplate(document) => self.source_template = document,
            Document::CorrelationConfig(document) => self.correlation_config = document,
        }
    }

    /// What lists show and filter by.
    pub fn summary(&self) -> Summary {
        Summary {
            name: self.name.clone(),
            script_name: self.script_name.clone(),
            connector_type: self.connector_type.clone(),
            class_name: self.class_name.clone(),
            direct_connect: self.direct_connect,
            status: self.status,
            features: self.source_template.features(),
            connector_metadata: self.connector_metadata.clone(),
            short_descriptions: self.translations.short_descriptions(),
            locales: self.translations.0.keys().copied().collect(),
        }
    }
}

/// What lists show and filter by: derived from a [`Connector`], and stored beside it so that a start need not read
/// every document. It is stored without empty members, so that a new connector's row is short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Unique in its tenant without case.
    pub name: String,
    /// Its identity in paths.
    pub script_name: ScriptName,
    /// The kind of source it connects.
    #[serde(rename = "type")]
    pub connector_type: String,
    /// The class that implements it.
    pub class_name: String,
    /// Whether it reaches its source directly.
    pub direct_connect: bool,
    /// How far it is.
    pub status: Status,
    /// From the source template's `featuresString`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Free-form members.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub connector_metadata: Metadata,
    /// The short description of every locale that has one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub short_descriptions: BTreeMap<Locale, String>,
    /// The locales that have texts, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locales: Vec<Locale>,
}
