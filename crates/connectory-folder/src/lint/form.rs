//! Checks a source config: the fields, what refers to them, and the attributes and types that are known.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use connectory_model::document::{DocumentKind, FORM_NAMESPACE};
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::lines::Lines;
use connectory_model::shown;
use roxmltree::{Document as Tree, Node};

use super::document::{attribute, opening};
use super::findings::Findings;
use super::rules::{
    DUPLICATE_FIELD, FIELD_NAME, FORM_TYPE, SCHEMA_VERSION, UNKNOWN_ATTRIBUTE, UNKNOWN_FIELD_TYPE, UNKNOWN_PARENT,
};
use crate::vocabulary::{self, FIELD_TYPES, holds_key};

/// The translation keys that a form uses, with the place of each.
pub(super) type Keys<'a> = BTreeMap<&'a str, Range<usize>>;

/// Checks a form, and returns the translation keys that it uses.
pub(super) fn check<'a>(findings: &mut Findings<'_>, file: &str, tree: &'a Tree<'_>) -> Keys<'a> {
    let root = tree.root_element();
    if root.tag_name().namespace() != Some(FORM_NAMESPACE) {
        let message = format!("unsupported schema version; expected xmlns=\"{FORM_NAMESPACE}\"");
        findings.push(&SCHEMA_VERSION, file, opening(root), message);
    }
    if let Some(other) = attribute(root, "type").filter(|kind| kind.value() != "SourceConfig") {
        let message = format!("the form's type is `{}`; expected `SourceConfig`", shown(other.value(), QUOTED_CHARS));
        findings.push(&FORM_TYPE, file, other.range_value(), message);
    }
    let names = check_fields(findings, file, tree);
    let mut keys = BTreeMap::new();
    for node in root.descendants().filter(Node::is_element) {
        if let Some(parent) = attribute(node, "parentKey").filter(|parent| !names.contains(parent.value())) {
            let suggestion = findings.suggestion(parent.value(), &names);
            let message = format!("there is no field `{}`{suggestion}", shown(parent.value(), QUOTED_CHARS));
            findings.push(&UNKNOWN_PARENT, file, parent.range_value(), message);
        }
        let element = node.tag_name().name();
        let known = vocabulary::element(DocumentKind::SourceConfig, element).map(|known| known.attributes);
        for attribute in node.attributes() {
            let is_unknown =
                known.is_some_and(|known| !known.contains(&attribute.name())) && attribute.namespace().is_none();
            if is_unknown {
                let name = shown(attribute.name(), QUOTED_CHARS);
                let message = format!("<{element}> has no attribute `{name}` that is known");
                findings.push(&UNKNOWN_ATTRIBUTE, file, attribute.range_qname(), message);
            }
            // A misspelt attribute may hold a key.
            if is_unknown || holds_key(attribute.name()) {
                keys.entry(attribute.value()).or_insert_with(|| attribute.range_value());
            }
        }
    }
    keys
}

/// Checks the names and types of fields, and returns the names.
fn check_fields<'a>(findings: &mut Findings<'_>, file: &str, tree: &'a Tree<'_>) -> HashSet<&'a str> {
    let fields = || tree.root_element().descendants().filter(|node| node.tag_name().name() == "Field");
    let lines = Lines::of(tree.input_text());
    let mut seen = HashMap::new();
    for field in fields() {
        match attribute(field, "name").filter(|name| !name.value().is_empty()) {
            None => {
                findings.push(&FIELD_NAME, file, opening(field), "the field has no name; give it a `name` attribute");
            }
            Some(name) => {
                let line = lines.number(name.range().start);
                if let Some(first) = seen.insert(name.value(), line) {
                    let field = shown(name.value(), QUOTED_CHARS);
                    let message = format!("the field `{field}` is on line {first} already");
                    findings.push(&DUPLICATE_FIELD, file, name.range_value(), message);
                }
            }
        }
        if let Some(kind) = attribute(field, "type").filter(|kind| !FIELD_TYPES.contains(&kind.value())) {
            let (unknown, known) = (shown(kind.value(), QUOTED_CHARS), FIELD_TYPES.join(", "));
            let message = format!("unknown field type `{unknown}`; known are {known}");
            findings.push(&UNKNOWN_FIELD_TYPE, file, kind.range_value(), message);
        }
    }
    fields().filter_map(|field| field.attribute("name")).collect()
}
