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

use serde::Serialize;
use serde_json::Value;

use crate::create::{InvalidMember, Members, NewConnector};
use crate::document::{Document, DocumentError, DocumentKind};
use crate::locale::UnknownLocale;
use crate::translations::{Properties, PropertiesError, Translations};
use crate::wire::{ConnectorDetail, Open};
use crate::{Connector, Locale, Metadata, ScriptName, Status};

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

/// What a connector folder holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// `connector.yaml`.
    pub description: Description,
    /// The documents that the folder has.
    pub documents: BTreeMap<DocumentKind, String>,
    /// The texts of each locale.
    pub translations: Translations,
}

/// What `connector.yaml` says; serialized, in the order in which it is written.
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

    /// `connector.yaml` as it is written: the same members always give the same text.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("strings, booleans and JSON values are YAML")
    }
}

impl From<Connector> for Folder {
    fn from(connector: Connector) -> Self {
        let documents = DocumentKind::ALL.map(|kind| (kind, connector.document(kind).to_owned()));
        Self {
            documents: documents.into(),
            description: Description {
                members: NewConnector {
                    name: connector.name,
                    connector_type: connector.connector_type,
                    class_name: connector.class_name,
                    direct_connect: connector.direct_connect,
                    status: connector.status,
                },
                connector_metadata: connector.connector_metadata,
            },
            translations: connector.translations,
        }
    }
}

impl Folder {
    /// Reads a folder's files and checks each.
    pub fn read(files: &Files<'_>) -> Result<Self, FolderError> {
        let in_file = |file: &str| {
            let file = file.to_owned();
            move |problem: FileError| FolderError { file, problem }
        };
        let description = files.get(CONNECTOR_FILE).ok_or(FileError::Missing);
        let description = description.and_then(|bytes| Description::parse(bytes)).map_err(in_file(CONNECTOR_FILE))?;
        let mut folder = Self { description, documents: BTreeMap::new(), translations: Translations::default() };
        for kind in DocumentKind::ALL {
            let name = kind.file_name();
            if let Some(bytes) = files.get(name) {
                let document = Document::parse(kind, bytes).map_err(|error| in_file(name)(error.into()))?;
                folder.documents.insert(kind, document.into_text());
            }
        }
        for (path, bytes) in files {
            let Some(tag) = locale_tag(path) else { continue };
            let locale = tag.parse().map_err(|error: UnknownLocale| in_file(path)(error.into()))?;
            let properties = Properties::parse(bytes).map_err(|error| in_file(path)(error.into()))?;
            folder.translations.0.insert(locale, properties);
        }
        Ok(folder)
    }

    /// The folder of a connector that a server answered. Locales and statuses that only a newer server knows are left
    /// out; texts that are no properties any more are refused.
    pub fn of(detail: &ConnectorDetail) -> Result<Self, PropertiesError> {
        let mut translations = Translations::default();
        for (locale, text) in &detail.translation_properties {
            if let Open::Known(locale) = locale {
                translations.0.insert(*locale, Properties::parse(text.as_bytes())?);
            }
        }
        let documents = DocumentKind::ALL.map(|kind| (kind, detail.document(kind).to_owned()));
        Ok(Self {
            description: Description {
                members: NewConnector {
                    name: detail.name.clone(),
                    connector_type: detail.connector_type.clone(),
                    class_name: detail.class_name.clone(),
                    direct_connect: detail.direct_connect,
                    status: detail.status.known().copied().unwrap_or(Status::Released),
                },
                connector_metadata: detail.connector_metadata.clone(),
            },
            documents: documents.into_iter().filter(|(_, text)| !text.is_empty()).collect(),
            translations,
        })
    }

    /// The files, by their path in the folder.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let documents = self.documents.iter().map(|(kind, text)| (kind.file_name().to_owned(), text.clone().into()));
        let translations = self.translations.0.iter().map(|(locale, text)| (locale_file(*locale), text.to_bytes()));
        let description = (CONNECTOR_FILE.to_owned(), self.description.to_yaml().into_bytes());
        std::iter::once(description).chain(documents).chain(translations).collect()
    }
}

/// The path of a locale's texts in a folder.
pub fn locale_file(locale: Locale) -> String {
    format!("translations/{locale}.properties")
}

/// The locale's tag in the path of its texts.
pub fn locale_tag(path: &str) -> Option<&str> {
    path.strip_prefix("translations/")?.strip_suffix(".properties")
}

/// Reads a connector from the files of its folder.
pub fn read(script_name: ScriptName, files: &Files<'_>) -> Result<Connector, FolderError> {
    let Folder { description, documents, translations } = Folder::read(files)?;
    let mut connector = description.members.build(script_name, &[]);
    connector.connector_metadata = description.connector_metadata;
    connector.translations = translations;
    for (kind, text) in documents {
        connector.set_document(Document::checked(kind, text));
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
    fn what_is_written_reads_back_the_same() {
        let metadata = "connectorMetadata:\n  a: '1'\n  b: [true, 1.5, null, {c: \"x: #y\\n\"}]\n  on: 'no'\n";
        let yaml = format!("name: 'yes'\nclassName: x.Y\n{metadata}");
        let files = [
            (CONNECTOR_FILE, yaml.as_bytes()),
            ("source-template.xml", b"<Application/>\r\n".as_slice()),
            ("translations/de.properties", b"a=\xfc\n".as_slice()),
        ];
        let files: Files<'_> = files.into_iter().map(|(path, bytes)| (path.to_owned(), Cow::from(bytes))).collect();
        let folder = Folder::read(&files).expect("valid");
        let written = folder.files();
        assert_eq!(written["source-template.xml"], b"<Application/>\r\n");
        assert_eq!(written["translations/de.properties"], b"a=\xfc\n");
        let again = written.iter().map(|(path, bytes)| (path.clone(), Cow::from(bytes))).collect();
        assert_eq!(Folder::read(&again).expect("valid"), folder);
        let connector = read("yes".parse().expect("a script name"), &files).expect("valid");
        let detail = ConnectorDetail::new(&connector, crate::wire::Origin::Custom, Locale::En, false);
        assert_eq!(Folder::of(&detail).expect("valid").description, folder.description);
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
