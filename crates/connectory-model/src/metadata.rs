//! The free-form members of a connector, and those of them that have a meaning here.

use serde_json::{Map, Value};

/// Free-form members that user interfaces read, such as `category`, `labels` and `shortDesc`.
pub type Metadata = Map<String, Value>;

/// The member of the metadata that a locale's short description replaces.
pub const SHORT_DESC: &str = "shortDesc";

/// The labels in metadata: an array of strings, or one string.
pub fn labels(metadata: &Metadata) -> impl Iterator<Item = &str> {
    let labels = match metadata.get("labels") {
        Some(Value::Array(labels)) => labels.as_slice(),
        Some(label) => std::slice::from_ref(label),
        None => &[],
    };
    labels.iter().filter_map(Value::as_str)
}

/// About how many bytes a value takes in memory, including its place in its parent.
fn memory_of(value: &Value) -> usize {
    let below = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(memory_of).sum(),
        Value::Object(members) => memory_of_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    2 * size_of::<Value>() + below
}

/// About how many bytes metadata takes in memory.
pub(crate) fn memory_of_members(members: &Metadata) -> usize {
    members.iter().map(|(name, value)| name.len() + memory_of(value)).sum()
}
