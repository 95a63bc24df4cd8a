//! One connector as the catalogue holds it: its list item as JSON, rendered once.
//!
//! Only the short description depends on the locale, so the item is kept as one text with a range that a locale's
//! own member takes the place of. A page of a list is then a concatenation of slices.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use connectory_model::metadata::SHORT_DESC;
use connectory_model::wire::{ConnectorItem, Origin};
use connectory_model::{Locale, ScriptName, Status, Summary, name_key};
use connectory_store::RevisionId;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Where a connector's documents are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// In the store, at a revision; a custom connector.
    Stored(RevisionId),
    /// Among the built-in connectors, by position.
    BuiltIn(usize),
}

impl Source {
    /// Whose connector it is.
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
    /// Its identity in paths.
    pub script_name: ScriptName,
    name_key: Box<str>,
    /// How far it is.
    pub status: Status,
    /// Where its documents are.
    pub source: Source,
    /// The locales that have texts.
    pub locales: Box<[Locale]>,
    item: Item,
}

#[derive(Debug)]
struct Item {
    json: Box<str>,
    /// Where the member with the short description stands in `json`.
    short_desc: Range<usize>,
    /// That member in the locales that have one of their own.
    localized: Box<[(Locale, Box<str>)]>,
}

impl Entry {
    /// Renders a connector.
    pub fn new(summary: &Summary, source: Source) -> Self {
        Self {
            script_name: summary.script_name.clone(),
            name_key: name_key(&summary.name).into(),
            status: summary.status,
            source,
            locales: summary.locales.as_slice().into(),
            item: Item::new(summary),
        }
    }

    /// The key of the name, by which names are compared.
    pub fn name_key(&self) -> &str {
        &self.name_key
    }

    /// By what lists are ordered: the name without case, then the script name.
    pub fn order(&self) -> (&str, &ScriptName) {
        (&self.name_key, &self.script_name)
    }

    /// What of it can be chosen by.
    pub fn choices(&self) -> Choices<'_> {
        serde_json::from_str(&self.item.json).unwrap_or_default()
    }

    /// The item in a locale.
    pub fn item(&self, locale: Locale) -> ConnectorItem {
        let mut json = Vec::with_capacity(self.item.json.len());
        self.write_item(&mut json, locale);
        serde_json::from_slice(&json).expect("an item is what was written")
    }

    /// How many bytes the item takes, without its localized part.
    pub fn item_length(&self) -> usize {
        self.item.json.len()
    }

    /// Appends the item in a locale.
    pub fn write_item(&self, page: &mut Vec<u8>, locale: Locale) {
        let Item { json, short_desc, localized } = &self.item;
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

/// What the values of a list's filters are made of.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Choices<'a> {
    /// The type.
    #[serde(borrow, rename = "type")]
    pub connector_type: Cow<'a, str>,
    /// The features.
    #[serde(borrow)]
    pub features: Vec<Cow<'a, str>>,
    /// Members of the metadata.
    #[serde(borrow)]
    pub connector_metadata: ChoicesOfMetadata<'a>,
}

/// The members of the metadata that are filtered by, whatever they are.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ChoicesOfMetadata<'a> {
    /// A text, if it is to be filtered by.
    #[serde(borrow)]
    pub category: Option<&'a RawValue>,
    /// Texts or one text, if they are to be filtered by.
    #[serde(borrow)]
    pub labels: Option<&'a RawValue>,
}

/// Where an item's metadata begins, if it has none.
const EMPTY_METADATA: &str = "\"connectorMetadata\":{";

impl Item {
    fn new(summary: &Summary) -> Self {
        let metadata = &summary.connector_metadata;
        let others = || metadata.iter().filter(|(name, _)| *name != SHORT_DESC);
        let ends_with = if others().next().is_none() { "" } else { "," };
        let text = |text: &String| Value::from(text.as_str());
        let member = |value: &Value| format!("\"{SHORT_DESC}\":{value}{ends_with}");
        let english = summary.short_descriptions.get(&Locale::En).map(text);
        let default = english.as_ref().or_else(|| metadata.get(SHORT_DESC)).map(member).unwrap_or_default();

        let bare = serde_json::to_string(&ConnectorItem::without_metadata(summary)).expect("an item is JSON");
        // A quote within a text is escaped, so this is the member itself wherever it is found.
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
        Self { json: json.into(), short_desc: start..start + default.len(), localized }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
