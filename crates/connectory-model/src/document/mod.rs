//! The three XML documents that define a connector.
//!
//! A document is kept as the text that was uploaded, byte for byte; its type is the proof that it was checked.
//! Two kinds of refusal are told apart because the API answers them differently: a text that is not XML as we
//! accept it ([`Malformed`], HTTP 400), and well-formed XML that is not this document ([`Unacceptable`], an
//! `UpdateDetail` of status `ERROR`).

mod correlation_config;
pub mod form;
mod scaffold;
mod source_config;
mod source_template;
mod xml;

use serde::{Deserialize, Serialize};

pub use correlation_config::CorrelationConfig;
pub use scaffold::Scaffold;
pub(crate) use source_config::TRANSLATED;
pub use source_config::{FORM_NAMESPACE, SourceConfig};
pub use source_template::{PolicyField, ProvisioningPolicy, SourceTemplate};
pub use xml::Malformed;
pub(crate) use xml::{is_xml_char, parse, utf8};

/// Which of the three documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// The form that an administrator fills in.
    SourceConfig,
    /// The application object that a new source starts from.
    SourceTemplate,
    /// How accounts find their identity.
    CorrelationConfig,
}

impl DocumentKind {
    /// All three, in the order in which they are written to disk.
    pub const ALL: [DocumentKind; 3] = [Self::SourceConfig, Self::SourceTemplate, Self::CorrelationConfig];

    /// The document's name, as in its path and in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceConfig => "source-config",
            Self::SourceTemplate => "source-template",
            Self::CorrelationConfig => "correlation-config",
        }
    }

    /// The document's file name in a connector folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::SourceConfig => "source-config.xml",
            Self::SourceTemplate => "source-template.xml",
            Self::CorrelationConfig => "correlation-config.xml",
        }
    }

    /// The name of the document's root element.
    pub(crate) const fn root_element(self) -> &'static str {
        match self {
            Self::SourceConfig => "Form",
            Self::SourceTemplate => "Application",
            Self::CorrelationConfig => "CorrelationConfig",
        }
    }

    /// The member of `ConnectorDetail` that holds the document.
    pub const fn member(self) -> &'static str {
        match self {
            Self::SourceConfig => "sourceConfigXml",
            Self::SourceTemplate => "applicationXml",
            Self::CorrelationConfig => "correlationConfigXml",
        }
    }
}

/// A checked document of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A source config.
    SourceConfig(SourceConfig),
    /// A source template.
    SourceTemplate(SourceTemplate),
    /// A correlation config.
    CorrelationConfig(CorrelationConfig),
}

impl Document {
    /// Checks a document of the given kind.
    pub fn parse(kind: DocumentKind, bytes: &[u8]) -> Result<Self, DocumentError> {
        Ok(match kind {
            DocumentKind::SourceConfig => Self::SourceConfig(SourceConfig::parse(bytes)?),
            DocumentKind::SourceTemplate => Self::SourceTemplate(SourceTemplate::parse(bytes)?),
            DocumentKind::CorrelationConfig => Self::CorrelationConfig(CorrelationConfig::parse(bytes)?),
        })
    }

    /// A document of a text that was checked as this kind before.
    pub(crate) fn checked(kind: DocumentKind, text: String) -> Self {
        match kind {
            DocumentKind::SourceConfig => Self::SourceConfig(SourceConfig(text)),
            DocumentKind::SourceTemplate => Self::SourceTemplate(SourceTemplate(text)),
            DocumentKind::CorrelationConfig => Self::CorrelationConfig(CorrelationConfig(text)),
        }
    }

    /// Its text.
    pub fn into_text(self) -> String {
        match self {
            Self::SourceConfig(SourceConfig(text))
            | Self::SourceTemplate(SourceTemplate(text))
            | Self::CorrelationConfig(CorrelationConfig(text)) => text,
        }
    }
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not XML as we accept it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is well-formed XML, but not this document.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
}

/// Well-formed XML that is not the document it should be; the text says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unacceptable(String);

/// Refuses a document whose root is not that of its kind.
fn expect_root(tree: &roxmltree::Document<'_>, kind: DocumentKind) -> Result<(), Unacceptable> {
    let (root, name) = (tree.root_element(), kind.root_element());
    if root.tag_name().name() == name {
        return Ok(());
    }
    let at = tree.text_pos_at(root.range().start);
    Err(Unacceptable(format!(
        "the root element is <{}> at line {}, column {}; expected <{name}>",
        root.tag_name().name(),
        at.row,
        at.col
    )))
}

/// Gives a document type its text.
macro_rules! document_text {
    ($($document:ident),+) => {$(
        impl $document {
            /// A document that was checked before it was stored.
            pub const fn stored(text: String) -> Self {
                Self(text)
            }

            /// The text as it was stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The same, without a copy.
            pub(crate) fn into_text(self) -> String {
                self.0
            }
        }
    )+};
}

document_text!(SourceConfig, SourceTemplate, CorrelationConfig);
