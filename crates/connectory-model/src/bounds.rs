//! How large a whole connector may be: each part of it that lists, pages or memory must hold.
//!
//! A connector that was stored before a bound was set, or under a larger bound, can still be read. It can be changed if
//! the change does not make the part larger.

use std::fmt;
use std::io;

use serde::Serialize;
use serde_json::Value;

use crate::document::DocumentKind;
use crate::limits::{
    FEATURE_BYTES, FEATURES, KEYS_PER_LOCALE, LABEL_BYTES, LABELS, METADATA_BYTES, METADATA_DEPTH,
    SHORT_DESCRIPTION_BYTES,
};
use crate::metadata::{SHORT_DESC, labels};
use crate::translations::Properties;
use crate::{Connector, Locale, Part};

/// A part of a connector that is larger than its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{part} has {has} {}; it may have at most {max}", .part.unit())]
pub struct TooLarge {
    /// What is too large.
    pub part: Bounded,
    /// How much of it there is.
    pub has: usize,
    /// How much of it there may be.
    pub max: usize,
}

impl TooLarge {
    /// The document or texts that are too large; none for the metadata and for the whole connector.
    pub const fn part(&self) -> Option<Part> {
        match self.part {
            Bounded::Keys(locale) | Bounded::LocaleDescription(locale) => Some(Part::Translation(locale)),
            Bounded::Features | Bounded::Feature => Some(Part::Document(DocumentKind::SourceTemplate)),
            Bounded::Connector | Bounded::Description | Bounded::Labels | Bounded::Label | Bounded::Category => None,
        }
    }
}

/// A part of a connector that has a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounded {
    /// The bytes of the whole connector as JSON.
    Connector,
    /// The keys of a locale.
    Keys(Locale),
    /// The bytes of the short description in a locale.
    LocaleDescription(Locale),
    /// The bytes of the short description in the metadata.
    Description,
    /// The number of features.
    Features,
    /// The bytes of the longest feature.
    Feature,
    /// The number of labels.
    Labels,
    /// The bytes of the longest label.
    Label,
    /// The bytes of the category.
    Category,
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connector => f.write_str("the connector as JSON"),
            Self::Keys(locale) => write!(f, "the locale `{locale}`"),
            Self::LocaleDescription(locale) => write!(f, "the text of `ShortDesc` in the locale `{locale}`"),
            Self::Description => f.write_str("`connectorMetadata.shortDesc`"),
            Self::Features => f.write_str("`featuresString`"),
            Self::Feature => f.write_str("the longest feature"),
            Self::Labels => f.write_str("`connectorMetadata.labels`"),
            Self::Label => f.write_str("the longest label"),
            Self::Category => f.write_str("`connectorMetadata.category`"),
        }
    }
}

impl Bounded {
    const fn unit(self) -> &'static str {
        match self {
            Self::Keys(_) => "keys",
            Self::Features => "features",
            Self::Labels => "labels",
            _ => "bytes",
        }
    }

    /// The bound. `connector` is the bound of a whole connector.
    const fn max(self, connector: usize) -> usize {
        match self {
            Self::Connector => connector,
            Self::Keys(_) => KEYS_PER_LOCALE,
            Self::LocaleDescription(_) | Self::Description => SHORT_DESCRIPTION_BYTES,
            Self::Features => FEATURES,
            Self::Feature => FEATURE_BYTES,
            Self::Labels => LABELS,
            Self::Label | Self::Category => LABEL_BYTES,
        }
    }

    /// How much of it a connector has. It may stop counting when it is known that this is no more than `max`.
    fn measure(self, connector: &Connector, max: usize) -> usize {
        let metadata = &connector.connector_metadata;
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).map_or(0, str::len);
        let locale = |locale: &Locale| connector.translations.0.get(locale);
        match self {
            // JSON escapes a character in six bytes at most, so most connectors need not be serialized.
            Self::Connector if connector.size() <= max / 6 => connector.size(),
            Self::Connector => json_bytes(connector, usize::MAX).unwrap_or(usize::MAX),
            Self::Keys(of) => locale(&of).map_or(0, |texts| texts.count_over(max)),
            Self::LocaleDescription(of) => {
                locale(&of).and_then(Properties::short_description).map_or(0, |text| text.len())
            }
            Self::Description => text(SHORT_DESC),
            Self::Features => connector.source_template.features().len(),
            Self::Feature => longest(&connector.source_template.features()),
            Self::Labels => labels(metadata).count(),
            Self::Label => labels(metadata).map(str::len).max().unwrap_or_default(),
            Self::Category => text("category"),
        }
    }
}

