//! The words of the documents: elements, their attributes, and what these hold. The linter knows them from here, and an
//! editor proposes them.
//!
//! The schemas of the vendor are larger. What is not here is no error.

use std::collections::HashSet;

use connectory_model::document::{DocumentKind, TRANSLATED, xml};
use roxmltree::Document as Tree;

/// An element that may be in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// The name.
    pub name: &'static str,
    /// The names of its attributes.
    pub attributes: &'static [&'static str],
    /// The names of the elements in it.
    pub children: &'static [&'static str],
}

/// What an attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Any text.
    Text,
    /// One of some words.
    Words(&'static [&'static str]),
    /// A translation key.
    Key,
    /// The name of a field of the same document.
    Field,
    /// The name of an attribute of the source template's account schema.
    AccountAttribute,
}

/// The types of fields in a source config.
pub const FIELD_TYPES: &[&str] = &[
    "text",
    "textarea",
    "secret",
    "url",
    "number",
    "radio",
    "checkbox",
    "toggle",
    "select",
    "list",
    "keyValue",
    "fileupload",
    "boolean",
];

/// The attributes that may hold a translation key, beside those that the server replaces by texts.
const ALSO_TRANSLATED: [&str; 2] = ["helpKey", "shortDesc"];

const BOOLEANS: &[&str] = &["true", "false"];

const fn of(name: &'static str, attributes: &'static [&'static str], children: &'static [&'static str]) -> Element {
    Element { name, attributes, children }
}

/// The elements that are values of a map.
const VALUES: &[&str] = &["String", "Boolean", "Integer", "Long", "Double", "Date", "List", "Set", "Map", "null"];

const SOURCE_CONFIG: &[Element] = &[
    of(
        "Form",
        &["name", "connectorName", "type", "directConnect", "fileUpload", "status", "shortDesc"],
        &["BaseConfig", "Menu"],
    ),
    of("BaseConfig", &[], &["Field"]),
    of("Menu", &["name", "label"], &["Section"]),
    of("Section", &["name", "label", "sectionInfo", "docLink", "docLinkLabel", "parentKey", "parentValue"], &["Field"]),
    of(
        "Field",
        &[
            "name",
            "displayName",
            "type",
            "required",
            "hidden",
            "defaultValue",
            "parentKey",
            "parentValue",
            "helpKey",
            "placeHolder",
            "maxlength",
            "maxFiles",
            "maxSize",
            "supportedExtensions",
            "validateJSON",
        ],
        &["AllowedValues"],
    ),
    of("AllowedValues", &[], &["Option"]),
    of("Option", &["label", "value"], &[]),
];

const SOURCE_TEMPLATE: &[Element] = &[
    of(
        "Application",
        &["name", "type", "connector", "featuresString"],
        &["Attributes", "Schemas", "ProvisioningForms"],
    ),
    of("Attributes", &[], &["Map"]),
    of("Map", &[], &["entry"]),
    of("entry", &["key", "value"], &["value"]),
    of("value", &[], VALUES),
    of("List", &[], VALUES),
    of("Set", &[], VALUES),
    of("Schemas", &[], &["Schema"]),
    of(
        "Schema",
        &["objectType", "nativeObjectType", "identityAttribute", "displayAttribute", "aggregationType"],
        &["AttributeDefinition"],
    ),
    of("AttributeDefinition", &["name", "type", "multi", "entitlement", "managed", "schemaObjectType"], &[]),
    of("ProvisioningForms", &[], &["Form"]),
    of("Form", &["name", "description", "objectType", "type"], &["Description", "Field"]),
    of("Description", &[], &[]),
    of("Field", &["name", "displayName", "type", "required", "multi"], &["Attributes"]),
];

const CORRELATION_CONFIG: &[Element] = &[
    of("CorrelationConfig", &["name"], &["AttributeAssignments"]),
    of("AttributeAssignments", &[], &["Filter"]),
    of("Filter", &["operation", "property", "value"], &[]),
];

/// The elements of a kind of document, the root element first.
pub const fn elements(kind: DocumentKind) -> &'static [Element] {
    match kind {
        DocumentKind::SourceConfig => SOURCE_CONFIG,
        DocumentKind::SourceTemplate => SOURCE_TEMPLATE,
        DocumentKind::CorrelationConfig => CORRELATION_CONFIG,
    }
}

/// The element of a name.
pub(crate) fn element(kind: DocumentKind, name: &str) -> Option<&'static Element> {
    elements(kind).iter().find(|element| element.name == name)
}

