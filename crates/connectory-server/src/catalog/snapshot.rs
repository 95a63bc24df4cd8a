//! An immutable state of one tenant's list. It uses persistent data structures: a copy shares everything except the
//! changes, so a write costs O(log n) and readers never wait.
//!
//! The list consists of chunks of up to 256 connectors, because filters are fast on contiguous columns and writes are
//! cheap on small columns.

use std::cmp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use connectory_model::filter::MAX_ROWS;
use connectory_model::limits::LIST_BYTES;
use connectory_model::wire::Origin;
use connectory_model::{Locale, ScriptName, Summary, name_key};
use connectory_store::RevisionNumber;

use super::chunk::Chunk;
use super::entry::{Entry, Source};
use super::facets::{CountedFacets, Facets};
use super::request::{ListPage, Listing, NoPage, PageRequest, Selection, SortBy};
use crate::http::coding::Coding;
use crate::http::etag::{Digest, ETag};
use crate::work::Stop;

/// The connectors of a tenant, including the built-in ones, in list order.
#[derive(Clone)]
pub struct Snapshot {
    /// Unique: no two different states have the same version.
    version: u64,
    pub(super) number: RevisionNumber,
    /// About how many bytes the custom connectors take in memory.
    memory: usize,
    chunks: imbl::Vector<Arc<Chunk>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { version: 0, number: RevisionNumber::ZERO, memory: 0, chunks: imbl::Vector::new() }
    }
}

impl Snapshot {
    /// Makes a snapshot of entries that are in list order.
    pub fn from_ordered(entries: impl IntoIterator<Item = (Arc<Entry>, Summary)>) -> Self {
        let mut snapshot = Self::default();
        let mut chunk = Chunk::default();
        for (entry, summary) in entries {
            let end = chunk.entries.len();
            snapshot.memory += memory(&entry);
            chunk.entries.push(entry);
            chunk.columns.insert(end, &summary);
            if end + 1 == MAX_ROWS {
                snapshot.push(std::mem::take(&mut chunk));
            }
        }
        if !chunk.entries.is_empty() {
            snapshot.push(chunk);
        }
        snapshot.changed();
        snapshot
    }

    fn push(&mut self, chunk: Chunk) {
        self.chunks.push_back(Arc::new(chunk));
    }

    /// The version of this state. Caches use it as a key.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn changed(&mut self) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        self.version = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    }

    /// The tenant's newest revision in this state.
    pub fn number(&self) -> RevisionNumber {
        self.number
    }

    /// About how many bytes the custom connectors take in memory.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// All selected connectors, in list order. None if the search must stop.
    pub fn selected(&self, selection: &Selection, stop: &Stop) -> Option<Vec<Arc<Entry>>> {
        let mut selected = Vec::new();
        for chunk in &self.chunks {
            if stop.is_due() {
                return None;
            }
            selected.extend(chunk.select(selection).iter().map(|row| Arc::clone(&chunk.entries[row])));
        }
        Some(selected)
    }

