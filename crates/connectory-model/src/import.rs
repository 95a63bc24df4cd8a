//! Importing connectors from a JSON array of objects in the shape that the API's list or get answers.
//!
//! Documents that an object lacks, or that are empty, are scaffolded as on create. The features of a list item are written into
//! its scaffolded source template.

use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::create::{DEFAULT_CLASS_NAME, NewConnector};
use crate::document::{Document, DocumentError, DocumentKind};
use crate::json::{self, JsonError};
use crate::limits::{JSON_VALUES, QUOTED_CHARS};
use crate::members::{InvalidMember, Members, kind};
use crate::translations::{Properties, PropertiesError};
use crate::{Connector, Locale, ScriptName, UnknownLocale, UnreadableScriptName, shown};

/// Why connectors are not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The text is not JSON, or a number in it would lose digits.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The file is compressed.
    #[error("the file is compressed ({0}); decompress it first")]
    Compressed(&'static str),
    /// The text is JSON, but not an array.
    #[error("expected an array of connectors, got {0}")]
    NotAnArray(String),
    /// A line of an export is not one.
    #[error("line {line}: {reason}")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The export has no last line, or fewer connectors than it says.
    #[error(
        "the export broke off: its last line is missing, which is {{\"count\": NUMBER}} with the number of its connectors"
    )]
    BrokeOff,
    /// There are more connectors than are read.
    #[error("there are more than {0} connectors; import a part of them at a time")]
    TooMany(usize),
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
    /// It cannot be read.
    #[error("{0}")]
    Json(String),
    /// A member is missing or has the wrong type.
    #[error(transparent)]
    Member(#[from] InvalidMember),
    /// The text cannot be a script name.
    #[error("`scriptName`: {0}")]
    ScriptName(#[from] UnreadableScriptName),
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
    /// The bytes of a document are not those of its text.
    #[error("`documentBytes.{}` is not `{member}` in another encoding; leave out the bytes, or give the text that they have", .kind.name())]
    OtherBytes {
        /// The member that holds the text.
        member: &'static str,
        /// The document.
        kind: DocumentKind,
    },
    /// A text is said to be in ISO-8859-1, and is not.
    #[error("`latin1Translations` has `{0}`, but `translationProperties.{0}` is no text in ISO-8859-1; leave it out")]
    NotLatin1(Locale),
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

/// A file of connectors that cannot be changed (D70): those that could be read, and what is said about others.
#[derive(Debug)]
pub struct Catalog {
    /// The connectors.
    pub connectors: Vec<Connector>,
    /// What was left out, and why.
    pub left_out: Vec<LeftOut>,
}

/// A part of a catalog that was left out.
#[derive(Debug, thiserror::Error)]
pub enum LeftOut {
    /// A whole connector.
    #[error("{0}; the connector is left out")]
    Connector(ImportError),
    /// The texts of a locale.
    #[error("{0}; these texts are left out")]
    Texts(ImportError),
}

/// How objects are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// For a server that will change them.
    Strict,
    /// For a read-only catalog.
    Catalog,
}

/// The member with the bytes of documents that are not UTF-8.
const DOCUMENT_BYTES: &str = "documentBytes";

/// The member with the locales whose texts are in ISO-8859-1.
const LATIN1: &str = "latin1Translations";

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
const DERIVED: [&str; 9] = [
    DOCUMENT_BYTES,
    LATIN1,
    "fileUpload",
    "provisioningPolicies",
    "s3Location",
    "sourceConfig",
    "sourceConfigFrom",
    "uploadedFiles",
    "features",
];

/// Reads whole connectors from a JSON array with at most so many values. A missing member is an error, because it would remove
/// what a server has, and so is an unknown one.
pub fn whole_from_json(text: &[u8], max_values: usize) -> Result<Vec<Connector>, ImportError> {
    read(text, max_values, |object| missing(object).or_else(|| unknown(object)))
}

/// Reads at most so many whole connectors from the lines of an export (D47). A head says that there is an end; lines without a head are those
/// of an apply.
pub fn whole_from_lines(text: &[u8], most: usize) -> Result<Vec<Connector>, ImportError> {
    let (mut connectors, mut taken) = (Vec::new(), HashSet::new());
    let (mut has_head, mut count) = (false, None);
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = if number == 0 { json::without_mark(line) } else { line }.trim_ascii();
        let wrong = |reason: String| ImportError::Line { line: number + 1, reason };
        if line.is_empty() {
            continue;
        }
        if count.is_some() {
            return Err(wrong("it comes after the last line of the export".to_owned()));
        }
        let value = json::from_slice(line, JSON_VALUES).map_err(|error| wrong(error.to_string()))?;
        if let (Some(own), Some(connector)) = (value["scriptName"].as_str(), value.get("connector")) {
            if connector.is_null() {
                return Err(wrong("it deletes a connector, and an import deletes nothing".to_owned()));
            }
            if connectors.len() == most {
                return Err(ImportError::TooMany(most));
            }
            let script_name = own.parse().map_err(ObjectError::from);
            let read = script_name.and_then(|script_name: ScriptName| {
                let is_new = taken.insert(script_name.clone());
                if is_new { whole(connector, &script_name) } else { Err(ObjectError::Duplicate(script_name)) }
            });
            connectors.push(read.map_err(|error| about(connectors.len(), connector, error))?);
        } else if value.get("builtInCatalog").is_some() && connectors.is_empty() && !has_head {
            has_head = true;
        } else if let Some(last) = value["count"].as_u64().filter(|_| has_head) {
            count = Some(last);
        } else {
            let shape = "it is no line of an export, which is {\"scriptName\": …, \"revision\": …, \"connector\": …}";
            return Err(wrong(shape.to_owned()));
        }
    }
    if has_head && count != Some(connectors.len() as u64) {
        return Err(ImportError::BrokeOff);
    }
    Ok(connectors)
}

