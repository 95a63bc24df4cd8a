//! The parts of a connector that have entity tags of their own, which requests read and replace one by one.

use connectory_model::create::NewConnector;
use connectory_model::document::DocumentKind;
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};

use crate::http::etag::ETag;

/// A part of a connector with an entity tag of its own, so that a change of another part does not change the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tagged {
    /// A document.
    Document(DocumentKind),
    /// The texts that a reader gets for a locale.
    Translations(Locale),
    /// The metadata.
    Metadata,
    /// The members that a connector is created with: its name, type, class name, direct connect and status.
    Settings,
}

impl Tagged {
    /// Makes the tag of the part: the hash of its bytes, as reads answer them.
    pub fn tag(self, connector: &Connector) -> ETag {
        match self {
            Self::Document(kind) => ETag::of(connector.document_text(kind).bytes()),
            Self::Translations(locale) => {
                ETag::of(connector.translations.shown(locale).map(Properties::to_bytes).unwrap_or_default())
            }
            Self::Metadata => ETag::of(serde_json::to_vec(&connector.connector_metadata).expect("metadata is JSON")),
            Self::Settings => ETag::of(serde_json::to_vec(&NewConnector::of(connector)).expect("texts are JSON")),
        }
    }

    /// Whether the connector has the part itself. A locale without texts gets the English ones.
    pub fn exists(self, connector: &Connector) -> bool {
        match self {
            Self::Document(_) | Self::Metadata | Self::Settings => true,
            Self::Translations(locale) => connector.translations.0.contains_key(&locale),
        }
    }
}
