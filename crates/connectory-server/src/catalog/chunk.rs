//! A chunk of a list: up to 256 consecutive connectors, and their fields as columns.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use connectory_model::filter::{Columns, MAX_ROWS, Rows, Texts};
use connectory_model::wire::Origin;
use connectory_model::{Locale, Status, Summary};
use enum_map::EnumMap;

use super::entry::Entry;
use super::facets::Facets;
use super::request::{Searched, Selection};

/// Consecutive connectors of the list. A chunk in a list is never empty.
#[derive(Default)]
pub(super) struct Chunk {
    pub entries: Vec<Arc<Entry>>,
    pub columns: Columns,
    /// These are made when they are first needed.
    index: OnceLock<Index>,
    searched: OnceLock<Box<SearchedTexts>>,
    pub facets: OnceLock<Facets>,
}

/// What a search reads beside names and types, as columns: to read it from each entry takes ten times as long.
struct SearchedTexts {
    script_names: Texts,
    /// The short descriptions for locales that have none of their own.
    descriptions: Texts,
    /// The rows with one of their own in each locale in which it was searched, and those.
    localized: EnumMap<Locale, OnceLock<(Rows, Texts)>>,
}

impl SearchedTexts {
    fn new(entries: &[Arc<Entry>]) -> Self {
        Self {
            script_names: entries.iter().map(|entry| Some(Cow::Borrowed(entry.script_name.as_str()))).collect(),
            descriptions: entries.iter().map(|entry| entry.short_description()).collect(),
            localized: EnumMap::default(),
        }
    }

    fn containing(&self, Searched { text, locale }: &Searched, entries: &[Arc<Entry>]) -> Rows {
        let (own, localized) = self.localized[*locale].get_or_init(|| {
            let texts: Vec<_> = entries.iter().map(|entry| entry.localized_description(*locale)).collect();
            let mut own = Rows::default();
            texts.iter().enumerate().filter(|(_, text)| text.is_some()).for_each(|(row, _)| own.insert(row));
            (own, texts.into_iter().collect())
        });
        let described = self.descriptions.containing(text).without(*own).or(localized.containing(text));
        self.script_names.containing(text).or(described)
    }
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
    /// Copies the chunk in order to change it: the copy has capacity for more entries, and nothing that is made of them.
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

    /// Drops what was made from the rows before the change.
    fn changed(&mut self) {
        self.index = OnceLock::new();
        self.searched = OnceLock::new();
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
        if let Some(search) = search
            && !rows.is_empty()
        {
            let texts = self.searched.get_or_init(|| Box::new(SearchedTexts::new(&self.entries)));
            rows = rows.and(self.columns.named(&search.text).or(texts.containing(search, &self.entries)));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use connectory_model::import;
    use serde_json::json;

    use super::super::entry::Source;
    use super::*;

    /// A connector with this description for all locales, and in German with the other one.
    fn entry(name: &str, description: &str, german: Option<&str>) -> (Arc<Entry>, Summary) {
        let translations = german.map_or(json!({}), |german| json!({"de": format!("ShortDesc={german}")}));
        let list = json!([{"name": name, "connectorMetadata": {"shortDesc": description}, "translationProperties": translations}]);
        let summary = import::from_json(list.to_string().as_bytes()).expect("valid").remove(0).summary();
        (Arc::new(Entry::new(&summary, Source::BuiltIn(0))), summary)
    }

    fn found(chunk: &Chunk, text: &str, locale: Locale) -> Vec<usize> {
        let search = Some(Searched { text: text.parse().expect("a text"), locale });
        let statuses = Status::ALL.to_vec();
        chunk.select(&Selection { statuses, origin: None, filter: None, search }).iter().collect()
    }

    #[test]
    fn a_search_reads_the_description_of_its_locale_and_no_other_and_what_changed() {
        let mut chunk = Chunk::default();
        for (row, (name, description, german)) in
            [("One A", "Payroll", Some("Löhne")), ("Two B", "Payroll", None), ("Three C", "", None)]
                .into_iter()
                .enumerate()
        {
            let (entry, summary) = entry(name, description, german);
            chunk.insert(row, entry, &summary);
        }
        for (text, locale, rows) in [
            ("payROLL", Locale::En, &[0, 1][..]),
            ("payroll", Locale::De, &[1]),
            ("LÖHNE", Locale::De, &[0]),
            ("löhne", Locale::En, &[]),
            ("löhne", Locale::Ja, &[]),
            // Only script names have a hyphen.
            ("o-b", Locale::De, &[1]),
            ("e", Locale::En, &[0, 2]),
            // From the end of one row to the beginning of the next.
            ("payrollpayroll", Locale::En, &[]),
        ] {
            assert_eq!(found(&chunk, text, locale), rows, "{text} in {locale}");
        }
        let (entry, summary) = entry("Two B", "", Some("Löhne"));
        chunk.replace(1, entry, &summary);
        assert_eq!(found(&chunk, "löhne", Locale::De), [0, 1]);
        assert_eq!(found(&chunk, "payroll", Locale::En), [0]);
        chunk.remove(0);
        assert_eq!(found(&chunk, "löhne", Locale::De), [0]);
    }
}
