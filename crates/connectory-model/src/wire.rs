//! The objects on the wire, as the specification names their members.
//!
//! The server writes them and the client reads them. Members that the specification calls nullable are options. Reading
//! is lenient, so that neither a newer nor an older server breaks a client: unknown members are ignored, words of an
//! enumeration may be new ([`Open`]), and what is missing or null is empty.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::connector::{Connector, Metadata, SHORT_DESC, Status, Summary};
use crate::document::{DocumentKind, ProvisioningPolicy};
use crate::file_names::locale_file;
use crate::{Locale, ScriptName};

/// A word of an enumeration, or one that only a newer server knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Open<T> {
    /// A word that this version knows.
    Known(T),
    /// Another word, as it was sent.
    Other(String),
}

impl<T> Open<T> {
    /// The word, if this version knows it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Other(_) => None,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Open<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(word) => word.fmt(f),
            Self::Other(word) => f.write_str(word),
        }
    }
}

/// Reads null as nothing.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

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
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub direct_connect: bool,
    /// Free-form members that user interfaces read.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Object))]
    #[serde(default, deserialize_with = "or_empty")]
    pub connector_metadata: Metadata,
    /// How far the connector is.
    #[cfg_attr(feature = "openapi", schema(value_type = Status))]
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

    /// The same without its metadata, for whoever writes that by other means.
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
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// Where the connector is kept; `custom-connector/…` for custom connectors only.
    #[serde(rename = "s3Location")]
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub s3_location: String,
    /// Files uploaded to the connector; always empty here.
    pub uploaded_files: Option<Vec<String>>,
    /// Whether a source of this connector takes uploaded files.
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub file_upload: bool,
    /// Whether the connector reaches its source directly.
    #[serde(default, deserialize_with = "or_empty")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub direct_connect: bool,
    /// The properties text of each stored locale.
    #[cfg_attr(feature = "openapi", schema(required, value_type = BTreeMap<String, String>))]
    #[serde(default, deserialize_with = "or_empty")]
    pub translation_properties: BTreeMap<Open<Locale>, String>,
    /// Free-form members that user interfaces read.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Object))]
    #[serde(default, deserialize_with = "or_empty")]
    pub connector_metadata: Metadata,
    /// How far the connector is.
    #[cfg_attr(feature = "openapi", schema(value_type = Status))]
    pub status: Open<Status>,
}

impl ConnectorDetail {
    /// The detail of a connector in a locale, with its provisioning policies or without.
    pub fn new(connector: &Connector, origin: Origin, locale: Locale, with_policies: bool) -> Self {
        Self::of(connector.clone(), origin, locale, with_policies)
    }

    /// The same of a connector that is not needed any more: a large one is then not copied.
    pub fn of(connector: Connector, origin: Origin, locale: Locale, with_policies: bool) -> Self {
        Self {
            provisioning_policies: with_policies.then(|| connector.source_template.provisioning_policies()),
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
        }
    }
}

impl ConnectorDetail {
    /// The stored text of a document.
    pub fn document(&self, kind: DocumentKind) -> &str {
        match kind {
            DocumentKind::SourceConfig => &self.source_config_xml,
            DocumentKind::SourceTemplate => &self.application_xml,
            DocumentKind::CorrelationConfig => &self.correlation_config_xml,
        }
    }

    /// Whether the tenant can change it: the specification's mark of a custom connector.
    pub fn is_custom(&self) -> bool {
        self.s3_location.starts_with(CUSTOM_LOCATION)
    }
}

/// How the storage path keys of custom connectors begin.
const CUSTOM_LOCATION: &str = "custom-connector/";

/// Whether a connector belongs to a tenant or to everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Created by a tenant.
    Custom,
    /// Part of the catalogue that the server was started with.
    BuiltIn,
}

impl Origin {
    /// The storage path key, by which clients tell custom connectors from others.
    pub fn location(self, script_name: &ScriptName) -> String {
        match self {
            Self::Custom => format!("{CUSTOM_LOCATION}{script_name}"),
            Self::BuiltIn => format!("connector/{script_name}"),
        }
    }
}

/// The outcome of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UpdateDetail {
    /// Why, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The connector's identity in paths.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub script_name: ScriptName,
    /// What was stored.
    pub updated_files: Option<Vec<String>>,
    /// What came of it.
    #[cfg_attr(feature = "openapi", schema(value_type = UpdateStatus))]
    pub status: Open<UpdateStatus>,
}

/// What came of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum UpdateStatus {
    /// Refused, nothing stored; the message says why.
    Error,
    /// Stored.
    Updated,
    /// The very same bytes are stored already.
    Unchanged,
    /// Nothing was sent.
    Skipped,
}

impl fmt::Display for UpdateStatus {
    /// The word on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "ERROR",
            Self::Updated => "UPDATED",
            Self::Unchanged => "UNCHANGED",
            Self::Skipped => "SKIPPED",
        })
    }
}

/// What an upload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// One of the three documents.
    Document(DocumentKind),
    /// The texts of a locale.
    Translations(Locale),
}

impl Upload {
    /// The path of the file in a connector folder.
    pub fn file_name(self) -> String {
        match self {
            Self::Document(kind) => kind.file_name().to_owned(),
            Self::Translations(locale) => locale_file(locale),
        }
    }
}

impl UpdateDetail {
    /// The outcome for a custom connector.
    pub fn new(script_name: ScriptName, upload: Upload, status: UpdateStatus, message: Option<String>) -> Self {
        let updated_files = match status {
            UpdateStatus::Updated => {
                vec![format!("{}/{}", Origin::Custom.location(&script_name), upload.file_name())]
            }
            _ => Vec::new(),
        };
        Self { message, script_name, updated_files: Some(updated_files), status: Open::Known(status) }
    }
}

/// An error's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ErrorResponseDto))]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    /// The status and its name, such as `404 Not found`.
    pub detail_code: String,
    /// The request's id, 32 hexadecimal digits; also the `SLPT-Request-ID` header and in the server's log.
    pub tracking_id: String,
    /// What was wrong, where, and what would be right.
    pub messages: Vec<ErrorMessage>,
    /// Further reasons, where there are several.
    pub causes: Vec<ErrorMessage>,
}

/// One sentence of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ErrorMessageDto))]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// The language of the text, a BCP 47 tag.
    pub locale: Option<String>,
    /// How the language was chosen.
    pub locale_origin: Option<LocaleOrigin>,
    /// The sentence.
    pub text: String,
}

impl ErrorMessage {
    /// A sentence in the server's own language.
    pub fn english(text: impl Into<String>) -> Self {
        Self { locale: Some("en-US".to_owned()), locale_origin: Some(LocaleOrigin::Default), text: text.into() }
    }
}

/// How an error's language was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum LocaleOrigin {
    /// The server's own.
    Default,
    /// From the request.
    Request,
}
