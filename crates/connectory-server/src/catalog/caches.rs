//! The caches: whole connectors, rendered details and pages, each with a limit in bytes.

use std::sync::Arc;

use bytes::Bytes;
use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Locale};
use connectory_store::RevisionId;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::entry::Source;
use super::request::ListPage;

/// How many bytes of details are kept in memory (D33).
const DETAIL_BYTES: u64 = 40 * 1024 * 1024;
/// How many bytes a detail or a connector has at most that is kept: a few large ones would crowd out all others.
pub(super) const MAX_KEPT_BYTES: usize = 1024 * 1024;
/// How many bytes of whole connectors, which single documents are read from and changes made from, their metadata included.
const CONNECTOR_BYTES: u64 = 8 * 1024 * 1024;
/// About how many connectors that is, which the cache wants to know to begin with.
const CACHE_ITEMS: usize = 4096;

/// How many bytes of pages are kept in memory (D34).
const PAGE_BYTES: u64 = 8 * 1024 * 1024;
/// The longest query whose page is kept.
pub(super) const MAX_KEPT_QUERY: usize = 1024;

/// What a rendered detail depends on: the connector, the locale and which members it has.
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

/// The state of a list, and what was asked of it in the words of the request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PageKey(pub u64, pub Box<str>);

/// The same, borrowed.
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
