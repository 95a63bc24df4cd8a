//! The connector folder: one connector as files, the unit of git and of the built-in catalogue.
//!
//! ```text
//! my-connector/            the folder's name is the script name
//!   connector.yaml         name, type, className, directConnect, status, connectorMetadata
//!   source-config.xml
//!   source-template.xml
//!   correlation-config.xml
//!   translations/en.properties, de.properties, …
//! ```
//!
//! Only `connector.yaml` is required; documents that are missing are scaffolded as on create. Reading the files is
//! left to the caller, because they may come from a disk or from the binary itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::create::{InvalidMember, Members, NewConnector};
use crate::document::{Document, DocumentError, DocumentKind};
use crate::locale::UnknownLocale;
use crate::translations::{Properties, PropertiesError};
use crate::{Connector, ScriptName};

/// The file that makes a folder a connector folder.
pub const CONNECTOR_FILE: &str = "connector.yaml";

/// The files of a folder by their path in it, with `/` between parts.
pub type Files<'a> = BTreeMap<String, Cow<'a, [u8]>>;

/// Why a folder is no connector folder: the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct FolderError {
    /// The file's path in the folder.
    pub file: String,
    /// What is wrong with it.
    pub problem: FileError,
}

/// What is wrong with a file of a connector folder.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is required and missing.
    #[error("missing; every connector folder has one")]
    Missing,
    /// It is no YAML.
    #[error("not YAML: {0}")]
    Yaml(String),
    /// A member is missing or has the wrong type.
    #[error(transparent)]
    Member(#[from] InvalidMember),
    /// A document is refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Its name is no locale.
    #[error(transparent)]
    Locale(#[from] UnknownLocale),
    /// It is no `.properties` text.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
}

/// Reads a connector from the files of its folder.
pub fn read(script_name: ScriptName, files: &Files<'_>) -> Result<Connector, FolderError> {
    let in_file = |file: &str| {
        let file = file.to_owned();
        move |problem: FileError| FolderError { file, problem }
    };
    let mut connector = described(script_name, files).map_err(in_file(CONNECTOR_FILE))?;
    for kind in DocumentKind::ALL {
        let name = kind.file_name();
        if let Some(bytes) = files.get(name) {
            let document = Document::parse(kind, bytes).map_err(|error| in_file(name)(error.into()))?;
            connector.set_document(document);
        }
    }
    for (path, bytes) in files {
        let Some(tag) = path.strip_prefix("translations/").and_then(|name| name.strip_suffix(".properties")) else {
            continue;
        };
        let locale = tag.parse().map_err(|error: UnknownLocale| in_file(path)(error.into()))?;
        let properties = Properties::parse(bytes).map_err(|error| in_file(path)(error.into()))?;
        connector.translations.0.insert(locale, properties);
    }
    Ok(connector)
}

/// The connector of `connector.yaml`, with scaffolded documents.
fn described(script_name: ScriptName, files: &Files<'_>) -> Result<Connector, FileError> {
    let bytes = files.get(CONNECTOR_FILE).ok_or(FileError::Missing)?;
    let description: Value =
        serde_saphyr::from_slice(bytes).map_err(|error| FileError::Yaml(error.to_string().trim().to_owned()))?;
    let members = Members::of(&description)?;
    let mut connector = NewConnector::from_members(members, None)?.build(script_name, &[]);
    if let Some(metadata) = members.metadata()? {
        connector.connector_metadata = metadata;
    }
    Ok(connector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Locale, Status};

    fn folder(files: &[(&str, &str)]) -> Result<Connector, FolderError> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), Cow::from(text.as_bytes()))).collect();
        read("hr".parse().expect("a script name"), &files)
    }

    const DESCRIPTION: &str = "name: HR\nclassName: x.Y\ndirectConnect: false\nstatus: DEMO\n\
                               connectorMetadata:\n  category: HR\n  labels: [a, b]\n";

    #[test]
    fn a_folder_becomes_a_connector() {
        let connector = folder(&[
            (CONNECTOR_FILE, DESCRIPTION),
            ("source-template.xml", "<Application featuresString='A'/>"),
            ("translations/de.properties", "ShortDesc=Hallo\n"),
            ("README.md", "ignored"),
        ])
        .expect("valid");
        assert_eq!((connector.status, connector.direct_connect), (Status::Demo, false));
        assert_eq!(connector.connector_metadata["labels"][1], "b");
        assert_eq!(connector.summary().features, ["A"]);
        assert_eq!(connector.summary().short_descriptions[&Locale::De], "Hallo");
    }

    #[test]
    fn a_refusal_names_the_file() {
        let table = [
            (vec![], "connector.yaml: missing"),
            (vec![(CONNECTOR_FILE, "name: [")], "connector.yaml: not YAML"),
            (vec![(CONNECTOR_FILE, "name: 1\n")], "connector.yaml: `name` must be a string"),
            (
                vec![(CONNECTOR_FILE, DESCRIPTION), ("source-config.xml", "<Form/>")],
                "source-config.xml: unsupported xsd",
            ),
            (
                vec![(CONNECTOR_FILE, DESCRIPTION), ("translations/xx.properties", "")],
                "translations/xx.properties: `xx`",
            ),
        ];
        for (files, expected) in table {
            let refusal = folder(&files).expect_err(expected).to_string();
            assert!(refusal.starts_with(expected), "{refusal}");
        }
    }
}