/// The bytes of the longest of some texts.
fn longest(texts: &[String]) -> usize {
    texts.iter().map(String::len).max().unwrap_or_default()
}

impl Connector {
    /// Checks the bounds of a new connector. The whole connector may have `max_bytes` as JSON.
    pub fn check_bounds(&self, max_bytes: usize) -> Result<(), TooLarge> {
        self.check(None, max_bytes)
    }

    /// Checks the bounds of a changed connector. A part that was too large before may stay as large as it was.
    pub fn check_growth(&self, before: &Self, max_bytes: usize) -> Result<(), TooLarge> {
        self.check(Some(before), max_bytes)
    }

    fn check(&self, before: Option<&Self>, max_bytes: usize) -> Result<(), TooLarge> {
        let check_measured = |part: Bounded, has: usize| {
            let max = part.max(max_bytes);
            if has > max && before.is_none_or(|before| part.measure(before, 0) < has) {
                return Err(TooLarge { part, has, max });
            }
            Ok(())
        };
        let check = |part: Bounded| check_measured(part, part.measure(self, part.max(max_bytes)));
        check(Bounded::Connector)?;
        for (locale, texts) in &self.translations.0 {
            if before.and_then(|before| before.translations.0.get(locale)) != Some(texts) {
                check(Bounded::Keys(*locale))?;
                check(Bounded::LocaleDescription(*locale))?;
            }
        }
        if before.is_none_or(|before| before.source_template != self.source_template) {
            let features = self.source_template.features();
            check_measured(Bounded::Features, features.len())?;
            check_measured(Bounded::Feature, longest(&features))?;
        }
        [Bounded::Description, Bounded::Labels, Bounded::Label, Bounded::Category].into_iter().try_for_each(check)
    }
}

/// Checks the depth of metadata, and its size: as JSON, it may have `max` bytes.
pub fn check_metadata(metadata: &Value, max: usize) -> Result<(), String> {
    if !is_within(metadata, METADATA_DEPTH) {
        return Err(format!("the metadata nests deeper than {METADATA_DEPTH} levels"));
    }
    match json_bytes(metadata, max) {
        Some(_) => Ok(()),
        None => Err(format!("the metadata is larger than {} KiB", METADATA_BYTES / 1024)),
    }
}

