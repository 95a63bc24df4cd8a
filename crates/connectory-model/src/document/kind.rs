//! The three kinds of documents, and the names that each has in the API and in XML.

use enum_map::Enum;
use serde::{Deserialize, Serialize};

/// One of the three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// The form that an administrator fills in.
    SourceConfig,
    /// The application object that a new source starts from.
    SourceTemplate,
    /// The rules by which accounts find their identity.
    CorrelationConfig,
}

impl DocumentKind {
    /// All three, in the order of the files in a folder.
    pub const ALL: [DocumentKind; 3] = [Self::SourceConfig, Self::SourceTemplate, Self::CorrelationConfig];

    /// The document's name, as in its path and in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceConfig => "source-config",
            Self::SourceTemplate => "source-template",
            Self::CorrelationConfig => "correlation-config",
        }
    }

    /// The name of the document's root element.
    pub const fn root_element(self) -> &'static str {
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
