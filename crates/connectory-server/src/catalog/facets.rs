//! Facets: the values by which a list can be filtered, and the number of connectors with each value.
//!
//! The values are counted for each chunk on demand. So a write costs the counting of one chunk, and costs nothing if no
//! person looks at the list.

use std::collections::HashMap;

use connectory_model::limits::{FEATURES, LABELS};
use enum_map::{Enum, EnumMap};
use serde::Deserialize;

use super::Entry;

/// A property whose values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Facet {
    /// The connector's type.
    Type,
    /// The metadata's category.
    Category,
    /// The template's features.
    Feature,
    /// The metadata's labels.
    Label,
}

/// The largest number of values of a facet. The most frequent values are offered.
const MAX_VALUES: usize = 200;

/// The values of each facet, and the number of connectors with each value.
#[derive(Debug, Clone, Default)]
pub struct Facets(EnumMap<Facet, Vec<(Box<str>, u32)>>);

/// The facets of a state of the list.
pub struct CountedFacets {
    /// The version of the state.
    pub(super) version: u64,
    /// Those of all connectors.
    pub all: Facets,
    /// Those of the built-in ones.
    pub built_in: Facets,
}

type Counts<'a> = EnumMap<Facet, HashMap<&'a str, u32>>;

impl Facets {
    /// Returns the values of a facet, in alphabetical order.
    pub fn of(&self, facet: Facet) -> &[(Box<str>, u32)] {
        &self.0[facet]
    }

    /// Counts the values of entries.
    pub fn count<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let choices: Vec<_> = entries.map(Entry::choices).collect();
        let texts: Vec<_> = choices
            .iter()
            .map(|choices| {
                let metadata = &choices.connector_metadata;
                let category = metadata.category.and_then(|json| serde_json::from_str::<String>(json.get()).ok());
                let labels = metadata.labels.and_then(|json| serde_json::from_str(json.get()).ok());
                (category, labels.unwrap_or(Labels::Several(Vec::new())))
            })
            .collect();
        let mut counts = Counts::default();
        for (choices, (category, labels)) in choices.iter().zip(&texts) {
            let labels = match labels {
                Labels::One(label) => std::slice::from_ref(label),
                Labels::Several(labels) => labels.as_slice(),
            };
            add(&mut counts, Facet::Type, &choices.connector_type, 1);
            if let Some(category) = category {
                add(&mut counts, Facet::Category, category, 1);
            }
            for feature in choices.features.iter().take(FEATURES) {
                add(&mut counts, Facet::Feature, feature, 1);
            }
            for label in labels.iter().take(LABELS) {
                add(&mut counts, Facet::Label, label, 1);
            }
        }
        Self::from_counts(counts, usize::MAX)
    }

    /// Adds the counts of several parts.
    pub fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut counts = Counts::default();
        for part in parts {
            for (facet, values) in &part.0 {
                for (value, count) in values {
                    add(&mut counts, facet, value, *count);
                }
            }
        }
        Self::from_counts(counts, MAX_VALUES)
    }

    fn from_counts(counts: Counts<'_>, most: usize) -> Self {
        Self(counts.map(|_, counts| {
            let mut values: Vec<_> = counts.into_iter().collect();
            if values.len() > most {
                values.select_nth_unstable_by(most, |(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
                values.truncate(most);
            }
            values.sort_unstable();
            values.into_iter().map(|(value, count)| (value.into(), count)).collect()
        }))
    }
}

fn add<'a>(counts: &mut Counts<'a>, facet: Facet, value: &'a str, more: u32) {
    if !value.is_empty() {
        *counts[facet].entry(value).or_default() += more;
    }
}

/// The labels in metadata, which may be a list of texts or one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    One(String),
    Several(Vec<String>),
}
