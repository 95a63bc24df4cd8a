//! What a list is asked for, and what it answers.

use std::sync::Arc;

use bytes::Bytes;
use connectory_model::filter::Filter;
use connectory_model::wire::Origin;
use connectory_model::{Locale, Status};

use super::entry::Entry;

/// What a list is asked for.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The statuses to show; only the released ones where it is empty.
    pub statuses: Vec<Status>,
    /// Whether to show only the custom or only the built-in connectors.
    pub origin: Option<Origin>,
    /// What else they must be.
    pub filter: Option<Filter>,
}

/// Which part of the selected connectors to answer.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// How many to leave out.
    pub offset: usize,
    /// How many to answer at most.
    pub limit: usize,
    /// In which locale.
    pub locale: Locale,
    /// Whether to count all that are selected.
    pub count: bool,
}

/// A page of a list as JSON, and how many connectors are selected in all, where that was asked.
#[derive(Clone)]
pub struct ListPage {
    /// The JSON array.
    pub json: Bytes,
    /// How many there are.
    pub total: Option<usize>,
}

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPage {
    /// It had to stop before.
    Late,
    /// There is no room for it for the moment.
    Busy,
    /// It would have so many bytes.
    Large(usize),
}

/// By what a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// The name without case.
    Name,
    /// The type without case.
    Type,
    /// The category without case; those without one come first.
    Category,
    /// How far it is.
    Status,
    /// When it last changed; built-in connectors come first.
    Changed,
}

/// A sorted part of a list.
pub struct Listing {
    /// The entries.
    pub entries: Vec<Arc<Entry>>,
    /// How many were selected.
    pub total: usize,
}
