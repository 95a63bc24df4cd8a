//! `connector.yaml`: the members of a connector that are not documents, in a form that diffs well.

use connectory_model::create::NewConnector;
use connectory_model::members::Members;
use connectory_model::{Metadata, reason};
use serde::Serialize;
use serde_json::Value;

use crate::error::FileError;

/// The file that makes a folder a connector folder.
pub const CONNECTOR_FILE: &str = "connector.yaml";

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
        let description: Value =
            serde_saphyr::from_slice(bytes).map_err(|error| FileError::Yaml(reason(&error).trim().to_owned()))?;
        let members = Members::of(&description)?;
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