/// Reads connectors from a JSON array. What is missing has its default.
pub fn from_json(text: &[u8]) -> Result<Vec<Connector>, ImportError> {
    read(text, usize::MAX, |_| None)
}

/// Reads a catalog that nobody changes from a JSON array. Documents need to be well-formed only, and what cannot be read is left out.
pub fn catalog_from_json(text: &[u8]) -> Result<Catalog, ImportError> {
    let objects = objects(text)?;
    let mut catalog = Catalog { connectors: Vec::with_capacity(objects.len()), left_out: Vec::new() };
    let mut taken = HashSet::with_capacity(objects.len());
    for (position, object) in objects.iter().enumerate() {
        let object = match object {
            Ok(object) => object,
            Err(error) => {
                let error = ObjectError::Json(error.clone());
                catalog.left_out.push(LeftOut::Connector(about(position, &Value::Null, error)));
                continue;
            }
        };
        let mut unknown = Vec::new();
        let read = connector_of(object, Reading::Catalog, &mut unknown, |new| script_name(object, new, &mut taken));
        let about = |error| about(position, object, error);
        match read {
            Ok(connector) => catalog.connectors.push(connector),
            Err(error) => catalog.left_out.push(LeftOut::Connector(about(error))),
        }
        catalog.left_out.extend(unknown.into_iter().map(|locale| LeftOut::Texts(about(locale.into()))));
    }
    Ok(catalog)
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

/// The members of a whole connector that services answer null where they know none. Their defaults are read then.
const NULLABLE: [&str; 6] =
    ["type", "className", "directConnect", "status", "connectorMetadata", "translationProperties"];

/// The error of an object that lacks a member of a whole connector.
fn missing(object: &Value) -> Option<ObjectError> {
    let is_document = |member: &str| DocumentKind::ALL.iter().any(|kind| kind.member() == member);
    let is_missing = |member: &&str| match object.get(member) {
        None => true,
        Some(Value::Null) => !NULLABLE.contains(member),
        // A blank script name would be made of the name.
        Some(Value::String(text)) if *member == "scriptName" => text.trim().is_empty(),
        Some(value) => is_document(member) && value == "",
    };
    WHOLE.into_iter().find(is_missing).map(ObjectError::Incomplete)
}

fn read(
    text: &[u8],
    max_values: usize,
    refusal: impl Fn(&Value) -> Option<ObjectError>,
) -> Result<Vec<Connector>, ImportError> {
    let objects = array(text, max_values)?;
    let mut taken = HashSet::with_capacity(objects.len());
    objects
        .iter()
        .enumerate()
        .map(|(position, object)| {
            let read =
                refusal(object).map_or_else(|| connector(object, |new| script_name(object, new, &mut taken)), Err);
            read.map_err(|error| about(position, object, error))
        })
        .collect()
}

/// How the files of tools that compress begin, and the name of the format.
const COMPRESSED: [(&[u8], &str); 3] = [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip")];

fn array(text: &[u8], max_values: usize) -> Result<Vec<Value>, ImportError> {
    if let Some((_, format)) = COMPRESSED.iter().find(|(beginning, _)| text.starts_with(beginning)) {
        return Err(ImportError::Compressed(format));
    }
    match json::from_slice(text, max_values)? {
        Value::Array(objects) => Ok(objects),
        other => Err(ImportError::NotAnArray(kind(&other))),
    }
}

/// The objects of an array of which some may not be readable, such as one with a number that would lose digits.
fn objects(text: &[u8]) -> Result<Vec<Result<Value, String>>, ImportError> {
    match array(text, usize::MAX) {
        Err(ImportError::Json(error)) => {
            let raw: Vec<&RawValue> = serde_json::from_slice(json::without_mark(text)).map_err(|_| error)?;
            let read = |raw: &RawValue| json::from_slice(raw.get().as_bytes(), usize::MAX).map_err(|it| it.to_string());
            Ok(raw.into_iter().map(read).collect())
        }
        objects => Ok(objects?.into_iter().map(Ok).collect()),
    }
}

fn about(position: usize, object: &Value, error: ObjectError) -> ImportError {
    let name = object["name"].as_str().map(|name| shown(name, QUOTED_CHARS).to_owned());
    ImportError::Object { index: position + 1, name, error }
}

/// The script name of an object in an array: its own, or one that is derived from its name.
fn script_name(object: &Value, new: &NewConnector, taken: &mut HashSet<ScriptName>) -> Result<ScriptName, ObjectError> {
    let script_name = match Members::of(object)?.get("scriptName") {
        Some(Value::String(script_name)) if !script_name.trim().is_empty() => script_name.parse()?,
        Some(Value::String(_)) | None => ScriptName::derive(&new.name).avoiding(|candidate| taken.contains(candidate)),
        Some(other) => return Err(Members::wrong_type("scriptName", "a string", other).into()),
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
    connector_of(object, Reading::Strict, &mut Vec::new(), script_name)
}

/// Reads a connector. Of a catalog, the locales that are not known are left out, and added to `unknown`.
fn connector_of(
    object: &Value,
    reading: Reading,
    unknown: &mut Vec<UnknownLocale>,
    script_name: impl FnOnce(&NewConnector) -> Result<ScriptName, ObjectError>,
) -> Result<Connector, ObjectError> {
    let members = Members::of(object)?;
    let new = NewConnector::from_members(members, Some(DEFAULT_CLASS_NAME))?;
    let features = features(members)?;
    let metadata = members.metadata()?;
    let mut documents = Vec::new();
    for kind in DocumentKind::ALL {
        documents.extend(document(members, kind, reading)?);
    }
    let texts = texts(members, reading, unknown)?;
    // An object that cannot be read takes no script name from others.
    let script_name = script_name(&new)?;
    let mut connector = new.build(script_name, &features);
    if let Some(metadata) = metadata {
        connector.connector_metadata = metadata;
    }
    for document in documents {
        connector.set_document(document);
    }
    connector.translations.0.extend(texts);
    Ok(connector)
}

/// Reads the texts of all locales. Of a catalog, the locales that are not known are left out, and added to `unknown`.
fn texts(
    members: Members<'_>,
    reading: Reading,
    unknown: &mut Vec<UnknownLocale>,
) -> Result<BTreeMap<Locale, Properties>, ObjectError> {
    let Some(value) = members.get("translationProperties") else { return Ok(BTreeMap::new()) };
    let in_latin1 = in_latin1(members)?;
    let all = value.as_object().ok_or_else(|| Members::wrong_type("translationProperties", "an object", value))?;
    let (mut texts, mut tags) = (BTreeMap::new(), BTreeMap::new());
    for (tag, text) in all {
        let locale: Locale = match tag.parse() {
            Err(error) if reading == Reading::Catalog => {
                unknown.push(error);
                continue;
            }
            locale => locale?,
        };
        if let Some(first) = tags.insert(locale, tag) {
            let [first, second] = [first, tag].map(Clone::clone);
            return Err(ObjectError::LocaleTwice { first, second });
        }
        let text = text.as_str().ok_or_else(|| Members::wrong_type(tag, "a string", text))?;
        let read = if in_latin1.contains(&tag.as_str()) {
            Properties::in_latin1(text).ok_or(ObjectError::NotLatin1(locale))?
        } else {
            Properties::parse(text.as_bytes())
        };
        texts.insert(locale, read.map_err(|error| ObjectError::Properties { locale, error })?);
    }
    Ok(texts)
}

/// The tags of the locales whose texts are in ISO-8859-1, if the object has them (D71).
fn in_latin1(members: Members<'_>) -> Result<Vec<&str>, InvalidMember> {
    let Some(value) = members.get(LATIN1) else { return Ok(Vec::new()) };
    let tags = value.as_array().and_then(|tags| tags.iter().map(Value::as_str).collect());
    tags.ok_or_else(|| Members::wrong_type(LATIN1, "an array of locales", value))
}

fn features(members: Members<'_>) -> Result<Vec<String>, InvalidMember> {
    let Some(value) = members.get("features") else { return Ok(Vec::new()) };
    value
        .as_array()
        .and_then(|features| features.iter().map(|feature| feature.as_str().map(str::to_owned)).collect())
        .ok_or_else(|| Members::wrong_type("features", "an array of strings", value))
}

fn document(members: Members<'_>, kind: DocumentKind, reading: Reading) -> Result<Option<Document>, ObjectError> {
    let member = kind.member();
    let Some(value) = members.get(member) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| Members::wrong_type(member, "a string", value))?;
    // Services answer an empty text where they have no document.
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = own_bytes(members, kind)?;
    let parse = match reading {
        Reading::Strict => Document::parse,
        Reading::Catalog => Document::of_catalog,
    };
    let document = parse(kind, bytes.as_deref().unwrap_or(text.as_bytes()));
    let document = document.map_err(|error| ObjectError::Document { member, error })?;
    if bytes.is_some() && document.text().as_str() != text {
        return Err(ObjectError::OtherBytes { member, kind });
    }
    Ok(Some(document))
}

/// The bytes of a document that are not its text in UTF-8, if the object has them (D71).
fn own_bytes(members: Members<'_>, kind: DocumentKind) -> Result<Option<Vec<u8>>, ObjectError> {
    let Some(all) = members.get(DOCUMENT_BYTES) else { return Ok(None) };
    let wrong = || Members::wrong_type(DOCUMENT_BYTES, "an object of texts in base64", all);
    let all = all.as_object().ok_or_else(wrong)?;
    if let Some(other) = all.keys().find(|name| DocumentKind::ALL.iter().all(|kind| kind.name() != *name)) {
        return Err(ObjectError::Unknown(format!("{DOCUMENT_BYTES}.{}", shown(other, QUOTED_CHARS))));
    }
    let Some(text) = all.get(kind.name()) else { return Ok(None) };
    let bytes = text.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    Ok(Some(bytes.ok_or_else(wrong)?))
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
        let whole = |object: &Value| whole_from_json(json!([object]).to_string().as_bytes(), usize::MAX);
        assert_eq!(whole(&detail).expect("whole"), [connector]);
        for member in WHOLE {
            let mut part = detail.clone();
            part[format!("{member}s")] = part.as_object_mut().expect("an object").remove(member).expect("a member");
            let error = whole(&part).expect_err(member).to_string();
            assert!(error.contains(&format!("`{member}` is missing; a whole connector is wanted")), "{error}");
        }
        for kind in DocumentKind::ALL {
            let mut part = detail.clone();
            part[kind.member()] = "".into();
            assert!(whole(&part).expect_err("no document").to_string().contains("is missing; a whole"), "{kind:?}");
            assert_eq!(import(&json!([part])).expect("a scaffold"), [connector_of_hr()]);
        }
        for (member, value, expected) in [
            ("scriptName", " ", "`scriptName` is missing; a whole"),
            ("sourceConfigXMl", "x", "`sourceConfigXMl` is unknown"),
        ] {
            let mut wrong = detail.clone();
            wrong[member] = value.into();
            assert!(whole(&wrong).expect_err(member).to_string().contains(expected), "{member}");
        }
        assert!(whole(&json!([])).is_err() && whole_from_json(b"[]", usize::MAX).expect("none").is_empty());
    }

    fn connector_of_hr() -> Connector {
        import(&json!([{"name": "HR"}])).expect("valid").remove(0)
    }

    #[test]
    fn a_catalog_takes_older_documents_as_they_are_and_leaves_out_what_cannot_be_read() {
        let old_form = "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_1_0.xsd'><Field/></Form>";
        let objects = json!([
            {"name": "Old", "sourceConfigXml": old_form, "applicationXml": "<Template/>", "correlationConfigXml": ""},
            {"name": "Broken", "scriptName": "good", "applicationXml": "<A>"},
            {"name": "Locales", "translationProperties": {"de": "a=b", "false": "a=c", "en-US": "a=d"}},
            {"name": "Good", "scriptName": "good", "className": null, "features": null, "type": null, "status": null},
            {"name": "Twice", "scriptName": "good"},
            {"className": "x.Y"},
            {"name": "Flag", "directConnect": 3},
            7,
        ]);
        let catalog = catalog_from_json(objects.to_string().as_bytes()).expect("an array");
        let names: Vec<_> = catalog.connectors.iter().map(|connector| connector.name.as_str()).collect();
        assert_eq!(names, ["Old", "Locales", "Good"]);
        let old = &catalog.connectors[0];
        assert_eq!((old.source_config.as_str(), old.source_template.as_str()), (old_form, "<Template/>"));
        assert!(old.correlation_config.as_str().contains("Old Account Correlation Config"), "scaffolded");
        assert_eq!(old.source_config.translation_keys(), Vec::<String>::new());
        assert_eq!(old.source_template.provisioning_policies(), []);
        assert_eq!(catalog.connectors[1].translations.0.keys().collect::<Vec<_>>(), [&Locale::De]);
        let left_out: Vec<_> = catalog.left_out.iter().map(ToString::to_string).collect();
        for (said, (start, end)) in left_out.iter().zip([
            ("connector 2 (Broken): `applicationXml`: line 1, column", "; the connector is left out"),
            ("connector 3 (Locales): `translationProperties`: `en-US`", "; these texts are left out"),
            ("connector 3 (Locales): `translationProperties`: `false`", "; these texts are left out"),
            ("connector 5 (Twice): the script name `good` is in the array twice", "; the connector is left out"),
            ("connector 6: `name` is required", "; the connector is left out"),
            ("connector 7 (Flag): `directConnect` must be", "; the connector is left out"),
            ("connector 8: expected an object", "; the connector is left out"),
        ]) {
            assert!(said.starts_with(start) && said.ends_with(end), "{said}");
        }
        assert_eq!(left_out.len(), 7);
        let number = br#"[{"name": "A", "connectorMetadata": {"n": 18446744073709551617}}, {"name": "B"}]"#;
        let catalog = catalog_from_json(number).expect("an array");
        assert_eq!((catalog.connectors.len(), catalog.connectors[0].name.as_str()), (1, "B"));
        let left_out = catalog.left_out[0].to_string();
        assert!(left_out.starts_with("connector 1: the number `18446744073709551617`"), "{left_out}");
        assert!(catalog_from_json(b"{}").is_err() && catalog_from_json(b"[").is_err());
        // Connectors that may be changed are read strictly.
        assert!(import(&json!([objects[0]])).expect_err("an old form").to_string().contains("unsupported xsd version"));
    }

    #[test]
    fn what_a_service_answers_null_has_its_default() {
        let connector = import(&json!([{"name": "HR"}])).expect("valid").remove(0);
        let detail = ConnectorDetail::new(&connector, Origin::Custom, Locale::En, DetailShape::Plain);
        let mut detail = serde_json::to_value(detail).expect("JSON");
        for member in WHOLE {
            let before = detail[member].take();
            let read = whole_from_json(json!([detail]).to_string().as_bytes(), usize::MAX);
            assert_eq!(
                read.ok().as_deref(),
                NULLABLE.contains(&member).then_some([connector.clone()].as_slice()),
                "{member}"
            );
            detail[member] = before;
        }
    }

    #[test]
    fn a_compressed_file_is_named() {
        for (bytes, format) in
            [(&b"\x1f\x8b\x08\0"[..], "gzip"), (b"PK\x03\x04", "zip"), (b"\x28\xb5\x2f\xfd\0", "zstd")]
        {
            let error = from_json(bytes).expect_err(format).to_string();
            assert_eq!(error, format!("the file is compressed ({format}); decompress it first"));
        }
    }

    #[test]
    fn a_script_name_is_read_as_it_is_found() {
        let named = |name: Value| import(&json!([{"name": "HR", "scriptName": name}]));
        for name in
            ["My-Connector", "aScriptName", "F0E1D2C3-0000-4000-8000-0123456789AB", "größe", "hr ", &"x".repeat(255)]
        {
            assert_eq!(named(json!(name)).expect(name).remove(0).script_name.as_str(), name);
        }
        for name in [json!(null), json!(""), json!(" ")] {
            assert_eq!(named(name).expect("valid").remove(0).script_name.as_str(), "hr");
        }
        for (name, expected) in [
            (json!("a/b"), "`scriptName`: `a/b` cannot be a script name"),
            (json!(".."), "`scriptName`: `..` cannot be a script name"),
            (json!("a\n"), "`scriptName`: `a\n` cannot be a script name"),
            (json!(5), "`scriptName` must be a string, got the number 5"),
        ] {
            let error = named(name).expect_err(expected).to_string();
            assert!(error.starts_with(&format!("connector 1 (HR): {expected}")), "{error}");
        }
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
