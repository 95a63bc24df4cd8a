//! An immutable state of one tenant's list, on persistent structures: a copy shares all but what changes, so a write
//! costs O(log n) and readers never wait.

use std::sync::Arc;

use connectory_model::filter::Filter;
use connectory_model::wire::Origin;
use connectory_model::{Locale, ScriptName, Status, lower_key};

use super::entry::Entry;

/// A tenant's connectors, built-in ones included, in list order.
#[derive(Clone, Default)]
pub struct Snapshot {
    all: imbl::Vector<Arc<Entry>>,
    /// Those of `all` that are released: what a list shows unless asked for more.
    released: imbl::Vector<Arc<Entry>>,
    by_script_name: imbl::HashMap<ScriptName, Arc<Entry>>,
}

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
pub struct Window {
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
pub struct Page {
    /// The JSON array.
    pub json: Vec<u8>,
    /// How many there are.
    pub total: Option<usize>,
}

impl Snapshot {
    /// A snapshot of entries in any order.
    pub fn new(mut entries: Vec<Arc<Entry>>) -> Self {
        entries.sort_by(|a, b| a.order().cmp(&b.order()));
        Self {
            by_script_name: entries.iter().map(|entry| (entry.script_name.clone(), Arc::clone(entry))).collect(),
            released: entries.iter().filter(|entry| entry.status == Status::Released).cloned().collect(),
            all: entries.into(),
        }
    }

    /// Every entry, in list order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.all.iter()
    }

    /// The connector of a script name.
    pub fn get(&self, script_name: &ScriptName) -> Option<&Arc<Entry>> {
        self.by_script_name.get(script_name)
    }

    /// Whether a connector has this name, without case.
    pub fn has_name(&self, name: &str) -> bool {
        self.all.binary_search_by(|entry| entry.columns.name().cmp(&lower_key(name))).is_ok()
    }

    /// Puts an entry where it belongs, in place of the one of the same script name.
    pub fn insert(&mut self, entry: Arc<Entry>) {
        self.remove(&entry.script_name);
        insert_sorted(&mut self.all, &entry);
        if entry.status == Status::Released {
            insert_sorted(&mut self.released, &entry);
        }
        self.by_script_name.insert(entry.script_name.clone(), entry);
    }

    /// Takes a connector out.
    pub fn remove(&mut self, script_name: &ScriptName) {
        let Some(entry) = self.by_script_name.remove(script_name) else { return };
        remove_sorted(&mut self.all, &entry);
        if entry.status == Status::Released {
            remove_sorted(&mut self.released, &entry);
        }
    }

    /// A page of the selected connectors.
    pub fn page(&self, selection: &Selection, window: Window) -> Page {
        let Selection { statuses, origin, filter } = selection;
        let entries = if statuses.is_empty() { &self.released } else { &self.all };
        let selects_all =
            origin.is_none() && filter.is_none() && (statuses.is_empty() || statuses.len() == Status::ALL.len());
        if selects_all {
            // Nothing to hold entries against: the page is a slice, and the total is known.
            let start = window.offset.min(entries.len());
            let page = entries.skip(start).take(window.limit.min(entries.len() - start));
            let length = page.iter().map(|entry| entry.item_length() + 1).sum::<usize>();
            return Page {
                json: array(page.iter(), window.locale, length),
                total: window.count.then_some(entries.len()),
            };
        }
        let is_selected = |entry: &&Arc<Entry>| {
            (statuses.is_empty() || statuses.contains(&entry.status))
                && origin.is_none_or(|origin| entry.source.origin() == origin)
                && filter.as_ref().is_none_or(|filter| filter.matches(&entry.columns))
        };
        let mut selected = entries.iter().filter(is_selected);
        let skipped = selected.by_ref().take(window.offset).count();
        let page: Vec<_> = selected.by_ref().take(window.limit).collect();
        let length = page.iter().map(|entry| entry.item_length() + 1).sum::<usize>();
        let total = window.count.then(|| skipped + page.len() + selected.count());
        Page { json: array(page.into_iter(), window.locale, length), total }
    }
}

fn array<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, locale: Locale, length: usize) -> Vec<u8> {
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

fn position(entries: &imbl::Vector<Arc<Entry>>, entry: &Entry) -> Result<usize, usize> {
    entries.binary_search_by(|other| other.order().cmp(&entry.order()))
}

fn insert_sorted(entries: &mut imbl::Vector<Arc<Entry>>, entry: &Arc<Entry>) {
    let at = position(entries, entry).unwrap_or_else(|at| at);
    entries.insert(at, Arc::clone(entry));
}

fn remove_sorted(entries: &mut imbl::Vector<Arc<Entry>>, entry: &Entry) {
    if let Ok(at) = position(entries, entry) {
        entries.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use connectory_model::import;
    use serde_json::{Value, json};

    use super::super::entry::Source;
    use super::*;

    fn entry(name: &str, status: &str) -> Arc<Entry> {
        let list = json!([{"name": name, "status": status}]).to_string();
        let connector = import::from_json(list.as_bytes()).expect("valid").remove(0);
        Arc::new(Entry::new(&connector.summary(), Source::BuiltIn(0)))
    }

    fn names(
        snapshot: &Snapshot,
        statuses: &[Status],
        filter: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> (Vec<String>, usize) {
        let filter = filter.map(|filter| Filter::parse(filter).expect("valid"));
        let selection = Selection { statuses: statuses.to_vec(), origin: None, filter };
        let page = snapshot.page(&selection, Window { offset, limit, locale: Locale::En, count: true });
        let items: Vec<Value> = serde_json::from_slice(&page.json).expect("JSON");
        let names = items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect();
        (names, page.total.expect("counted"))
    }

    #[test]
    fn lists_are_ordered_without_case_and_page_by_page_the_same_with_and_without_a_filter() {
        let mut snapshot = Snapshot::new(vec![entry("b", "RELEASED"), entry("A", "RELEASED")]);
        for name in ["C", "d", "aa"] {
            snapshot.insert(entry(name, "RELEASED"));
        }
        snapshot.insert(entry("demo", "DEMO"));
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
        let before = Snapshot::new(vec![entry("a", "RELEASED"), entry("b", "RELEASED")]);
        let mut after = before.clone();
        after.insert(entry("a", "DEPRECATED"));
        after.remove(&"b".parse().expect("a script name"));
        assert_eq!(names(&after, &[], None, 0, 9).1, 0);
        assert_eq!(names(&after, &Status::ALL, None, 0, 9), (vec!["a".to_owned()], 1));
        assert_eq!(names(&before, &[], None, 0, 9).1, 2);
    }
}
