//! A connector with its documents, as `GET …/{scriptName}` answers it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::open::{Open, derived, flag, or_empty, present};
use crate::document::{DocumentKind, DocumentText, ProvisioningPolicy};
use crate::origin::Origin;
use crate::translations::{Properties, PropertiesError, Translations};
use crate::{Connector, Locale, Metadata, ScriptName, Status};

/// Which members a detail has; an API version decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DetailShape {
    /// All members but `provisioningPolicies`.
    Plain,
    /// All members.
    WithPolicies,
}

/// A connector with its documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectorDetail {
    /// The connector's name.
    pub name: String,
    /// The connector's type.
    #[serde(rename = "type")]
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub connector_type: String,
    /// The class that implements the connector.
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub class_name: String,
    /// The connector's identity in paths.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub script_name: ScriptName,
    /// The source template.
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub application_xml: String,
    /// The policies of the source template's `ProvisioningForms`; only under `/connectors/v1`, there always an array.
    #[serde(default, deserialize_with = "derived", skip_serializing_if = "Option::is_none")]
    pub provisioning_policies: Option<Vec<ProvisioningPolicy>>,
    /// The correlation config.
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub correlation_config_xml: String,
    /// The source config as stored.
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub source_config_xml: String,
    /// The source config in the requested locale.
    pub source_config: Option<String>,
    /// Where the source config comes from.
    pub source_config_from: Option<String>,
    /// The connector's storage path; `custom-connector/…` for custom connectors only.
    #[serde(rename = "s3Location")]
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub s3_location: String,
    /// Files uploaded to the connector; always empty here.
    #[serde(default, deserialize_with = "derived")]
    pub uploaded_files: Option<Vec<String>>,
    /// Whether a source of this connector takes uploaded files.
    #[serde(default, deserialize_with = "flag")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub file_upload: bool,
    /// Whether the connector reaches its source directly.
    #[serde(default, deserialize_with = "flag")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub direct_connect: bool,
    /// The properties text of each stored locale.
    #[cfg_attr(feature = "openapi", schema(required, value_type = BTreeMap<String, String>))]
    #[serde(default, deserialize_with = "present")]
    pub translation_properties: BTreeMap<Open<Locale>, String>,
    /// Extension, only in the lines of an export and of an apply (D71): the locales whose texts are stored in ISO-8859-1.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub latin1_translations: Vec<Open<Locale>>,
    /// Extension, only in the lines of an export and of an apply (D71): the bytes, in base64, of each document whose bytes are not its
    /// text in UTF-8.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub document_bytes: BTreeMap<DocumentKind, String>,
    /// Free-form members that user interfaces read.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Object))]
    #[serde(default, deserialize_with = "or_empty")]
    pub connector_metadata: Metadata,
    /// The connector's status.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Status))]
    #[serde(default, deserialize_with = "or_empty")]
    pub status: Open<Status>,
}

impl ConnectorDetail {
    /// The detail of a connector in a locale.
    pub fn new(connector: &Connector, origin: Origin, locale: Locale, shape: DetailShape) -> Self {
        Self::of(connector.clone(), origin, locale, shape)
    }

    /// The detail of a connector that is not needed any more. A large connector is not copied.
    pub fn of(connector: Connector, origin: Origin, locale: Locale, shape: DetailShape) -> Self {
        let policies = match shape {
            DetailShape::Plain => None,
            DetailShape::WithPolicies => Some(connector.source_template.provisioning_policies()),
        };
        Self {
            provisioning_policies: policies,
            source_config: Some(connector.source_config.localized(&connector.translations, locale)),
            file_upload: connector.source_config.file_upload(),
            s3_location: origin.location(&connector.script_name),
            name: connector.name,
            connector_type: connector.connector_type,
            class_name: connector.class_name,
            script_name: connector.script_name,
            application_xml: connector.source_template.into_text(),
            correlation_config_xml: connector.correlation_config.into_text(),
            source_config_xml: connector.source_config.into_text(),
            source_config_from: Some("sp-connect".to_owned()),
            uploaded_files: Some(Vec::new()),
            direct_connect: connector.direct_connect,
            translation_properties: connector
                .translations
                .0
                .into_iter()
                .map(|(locale, properties)| (Open::Known(locale), properties.into_text()))
                .collect(),
            connector_metadata: connector.connector_metadata,
            status: Open::Known(connector.status),
            document_bytes: BTreeMap::new(),
            latin1_translations: Vec::new(),
        }
    }

    /// The detail in English, with the bytes of documents and the encodings of texts that are not UTF-8.
    pub fn with_bytes(connector: Connector, origin: Origin, shape: DetailShape) -> Self {
        let bytes = |kind| Some((kind, BASE64_STANDARD.encode(connector.document_text(kind).own_bytes()?)));
        let document_bytes = DocumentKind::ALL.into_iter().filter_map(bytes).collect();
        let in_latin1 = connector.translations.0.iter().filter(|(_, properties)| properties.is_latin1());
        let latin1_translations = in_latin1.map(|(locale, _)| Open::Known(*locale)).collect();
        Self { latin1_translations, document_bytes, ..Self::of(connector, origin, Locale::En, shape) }
    }

    /// The texts of the locales that are known, in the encoding that the service told.
    pub fn translations(&self) -> Result<Translations, PropertiesError> {
        let mut translations = Translations::default();
        for (locale, text) in &self.translation_properties {
            let Open::Known(known) = locale else { continue };
            let in_latin1 = self.latin1_translations.contains(locale).then(|| Properties::in_latin1(text)).flatten();
            translations.0.insert(*known, in_latin1.unwrap_or_else(|| Properties::parse(text.as_bytes()))?);
        }
        Ok(translations)
    }

    /// The document with its bytes, as far as the service told them.
    pub fn document_text(&self, kind: DocumentKind) -> DocumentText {
        let bytes = self.document_bytes.get(&kind).and_then(|bytes| BASE64_STANDARD.decode(bytes).ok());
        let told = bytes.and_then(DocumentText::stored).filter(|told| told.as_str() == self.document(kind));
        told.unwrap_or_else(|| self.document(kind).to_owned().into())
    }

    /// The text of a document.
    pub fn document(&self, kind: DocumentKind) -> &str {
        match kind {
            DocumentKind::SourceConfig => &self.source_config_xml,
            DocumentKind::SourceTemplate => &self.application_xml,
            DocumentKind::CorrelationConfig => &self.correlation_config_xml,
        }
    }

    /// Whether the connector is a custom one, which its tenant can change.
    pub fn is_custom(&self) -> bool {
        Origin::of_location(&self.s3_location) == Origin::Custom
    }
}
