//! A chunk of a list: up to 256 consecutive connectors, and their fields as columns.

use std::sync::{Arc, OnceLock};

use connectory_model::filter::{Columns, MAX_ROWS, Rows};
use connectory_model::wire::Origin;
use connectory_model::{Status, Summary};
use enum_map::EnumMap;

use super::entry::Entry;
use super::facets::Facets;
use super::request::{Searched, Selection};

/// Consecutive connectors of the list. A chunk in a list is never empty.
#[derive(Default)]
pub(super) struct Chunk {
    pub entries: Vec<Arc<Entry>>,
    pub columns: Columns,
    /// Made when the chunk is first searched. The facets are made when they are first needed.
    index: OnceLock<Index>,
    pub facets: OnceLock<Facets>,
}

/// The rows of a chunk by status and by origin.
#[derive(Default)]
struct Index {
    /// The rows with each status.
    of_status: EnumMap<Status, Rows>,
    custom: Rows,
}

impl Index {
    fn new(entries: &[Arc<Entry>]) -> Self {
        let mut index = Self::default();
        for (row, entry) in entries.iter().enumerate() {
            index.of_status[entry.status].insert(row);
            if entry.source.origin() == Origin::Custom {
                index.custom.insert(row);
            }
        }
        index
    }
}

impl Clone for Chunk {
    /// Copies the chunk in order to change it: the copy has capacity for more entries, and neither index nor facets.
    fn clone(&self) -> Self {
        let mut entries = Vec::with_capacity(MAX_ROWS);
        entries.extend_from_slice(&self.entries);
        Self { entries, columns: self.columns.clone(), ..Self::default() }
    }
}

impl Chunk {
    pub fn insert(&mut self, row: usize, entry: Arc<Entry>, summary: &Summary) {
        self.entries.insert(row, entry);
        self.columns.insert(row, summary);
        self.changed();
    }

    pub fn replace(&mut self, row: usize, entry: Arc<Entry>, summary: &Summary) {
        self.entries[row] = entry;
        self.columns.remove(row);
        self.columns.insert(row, summary);
        self.changed();
    }

    pub fn remove(&mut self, row: usize) {
        self.entries.remove(row);
        self.columns.remove(row);
        self.changed();
    }

    /// Drops the index and the facets, which were made from the rows before the change.
    fn changed(&mut self) {
        self.index = OnceLock::new();
        self.facets = OnceLock::new();
    }

    /// Splits off the second half and returns it.
    pub fn split(&mut self) -> Self {
        let middle = self.entries.len() / 2;
        let second = Self {
            entries: self.entries.split_off(middle),
            columns: self.columns.split_off(middle),
            ..Self::default()
        };
        self.changed();
        second
    }

    /// Finds the row of an entry, or the row where it belongs.
    pub fn position(&self, entry: &Entry) -> Result<usize, usize> {
        self.entries.binary_search_by(|other| other.order().cmp(&entry.order()))
    }

    pub fn select(&self, Selection { statuses, origin, filter, search }: &Selection) -> Rows {
        let statuses = if statuses.is_empty() { &[Status::Released][..] } else { statuses };
        let index = self.index.get_or_init(|| Index::new(&self.entries));
        let mut rows = statuses.iter().fold(Rows::default(), |rows, status| rows.or(index.of_status[*status]));
        match origin {
            Some(Origin::Custom) => rows = rows.and(index.custom),
            Some(Origin::BuiltIn) => rows = rows.without(index.custom),
            None => {}
        }
        if let Some(filter) = filter
            && !rows.is_empty()
        {
            rows = rows.and(filter.select(&self.columns));
        }
        if let Some(Searched { text, locale }) = search
            && !rows.is_empty()
        {
            let named = self.columns.named(text);
            let (mut found, mut text) = (rows.and(named), text.prepared());
            for row in rows.without(named).iter() {
                let entry = &self.entries[row];
                if text.is_in(entry.script_name.as_str()) || text.is_in(&entry.short_description(*locale)) {
                    found.insert(row);
                }
            }
            rows = found;
        }
        rows
    }
}
