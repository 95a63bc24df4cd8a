//! The entity tags of the parts of a connector, which requests read and replace one by one.

use std::sync::Arc;

use connectory_model::document::DocumentKind;
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_store::{StoreError, Unavailable};

use super::Catalog;
use super::entry::Source;
use super::tenant::TenantCatalog;
use crate::http::conditional::ETag;

/// A part of a connector with an entity tag of its own, so that a change of another part does not change the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tagged {
    /// A document.
    Document(DocumentKind),
    /// The texts that a reader gets for a locale.
    Translations(Locale),
    /// The metadata.
    Metadata,
}

impl Tagged {
    /// Makes the tag of the part: the hash of its bytes, as reads answer them.
    pub fn tag(self, connector: &Connector) -> ETag {
        match self {
            Self::Document(kind) => ETag::of(connector.document(kind)),
            Self::Translations(locale) => {
                ETag::of(connector.translations.shown(locale).map(Properties::to_bytes).unwrap_or_default())
            }
            Self::Metadata => ETag::of(serde_json::to_vec(&connector.connector_metadata).expect("metadata is JSON")),
        }
    }

    /// Whether the connector has the part itself. A locale without texts gets the English ones.
    pub fn exists(self, connector: &Connector) -> bool {
        match self {
            Self::Document(_) | Self::Metadata => true,
            Self::Translations(locale) => connector.translations.0.contains_key(&locale),
        }
    }
}

impl Catalog {
    /// Returns the tag of a part of a connector that the caller has read. Makes it if it is not cached.
    pub async fn tag(
        &self,
        tenant: &TenantCatalog,
        source: Source,
        part: Tagged,
        connector: &Arc<Connector>,
    ) -> Result<ETag, StoreError> {
        let key = (source, part);
        if let Some(tag) = tenant.caches.load().as_ref().and_then(|caches| caches.tags.get(&key)) {
            return Ok(tag);
        }
        let hashed = Arc::clone(connector);
        let tag = self.work.run(connector.size(), move |_| part.tag(&hashed)).await.map_err(|_| Unavailable::Busy)?;
        if let Some(caches) = tenant.caches.load().as_ref() {
            caches.tags.insert(key, tag.clone());
        }
        Ok(tag)
    }
}
