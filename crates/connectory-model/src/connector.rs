//! The connector: everything that one revision holds, and the summary that lists are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::{CorrelationConfig, Document, DocumentKind, SourceConfig, SourceTemplate};
use crate::metadata::{self, Metadata};
use crate::translations::Translations;
use crate::{Locale, ScriptName, Status};

/// A whole connector, as one revision stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    /// Unique in its tenant without case.
    pub name: String,
    /// The connector's identity in paths. It never changes.
    pub script_name: ScriptName,
    /// The kind of source it connects.
    #[serde(rename = "type")]
    pub connector_type: String,
    /// The class that implements it.
    pub class_name: String,
    /// Whether it reaches its source directly.
    pub direct_connect: bool,
    /// The connector's status.
    pub status: Status,
    /// Free-form members.
    pub connector_metadata: Metadata,
    /// The form that an administrator fills in.
    pub source_config: SourceConfig,
    /// The application object of a new source.
    pub source_template: SourceTemplate,
    /// The rules by which accounts find their identity.
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

    /// How many bytes the documents and translations have.
    pub fn size(&self) -> usize {
        let documents: usize = DocumentKind::ALL.iter().map(|kind| self.document(*kind).len()).sum();
        let translations: usize = self.translations.0.values().map(|text| text.text().len()).sum();
        documents + translations
    }

    /// About how many bytes the connector takes in memory.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.size() + metadata::memory_of_members(&self.connector_metadata)
    }

    /// Replaces a document.
    pub fn set_document(&mut self, document: Document) {
        match document {
            Document::SourceConfig(document) => self.source_config = document,
            Document::SourceTemplate(document) => self.source_template = document,
            Document::CorrelationConfig(document) => self.correlation_config = document,
        }
    }

    /// The members that lists show and filter by.
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

/// The members that lists show and filter by. A summary is derived from a [`Connector`] and stored beside it, so that a
/// start need not read every document. Empty members are not stored, so that the row of a new connector is short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Unique in its tenant without case.
    pub name: String,
    /// The connector's identity in paths.
    pub script_name: ScriptName,
    /// The kind of source it connects.
    #[serde(rename = "type")]
    pub connector_type: String,
    /// The class that implements it.
    pub class_name: String,
    /// Whether it reaches its source directly.
    pub direct_connect: bool,
    /// The connector's status.
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
