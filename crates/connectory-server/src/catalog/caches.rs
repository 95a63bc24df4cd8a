//! The caches of whole connectors, rendered details, list pages and the tags of parts. Each has a limit in bytes.
//!
//! A tenant has caches of its own, so no tenant replaces what another asks for. The limits are for all tenants together:
//! [`Division`](super::division::Division) gives each a part.

use bytes::Bytes;
use std::hash::Hash;
use std::sync::Arc;

use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Locale};
use connectory_store::{RevisionId, RevisionNumber};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};

use super::entry::Source;
use super::request::ListPage;
use super::tagged::Tagged;
use crate::http::coding::Coding;
use crate::http::etag::ETag;

/// The limit of all detail caches together, in bytes (D33).
const DETAIL_BYTES: u64 = 40 * 1024 * 1024;
/// The largest detail or connector that is cached, in bytes. A few larger ones would evict all others. A cache with a
/// small part keeps only what fits into one of its shards.
pub(super) const MAX_KEPT_BYTES: usize = 1024 * 1024;
/// The limit of all connector caches together, in bytes, including metadata. Reads of single documents and changes use
/// these caches.
const CONNECTOR_BYTES: u64 = 8 * 1024 * 1024;
/// The estimated number of entries in the caches of all tenants, which `quick_cache` needs at the start.
const CACHE_ITEMS: u64 = 4096;
/// The same for the caches of one of very many tenants.
const FEWEST_ITEMS: u64 = 16;

/// The shards of a cache. Each has a lock and a part of the room. More would leave too little room in each for a large
/// detail: with a quarter of the room, a shard of details has 2.5 MiB, and one of connectors 512 KiB.
const SHARDS: u64 = 4;
/// The bytes that an entry takes besides its value. Without them, very many empty pages would take very much memory.
const ENTRY_BYTES: u64 = 256;

/// The limit of all page caches together, in bytes (D34).
const PAGE_BYTES: u64 = 8 * 1024 * 1024;
/// The longest query, in bytes, whose page is cached.
pub(super) const MAX_KEPT_QUERY: usize = 1024;

/// The limit of all caches of tags together, in bytes. A tag is made anew in microseconds, except that of a large document.
const TAG_BYTES: u64 = 1024 * 1024;

/// The limit of all caches of the texts of deleted connectors together, in bytes. A search makes about a hundred of them in a
/// millisecond.
const DELETED_BYTES: u64 = 4 * 1024 * 1024;

/// A connector's detail as JSON, in a content coding, with its entity tag. A clone copies neither.
#[derive(Clone)]
pub struct Detail {
    /// The JSON.
    pub json: Bytes,
    /// The tag in this coding. A built-in connector has no revision, so its tag begins with 0.
    pub etag: ETag,
    /// The content coding of the JSON.
    pub coding: Coding,
}

impl Detail {
    /// The same detail, compressed.
    #[must_use]
    pub fn coded(&self, coding: Coding) -> Self {
        Self { json: coding.encode(&self.json), etag: self.etag.coded(coding), coding }
    }
}

/// The key of a rendered detail: the connector, the locale, and the members of the detail.
pub type DetailKey = (Source, Locale, DetailShape);

/// The caches of a tenant.
pub(super) struct Caches {
    /// Connectors by their revision.
    pub connectors: Cache<RevisionId, Arc<Connector>, ByDocuments>,
    /// Details as JSON, each in the content codings that were asked for.
    pub details: Cache<(DetailKey, Coding), Detail, ByLength>,
    /// Pages of lists as JSON, in the same way.
    pub pages: Cache<PageKey, ListPage, ByLength>,
    /// Tags of the parts of connectors.
    pub tags: Cache<(Source, Tagged), ETag, ByLength>,
    /// What a search looks at in deleted connectors, by the revisions that deleted them.
    pub deleted: Cache<RevisionNumber, Arc<str>, ByLength>,
}

