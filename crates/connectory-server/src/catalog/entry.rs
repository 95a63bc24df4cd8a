//! One connector in the catalog: its list item as JSON, rendered once.
//!
//! Only the short description depends on the locale. So the item is one text with a range that the member of another
//! locale can replace. A page of a list is then a concatenation of slices.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;
use std::sync::OnceLock;

use connectory_model::filter::Columns;
use connectory_model::metadata::SHORT_DESC;
use connectory_model::wire::{ConnectorItem, Origin};
use connectory_model::{Locale, ScriptName, Status, Summary, name_key};
use connectory_store::RevisionId;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::etag::{Digest, digest};

/// The place of a connector's documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A custom connector: in the store, at a revision.
    Stored(RevisionId),
    /// A built-in connector, by its position among the built-in connectors.
    BuiltIn(usize),
}

impl Source {
    /// Whether the connector is custom or built-in.
    pub const fn origin(self) -> Origin {
        match self {
            Self::Stored(_) => Origin::Custom,
            Self::BuiltIn(_) => Origin::BuiltIn,
        }
    }
}

/// A connector in a snapshot.
#[derive(Debug)]
pub struct Entry {
    /// The script name, which identifies the connector in paths.
    pub script_name: ScriptName,
    name_key: Box<str>,
    /// The status of the connector's development.
    pub status: Status,
    /// The place of the connector's documents.
    pub source: Source,
    /// The locales for which the connector has texts.
    pub locales: Box<[Locale]>,
    /// About how many bytes the entry takes in memory, with its places in the list and in the map of its tenant.
    pub memory: usize,
    item: Item,
}

#[derive(Debug)]
struct Item {
    json: Box<str>,
    /// The range of the member with the short description in `json`.
    short_desc: Range<usize>,
    /// The member in each other locale that has its own short description.
    localized: Box<[(Locale, Box<str>)]>,
    /// The digest of all that, once a page has needed it.
    digest: OnceLock<Digest>,
}

impl Entry {
    /// Renders the list item of a connector.
    pub fn new(summary: &Summary, source: Source) -> Self {
        let (item, name_key) = (Item::new(summary), name_key(&summary.name));
        // A search keeps what it reads once more.
        let searched = summary.script_name.as_str().len() + item.descriptions();
        let texts = summary.script_name.as_str().len() + name_key.len() + item.memory() + searched;
        let locales = size_of_val(summary.locales.as_slice());
        Self {
            script_name: summary.script_name.clone(),
            name_key: name_key.into(),
            status: summary.status,
            source,
            locales: summary.locales.as_slice().into(),
            memory: size_of::<Self>() + OVERHEAD + texts + locales + Columns::memory_of(summary),
            item,
        }
    }

    /// The key by which names are compared.
    pub fn name_key(&self) -> &str {
        &self.name_key
    }

    /// The sort key of lists: the name without case, then the script name.
    pub fn order(&self) -> (&str, &ScriptName) {
        (&self.name_key, &self.script_name)
    }

    /// Reads the values that the facets count.
    pub fn choices(&self) -> Choices<'_> {
        serde_json::from_str(&self.item.json).unwrap_or_default()
    }

    /// Reads the item in a locale.
    pub fn item(&self, locale: Locale) -> ConnectorItem {
        let mut json = Vec::with_capacity(self.item.json.len());
        self.write_item(&mut json, locale);
        serde_json::from_slice(&json).expect("an item is what was written")
    }

    /// The short description for locales that have none of their own.
    pub fn short_description(&self) -> Option<Cow<'_, str>> {
        description(&self.item.json[self.item.short_desc.clone()])
    }

    /// The short description that a locale has of its own.
    pub fn localized_description(&self, locale: Locale) -> Option<Cow<'_, str>> {
        self.item.localized.iter().find(|(of, _)| *of == locale).and_then(|(_, member)| description(member))
    }

    /// The length of the item in bytes, with the default short description.
    pub fn item_length(&self) -> usize {
        self.item.json.len()
    }

    /// The digest of the item in all locales, of which the entity tags of pages are made. Hashing a whole page would take much
    /// longer than making it.
    pub fn digest(&self) -> Digest {
        let Item { json, localized, digest: kept, .. } = &self.item;
        *kept.get_or_init(|| {
            let mut hashed = Vec::with_capacity(json.len());
            let texts = std::iter::once(("", json)).chain(localized.iter().map(|(locale, text)| (locale.tag(), text)));
            for (tag, text) in texts {
                hashed.extend_from_slice(&(text.len() as u64).to_be_bytes());
                hashed.extend_from_slice(text.as_bytes());
                hashed.extend_from_slice(tag.as_bytes());
            }
            digest(hashed)
        })
    }

    /// Appends the JSON of the item in a locale.
    pub fn write_item(&self, page: &mut Vec<u8>, locale: Locale) {
        let Item { json, short_desc, localized, .. } = &self.item;
        match localized.iter().find(|(of, _)| *of == locale) {
            None => page.extend_from_slice(json.as_bytes()),
            Some((_, member)) => {
                page.extend_from_slice(json[..short_desc.start].as_bytes());
                page.extend_from_slice(member.as_bytes());
                page.extend_from_slice(json[short_desc.end..].as_bytes());
            }
        }
    }
}

/// The values of a connector that the facets count.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Choices<'a> {
    /// The type of the connector.
    #[serde(borrow, rename = "type")]
    pub connector_type: Cow<'a, str>,
    /// The features of the source template.
    #[serde(borrow)]
    pub features: Vec<Cow<'a, str>>,
    /// The counted members of the metadata.
    #[serde(borrow)]
    pub connector_metadata: ChoicesOfMetadata<'a>,
}

