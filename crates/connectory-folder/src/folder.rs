//! The connector folder: one connector as files, the unit of git and of the built-in catalog.
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
//! Only `connector.yaml` is required. Documents that are missing are scaffolded as on create. The caller brings the
//! files, because they may come from a disk or from the binary itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use connectory_model::create::{DEFAULT_CLASS_NAME, NewConnector, default_type};
use connectory_model::document::{Document, DocumentError, DocumentKind, DocumentText};
use connectory_model::file_names::{locale_file, locale_tag};
use connectory_model::translations::{Properties, PropertiesError, Translations};
use connectory_model::wire::{ConnectorDetail, DetailShape, Open, Origin};
use connectory_model::{Connector, ScriptName, Status, UnknownLocale};

use crate::description::{CONNECTOR_FILE, Description};
use crate::error::{FileError, FolderError};

/// The files of a folder by their path in it, with `/` between parts.
pub type Files<'a> = BTreeMap<String, Cow<'a, [u8]>>;

/// The checked content of a connector folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// The content of `connector.yaml`.
    pub description: Description,
    /// Each document that the folder has.
    pub documents: BTreeMap<DocumentKind, DocumentText>,
    /// The texts of each locale.
    pub translations: Translations,
}

impl From<Connector> for Folder {
    fn from(connector: Connector) -> Self {
        let documents = DocumentKind::ALL.map(|kind| (kind, connector.document_text(kind).clone()));
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
    /// Reads the files of a folder and checks each.
    pub fn read(files: &Files<'_>) -> Result<Self, FolderError> {
        Self::read_with(files, Document::parse)
    }

    /// Reads a folder of a read-only catalog, whose documents may be older ones (D70).
    pub fn of_catalog(files: &Files<'_>) -> Result<Self, FolderError> {
        Self::read_with(files, Document::of_catalog)
    }

    fn read_with(
        files: &Files<'_>,
        document: fn(DocumentKind, &[u8]) -> Result<Document, DocumentError>,
    ) -> Result<Self, FolderError> {
        let in_file = |file: &str| {
            let file = file.to_owned();
            move |error: FileError| FolderError { file, error }
        };
        let description = files.get(CONNECTOR_FILE).ok_or(FileError::Missing);
        let description = description.and_then(|bytes| Description::parse(bytes)).map_err(in_file(CONNECTOR_FILE))?;
        let mut folder = Self { description, documents: BTreeMap::new(), translations: Translations::default() };
        for kind in DocumentKind::ALL {
            let name = kind.file_name();
            if let Some(bytes) = files.get(name) {
                let document = document(kind, bytes).map_err(|error| in_file(name)(error.into()))?;
                folder.documents.insert(kind, document.into_text());
            }
        }
        let mut of_locale = BTreeMap::new();
        for (path, bytes) in files {
            let Some(tag) = locale_tag(path) else { continue };
            let locale = tag.parse().map_err(|error: UnknownLocale| in_file(path)(error.into()))?;
            if let Some(first) = of_locale.insert(locale, path) {
                return Err(in_file(path)(FileError::LocaleTwice(first.clone())));
            }
            let properties = Properties::parse(bytes).map_err(|error| in_file(path)(error.into()))?;
            folder.translations.0.insert(locale, properties);
        }
        Ok(folder)
    }

    /// The folder of a connector that a server sent. It leaves out locales that only a newer server knows, and takes a
    /// status that only a newer server knows as released. A type or a class name that the server left out is the default, as
    /// in an import (D17). A text that is not in `.properties` format is an error.
    pub fn of(detail: &ConnectorDetail) -> Result<Self, PropertiesError> {
        let or =
            |text: &str, default: &dyn Fn() -> String| if text.trim().is_empty() { default() } else { text.to_owned() };
        let translations = detail.translations()?;
        let documents = DocumentKind::ALL.map(|kind| (kind, detail.document_text(kind)));
        Ok(Self {
            description: Description {
                members: NewConnector {
                    name: detail.name.clone(),
                    connector_type: or(&detail.connector_type, &|| default_type(&detail.name)),
                    class_name: or(&detail.class_name, &|| DEFAULT_CLASS_NAME.to_owned()),
                    direct_connect: detail.direct_connect,
                    status: match &detail.status {
                        Open::Known(status) => *status,
                        Open::Other(word) => word.parse().unwrap_or(Status::Released),
                    },
                },
                connector_metadata: detail.connector_metadata.clone(),
            },
            documents: documents.into_iter().filter(|(_, text)| !text.as_str().is_empty()).collect(),
            translations,
        })
    }

    /// The connector of this script name with the content of this folder.
    pub fn into_connector(self, script_name: ScriptName) -> Connector {
        let mut connector = self.description.members.build(script_name, &[]);
        connector.connector_metadata = self.description.connector_metadata;
        connector.translations = self.translations;
        for (kind, text) in self.documents {
            connector.set_document(Document::stored(kind, text));
        }
        connector
    }

    /// The custom connector of this script name with the content of this folder, as a server sends it.
    pub fn into_detail(self, script_name: ScriptName) -> ConnectorDetail {
        ConnectorDetail::with_bytes(self.into_connector(script_name), Origin::Custom, DetailShape::Plain)
    }

    /// This folder with the documents that it lacks, as another one has them.
    #[must_use]
    pub fn completed_from(&self, other: &Self) -> Self {
        let mut whole = self.clone();
        for (kind, text) in &other.documents {
            whole.documents.entry(*kind).or_insert_with(|| text.clone());
        }
        whole
    }

    /// The files by their path in the folder.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let documents = self.documents.iter().map(|(kind, text)| (kind.file_name().to_owned(), text.bytes().to_vec()));
        let translations = self.translations.0.iter().map(|(locale, text)| (locale_file(*locale), text.to_bytes()));
        let description = (CONNECTOR_FILE.to_owned(), self.description.to_yaml().into_bytes());
        std::iter::once(description).chain(documents).chain(translations).collect()
    }
}