impl Caches {
    /// Makes the caches of a tenant that has one of so many parts of all.
    pub fn with_parts(parts: u64) -> Self {
        Self {
            connectors: cache(CONNECTOR_BYTES, parts, ByDocuments),
            details: cache(DETAIL_BYTES, parts, ByLength),
            pages: cache(PAGE_BYTES, parts, ByLength),
            tags: cache(TAG_BYTES, parts, ByLength),
            deleted: cache(DELETED_BYTES, parts, ByLength),
        }
    }

    /// Grows or shrinks the caches to one of so many parts.
    pub fn fit(&self, parts: u64) {
        self.connectors.set_capacity(part(CONNECTOR_BYTES, parts));
        self.details.set_capacity(part(DETAIL_BYTES, parts));
        self.pages.set_capacity(part(PAGE_BYTES, parts));
        self.tags.set_capacity(part(TAG_BYTES, parts));
        self.deleted.set_capacity(part(DELETED_BYTES, parts));
    }

    /// The limits of the caches together, in bytes.
    #[cfg(test)]
    pub fn capacity(&self) -> u64 {
        let [connectors, details] = [self.connectors.capacity(), self.details.capacity()];
        connectors + details + self.pages.capacity() + self.tags.capacity() + self.deleted.capacity()
    }
}

/// One of so many parts of a number of bytes. All shards have the same number of bytes.
fn part(bytes: u64, parts: u64) -> u64 {
    bytes / parts / SHARDS * SHARDS
}

fn cache<K: Eq + Hash, V: Clone, W: Weighter<K, V> + Clone>(bytes: u64, parts: u64, weighter: W) -> Cache<K, V, W> {
    let options = OptionsBuilder::new()
        .shards(usize::try_from(SHARDS).unwrap_or(1))
        .estimated_items_capacity((CACHE_ITEMS / parts).max(FEWEST_ITEMS).try_into().unwrap_or(0))
        .weight_capacity(bytes)
        .build()
        .expect("all options are set");
    let cache = Cache::with_options(options, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default());
    cache.set_capacity(part(bytes, parts));
    cache
}

/// The key of a page: the version of the list's snapshot, the content coding, and the query as the request sent it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PageKey(pub u64, pub Coding, pub Box<str>);

/// A borrowed [`PageKey`], for lookups without an allocation.
#[derive(Hash)]
pub(super) struct PageOf<'a>(pub u64, pub Coding, pub &'a str);

impl Equivalent<PageKey> for PageOf<'_> {
    fn equivalent(&self, key: &PageKey) -> bool {
        (self.0, self.1, self.2) == (key.0, key.1, &key.2)
    }
}

#[derive(Clone)]
pub(super) struct ByLength;

impl Weighter<(DetailKey, Coding), Detail> for ByLength {
    fn weight(&self, _: &(DetailKey, Coding), detail: &Detail) -> u64 {
        detail.json.len() as u64 + ENTRY_BYTES
    }
}

impl Weighter<(Source, Tagged), ETag> for ByLength {
    fn weight(&self, _: &(Source, Tagged), _: &ETag) -> u64 {
        ENTRY_BYTES
    }
}

impl Weighter<RevisionNumber, Arc<str>> for ByLength {
    fn weight(&self, _: &RevisionNumber, text: &Arc<str>) -> u64 {
        text.len() as u64 + ENTRY_BYTES
    }
}

impl Weighter<PageKey, ListPage> for ByLength {
    fn weight(&self, key: &PageKey, page: &ListPage) -> u64 {
        (key.2.len() + page.json.len()) as u64 + ENTRY_BYTES
    }
}

#[derive(Clone)]
pub(super) struct ByDocuments;

impl Weighter<RevisionId, Arc<Connector>> for ByDocuments {
    fn weight(&self, _: &RevisionId, connector: &Arc<Connector>) -> u64 {
        connector.memory() as u64 + ENTRY_BYTES
    }
}