/// Whether a value nests no deeper than so many levels.
fn is_within(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_within(item, below)),
        Value::Object(members) => members.values().all(|value| is_within(value, below)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// How many bytes a value has as JSON. `None` if it has more than `max`.
pub(crate) fn json_bytes(value: &impl Serialize, max: usize) -> Option<usize> {
    let mut counter = Counter { bytes: 0, max };
    serde_json::to_writer(&mut counter, value).ok().map(|()| counter.bytes)
}

struct Counter {
    bytes: usize,
    max: usize,
}

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        if self.bytes > self.max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::document::SourceTemplate;
    use crate::limits::CONNECTOR_BYTES;
    use crate::{ScriptName, create::NewConnector};

    fn connector() -> Connector {
        NewConnector::new("HR", "x.Y").build(ScriptName::derive("HR"), &[])
    }

    fn with_texts(text: &str) -> Connector {
        let mut connector = connector();
        connector.translations.0.insert(Locale::De, Properties::parse(text.as_bytes()).expect("valid"));
        connector
    }

    fn with_metadata(metadata: Value) -> Connector {
        let Value::Object(connector_metadata) = metadata else { panic!("an object") };
        Connector { connector_metadata, ..connector() }
    }

    fn with_features(features: &str) -> Connector {
        let template = format!("<Application featuresString='{features}'/>");
        Connector { source_template: SourceTemplate::parse(template.as_bytes()).expect("valid"), ..connector() }
    }

    fn keys(count: usize) -> String {
        (0..count).map(|n| format!("k{n}=\n")).collect::<Vec<_>>().concat()
    }

    #[test]
    fn what_is_too_large_is_named_with_its_bound() {
        let long = |count: usize| "x".repeat(count);
        for (connector, expected) in [
            (with_texts(&keys(10_001)), "the locale `de` has 10001 keys; it may have at most 10000"),
            (
                with_texts(&format!("ShortDesc={}", long(4097))),
                "the text of `ShortDesc` in the locale `de` has 4097 bytes; it may have at most 4096",
            ),
            (
                with_metadata(json!({"shortDesc": long(5000)})),
                "`connectorMetadata.shortDesc` has 5000 bytes; it may have at most 4096",
            ),
            (
                with_metadata(json!({"labels": vec!["a"; 101]})),
                "`connectorMetadata.labels` has 101 labels; it may have at most 100",
            ),
            (
                with_metadata(json!({"labels": long(1021)})),
                "the longest label has 1021 bytes; it may have at most 1020",
            ),
            (
                with_metadata(json!({"category": long(1021)})),
                "`connectorMetadata.category` has 1021 bytes; it may have at most 1020",
            ),
            (with_features(&vec!["a"; 201].join(",")), "`featuresString` has 201 features; it may have at most 200"),
            (with_features(&long(256)), "the longest feature has 256 bytes; it may have at most 255"),
        ] {
            assert_eq!(connector.check_bounds(CONNECTOR_BYTES).expect_err(expected).to_string(), expected);
        }
        let within = [with_texts(&keys(10_000)), with_features(&vec!["a"; 200].join(",")), connector()];
        assert!(within.iter().all(|connector| connector.check_bounds(CONNECTOR_BYTES).is_ok()));
        // Each of these characters is six bytes in JSON.
        let escaped = with_texts(&format!("a={}", "\u{1}".repeat(10_000)));
        assert!(escaped.check_bounds(70_000).is_ok());
        let error = escaped.check_bounds(60_000).expect_err("too large").to_string();
        assert!(error.starts_with("the connector as JSON has 6"), "{error}");
        assert!(error.ends_with("bytes; it may have at most 60000"), "{error}");
    }

    #[test]
    fn what_was_too_large_before_may_shrink_and_stay_but_not_grow() {
        let (less, same, more) = (with_texts(&keys(10_500)), with_texts(&keys(11_000)), with_texts(&keys(11_001)));
        assert!(less.check_bounds(CONNECTOR_BYTES).is_err());
        assert!(less.check_growth(&same, CONNECTOR_BYTES).is_ok());
        assert!(same.check_growth(&same, CONNECTOR_BYTES).is_ok());
        assert!(more.check_growth(&same, CONNECTOR_BYTES).is_err());
        let mut renamed = same.clone();
        renamed.connector_metadata.insert("category".to_owned(), json!("HR"));
        assert!(renamed.check_growth(&same, CONNECTOR_BYTES).is_ok(), "another part is changed");
        assert!(same.check_growth(&renamed, 1000).is_ok() && renamed.check_growth(&same, 1000).is_err());
    }

    proptest! {
        #[test]
        fn bytes_as_json_are_those_of_the_text(values in prop::collection::vec((".{0,6}", any::<f64>()), 0..8), max in 0..200_usize) {
            let text = serde_json::to_vec(&values).expect("JSON");
            prop_assert_eq!(json_bytes(&values, max), (text.len() <= max).then_some(text.len()));
        }
    }
}
