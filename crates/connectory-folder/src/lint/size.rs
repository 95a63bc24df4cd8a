//! Checks that nothing in a folder is larger than a server takes.

use std::collections::BTreeMap;

use connectory_model::bounds::check_metadata;
use connectory_model::document::{DocumentKind, DocumentText};
use connectory_model::file_names::{locale_file, locale_tag};
use connectory_model::limits::{CONNECTOR_BYTES, DOCUMENT_BYTES, METADATA_BYTES};
use connectory_model::translations::{Properties, Translations};
use connectory_model::{Part, ScriptName};
use serde_json::Value;

use super::description::line_of_member;
use super::findings::Findings;
use super::layout::is_part;
use super::rules::TOO_LARGE;
use crate::description::{CONNECTOR_FILE, Description};
use crate::folder::{Files, Folder};

/// The limits of a server that an operator may have changed. The default has those of a new server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a document, or of a locale's texts. No file of a folder may have more.
    pub document: usize,
    /// Bytes of a whole connector as JSON.
    pub connector: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { document: DOCUMENT_BYTES, connector: CONNECTOR_BYTES }
    }
}

/// What is wrong with a file of more bytes than `limits` has for a document.
pub(crate) fn too_long(limits: Limits) -> String {
    format!("the file has more than {} bytes, which is the limit of a server", limits.document)
}

/// Checks the files, and, if nothing else was found that a server refuses, the connector that they make.
pub(super) fn check(findings: &mut Findings<'_>, files: &Files<'_>, description: Option<Description>, limits: Limits) {
    for (file, _) in files.iter().filter(|(file, bytes)| is_part(file) && bytes.len() > limits.document) {
        findings.push(&TOO_LARGE, file, 0..0, too_long(limits));
    }
    let Some(description) = description.filter(|_| !findings.has_errors()) else { return };
    let metadata = Value::Object(description.connector_metadata.clone());
    let in_metadata = || line_of_member(files, "connectorMetadata").unwrap_or(0..0);
    if let Err(message) = check_metadata(&metadata, METADATA_BYTES) {
        findings.push(&TOO_LARGE, CONNECTOR_FILE, in_metadata(), message);
    }
    // The documents were checked, and a connector's size does not depend on its script name.
    let any_name = ScriptName::derive(&description.members.name);
    let text = |kind: DocumentKind| Some((kind, DocumentText::stored(files.get(kind.file_name())?.to_vec())?));
    let documents: BTreeMap<_, _> = DocumentKind::ALL.into_iter().filter_map(text).collect();
    for (kind, document) in documents.iter().filter(|(_, document)| document.as_str().len() > limits.document) {
        let message =
            format!("the text has {} bytes as UTF-8; a server takes {}", document.as_str().len(), limits.document);
        if document.bytes().len() <= limits.document {
            findings.push(&TOO_LARGE, kind.file_name(), 0..0, message);
        }
    }
    let texts = files
        .iter()
        .filter_map(|(path, bytes)| Some((locale_tag(path)?.parse().ok()?, Properties::parse(bytes).ok()?)));
    let translations = Translations(texts.collect());
    let folder = Folder { description, documents, translations };
    if let Err(error) = folder.into_connector(any_name).check_bounds(limits.connector) {
        let (file, place) = match error.part() {
            Some(Part::Document(kind)) => (kind.file_name().to_owned(), 0..0),
            Some(Part::Translation(locale)) => (locale_file(locale), 0..0),
            None => (CONNECTOR_FILE.to_owned(), in_metadata()),
        };
        findings.push(&TOO_LARGE, &file, place, error.to_string());
    }
}
