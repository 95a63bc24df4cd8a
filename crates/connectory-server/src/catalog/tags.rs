//! Makes the entity tags of parts of connectors, and caches them.

use std::sync::Arc;

use connectory_model::Connector;
use connectory_store::{StoreError, Unavailable};

use super::Catalog;
use super::entry::Source;
use super::tagged::Tagged;
use super::tenant::TenantCatalog;
use crate::http::etag::ETag;

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