    /// Iterates over all entries, in list order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.chunks.iter().flat_map(|chunk| &chunk.entries)
    }

    /// The number of connectors.
    pub fn count(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.entries.len()).sum()
    }

    /// Whether a connector has this name, compared without case.
    pub fn has_name(&self, name: &str) -> bool {
        let key = name_key(name);
        let chunk = self.chunks.binary_search_by(|chunk| chunk.entries[0].name_key().cmp(&key));
        let Some(chunk) = chunk.map_or_else(|after| after.checked_sub(1), Some) else { return false };
        self.chunks[chunk].entries.binary_search_by(|entry| entry.name_key().cmp(&key)).is_ok()
    }

    /// Another connector than this one that has this name. There is one only if both are older than the present rule for names
    /// (D14).
    pub fn namesake(&self, name: &str, script_name: &ScriptName) -> Option<ScriptName> {
        let key = name_key(name);
        // The last chunk that begins before the key may end with it.
        let first =
            self.chunks.binary_search_by(|chunk| chunk.entries[0].name_key().cmp(&key).then(cmp::Ordering::Greater));
        let first = first.unwrap_or_else(|after| after.saturating_sub(1));
        let from_there = self.chunks.iter().skip(first).flat_map(|chunk| &chunk.entries);
        let mut same =
            from_there.skip_while(|entry| entry.name_key() < key.as_str()).take_while(|entry| entry.name_key() == key);
        same.find(|entry| entry.order().1 != script_name).map(|entry| entry.order().1.clone())
    }

    /// Inserts an entry at its place. Replaces the entry with the same name and script name, if there is one.
    pub fn insert(&mut self, entry: Arc<Entry>, summary: &Summary) {
        self.changed();
        self.memory += memory(&entry);
        let at = self.chunk_of(&entry);
        let Some(chunk) = self.chunks.get_mut(at).map(Arc::make_mut) else {
            let mut chunk = Chunk::default();
            chunk.insert(0, entry, summary);
            return self.chunks.push_back(Arc::new(chunk));
        };
        let row = match chunk.position(&entry) {
            Ok(row) => {
                self.memory -= memory(&chunk.entries[row]);
                return chunk.replace(row, entry, summary);
            }
            Err(row) => row,
        };
        if chunk.entries.len() < MAX_ROWS {
            return chunk.insert(row, entry, summary);
        }
        let mut second = chunk.split();
        match row.checked_sub(chunk.entries.len()) {
            Some(row) => second.insert(row, entry, summary),
            None => chunk.insert(row, entry, summary),
        }
        self.chunks.insert(at + 1, Arc::new(second));
    }

    /// Removes a connector.
    pub fn remove(&mut self, entry: &Entry) {
        let at = self.chunk_of(entry);
        let Some(chunk) = self.chunks.get_mut(at).map(Arc::make_mut) else { return };
        let Ok(row) = chunk.position(entry) else { return };
        self.memory -= memory(&chunk.entries[row]);
        if chunk.entries.len() == 1 {
            self.chunks.remove(at);
        } else {
            chunk.remove(row);
        }
        self.changed();
    }

    /// Finds the last chunk that begins before the entry or with it. Otherwise returns the first chunk.
    fn chunk_of(&self, entry: &Entry) -> usize {
        let found = self.chunks.binary_search_by(|chunk| chunk.entries[0].order().cmp(&entry.order()));
        found.unwrap_or_else(|after| after.saturating_sub(1))
    }

    /// Makes a page of the selected connectors. `room` decides whether a page of so many bytes is allowed, before it is
    /// made.
    pub fn page(
        &self,
        selection: &Selection,
        window: PageRequest,
        stop: &Stop,
        room: impl FnOnce(usize) -> Result<(), NoPage>,
    ) -> Result<ListPage, NoPage> {
        let PageRequest { offset, limit, locale, count } = window;
        let mut page = Vec::with_capacity(limit);
        let mut selected = 0;
        for (number, chunk) in self.chunks.iter().enumerate() {
            let rows = chunk.select(selection);
            let after = selected + rows.len();
            if after > offset && page.len() < limit {
                let shown = rows.iter().skip(offset.saturating_sub(selected)).take(limit - page.len());
                page.extend(shown.map(|row| &*chunk.entries[row]));
            }
            selected = after;
            if page.len() == limit && !count {
                break;
            }
            // Reading the clock takes a tenth of the time that a chunk takes, so it is read for every 16th chunk. A search takes
            // much longer.
            if (number % 16 == 15 || selection.search.is_some()) && stop.is_due() {
                return Err(NoPage::Late);
            }
        }
        let length = page.iter().map(|entry| entry.item_length() + 1).sum::<usize>();
        if length > LIST_BYTES {
            return Err(NoPage::Large(length));
        }
        room(length)?;
        let total = count.then_some(selected);
        let (json, etag) = (array(&page, locale, length).into(), tag_of(&page, locale, total));
        Ok(ListPage { json, total, etag, coding: Coding::Identity })
    }
}

