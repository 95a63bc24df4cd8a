//! Importing connectors from a JSON array of objects in the shape that the API's list or get answers.
//!
//! Documents that an object lacks are scaffolded as on create. The features of a list item are written into its
//! scaffolded source template.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::create::{DEFAULT_CLASS_NAME, NewConnector};
use crate::document::{Document, DocumentError, DocumentKind};
use crate::json::{self, JsonError};
use crate::limits::QUOTED_CHARS;
use crate::members::{InvalidMember, Members, kind};
use crate::translations::{Properties, PropertiesError};
use crate::{Connector, InvalidScriptName, Locale, ScriptName, UnknownLocale, shown};

/// Why connectors are not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The text is not JSON, or a number in it would lose digits.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The text is JSON, but not an array.
    #[error("expected an array of connectors, got {0}")]
    NotAnArray(String),
    /// An object of the array is not a connector.
    #[error("connector {index}{}: {error}", .name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default())]
    Object {
        /// The position in the array, from 1.
        index: usize,
        /// The name, if the object has one.
        name: Option<String>,
        /// What is wrong with the object.
        error: ObjectError,
    },
}

/// Why an object is not a connector.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// A member is missing or has the wrong type.
    #[error(transparent)]
    Member(#[from] InvalidMember),
    /// The script name is not valid.
    #[error(transparent)]
    ScriptName(#[from] InvalidScriptName),
    /// A whole connector is wanted, and this is a part of one.
    #[error("`{0}` is missing; a whole connector is wanted, as `connectory export` writes it")]
    Incomplete(&'static str),
    /// The member is none of a connector.
    #[error("the member `{0}` is unknown")]
    Unknown(String),
    /// The script name is another one than that of the change.
    #[error("its `scriptName` is not `{0}`; a script name never changes")]
    OtherScriptName(ScriptName),
    /// The script name is in the array twice.
    #[error("the script name `{0}` is in the array twice")]
    Duplicate(ScriptName),
    /// A document is not accepted.
    #[error("`{member}`: {error}")]
    Document {
        /// The member that holds the document.
        member: &'static str,
        /// What is wrong with it.
        error: DocumentError,
    },
    /// A locale is not supported.
    #[error("`translationProperties`: {0}")]
    Locale(#[from] UnknownLocale),
    /// Two spellings of a locale are there.
    #[error("`translationProperties`: `{first}` and `{second}` are one locale; leave one of them out")]
    LocaleTwice {
        /// The first spelling.
        first: String,
        /// The second spelling.
        second: String,
    },
    /// A text is not in `.properties` format.
    #[error("`translationProperties.{locale}`: {error}")]
    Properties {
        /// The locale.
        locale: Locale,
        /// What is wrong with it.
        error: PropertiesError,
    },
}

/// The members of a whole connector.
const WHOLE: [&str; 11] = [
    "name",
    "scriptName",
    "type",
    "className",
    "directConnect",
    "status",
    "connectorMetadata",
    "sourceConfigXml",
    "applicationXml",
    "correlationConfigXml",
    "translationProperties",
];

/// The members of a detail that are derived from the others.
const DERIVED: [&str; 7] = [
    "fileUpload",
    "provisioningPolicies",
    "s3Location",
    "sourceConfig",
    "sourceConfigFrom",
    "uploadedFiles",
    "features",
];

/// Reads whole connectors from a JSON array. A missing member is an error, because it would remove what a server has.
pub fn whole_from_json(text: &[u8]) -> Result<Vec<Connector>, ImportError> {
    read(text, missing)
}

/// Reads connectors from a JSON array. What is missing has its default.
pub fn from_json(text: &[u8]) -> Result<Vec<Connector>, ImportError> {
    read(text, |_| None)
}

/// Reads a whole connector that has this script name.
pub fn whole(object: &Value, script_name: &ScriptName) -> Result<Connector, ObjectError> {
    match missing(object).or_else(|| unknown(object)) {
        Some(error) => Err(error),
        None if object["scriptName"] != script_name.as_str() => Err(ObjectError::OtherScriptName(script_name.clone())),
        None => connector(object, |_| Ok(script_name.clone())),
    }
}

/// The error of an object that has a member which a detail does not have.
fn unknown(object: &Value) -> Option<ObjectError> {
    let members = object.as_object()?;
    let is_known = |member: &str| WHOLE.contains(&member) || DERIVED.contains(&member);
    let member = members.keys().find(|member| !is_known(member))?;
    Some(ObjectError::Unknown(shown(member, QUOTED_CHARS).to_owned()))
}

/// The error of an object that lacks a member of a whole connector.
fn missing(object: &Value) -> Option<ObjectError> {
    WHOLE.into_iter().find(|member| object[*member].is_null()).map(ObjectError::Incomplete)
}

fn read(text: &[u8], refusal: impl Fn(&Value) -> Option<ObjectError>) -> Result<Vec<Connector>, ImportError> {
    let objects = match json::from_slice(text, usize::MAX)? {
        Value::Array(objects) => objects,
        other => return Err(ImportError::NotAnArray(kind(&other))),
    };
    let mut taken = HashSet::with_capacity(objects.len());
    objects
        .iter()
        .enumerate()
        .map(|(position, object)| {
            let read =
                refusal(object).map_or_else(|| connector(object, |new| script_name(object, new, &mut taken)), Err);
            read.map_err(|error| ImportError::Object {
                index: position + 1,
                name: object["name"].as_str().map(|name| shown(name, QUOTED_CHARS).to_owned()),
                error,
            })
        })
        .collect()
}

/// The script name of an object in an array: its own, or one that is derived from its name.
fn script_name(object: &Value, new: &NewConnector, taken: &mut HashSet<ScriptName>) -> Result<ScriptName, ObjectError> {
    let script_name = match Members::of(object)?.text("scriptName")? {
        Some(script_name) => ScriptName::strict(&script_name)?,
        None => ScriptName::derive(&new.name).avoiding(|candidate| taken.contains(candidate)),
    };
    if !taken.insert(script_name.clone()) {
        return Err(ObjectError::Duplicate(script_name));
    }
    Ok(script_name)
}

fn connector(
    object: &Value,
    script_name: impl FnOnce(&NewConnector) -> Result<ScriptName, ObjectError>,
) -> Result<Connector, ObjectError> {
    let members = Members::of(object)?;
    let new = NewConnector::from_members(members, Some(DEFAULT_CLASS_NAME))?;
    let script_name = script_name(&new)?;
    let mut connector = new.build(script_name, &features(members)?);
    if let Some(metadata) = members.metadata()? {
        connector.connector_metadata = metadata;
    }
    for kind in DocumentKind::ALL {
        if let Some(document) = document(members, kind)? {
            connector.set_document(document);
        }
    }
    if let Some(value) = members.get("translationProperties") {
        let texts =
            value.as_object().ok_or_else(|| Members::wrong_type("translationProperties", "an object", value))?;
        let mut tags = BTreeMap::new();
        for (tag, text) in texts {
            let locale: Locale = tag.parse()?;
            if let Some(first) = tags.insert(locale, tag) {
                let [first, second] = [first, tag].map(Clone::clone);
                return Err(ObjectError::LocaleTwice { first, second });
            }
            let text = text.as_str().ok_or_else(|| Members::wrong_type(tag, "a string", text))?;
            let properties =
                Properties::parse(text.as_bytes()).map_err(|error| ObjectError::Properties { locale, error })?;
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

fn document(members: Members<'_>, kind: DocumentKind) -> Result<Option<Document>, ObjectError> {
    let member = kind.member();
    let Some(value) = members.get(member) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| Members::wrong_type(member, "a string", value))?;
    Document::parse(kind, text.as_bytes()).map(Some).map_err(|error| ObjectError::Document { member, error })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::wire::{ConnectorDetail, ConnectorItem, DetailShape, Origin};

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
    fn a_part_of_a_connector_is_refused_where_a_whole_one_is_wanted() {
        let connector = import(&json!([{"name": "HR"}])).expect("valid").remove(0);
        let detail = ConnectorDetail::new(&connector, Origin::Custom, Locale::En, DetailShape::Plain);
        let detail = serde_json::to_value(detail).expect("JSON");
        let whole = |object: &Value| whole_from_json(json!([object]).to_string().as_bytes());
        assert_eq!(whole(&detail).expect("whole"), [connector]);
        for member in WHOLE {
            let mut part = detail.clone();
            part[format!("{member}s")] = part.as_object_mut().expect("an object").remove(member).expect("a member");
            let error = whole(&part).expect_err(member).to_string();
            assert!(error.contains(&format!("`{member}` is missing; a whole connector is wanted")), "{error}");
        }
        assert!(whole(&json!([])).is_err() && whole_from_json(b"[]").expect("none").is_empty());
    }

    #[test]
    fn a_detail_comes_back_whole() {
        let mut connector = import(&json!([{"name": "HR"}])).expect("valid").remove(0);
        let english = Properties::parse(b"a=b\n").expect("valid");
        connector.translations.0.insert(Locale::En, english);
        let detail =
            serde_json::to_value(ConnectorDetail::new(&connector, Origin::Custom, Locale::En, DetailShape::Plain))
                .expect("JSON");
        assert_eq!(import(&json!([detail])).expect("valid"), [connector]);
    }

    #[test]
    fn an_error_names_the_object_and_the_member() {
        let table = [
            (json!({}), "expected an array of connectors, got an object"),
            (json!([{"name": "a"}, {"name": "b", "scriptName": "a"}]), "connector 2 (b): the script name `a` is in"),
            (json!([{"name": "a", "features": "x"}]), "connector 1 (a): `features` must be an array of strings"),
            (json!([{"name": "a", "applicationXml": "<A>"}]), "connector 1 (a): `applicationXml`: line 1, column"),
            (
                json!([{"name": "a", "translationProperties": {"xx": ""}}]),
                "connector 1 (a): `translationProperties`: `xx`",
            ),
            (
                json!([{"name": "a", "translationProperties": {"zh-TW": "a=1", "zh-tw": "a=2"}}]),
                "connector 1 (a): `translationProperties`: `zh-TW` and `zh-tw` are one locale; leave one of them out",
            ),
            (json!([{"className": "a"}]), "connector 1: `name` is required"),
        ];
        for (value, expected) in table {
            let error = import(&value).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_file_may_begin_with_a_byte_order_mark_and_no_number_loses_digits() {
        let file =
            |metadata: &str| format!("\u{feff}[{{\"name\": \"HR\", \"connectorMetadata\": {{\"a\": {metadata}}}}}]");
        assert_eq!(from_json(file("1.5").as_bytes()).expect("valid")[0].connector_metadata["a"], 1.5);
        let error = from_json(file("18446744073709551617").as_bytes()).expect_err("lost").to_string();
        assert!(error.contains("the number `18446744073709551617` at line 1,"), "{error}");
    }

    /// A value for any member: of the right type, of another, or odd.
    fn any_value() -> impl Strategy<Value = Value> {
        prop::sample::select(vec![
            Value::Null,
            json!(true),
            json!("false"),
            json!(1.5),
            json!(""),
            json!(" HR & <Ä> "),
            json!("hr-2"),
            json!("DEMO"),
            json!(["A", "B, C"]),
            json!([null]),
            json!({"category": "x", "labels": ["a", 1]}),
            json!({"de": "a=b\n", "zh-tw": "ShortDesc=\\u00e4"}),
            json!({"xx": ""}),
            json!("<Application featuresString='A'/>"),
            json!("<CorrelationConfig/>"),
            json!("<Form"),
        ])
    }

    fn any_object() -> impl Strategy<Value = Value> {
        let member = prop::sample::select(WHOLE.into_iter().chain(["features"]).collect::<Vec<_>>());
        prop::collection::hash_map(member, any_value(), 0..6).prop_map(|members| {
            let mut object = json!({"name": "HR"});
            for (member, value) in members {
                object[member] = value;
            }
            object
        })
    }

    proptest! {
        #[test]
        fn what_is_imported_and_exported_is_imported_the_same(objects in prop::collection::vec(any_object(), 0..3)) {
            if let Ok(connectors) = import(&Value::from(objects)) {
                let names: HashSet<_> = connectors.iter().map(|connector| &connector.script_name).collect();
                prop_assert_eq!(names.len(), connectors.len());
                let details = connectors.iter().map(|connector| {
                    let detail = ConnectorDetail::new(connector, Origin::Custom, Locale::En, DetailShape::WithPolicies);
                    serde_json::to_value(detail).expect("JSON")
                });
                prop_assert_eq!(import(&details.collect()).expect("an export can be imported"), connectors);
            }
        }

        #[test]
        fn any_text_is_imported_or_refused(text in r#"([\[\]{},:0-9]|"[a-z]{0,4}"|true|null|"name":|"className":){0,20}"#) {
            let _imported_or_not = from_json(text.as_bytes());
        }
    }
}