/// What an attribute of an element holds.
pub fn values(kind: DocumentKind, element: &str, attribute: &str) -> Values {
    match (kind, element, attribute) {
        (
            _,
            _,
            "directConnect" | "fileUpload" | "required" | "hidden" | "validateJSON" | "multi" | "entitlement"
            | "managed",
        ) => Values::Words(BOOLEANS),
        (DocumentKind::SourceConfig, "Field", "type") => Values::Words(FIELD_TYPES),
        (DocumentKind::SourceConfig, "Form", "type") => Values::Words(&["SourceConfig"]),
        (DocumentKind::SourceConfig, _, "parentKey") => Values::Field,
        (DocumentKind::SourceConfig, _, name) if holds_key(name) => Values::Key,
        (DocumentKind::SourceTemplate, "AttributeDefinition" | "Field", "type") => {
            Values::Words(&["string", "boolean", "int", "long", "date", "secret"])
        }
        (DocumentKind::SourceTemplate, "Form", "type") => Values::Words(&["Create", "Update", "Delete", "CreateGroup"]),
        (DocumentKind::SourceTemplate, _, "objectType" | "schemaObjectType" | "aggregationType") => {
            Values::Words(&["account", "group"])
        }
        (DocumentKind::CorrelationConfig, "Filter", "operation") => Values::Words(&["EQ"]),
        (DocumentKind::CorrelationConfig, "Filter", "property" | "value") => Values::AccountAttribute,
        _ => Values::Text,
    }
}

/// Whether an attribute of this name may hold a translation key.
pub(crate) fn holds_key(attribute: &str) -> bool {
    TRANSLATED.contains(&attribute) || ALSO_TRANSLATED.contains(&attribute)
}

/// The names of the attributes of the account schema. A source template without a schema has none.
pub(crate) fn account_attributes_of<'a>(template: &'a Tree<'_>) -> HashSet<&'a str> {
    let schemas = template.descendants().filter(|node| {
        node.tag_name().name() == "Schema" && node.attribute("objectType").is_none_or(|kind| kind == "account")
    });
    schemas
        .flat_map(|schema| schema.descendants())
        .filter(|node| node.tag_name().name() == "AttributeDefinition")
        .filter_map(|node| node.attribute("name"))
        .collect()
}

/// The names of the attributes of the account schema in the text of a source template.
pub fn account_attributes(template: &str) -> Vec<String> {
    let tree = xml::parse(template).ok();
    let mut names: Vec<_> = tree.iter().flat_map(account_attributes_of).map(str::to_owned).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_child_is_an_element_and_the_root_is_the_first() {
        for kind in DocumentKind::ALL {
            assert_eq!(elements(kind)[0].name, kind.root_element());
            for child in elements(kind).iter().flat_map(|element| element.children) {
                assert!(VALUES.contains(child) || element(kind, child).is_some(), "{child}");
            }
        }
    }

    #[test]
    fn attributes_hold_what_the_linter_expects() {
        let of = |element, attribute| values(DocumentKind::SourceConfig, element, attribute);
        assert_eq!(of("Field", "type"), Values::Words(FIELD_TYPES));
        assert_eq!(of("Section", "parentKey"), Values::Field);
        assert_eq!(of("Field", "helpKey"), Values::Key);
        assert_eq!(of("Field", "name"), Values::Text);
        assert_eq!(values(DocumentKind::SourceTemplate, "Field", "displayName"), Values::Text);
    }

    #[test]
    fn account_attributes_are_those_of_the_account_schema() {
        let template = "<Application><Schemas><Schema objectType='account'><AttributeDefinition name='b'/>\
                        <AttributeDefinition name='a'/></Schema><Schema objectType='group'>\
                        <AttributeDefinition name='c'/></Schema></Schemas></Application>";
        assert_eq!(account_attributes(template), ["a", "b"]);
        assert!(account_attributes("<Application/>").is_empty() && account_attributes("<A").is_empty());
    }
}
