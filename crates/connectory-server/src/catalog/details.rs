//! Reads whole connectors, and renders their details as JSON.

use std::sync::Arc;

use bytes::Bytes;
use connectory_model::Connector;
use connectory_model::limits::INLINE_BYTES;
use connectory_model::wire::ConnectorDetail;
use connectory_store::{Found, Holders, RevisionId, RevisionNumber, StoreError, Unavailable};

use super::Catalog;
use super::caches::{Detail, DetailKey, MAX_KEPT_BYTES};
use super::entry::Source;
use super::tenant::TenantCatalog;
use crate::http::coding::{Accepted, Coding};
use crate::http::etag::ETag;
use crate::work::{Stop, reserve};

impl Catalog {
    /// Reads a whole connector. A large connector is read when the request has its turn.
    pub async fn connector(&self, tenant: &TenantCatalog, source: Source) -> Result<Arc<Connector>, StoreError> {
        let id = match source {
            Source::BuiltIn(at) => return Ok(Arc::clone(&self.builtins[at])),
            Source::Stored(id) => id,
        };
        if let Some(connector) = tenant.caches.load().as_ref().and_then(|caches| caches.connectors.get(&id)) {
            return Ok(connector);
        }
        // Two requests may read the same connector at once. If one waited for the other, it could have the turn that
        // the other waits for.
        let connector = self.read(id).await?;
        tenant.keep(id, &connector);
        Ok(connector)
    }

    /// Reads a whole connector of any size, and caches nothing. The caller bounds how many are read at the same time.
    pub async fn whole(&self, source: Source) -> Result<Arc<Connector>, StoreError> {
        match source {
            Source::BuiltIn(at) => Ok(Arc::clone(&self.builtins[at])),
            Source::Stored(id) => self.store.connector(id).await?.map(Arc::new).ok_or_else(|| missing(id)),
        }
    }

    async fn read(&self, id: RevisionId) -> Result<Arc<Connector>, StoreError> {
        let bytes = match self.store.find(id, INLINE_BYTES).await?.ok_or_else(|| missing(id))? {
            Found::Connector(connector) => return Ok(connector.into()),
            Found::Large(bytes) => bytes,
        };
        self.work.turn(bytes).await.map_err(|_| Unavailable::Busy)?;
        self.store.connector(id).await?.map(Arc::new).ok_or_else(|| missing(id))
    }

    /// Reads where the parts of a connector are stored, for a connector that was read at a revision.
    pub async fn holders(&self, id: RevisionId, connector: &Connector) -> Result<Holders, StoreError> {
        if connector.size() > INLINE_BYTES { self.store.holders(id).await } else { Ok(Holders::default()) }
    }

    /// Counts the detail of a connector of this size in the answer budget, before the detail is made.
    pub fn reserve_detail(&self, size: usize) -> Result<(), StoreError> {
        // A detail contains the source config twice: as stored, and with the texts of the locale.
        reserve(&self.answers, 2 * size).map_err(|_| Unavailable::Busy.into())
    }

    /// Returns a connector's detail as JSON, if it is cached as the client accepts it.
    pub fn cached_detail(&self, tenant: &TenantCatalog, key: &DetailKey, accepted: Accepted) -> Option<Detail> {
        let caches = tenant.caches.load();
        let details = &caches.as_ref()?.details;
        if accepted.coding() != Coding::Identity
            && let Some(detail) = details.get(&(*key, accepted.coding()))
        {
            return Some(detail);
        }
        let plain = details.get(&(*key, Coding::Identity))?;
        (accepted.of_size(plain.json.len()) == Coding::Identity).then_some(plain)
    }

