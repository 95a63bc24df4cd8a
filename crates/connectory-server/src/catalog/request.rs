//! The requests and the results of lists.

use std::sync::Arc;

use bytes::Bytes;
use connectory_model::filter::Filter;
use connectory_model::wire::Origin;
use connectory_model::{Locale, Search, Status};

use super::entry::Entry;
use crate::http::coding::{Accepted, Coding};
use crate::http::etag::ETag;

/// The condition that selects connectors of a list.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The statuses to show. Empty means released connectors only.
    pub statuses: Vec<Status>,
    /// Shows only custom or only built-in connectors. None means both.
    pub origin: Option<Origin>,
    /// A further condition on the connectors.
    pub filter: Option<Filter>,
    /// What their name, type, script name or description contains.
    pub search: Option<Searched>,
}

/// A search, and the locale of the descriptions in which it looks.
#[derive(Debug, Clone)]
pub struct Searched {
    /// The text.
    pub text: Search,
    /// The locale.
    pub locale: Locale,
}

/// The part of the selected connectors that a page contains.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// The number of connectors to skip.
    pub offset: usize,
    /// The largest number of connectors in the page.
    pub limit: usize,
    /// The locale of the short descriptions.
    pub locale: Locale,
    /// Whether to count all selected connectors.
    pub count: bool,
}

/// A page of a list as JSON, in a content coding, and the number of all selected connectors if the request asked for it.
#[derive(Clone)]
pub struct ListPage {
    /// The JSON array of list items.
    pub json: Bytes,
    /// The number of all selected connectors. None if it was not requested.
    pub total: Option<usize>,
    /// The entity tag of the page and the number, in this coding.
    pub etag: ETag,
    /// The content coding of the JSON.
    pub coding: Coding,
}

impl ListPage {
    /// Whether the page is compressed as the client accepts it.
    pub fn is_as(&self, accepted: Accepted) -> bool {
        self.coding != Coding::Identity || accepted.of_size(self.json.len()) == Coding::Identity
    }

    /// The same page, compressed.
    #[must_use]
    pub fn coded(&self, coding: Coding) -> Self {
        Self { json: coding.encode(&self.json), total: self.total, etag: self.etag.coded(coding), coding }
    }
}

/// The reason why no page was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPage {
    /// The time limit ended before the page was complete.
    Late,
    /// The answer budget has no room for the page at the moment.
    Busy,
    /// The page would be too large. The number is its size in bytes.
    Large(usize),
}

/// The sort order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// The name without case.
    Name,
    /// The type without case.
    Type,
    /// The category without case. Connectors without a category are first.
    Category,
    /// The status.
    Status,
    /// The time of the last change. Built-in connectors are first.
    Changed,
}

/// A sorted part of a list.
pub struct Listing {
    /// The entries of this part, in order.
    pub entries: Vec<Arc<Entry>>,
    /// The number of all selected connectors.
    pub total: usize,
}