#[cfg(test)]
mod tests {
    use connectory_model::Locale;
    use proptest::prelude::*;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> Result<Connector, FolderError> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), Cow::from(text.as_bytes()))).collect();
        Ok(Folder::read(&files)?.into_connector("hr".parse().expect("a script name")))
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
        let connector = folder.clone().into_connector("yes".parse().expect("a script name"));
        let detail = ConnectorDetail::new(&connector, Origin::Custom, Locale::En, DetailShape::Plain);
        assert_eq!(Folder::of(&detail).expect("valid").description, folder.description);
    }

    #[test]
    fn an_error_names_the_file() {
        let table = [
            (vec![], "connector.yaml: missing"),
            (vec![(CONNECTOR_FILE, "name: [")], "connector.yaml: not YAML"),
            (vec![(CONNECTOR_FILE, "name: 1\n")], "connector.yaml: `name` must be a string"),
            (
                vec![(CONNECTOR_FILE, DESCRIPTION), ("source-config.xml", "<Form/>")],
                "source-config.xml: unsupported xsd",
            ),
            (
                vec![
                    (CONNECTOR_FILE, DESCRIPTION),
                    ("translations/zh-TW.properties", "a=1"),
                    ("translations/zh-tw.properties", "a=2"),
                ],
                "translations/zh-tw.properties: `translations/zh-TW.properties` is of the same locale; remove one of them",
            ),
            (
                vec![(CONNECTOR_FILE, DESCRIPTION), ("translations/zh_TW.properties", "")],
                "translations/zh_TW.properties: `zh_TW` is not a supported locale; did you mean `zh-TW`?",
            ),
            (
                vec![(CONNECTOR_FILE, DESCRIPTION), ("translations/xx.properties", "")],
                "translations/xx.properties: `xx`",
            ),
        ];
        for (files, expected) in table {
            let error = folder(&files).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_folder_is_written_and_read_and_pulled_the_same(
            latin1 in prop::collection::vec(prop::sample::select(b"a=b\n\\ \xe4\xc3\xa4".as_slice()), 0..12),
            text in "(<a b='[a-zü]'/>|ü|\r\n|<!-- -->){0,4}",
        ) {
            let files = [
                (CONNECTOR_FILE, DESCRIPTION.as_bytes().to_vec()),
                ("source-template.xml", format!("<Application>{text}</Application>").into_bytes()),
                ("translations/de.properties", latin1),
            ];
            let files: Files<'_> = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.into())).collect();
            if let Ok(folder) = Folder::read(&files) {
                let written = folder.files();
                for file in ["source-template.xml", "translations/de.properties"] {
                    prop_assert_eq!(&written[file], &*files[file], "{}", file);
                }
                let again = written.iter().map(|(path, bytes)| (path.clone(), Cow::from(bytes))).collect();
                prop_assert_eq!(Folder::read(&again).expect("written"), folder.clone());
                let connector = folder.clone().into_connector("hr".parse().expect("a script name"));
                let detail = ConnectorDetail::new(&connector, Origin::Custom, Locale::De, DetailShape::Plain);
                let pulled = Folder::of(&detail).expect("its texts were checked");
                let text = |folder: &Folder| folder.translations.0[&Locale::De].text().to_owned();
                prop_assert_eq!(text(&pulled), text(&folder));
                prop_assert_eq!(pulled.documents.get(&DocumentKind::SourceTemplate), folder.documents.get(&DocumentKind::SourceTemplate));
                prop_assert_eq!(pulled.description, folder.description);
            }
        }
    }
}