    /// Returns a connector's detail as JSON, as the client accepts it. Compresses it and caches it if it is not cached. If the
    /// server has too much to do, the detail stays as it is.
    pub async fn coded_detail(
        &self,
        tenant: &TenantCatalog,
        key: DetailKey,
        accepted: Accepted,
    ) -> Result<Detail, StoreError> {
        if let Some(detail) = self.cached_detail(tenant, &key, accepted) {
            return Ok(detail);
        }
        let detail = self.detail(tenant, key).await?;
        let coding = accepted.of_size(detail.json.len());
        if coding == Coding::Identity {
            return Ok(detail);
        }
        let plain = detail.clone();
        let Ok(coded) = self.work.run(detail.json.len(), move |_| plain.coded(coding)).await else { return Ok(detail) };
        tenant.keep_detail(key, &coded);
        Ok(coded)
    }

    /// Returns a connector's detail as JSON. Renders it if it is not cached.
    pub async fn detail(&self, tenant: &TenantCatalog, key: DetailKey) -> Result<Detail, StoreError> {
        if let Some(detail) = self.cached_detail(tenant, &key, Accepted::PLAIN) {
            return Ok(detail);
        }
        // A connector that is not cached yet is not added to the cache here: later requests use the cached detail.
        let is_kept =
            |id: &RevisionId| tenant.caches.load().as_ref().is_some_and(|caches| caches.connectors.contains_key(id));
        let connector = match key.0 {
            Source::Stored(id) if !is_kept(&id) => self.read(id).await?,
            kept => self.connector(tenant, kept).await?,
        };
        self.render(tenant, key, connector).await
    }

    /// Renders the detail of a connector that the caller has already.
    pub async fn render(
        &self,
        tenant: &TenantCatalog,
        key: DetailKey,
        connector: Arc<Connector>,
    ) -> Result<Detail, StoreError> {
        let size = connector.size();
        self.reserve_detail(size)?;
        let (source, locale, shape) = key;
        let render = move |_: &Stop| {
            let connector = Arc::unwrap_or_clone(connector);
            let detail = ConnectorDetail::of(connector, source.origin(), locale, shape);
            // Reserve the capacity once, because growing the buffer copies it. The boxed slice returns the unused rest.
            let mut json = Vec::with_capacity(3 * size + 1024);
            serde_json::to_writer(&mut json, &detail).expect("a detail is JSON");
            drop(detail);
            let json = Bytes::from(json.into_boxed_slice());
            let revision = match source {
                Source::Stored(id) => id.number,
                Source::BuiltIn(_) => RevisionNumber::ZERO,
            };
            Detail { etag: ETag::of_revision(revision, &json), json, coding: Coding::Identity }
        };
        let detail = self.work.run(size, render).await.map_err(|_| Unavailable::Busy)?;
        tenant.keep_detail(key, &detail);
        Ok(detail)
    }
}

fn missing(id: RevisionId) -> StoreError {
    StoreError::Unreadable(format!("there is no revision {}", id.number))
}

impl TenantCatalog {
    fn keep_detail(&self, key: DetailKey, detail: &Detail) {
        if let Some(caches) = self.caches.load().as_ref().filter(|_| detail.json.len() <= MAX_KEPT_BYTES) {
            caches.details.insert((key, detail.coding), detail.clone());
        }
    }

    /// Keeps a connector in the cache.
    pub(super) fn keep(&self, id: RevisionId, connector: &Arc<Connector>) {
        if let Some(caches) = self.caches.load().as_ref().filter(|_| connector.size() <= MAX_KEPT_BYTES) {
            caches.connectors.insert(id, Arc::clone(connector));
        }
    }

    /// What a search looks at in a deleted connector, if it is in the cache.
    pub fn deleted_text(&self, number: RevisionNumber) -> Option<Arc<str>> {
        self.caches.load().as_ref()?.deleted.get(&number)
    }

    /// Keeps what a search looks at in a deleted connector.
    pub fn keep_deleted_text(&self, number: RevisionNumber, text: &Arc<str>) {
        if let Some(caches) = &*self.caches.load() {
            caches.deleted.insert(number, Arc::clone(text));
        }
    }

    /// Removes a connector from the cache.
    pub(super) fn drop_kept(&self, id: &RevisionId) {
        if let Some(caches) = &*self.caches.load() {
            caches.connectors.remove(id);
        }
    }
}
