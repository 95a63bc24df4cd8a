//! `connector.yaml`: the members of a connector that are not documents, in a form that diffs well.

use connectory_model::create::NewConnector;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::members::Members;
use connectory_model::{Metadata, reason, shown};
use serde::Serialize;
use serde_json::Value;

use crate::error::{FileError, UnknownMember};
use crate::similar::{closest, question};

/// The file that makes a folder a connector folder.
pub const CONNECTOR_FILE: &str = "connector.yaml";

/// The members of `connector.yaml`.
const MEMBERS: [&str; 6] = ["name", "type", "className", "directConnect", "status", "connectorMetadata"];

/// Where other members of a connector are that people paste from an answer of the API.
const ELSEWHERE: &[(&str, &str)] = &[
    ("scriptName", "the folder's name is the script name"),
    ("sourceConfig", "it is the file source-config.xml"),
    ("sourceConfigXml", "it is the file source-config.xml"),
    ("applicationXml", "it is the file source-template.xml"),
    ("correlationConfigXml", "it is the file correlation-config.xml"),
    ("translationProperties", "each locale has a file translations/LOCALE.properties"),
    ("features", "they are `featuresString` in source-template.xml"),
    ("provisioningPolicies", "they are `ProvisioningForms` in source-template.xml"),
    ("fileUpload", "it is an attribute of <Form> in source-config.xml"),
    ("s3Location", "the server makes it; remove the line"),
    ("sourceConfigFrom", "the server makes it; remove the line"),
    ("uploadedFiles", "the server makes it; remove the line"),
    ("category", "it belongs in connectorMetadata"),
    ("labels", "it belongs in connectorMetadata"),
    ("shortDesc", "it belongs in connectorMetadata"),
];

/// The content of `connector.yaml`. It serializes its members in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The members that a connector is created with.
    #[serde(flatten)]
    pub members: NewConnector,
    /// The free-form members.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub connector_metadata: Metadata,
}

impl Description {
    /// Reads `connector.yaml`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let description = yaml(bytes)?;
        if let Some(unknown) = unknown_members(&description).next() {
            return Err(unknown.into());
        }
        Self::of(&description)
    }

    /// Reads the members of `connector.yaml`. It does not look at others.
    pub(crate) fn of(description: &Value) -> Result<Self, FileError> {
        let members = Members::of(description)?;
        Ok(Self {
            members: NewConnector::from_members(members, None)?,
            connector_metadata: members.metadata()?.unwrap_or_default(),
        })
    }

    /// Writes `connector.yaml`. The same members always give the same text.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("strings, booleans and JSON values are YAML")
    }
}

/// Reads a YAML text that has members.
pub(crate) fn yaml(bytes: &[u8]) -> Result<Value, FileError> {
    let description: Value = serde_saphyr::from_slice(bytes).map_err(|error: serde_saphyr::Error| {
        let line = error.location().and_then(|location| usize::try_from(location.line()).ok());
        let reason = match (error.without_snippet(), line) {
            (serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. }, Some(line)) => {
                format!("the key `{}` is there again in line {line}", shown(key, QUOTED_CHARS))
            }
            (plain, _) => reason(plain).trim().to_owned(),
        };
        FileError::Yaml { reason, line }
    })?;
    if description.is_object() { Ok(description) } else { Err(FileError::NoMembers) }
}

/// The members that `connector.yaml` does not have.
pub(crate) fn unknown_members(description: &Value) -> impl Iterator<Item = UnknownMember> {
    let members = description.as_object().into_iter().flat_map(serde_json::Map::keys);
    members.filter(|member| !MEMBERS.contains(&member.as_str())).map(|member| {
        let elsewhere = ELSEWHERE.iter().find(|(other, _)| other == member).map(|(_, place)| format!("; {place}"));
        let hint = elsewhere.unwrap_or_else(|| match closest(member, MEMBERS.into_iter()) {
            None => format!("; it has {}", MEMBERS.join(", ")),
            similar => question(similar),
        });
        UnknownMember { member: shown(member, QUOTED_CHARS).to_owned(), hint }
    })
}

