//! The three XML documents that define a connector.
//!
//! A document is stored as the bytes that were uploaded. Its type is the proof that it was checked.

mod attributes;
mod correlation_config;
pub mod encoding;
mod error;
pub mod form;
mod format;
mod kind;
pub(crate) mod markup;
mod scaffold;
mod source_config;
mod source_template;
mod text;
mod values;
pub mod xml;

pub use correlation_config::CorrelationConfig;
pub use error::{DocumentError, Fault, Unacceptable};
pub use format::formatted;
pub use kind::DocumentKind;
pub use scaffold::Scaffold;
pub use source_config::{FORM_NAMESPACE, SourceConfig, TRANSLATED};
pub use source_template::{PolicyField, ProvisioningPolicy, SourceTemplate};
pub use text::DocumentText;
pub use xml::Malformed;

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

    /// Reads a document of a read-only catalog (D70). It may be an older one, such as a form of another schema version, or have another
    /// root element: it is served as it is, and nobody changes it. It is well-formed.
    pub fn of_catalog(kind: DocumentKind, bytes: &[u8]) -> Result<Self, DocumentError> {
        match Self::parse(kind, bytes) {
            Err(DocumentError::Unacceptable(_)) => Ok(Self::stored(kind, DocumentText::read(bytes)?.0)),
            read => read,
        }
    }

    /// A document of a text that was checked as this kind before.
    pub fn stored(kind: DocumentKind, text: impl Into<DocumentText>) -> Self {
        let text = text.into();
        match kind {
            DocumentKind::SourceConfig => Self::SourceConfig(SourceConfig(text)),
            DocumentKind::SourceTemplate => Self::SourceTemplate(SourceTemplate(text)),
            DocumentKind::CorrelationConfig => Self::CorrelationConfig(CorrelationConfig(text)),
        }
    }

    /// The kind of the document.
    pub const fn kind(&self) -> DocumentKind {
        match self {
            Self::SourceConfig(_) => DocumentKind::SourceConfig,
            Self::SourceTemplate(_) => DocumentKind::SourceTemplate,
            Self::CorrelationConfig(_) => DocumentKind::CorrelationConfig,
        }
    }

    /// The text of the document and its bytes.
    pub const fn text(&self) -> &DocumentText {
        match self {
            Self::SourceConfig(SourceConfig(text))
            | Self::SourceTemplate(SourceTemplate(text))
            | Self::CorrelationConfig(CorrelationConfig(text)) => text,
        }
    }

    /// The text of the document and its bytes, without a copy.
    pub fn into_text(self) -> DocumentText {
        match self {
            Self::SourceConfig(SourceConfig(text))
            | Self::SourceTemplate(SourceTemplate(text))
            | Self::CorrelationConfig(CorrelationConfig(text)) => text,
        }
    }
}

/// Gives a document type its text.
macro_rules! document_text {
    ($($document:ident),+) => {$(
        impl $document {
            /// A document that was checked before it was stored.
            pub fn stored(text: impl Into<DocumentText>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The text and the bytes.
            pub const fn text(&self) -> &DocumentText {
                &self.0
            }

            /// The text, without a copy.
            pub(crate) fn into_text(self) -> String {
                self.0.into_text()
            }
        }
    )+};
}

document_text!(SourceConfig, SourceTemplate, CorrelationConfig);

#[cfg(test)]
mod tests;
