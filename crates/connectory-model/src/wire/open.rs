//! Reading leniently: words that only a newer server knows, and null for what is empty.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

/// A word of an enumeration, or a word that only a newer server knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Open<T> {
    /// A word that this version knows.
    Known(T),
    /// Another word, as it was sent.
    Other(String),
}

impl<T> Open<T> {
    /// The word, if this version knows it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Other(_) => None,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Open<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(word) => word.fmt(f),
            Self::Other(word) => f.write_str(word),
        }
    }
}

impl<T> Default for Open<T> {
    /// The word of a member that is missing or null: none.
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// Reads null as the empty value.
pub(super) fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a boolean, which may be quoted. Null is false.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Bool(bool),
        Text(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(false),
        Some(Flag::Bool(flag)) => Ok(flag),
        Some(Flag::Text(text)) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Some(Flag::Text(text)) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        Some(Flag::Text(text)) => Err(D::Error::invalid_value(Unexpected::Str(&text), &"true or false")),
    }
}

/// Reads what is derived from other members. It is left out where it has another form.
pub(super) fn derived<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

/// Reads the values of an object that are not null.
pub(super) fn present<'de, D: Deserializer<'de>, K: Deserialize<'de> + Ord, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<K, V>, D::Error> {
    let members: Option<BTreeMap<K, Option<V>>> = Option::deserialize(deserializer)?;
    Ok(members.into_iter().flatten().filter_map(|(key, value)| Some((key, value?))).collect())
}