impl Snapshot {
    /// Counts the facets of the whole list.
    pub fn facets(&self) -> CountedFacets {
        let of_chunk = |chunk: &Chunk| Facets::count(chunk.entries.iter().map(|entry| &**entry));
        let built_in = self.entries().filter(|entry| matches!(entry.source, Source::BuiltIn(_)));
        CountedFacets {
            version: self.version,
            all: Facets::sum(self.chunks.iter().map(|chunk| chunk.facets.get_or_init(|| of_chunk(chunk)))),
            built_in: Facets::count(built_in.map(|entry| &**entry)),
        }
    }

    /// Returns a part of the selected connectors in a sort order. Connectors that are equal in this order keep the
    /// list's order.
    pub fn listing(
        &self,
        selection: &Selection,
        sort: SortBy,
        descending: bool,
        offset: usize,
        limit: usize,
        stop: &Stop,
    ) -> Listing {
        let selected = self.chunks.iter().take_while(|_| !stop.is_due()).flat_map(|chunk| {
            let rows: Vec<_> = chunk.select(selection).iter().collect();
            rows.into_iter().map(move |row| (chunk, row))
        });
        let mut sorted: Vec<_> = selected
            .enumerate()
            .map(|(place, (chunk, row))| {
                let entry = &chunk.entries[row];
                let key = match sort {
                    SortBy::Name => (0, &[][..]),
                    SortBy::Type => (0, chunk.columns.connector_type(row)),
                    SortBy::Category => (0, chunk.columns.category(row)),
                    SortBy::Status => (entry.status as i64, &[][..]),
                    SortBy::Changed => match entry.source {
                        Source::Stored(id) => (id.number.get(), &[][..]),
                        Source::BuiltIn(_) => (0, &[][..]),
                    },
                };
                (key, place, entry)
            })
            .collect();
        let total = sorted.len();
        let wanted = total.min(offset.saturating_add(limit));
        match sort {
            SortBy::Name if descending => sorted.reverse(),
            SortBy::Name => {}
            // What comes after the wanted part needs no order.
            _ if wanted > 0 => {
                let order = |(a, at, _): &Sorted<'_>, (b, other, _): &Sorted<'_>| {
                    if descending { b.cmp(a) } else { a.cmp(b) }.then(at.cmp(other))
                };
                sorted.select_nth_unstable_by(wanted - 1, order);
                sorted[..wanted].sort_unstable_by(order);
            }
            _ => {}
        }
        let entries = sorted.iter().skip(offset).take(limit).map(|(_, _, entry)| Arc::clone(entry)).collect();
        Listing { entries, total }
    }
}

/// A selected connector: what it is sorted by, its place in the list, and its entry.
type Sorted<'a> = ((i64, &'a [u8]), usize, &'a Arc<Entry>);

/// What an entry takes in memory for its tenant. All tenants have the same built-in ones.
fn memory(entry: &Entry) -> usize {
    if entry.source.origin() == Origin::Custom { entry.memory } else { 0 }
}

/// The entity tag of a page: the hash of its items, their locale and the total.
fn tag_of(entries: &[&Entry], locale: Locale, total: Option<usize>) -> ETag {
    let mut hashed = Vec::with_capacity(entries.len() * size_of::<Digest>() + 32);
    for entry in entries {
        hashed.extend_from_slice(&entry.digest());
    }
    let total = total.map(|total| total.to_string()).unwrap_or_default();
    hashed.extend_from_slice(format!("{locale} {total}").as_bytes());
    ETag::of(hashed)
}

