//! Importing connectors from a JSON array of objects in the shape that the API's list or get answers.
//!
//! What an object lacks is scaffolded as on create; the features of a list item go into its scaffolded source
//! template, so that they are kept.

use std::collections::HashSet;

use serde_json::Value;

use crate::create::{InvalidMember, Members, NewConnector};
use crate::document::{CorrelationConfig, DocumentError, DocumentKind, SourceConfig, SourceTemplate};
use crate::locale::UnknownLocale;
use crate::translations::{Properties, PropertiesError};
use crate::{Connector, InvalidScriptName, Locale, ScriptName};

/// The class name of an imported object that has none: lists may answer null (our decision).
const DEFAULT_CLASS_NAME: &str = "sailpoint.connector.OpenConnectorAdapter";

/// Why an import is refused.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The text is no JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The text is JSON, but no array.
    #[error("expected an array of connectors, got {0}")]
    NotAnArray(String),
    /// An object of the array is no connector.
    #[error("connector {index}{}: {problem}", .name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default())]
    Object {
        /// Its position in the array, from 1.
        index: usize,
        /// Its name, where it has one.
        name: Option<String>,
        /// What is wrong with it.
        problem: ObjectError,
    },
}

/// Why an object is no connector.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// A member is missing or has the wrong type.
    #[error(transparent)]
    Member(#[from] InvalidMember),
    /// The script name cannot be one.
    #[error(transparent)]
    ScriptName(#[from] InvalidScriptName),
    /// The script name stands in the array twice.
    #[error("the script name `{0}` stands in the array twice")]
    Duplicate(ScriptName),
    /// A document is refused.
    #[error("`{member}`: {problem}")]
    Document {
        /// The member that holds the document.
        member: &'static str,
        /// Why.
        problem: DocumentError,
    },
    /// A locale is none of the supported ones.
    #[error("`translationProperties`: {0}")]
    Locale(#[from] UnknownLocale),
    /// A locale's text is no `.properties` text.
    #[error("`translationProperties.{locale}`: {problem}")]
    Properties {
        /// The locale.
        locale: Locale,
        /// Why.
        problem: PropertiesError,
    },
}

/// Reads connectors from a JSON array.
pub fn from_json(text: &[u8]) -> Result<Vec<Connector>, ImportError> {
    let objects = match serde_json::from_slice(text)? {
        Value::Array(objects) => objects,
        other => return Err(ImportError::NotAnArray(crate::create::kind(&other))),
    };
    let mut taken = HashSet::with_capacity(objects.len());
    objects
        .iter()
        .enumerate()
        .map(|(position, object)| {
            connector(object, &mut taken).map_err(|problem| ImportError::Object {
                index: position + 1,
                name: object["name"].as_str().map(str::to_owned),
                problem,
            })
        })
        .collect()
}

fn connector(object: &Value, taken: &mut HashSet<ScriptName>) -> Result<Connector, ObjectError> {
    let members = Members::of(object)?;
    let new = NewConnector::from_members(members, Some(DEFAULT_CLASS_NAME))?;
    let script_name = match members.text("scriptName")? {
        Some(script_name) => ScriptName::strict(&script_name)?,
        None => ScriptName::derive(&new.name, |candidate| taken.contains(candidate)),
    };
    if !taken.insert(script_name.clone()) {
        return Err(ObjectError::Duplicate(script_name));
    }
    let mut connector = new.build(script_name, &features(members)?);
    if let Some(metadata) = members.metadata()? {
        connector.connector_metadata = metadata;
    }
    if let Some(document) = document(members, DocumentKind::SourceConfig, SourceConfig::parse)? {
        connector.source_config = document;
    }
    if let Some(document) = document(members, DocumentKind::SourceTemplate, SourceTemplate::parse)? {
        connector.source_template = document;
    }
    if let Some(document) = document(members, DocumentKind::CorrelationConfig, CorrelationConfig::parse)? {
        connector.correlation_config = document;
    }
    if let Some(value) = members.get("translationProperties") {
        let texts =
            value.as_object().ok_or_else(|| Members::wrong_type("translationProperties", "an object", value))?;
        for (tag, text) in texts {
            let locale: Locale = tag.parse()?;
            let text = text.as_str().ok_or_else(|| Members::wrong_type(tag, "a string", text))?;
            let properties =
                Properties::parse(text.as_bytes()).map_err(|problem| ObjectError::Properties { locale, problem })?;
            connector.translations.0.insert(locale, properties);
        }
    }
    Ok(connector)
}

fn features(members: Members<'_>) -> Result<Vec<String>, InvalidMember> {
    let Some(value) = members.get("features") else { return Ok(Vec::new()) };
    value
        .as_array()
        .and_then(|features| features.iter().map(|feature| feature.as_str().map(str::to_owned)).collect())
        .ok_or_else(|| Members::wrong_type("features", "an array of strings", value))
}

fn document<T>(
    members: Members<'_>,
    kind: DocumentKind,
    parse: impl Fn(&[u8]) -> Result<T, DocumentError>,
) -> Result<Option<T>, ObjectError> {
    let member = kind.member();
    let Some(value) = members.get(member) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| Members::wrong_type(member, "a string", value))?;
    parse(text.as_bytes()).map(Some).map_err(|problem| ObjectError::Document { member, problem })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::{ConnectorDetail, ConnectorItem, Origin};

    fn import(value: &Value) -> Result<Vec<Connector>, ImportError> {
        from_json(value.to_string().as_bytes())
    }

    #[test]
    fn a_list_item_is_scaffolded_and_keeps_its_features() {
        let item = json!({"name": "HR", "scriptName": "hr_v1", "className": null, "features": ["A", "B, C"],
                          "connectorMetadata": {"category": "HR"}});
        let connector = import(&json!([item])).expect("valid").remove(0);
        assert_eq!(connector.script_name.as_str(), "hr_v1");
        assert_eq!(connector.summary().features, ["A", "B", "C"]);
        let again = serde_json::to_value(ConnectorItem::new(&connector.summary(), Locale::En)).expect("JSON");
        assert_eq!(import(&json!([again])).expect("valid").remove(0), connector);
    }

    #[test]
    fn a_detail_comes_back_whole() {
        let mut connector = import(&json!([{"name": "HR"}])).expect("valid").remove(0);
        let english = Properties::parse(b"a=b\n").expect("valid");
        connector.translations.0.insert(Locale::En, english);
        let detail =
            serde_json::to_value(ConnectorDetail::new(&connector, Origin::Custom, Locale::En, false)).expect("JSON");
        assert_eq!(import(&json!([detail])).expect("valid"), [connector]);
    }

    #[test]
    fn a_refusal_names_the_object_and_the_member() {
        let table = [
            (json!({}), "expected an array of connectors, got an object"),
            (json!([{"name": "a"}, {"name": "b", "scriptName": "a"}]), "connector 2 (b): the script name `a` stands"),
            (json!([{"name": "a", "features": "x"}]), "connector 1 (a): `features` must be an array of strings"),
            (json!([{"name": "a", "applicationXml": "<A>"}]), "connector 1 (a): `applicationXml`: line 1, column"),
            (
                json!([{"name": "a", "translationProperties": {"xx": ""}}]),
                "connector 1 (a): `translationProperties`: `xx`",
            ),
            (json!([{"className": "a"}]), "connector 1: `name` is required"),
        ];
        for (value, expected) in table {
            let refusal = import(&value).expect_err(expected).to_string();
            assert!(refusal.starts_with(expected), "{refusal}");
        }
    }
}
