//! The caches of whole connectors, rendered details and list pages. Each has a limit in bytes.

use std::sync::Arc;

use bytes::Bytes;
use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Locale};
use connectory_store::RevisionId;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::entry::Source;
use super::request::ListPage;

/// The limit of the detail cache, in bytes (D33).
const DETAIL_BYTES: u64 = 40 * 1024 * 1024;
/// The largest detail or connector that is cached, in bytes. A few larger ones would evict all others.
pub(super) const MAX_KEPT_BYTES: usize = 1024 * 1024;
/// The limit of the connector cache, in bytes, including metadata. Reads of single documents and changes use this
/// cache.
const CONNECTOR_BYTES: u64 = 8 * 1024 * 1024;
/// The estimated number of entries in a cache, which `quick_cache` needs at the start.
const CACHE_ITEMS: usize = 4096;

/// The limit of the page cache, in bytes (D34).
const PAGE_BYTES: u64 = 8 * 1024 * 1024;
/// The longest query, in bytes, whose page is cached.
pub(super) const MAX_KEPT_QUERY: usize = 1024;

/// The key of a rendered detail: the connector, the locale, and the members of the detail.
pub type DetailKey = (Source, Locale, DetailShape);

/// The caches of a catalog.
pub(super) struct Caches {
    /// Connectors by their revision.
    pub connectors: Cache<RevisionId, Arc<Connector>, ByDocuments>,
    /// Details as JSON.
    pub details: Cache<DetailKey, Bytes, ByLength>,
    /// Pages of lists as JSON.
    pub pages: Cache<PageKey, ListPage, ByLength>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            connectors: Cache::with_weighter(CACHE_ITEMS, CONNECTOR_BYTES, ByDocuments),
            details: Cache::with_weighter(CACHE_ITEMS, DETAIL_BYTES, ByLength),
            pages: Cache::with_weighter(CACHE_ITEMS, PAGE_BYTES, ByLength),
        }
    }
}

/// The key of a page: the version of the list's snapshot, and the query as the request sent it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PageKey(pub u64, pub Box<str>);

/// A borrowed [`PageKey`], for lookups without an allocation.
#[derive(Hash)]
pub(super) struct PageOf<'a>(pub u64, pub &'a str);

impl Equivalent<PageKey> for PageOf<'_> {
    fn equivalent(&self, key: &PageKey) -> bool {
        (self.0, self.1) == (key.0, &key.1)
    }
}

#[derive(Clone)]
pub(super) struct ByLength;

impl Weighter<DetailKey, Bytes> for ByLength {
    fn weight(&self, _: &DetailKey, detail: &Bytes) -> u64 {
        detail.len() as u64 + 1
    }
}

impl Weighter<PageKey, ListPage> for ByLength {
    fn weight(&self, key: &PageKey, page: &ListPage) -> u64 {
        (key.1.len() + page.json.len()) as u64 + 1
    }
}

#[derive(Clone)]
pub(super) struct ByDocuments;

impl Weighter<RevisionId, Arc<Connector>> for ByDocuments {
    fn weight(&self, _: &RevisionId, connector: &Arc<Connector>) -> u64 {
        connector.memory() as u64
    }
}