fn array(entries: &[&Entry], locale: Locale, length: usize) -> Vec<u8> {
    let mut json = Vec::with_capacity(length + 2);
    json.push(b'[');
    for entry in entries {
        if json.len() > 1 {
            json.push(b',');
        }
        entry.write_item(&mut json, locale);
    }
    json.push(b']');
    json
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use connectory_model::filter::Filter;
    use connectory_model::{Status, import};
    use serde_json::{Value, json};

    use super::super::entry::Source;
    use super::*;

    fn entry(name: &str, status: &str) -> (Arc<Entry>, Summary) {
        let list = json!([{"name": name, "status": status}]).to_string();
        let summary = import::from_json(list.as_bytes()).expect("valid").remove(0).summary();
        (Arc::new(Entry::new(&summary, Source::BuiltIn(0))), summary)
    }

    fn insert(snapshot: &mut Snapshot, name: &str, status: &str) {
        let (entry, summary) = entry(name, status);
        snapshot.insert(entry, &summary);
    }

    fn names(
        snapshot: &Snapshot,
        statuses: &[Status],
        filter: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> (Vec<String>, usize) {
        let filter = filter.map(|filter| Filter::parse(filter).expect("valid"));
        let selection = Selection { statuses: statuses.to_vec(), origin: None, filter, search: None };
        let window = PageRequest { offset, limit, locale: Locale::En, count: true };
        let stop = Stop::after(Duration::from_secs(9));
        let page = snapshot.page(&selection, window, &stop, |_| Ok(())).expect("it is quick");
        let items: Vec<Value> = serde_json::from_slice(&page.json).expect("JSON");
        let names = items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect();
        (names, page.total.expect("counted"))
    }

    #[test]
    fn lists_are_ordered_without_case_and_page_by_page_the_same_with_and_without_a_filter() {
        let mut snapshot = Snapshot::from_ordered([entry("A", "RELEASED"), entry("b", "RELEASED")]);
        for name in ["C", "d", "aa"] {
            insert(&mut snapshot, name, "RELEASED");
        }
        insert(&mut snapshot, "demo", "DEMO");
        let all = ["A", "aa", "b", "C", "d"];
        for filter in [None, Some("directConnect eq true")] {
            for offset in 0..7 {
                for limit in 0..7 {
                    let expected: Vec<_> = all.iter().skip(offset).take(limit).map(ToString::to_string).collect();
                    assert_eq!(names(&snapshot, &[], filter, offset, limit), (expected, 5));
                }
            }
        }
        assert_eq!(names(&snapshot, &[Status::Demo], None, 0, 9), (vec!["demo".to_owned()], 1));
        assert_eq!(names(&snapshot, &Status::ALL, None, 0, 9).1, 6);
        assert!(snapshot.has_name("AA") && !snapshot.has_name("aaa"));
    }

    #[test]
    fn replacing_and_removing_leaves_nothing_behind_and_old_snapshots_as_they_were() {
        let before = Snapshot::from_ordered([entry("a", "RELEASED"), entry("b", "RELEASED")]);
        let mut after = before.clone();
        insert(&mut after, "a", "DEPRECATED");
        after.remove(&entry("b", "RELEASED").0);
        after.remove(&entry("c", "RELEASED").0);
        assert_eq!(names(&after, &[], None, 0, 9).1, 0);
        assert_eq!(names(&after, &Status::ALL, None, 0, 9), (vec!["a".to_owned()], 1));
        assert_eq!(names(&before, &[], None, 0, 9).1, 2);
    }

    #[test]
    fn thousands_come_and_go_in_order() {
        let mut names_in = (0..3000).map(|n| format!("{:04}", n * 7919 % 3000)).collect::<Vec<_>>();
        let mut snapshot = Snapshot::default();
        for name in &names_in {
            insert(&mut snapshot, name, "RELEASED");
        }
        let gone = names_in.split_off(1000);
        let before = snapshot.clone();
        for name in &gone {
            snapshot.remove(&entry(name, "RELEASED").0);
        }
        names_in.sort();
        let listed: Vec<_> = snapshot.entries().map(|entry| entry.name_key().to_owned()).collect();
        assert_eq!(listed, names_in);
        for filter in [None, Some("directConnect eq true")] {
            let (page, total) = names(&snapshot, &[], filter, 900, 250);
            assert_eq!((page.as_slice(), total), (&names_in[900..], 1000));
        }
        assert_eq!(
            names(&before, &[], Some("name co \"12\""), 0, 0).1,
            (0..3000).filter(|n| format!("{n:04}").contains("12")).count()
        );
        assert!(
            names_in.iter().all(|name| snapshot.has_name(name)) && gone.iter().all(|name| !snapshot.has_name(name))
        );
    }
}
