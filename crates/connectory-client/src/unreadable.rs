//! Connectors of an answer that cannot be read.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Characters of a name, and of an item without one, that are shown.
const SHOWN: usize = 100;

/// An item of an answer that is not a connector as the API defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The connector's name, if it has one.
    pub name: Option<String>,
    /// The connector's script name, if it has one. It may be a text that cannot be a script name.
    pub script_name: Option<String>,
    /// What is wrong, with the member's name.
    pub reason: String,
    /// The item as it was sent.
    pub json: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        match (&self.name, &self.script_name) {
            (Some(name), Some(script_name)) => {
                write!(f, "the connector `{}` (script name `{}`)", shown(name), shown(script_name))?;
            }
            (Some(one), None) | (None, Some(one)) => write!(f, "the connector `{}`", shown(one))?,
            (None, None) => write!(f, "the item `{}`", shown(&self.json))?,
        }
        write!(f, " cannot be read: {}", self.reason)
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    /// Why an item is not a `T`, which has at least a name and a script name.
    pub(crate) fn of<T: DeserializeOwned>(json: &str, error: &serde_json::Error) -> Self {
        let item: Value = serde_json::from_str(json).unwrap_or_default();
        let text = |member: &str| item.get(member)?.as_str().map(str::to_owned);
        let wrong = item.as_object().and_then(wrong_member::<T>);
        Self {
            name: text("name"),
            script_name: text("scriptName"),
            reason: wrong.unwrap_or_else(|| error.to_string()),
            json: json.to_owned(),
        }
    }
}

/// The member because of which an object is not a `T`. An error of serde does not name it.
fn wrong_member<T: DeserializeOwned>(object: &Map<String, Value>) -> Option<String> {
    object.iter().find_map(|(name, value)| {
        let mut alone = json!({"name": "a", "scriptName": "a"});
        alone[name] = value.clone();
        let error = serde_json::from_value::<T>(alone).err()?;
        Some(format!("`{}`: {error}", name.chars().take(SHOWN).collect::<String>()))
    })
}
