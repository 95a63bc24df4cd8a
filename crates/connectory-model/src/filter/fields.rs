//! The fields that a list can be filtered by, and the operators that each supports (the specification's table).

use serde_json::Value;

use crate::{Summary, lower_key};

/// What filters read of a connector; every text in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    name: String,
    connector_type: String,
    category: Option<String>,
    direct_connect: bool,
    features: Vec<String>,
    labels: Vec<String>,
}

impl Columns {
    /// The columns of a connector. Its category and labels are members of its metadata (our decision); labels may
    /// be an array of strings or one string.
    pub fn new(summary: &Summary) -> Self {
        let metadata = &summary.connector_metadata;
        let labels = match metadata.get("labels") {
            Some(Value::Array(labels)) => labels.iter().filter_map(Value::as_str).map(lower_key).collect(),
            Some(Value::String(label)) => vec![lower_key(label)],
            _ => Vec::new(),
        };
        Self {
            name: lower_key(&summary.name),
            connector_type: lower_key(&summary.connector_type),
            category: metadata.get("category").and_then(Value::as_str).map(lower_key),
            direct_connect: summary.direct_connect,
            features: summary.features.iter().map(|feature| lower_key(feature)).collect(),
            labels,
        }
    }

    /// The name in lower case, by which lists are sorted.
    pub fn name(&self) -> &str {
        &self.name
    }
}

pub(super) struct Field {
    pub name: &'static str,
    pub read: Read,
    pub supported: &'static [Supported],
}

/// How to read a field, by the kind of its value.
#[derive(Clone, Copy)]
pub(super) enum Read {
    Text(fn(&Columns) -> Option<&str>),
    Flag(fn(&Columns) -> bool),
    List(fn(&Columns) -> &[String]),
}

/// The operators that some field supports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Supported {
    Equals,
    StartsWith,
    Contains,
    ContainsAll,
}

pub(super) const FIELDS: &[Field] = {
    use Read::{Flag, List, Text};
    use Supported::{Contains, ContainsAll, Equals, StartsWith};
    &[
        Field { name: "name", read: Text(|columns| Some(&columns.name)), supported: &[StartsWith, Contains] },
        Field {
            name: "type",
            read: Text(|columns| Some(&columns.connector_type)),
            supported: &[StartsWith, Contains, Equals],
        },
        Field { name: "directConnect", read: Flag(|columns| columns.direct_connect), supported: &[Equals] },
        Field { name: "category", read: Text(|columns| columns.category.as_deref()), supported: &[Equals] },
        Field { name: "features", read: List(|columns| &columns.features), supported: &[ContainsAll] },
        Field { name: "labels", read: List(|columns| &columns.labels), supported: &[ContainsAll] },
    ]
};

impl Field {
    /// The operators it supports, such as `sw, co`.
    pub fn operators(&self) -> String {
        self.supported.iter().map(|supported| supported.operator().as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Every field with its operators, in words.
pub(super) fn supported_list() -> String {
    let fields: Vec<_> = FIELDS.iter().map(|field| format!("{} ({})", field.name, field.operators())).collect();
    format!("supported are {}", fields.join(", "))
}
