//! The fields that a list can be filtered by, and the operators that each supports (the specification's table).

use super::columns::{Columns, Match, Texts};
use super::syntax::Operator;

pub(super) struct Field {
    pub name: &'static str,
    pub read: Read,
    pub supported: &'static [Operator],
}

/// How to read a field, by the kind of its value.
#[derive(Clone, Copy)]
pub(super) enum Read {
    Texts(fn(&Columns) -> &Texts),
    DirectConnect,
}

pub(super) const FIELDS: &[Field] = {
    use Operator::{Ca, Co, Eq, Sw};
    use Read::{DirectConnect, Texts};
    &[
        Field { name: "name", read: Texts(|columns| &columns.name), supported: &[Sw, Co] },
        Field { name: "type", read: Texts(|columns| &columns.connector_type), supported: &[Sw, Co, Eq] },
        Field { name: "directConnect", read: DirectConnect, supported: &[Eq] },
        Field { name: "category", read: Texts(|columns| &columns.category), supported: &[Eq] },
        Field { name: "features", read: Texts(|columns| &columns.features), supported: &[Ca] },
        Field { name: "labels", read: Texts(|columns| &columns.labels), supported: &[Ca] },
    ]
};

impl Field {
    /// The operators it supports, such as `sw, co`.
    pub fn operators(&self) -> String {
        self.supported.iter().map(|supported| supported.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// How a supported operator looks for its value.
pub(super) const fn how(operator: Operator) -> Match {
    match operator {
        Operator::Sw => Match::Start,
        Operator::Co => Match::Part,
        _ => Match::Whole,
    }
}

/// Every field with its operators, in words.
pub(super) fn supported_list() -> String {
    let fields: Vec<_> = FIELDS.iter().map(|field| format!("{} ({})", field.name, field.operators())).collect();
    format!("supported are {}", fields.join(", "))
}
