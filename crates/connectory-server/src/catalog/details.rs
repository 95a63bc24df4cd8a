//! Whole connectors, and their details as JSON.

use std::sync::Arc;

use bytes::Bytes;
use connectory_model::limits::INLINE_BYTES;
use connectory_model::wire::{ConnectorDetail, DetailShape};
use connectory_model::{Connector, Locale};
use connectory_store::{Found, Holders, RevisionId, StoreError, Unavailable};

use super::Catalog;
use super::caches::{DetailKey, MAX_KEPT_BYTES};
use super::entry::Source;
use crate::work::{Stop, reserve};

impl Catalog {
    /// A whole connector. A large one is read when it is the request's turn.
    pub async fn connector(&self, source: Source) -> Result<Arc<Connector>, StoreError> {
        let id = match source {
            Source::BuiltIn(at) => return Ok(Arc::clone(&self.builtins[at])),
            Source::Stored(id) => id,
        };
        if let Some(connector) = self.caches.connectors.get(&id) {
            return Ok(connector);
        }
        // Two may read the same at once. If one waited for the other, it could hold the turn that the other waits for.
        let connector = self.read(id).await?;
        self.keep(id, &connector);
        Ok(connector)
    }

    pub(super) fn keep(&self, id: RevisionId, connector: &Arc<Connector>) {
        if connector.size() <= MAX_KEPT_BYTES {
            self.caches.connectors.insert(id, Arc::clone(connector));
        }
    }

    async fn read(&self, id: RevisionId) -> Result<Arc<Connector>, StoreError> {
        let missing = || StoreError::Unreadable(format!("there is no revision {}", id.number));
        let bytes = match self.store.find(id, INLINE_BYTES).await?.ok_or_else(missing)? {
            Found::Connector(connector) => return Ok(connector.into()),
            Found::Large(bytes) => bytes,
        };
        self.work.turn(bytes).await.map_err(|_| Unavailable::Busy)?;
        self.store.connector(id).await?.map(Arc::new).ok_or_else(missing)
    }

    /// Where the parts of a connector are stored that was read at a revision.
    pub async fn holders(&self, id: RevisionId, connector: &Connector) -> Result<Holders, StoreError> {
        if connector.size() > INLINE_BYTES { self.store.holders(id).await } else { Ok(Holders::default()) }
    }

    /// Counts the detail of a connector of this size among the answers, before it is made.
    pub fn reserve_detail(&self, size: usize) -> Result<(), StoreError> {
        // Its source config is in it twice, as it is stored and with a locale's texts.
        reserve(&self.answers, 2 * size).map_err(|_| Unavailable::Busy.into())
    }

    /// A connector's detail as JSON, if it was asked for lately.
    pub fn cached_detail(&self, source: Source, locale: Locale, shape: DetailShape) -> Option<Bytes> {
        self.caches.details.get(&(source, locale, shape))
    }

    /// A connector's detail as JSON.
    pub async fn detail(&self, source: Source, locale: Locale, shape: DetailShape) -> Result<Bytes, StoreError> {
        let key = (source, locale, shape);
        if let Some(detail) = self.caches.details.get(&key) {
            return Ok(detail);
        }
        // Where it is not kept already, it need not be beside its detail, which is what is asked for again.
        let connector = match source {
            Source::Stored(id) if self.caches.connectors.peek(&id).is_none() => self.read(id).await?,
            kept => self.connector(kept).await?,
        };
        self.render(key, connector).await
    }

    /// The detail of a connector that was read or made already.
    pub async fn render(&self, key: DetailKey, connector: Arc<Connector>) -> Result<Bytes, StoreError> {
        let size = connector.size();
        self.reserve_detail(size)?;
        let (source, locale, shape) = key;
        let render = move |_: &Stop| {
            let connector = Arc::unwrap_or_clone(connector);
            let detail = ConnectorDetail::of(connector, source.origin(), locale, shape);
            // Room for it at once, because growing copies it. What is not needed is given back.
            let mut json = Vec::with_capacity(3 * size + 1024);
            serde_json::to_writer(&mut json, &detail).expect("a detail is JSON");
            drop(detail);
            Bytes::from(json.into_boxed_slice())
        };
        let json = self.work.run(size, render).await.map_err(|_| Unavailable::Busy)?;
        if json.len() <= MAX_KEPT_BYTES {
            self.caches.details.insert(key, json.clone());
        }
        Ok(json)
    }
}