#[cfg(test)]
mod tests {
    use connectory_model::Status;
    use proptest::prelude::*;

    use super::*;

    /// A text that YAML may take for something else, or that has to be quoted.
    fn any_text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            "",
            "null",
            "~",
            "yes",
            "No",
            "1",
            "1.0",
            "0x1f",
            "0o7",
            "1e3",
            ".inf",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`",
            "{a}",
            "[a",
            "'",
            "\"",
            "a\nb",
            "a\n",
            "\n",
            " a ",
            "\ta",
            "\r\n",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{0}",
            "\u{7f}",
            "---",
            "...",
            "<<",
            "=",
            "2026-01-01",
            "12:30",
            "true",
            "\\",
            "ü😀",
        ]);
        prop_oneof![odd.prop_map(str::to_owned), ".{0,12}"]
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let number = any::<f64>().prop_filter_map("JSON has no such number", serde_json::Number::from_f64);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            number.prop_map(Value::from),
            any_text().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(any_text(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// A text as `connector.yaml` has it: without white space around it or control characters in it.
    fn member() -> impl Strategy<Value = String> {
        any_text().prop_filter_map("a member may not be like this", |text| {
            let members = serde_json::json!({"name": text, "className": "x"});
            Some(NewConnector::from_members(Members::of(&members).ok()?, None).ok()?.name)
        })
    }

    #[test]
    fn an_unknown_member_and_a_member_that_is_there_twice_are_refused() {
        let error = |rest: &str| {
            let yaml = format!("name: HR\nclassName: x.Y\n{rest}\n");
            Description::parse(yaml.as_bytes()).expect_err(rest).to_string()
        };
        for (line, hint) in [
            ("conectorMetadata: {a: 1}", "did you mean `connectorMetadata`?"),
            ("Type: a", "did you mean `type`?"),
            ("class_name: a", "did you mean `className`?"),
            ("scriptName: a", "the folder's name is the script name"),
            ("applicationXml: a", "it is the file source-template.xml"),
            ("owner: a", "it has name, type, className, directConnect, status, connectorMetadata"),
        ] {
            let member = line.split(':').next().unwrap_or_default();
            assert_eq!(error(line), format!("`{member}` is not a member of connector.yaml; {hint}"));
        }
        assert_eq!(error("name: IT"), "not YAML: the key `name` is there again in line 3");
        assert_eq!(error("connectorMetadata:\n  a: 1\n  a: 2"), "not YAML: the key `a` is there again in line 5");
        for empty in ["", "# notes\n", "- name: HR\n", "HR"] {
            let error = Description::parse(empty.as_bytes()).expect_err(empty).to_string();
            assert!(error.starts_with("the file has no members; it has at least a line `name: NAME`"), "{error}");
        }
        assert!(Description::parse(b"name: HR\nclassName: x\nconnectorMetadata: {Name: 1, scriptName: a}").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(
            (name, connector_type, class_name) in (member(), member(), member()),
            direct_connect: bool,
            status in prop::sample::select(Status::ALL.to_vec()),
            connector_metadata in prop::collection::hash_map(any_text(), any_json(), 0..4),
        ) {
            let members = NewConnector { name, connector_type, class_name, direct_connect, status };
            let description = Description { members, connector_metadata: connector_metadata.into_iter().collect() };
            let yaml = description.to_yaml();
            let read = Description::parse(yaml.as_bytes());
            prop_assert!(read.is_ok(), "{yaml}{read:?}");
            prop_assert_eq!(read.expect("read"), description, "{}", yaml);
        }

        #[test]
        fn any_text_is_a_description_or_refused(
            text in r#"(name|className|status|directConnect|connectorMetadata|DEMO|true|: |- |\n|  |'|"|\[|\]|\{|\}|,|&a|\*a|[a-z]|\PC){0,24}"#,
        ) {
            if let Ok(description) = Description::parse(text.as_bytes()) {
                prop_assert_eq!(Description::parse(description.to_yaml().as_bytes()).expect("written"), description);
            }
        }

        #[test]
        fn any_bytes_are_a_description_or_refused(bytes: Vec<u8>) {
            let _read_or_not = Description::parse(&bytes);
        }
    }
}
