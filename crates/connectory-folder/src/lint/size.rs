//! Checks that a server takes a folder: nothing is larger than its limit, and every file can be read.

use connectory_model::Part;
use connectory_model::ScriptName;
use connectory_model::bounds::check_metadata;
use connectory_model::file_names::locale_file;
use connectory_model::limits::{CONNECTOR_BYTES, DOCUMENT_BYTES, METADATA_BYTES};
use serde_json::Value;

use super::description::line_of_member;
use super::findings::Findings;
use super::layout::is_part;
use super::rules::{DESCRIPTION, TOO_LARGE};
use crate::description::CONNECTOR_FILE;
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
pub(super) fn check(findings: &mut Findings<'_>, files: &Files<'_>, limits: Limits) {
    for (file, _) in files.iter().filter(|(file, bytes)| is_part(file) && bytes.len() > limits.document) {
        findings.push(&TOO_LARGE, file, 0..0, too_long(limits));
    }
    if findings.has_errors() {
        return;
    }
    let folder = match Folder::read(files) {
        Ok(folder) => folder,
        // The other checks find all that this refuses. If they do not, an author reads it all the same.
        Err(error) => return findings.push(&DESCRIPTION, &error.file, 0..0, error.error.to_string()),
    };
    let metadata = Value::Object(folder.description.connector_metadata.clone());
    let in_metadata = || line_of_member(files, "connectorMetadata").unwrap_or(0..0);
    if let Err(message) = check_metadata(&metadata, METADATA_BYTES) {
        findings.push(&TOO_LARGE, CONNECTOR_FILE, in_metadata(), message);
    }
    // A connector's size does not depend on its script name.
    let any_name = ScriptName::derive(&folder.description.members.name, |_| false);
    if let Err(error) = folder.into_connector(any_name).check_bounds(limits.connector) {
        let (file, place) = match error.part() {
            Some(Part::Document(kind)) => (kind.file_name().to_owned(), 0..0),
            Some(Part::Translation(locale)) => (locale_file(locale), 0..0),
            None => (CONNECTOR_FILE.to_owned(), in_metadata()),
        };
        findings.push(&TOO_LARGE, &file, place, error.to_string());
    }
}
