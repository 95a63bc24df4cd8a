//! The answer to the upload of a document or of a locale's texts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::open::Open;
use crate::document::DocumentKind;
use crate::file_names::locale_file;
use crate::origin::Origin;
use crate::{Locale, ScriptName};

/// The answer to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UpdateDetail {
    /// The reason, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The connector's identity in paths.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub script_name: ScriptName,
    /// The files that were stored.
    pub updated_files: Option<Vec<String>>,
    /// The outcome.
    #[cfg_attr(feature = "openapi", schema(value_type = UpdateStatus))]
    pub status: Open<UpdateStatus>,
}

/// The outcome of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum UpdateStatus {
    /// Nothing was stored; the message says why.
    Error,
    /// The file was stored.
    Updated,
    /// The same bytes were stored before.
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

/// The file that an upload replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadTarget {
    /// One of the three documents.
    Document(DocumentKind),
    /// The texts of a locale.
    Translations(Locale),
}

impl UploadTarget {
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
    pub fn new(script_name: ScriptName, target: UploadTarget, status: UpdateStatus, message: Option<String>) -> Self {
        let updated_files = match status {
            UpdateStatus::Updated => {
                vec![format!("{}/{}", Origin::Custom.location(&script_name), target.file_name())]
            }
            _ => Vec::new(),
        };
        Self { message, script_name, updated_files: Some(updated_files), status: Open::Known(status) }
    }
}