/// The counted members of the metadata, as raw JSON, because metadata may have any value there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ChoicesOfMetadata<'a> {
    /// The category. It is counted if it is a text.
    #[serde(borrow)]
    pub category: Option<&'a RawValue>,
    /// The labels. They are counted if they are a list of texts or one text.
    #[serde(borrow)]
    pub labels: Option<&'a RawValue>,
}

/// The text of a member with a short description. None if it has another type.
fn description(member: &str) -> Option<Cow<'_, str>> {
    let value = member.strip_prefix(SHORT_DESC_MEMBER)?;
    serde_json::from_str(value.trim_end_matches(',')).ok().map(|Text(text)| text)
}

/// A text in JSON.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The start of the member with the short description.
const SHORT_DESC_MEMBER: &str = "\"shortDesc\":";

/// What an entry takes besides itself and its texts: the counts of references, its places in the list and in the map from
/// script names, and what the allocator rounds up.
const OVERHEAD: usize = 128;

/// The start of the metadata in an item whose metadata is empty.
const EMPTY_METADATA: &str = "\"connectorMetadata\":{";

impl Item {
    /// The bytes of its short descriptions.
    fn descriptions(&self) -> usize {
        self.short_desc.len() + self.localized.iter().map(|(_, text)| text.len()).sum::<usize>()
    }

    /// The bytes of its texts.
    fn memory(&self) -> usize {
        let localized = self.localized.iter().map(|(_, text)| size_of::<(Locale, Box<str>)>() + text.len());
        self.json.len() + localized.sum::<usize>()
    }

    fn new(summary: &Summary) -> Self {
        let metadata = &summary.connector_metadata;
        let others = || metadata.iter().filter(|(name, _)| *name != SHORT_DESC);
        let ends_with = if others().next().is_none() { "" } else { "," };
        let text = |text: &String| Value::from(text.as_str());
        let member = |value: &Value| format!("{SHORT_DESC_MEMBER}{value}{ends_with}");
        let english = summary.short_descriptions.get(&Locale::En).map(text);
        let default = english.as_ref().or_else(|| metadata.get(SHORT_DESC)).map(member).unwrap_or_default();

        let bare = serde_json::to_string(&ConnectorItem::without_metadata(summary)).expect("an item is JSON");
        // Quotes in texts are escaped, so a match is always the member itself.
        let start = bare.find(EMPTY_METADATA).expect("an item has metadata") + EMPTY_METADATA.len();
        let mut json = String::with_capacity(bare.len() + default.len() + 512);
        json.push_str(&bare[..start]);
        json.push_str(&default);
        for (at, (name, value)) in others().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(json, "{comma}{}:{value}", Value::from(name.as_str())).expect("a string takes any text");
        }
        json.push_str(&bare[start..]);
        let localized = summary
            .short_descriptions
            .iter()
            .filter(|(locale, _)| **locale != Locale::En)
            .map(|(locale, description)| (*locale, member(&text(description)).into()))
            .collect();
        let digest = OnceLock::new();
        Self { json: json.into(), short_desc: start..start + default.len(), localized, digest }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Other servers, and this one after a restart, read summaries as the store has them.
    #[test]
    fn entries_have_the_same_digest_if_they_show_the_same_and_only_then() {
        let summary = |name: &str, number: &str, german: &str| {
            let list = format!(
                r#"[{{"name": "{name}", "connectorMetadata": {{"b": {number}, "a": {{"d": 1, "c": 2}}}},
                    "translationProperties": {{"en": "ShortDesc=English", "de": "ShortDesc={german}"}}}}]"#
            );
            connectory_model::import::from_json(list.as_bytes()).expect("valid")[0].summary()
        };
        let digest = |summary: &Summary| Entry::new(summary, Source::BuiltIn(0)).digest();
        let first = summary("A", "34171909290495.563", "Deutsch");
        let stored = serde_json::to_string(&first).expect("JSON");
        assert_eq!(digest(&first), digest(&serde_json::from_str(&stored).expect("a summary")));
        for other in [
            summary("B", "34171909290495.563", "Deutsch"),
            summary("A", "34171909290495.56", "Deutsch"),
            summary("A", "34171909290495.563", "deutsch"),
        ] {
            assert_ne!(digest(&first), digest(&other), "{}", other.name);
        }
    }

    #[test]
    fn an_item_is_what_serialization_gives_in_every_locale() {
        for metadata in [json!({}), json!({"shortDesc": "stored"}), json!({"a": 1, "z\"connectorMetadata\":{": [2]})] {
            for properties in [json!({}), json!({"en": "ShortDesc=\"English\""}), json!({"de": "ShortDesc=\\u00fc"})] {
                let list = json!([{
                    "name": "\"connectorMetadata\":{}", "connectorMetadata": metadata, "translationProperties": properties,
                }]);
                let connectors = connectory_model::import::from_json(list.to_string().as_bytes()).expect("valid");
                let summary = connectors[0].summary();
                let entry = Entry::new(&summary, Source::BuiltIn(0));
                for locale in [Locale::En, Locale::De, Locale::Ja] {
                    let mut page = Vec::new();
                    entry.write_item(&mut page, locale);
                    let written: Value = serde_json::from_slice(&page).expect("JSON");
                    let expected = serde_json::to_value(ConnectorItem::new(&summary, locale)).expect("JSON");
                    assert_eq!(written, expected, "{locale}");
                }
            }
        }
    }
}
