//! `connector.yaml`: the members of a connector that are not documents, in a form that diffs well.

use connectory_model::create::NewConnector;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::members::{Members, kind};
use connectory_model::{Metadata, reason, shown};
use serde::Serialize;
use serde_json::Value;

use crate::as_written::{as_written, lost_digits};
use crate::error::{FileError, UnknownMember};
use crate::similar::{closest, question};

/// The file that makes a folder a connector folder.
pub const CONNECTOR_FILE: &str = "connector.yaml";

/// The members of `connector.yaml`.
const MEMBERS: [&str; 6] = ["name", "type", "className", "directConnect", "status", "connectorMetadata"];

/// The members of it that are texts.
const TEXTS: [&str; 4] = ["name", "type", "className", "status"];

/// The words that YAML reads as nothing.
const NOTHING: [&str; 4] = ["null", "Null", "NULL", "~"];

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
        Self::of(&description, bytes)
    }

    /// Reads the members of `connector.yaml`, which has these bytes. It does not look at others.
    pub(crate) fn of(description: &Value, bytes: &[u8]) -> Result<Self, FileError> {
        if let Some(error) = unquoted(description, bytes) {
            return Err(error);
        }
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

/// The error of a text that YAML reads as something else, because it is not in quotes. It begins with the member.
fn unquoted(description: &Value, bytes: &[u8]) -> Option<FileError> {
    TEXTS.iter().find_map(|member| {
        let read = description.get(*member)?;
        let is_required = matches!(*member, "name" | "className");
        let found = match read {
            Value::Null if is_required => "is required, and YAML reads",
            Value::Bool(_) | Value::Number(_) => "must be a string, and YAML reads",
            _ => return None,
        };
        let word = if read.is_null() {
            let after = |line: &str| Some(line.strip_prefix(member)?.strip_prefix(':')?.trim().to_owned());
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            text.lines().find_map(after).filter(|word| NOTHING.contains(&word.as_str()))?
        } else {
            as_written(bytes, description)[*member].as_str()?.to_owned()
        };
        let word = shown(&word, QUOTED_CHARS);
        let read = if read.is_null() { "nothing".to_owned() } else { kind(read) };
        let reason = format!("`{member}` {found} `{word}` as {read}; put it in quotes: {member}: \"{word}\"");
        Some(FileError::Unquoted(reason))
    })
}

/// Reads a YAML text that has members.
pub(crate) fn yaml(bytes: &[u8]) -> Result<Value, FileError> {
    let error = |reason: &str, line| FileError::Yaml { reason: reason.to_owned(), line };
    if [[0xff, 0xfe], [0xfe, 0xff]].iter().any(|mark| bytes.starts_with(mark)) {
        return Err(error("the file is in UTF-16; save it in UTF-8", None));
    }
    if let Err(invalid) = std::str::from_utf8(bytes) {
        let line = bytes[..invalid.valid_up_to()].split(|byte| *byte == b'\n').count();
        return Err(error("the file is not in UTF-8; save it in UTF-8", Some(line)));
    }
    let description: Value = serde_saphyr::from_slice(bytes).map_err(|error: serde_saphyr::Error| {
        let line = error.location().and_then(|location| usize::try_from(location.line()).ok());
        let reason = match (error.without_snippet(), line) {
            (serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. }, Some(line)) => {
                format!("the key `{}` is there again in line {line}", shown(key, QUOTED_CHARS))
            }
            (plain, _) => {
                let advice = line.and_then(|line| quotes_needed(bytes, line)).unwrap_or_default();
                format!("{}{advice}", reason(plain).trim())
            }
        };
        FileError::Yaml { reason, line }
    })?;
    if !description.is_object() {
        return Err(FileError::NoMembers);
    }
    if let Some(number) = lost_digits(bytes, &description) {
        let line = String::from_utf8_lossy(bytes).lines().position(|line| line.contains(&number)).map(|line| line + 1);
        return Err(error(
            &format!("the number `{}` would lose digits; put it in quotes", shown(&number, QUOTED_CHARS)),
            line,
        ));
    }
    Ok(description)
}

/// Advice for a line whose text means something else to YAML.
fn quotes_needed(bytes: &[u8], line: usize) -> Option<String> {
    let line = std::str::from_utf8(bytes).ok()?.lines().nth(line.checked_sub(1)?)?;
    let (key, text) = line.split_once(": ")?;
    let text = text.trim();
    let is_special = text.starts_with(['@', '`', '*', '&', '!', '%', '|', '>', '{', '[', ']', '}', ',', '#'])
        || text.contains(": ")
        || text.ends_with(':');
    let quoted = Value::from(shown(text, QUOTED_CHARS));
    is_special.then(|| format!("; put the text in quotes: {}: {quoted}", shown(key.trim(), QUOTED_CHARS)))
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
    fn a_word_or_number_that_yaml_reads_as_something_else_is_to_be_put_in_quotes() {
        let error = |yaml: &str| Description::parse(yaml.as_bytes()).expect_err(yaml).to_string();
        for (member, written, read) in [
            ("name", "No", "the boolean false"),
            ("name", "on # a comment", "the boolean true"),
            ("name", "1.10", "the number 1.1"),
            ("name", "007", "the number 7.0"),
            ("name", "1_000", "the number 1000"),
            ("type", "Yes", "the boolean true"),
            ("className", "0x1f", "the number 31"),
            ("status", "off", "the boolean false"),
        ] {
            let others = if member == "name" { "className: x.Y\n" } else { "name: HR\n" };
            let word = written.split(' ').next().expect("a word");
            let expected = format!(
                "`{member}` must be a string, and YAML reads `{word}` as {read}; put it in quotes: {member}: \"{word}\""
            );
            assert_eq!(error(&format!("{others}{member}: {written}\n")), expected);
            assert_eq!(error(&format!("{{{member}: {word}, directConnect: true}}")), expected);
            let quoted = format!("name: HR\nclassName: x.Y\n{member}: \"{word}\"\n");
            let quoted = quoted.replace(if member == "name" { "name: HR\n" } else { "none" }, "");
            let quoted = quoted.replace(if member == "className" { "className: x.Y\n" } else { "none" }, "");
            let read = Description::parse(quoted.as_bytes()).map_err(|error| error.to_string());
            // `off` is no status, in quotes neither.
            assert!(read.is_ok() || member == "status", "{quoted} {read:?}");
        }
        for written in ["null", "~", "Null"] {
            let expected = format!(
                "`name` is required, and YAML reads `{written}` as nothing; put it in quotes: name: \"{written}\""
            );
            assert_eq!(error(&format!("className: x.Y\nname: {written}\n")), expected);
        }
        assert_eq!(error("name: [a]"), "`name` must be a string, got an array");
        assert_eq!(error("name:\nclassName: x"), "`name` is required and must not be blank");
    }

    #[test]
    fn a_number_that_would_lose_digits_is_to_be_put_in_quotes() {
        let parse = |value: &str| {
            Description::parse(format!("name: HR\nclassName: x.Y\nconnectorMetadata:\n  a: {value}\n").as_bytes())
        };
        for (value, number) in [
            ("18446744073709551617", "18446744073709551617"),
            ("[1, {b: -9223372036854775809}]", "-9223372036854775809"),
            ("0.1234567890123456789 # 0.5", "0.1234567890123456789"),
            ("9007199254740993.0", "9007199254740993.0"),
            ("[~, No, x, -0.1234567890123456789]", "-0.1234567890123456789"),
        ] {
            let error = parse(value).expect_err(value);
            assert!(matches!(error, FileError::Yaml { line: Some(4), .. }), "{error:?}");
            let expected =
                format!("not YAML of a connector: the number `{number}` would lose digits; put it in quotes");
            assert_eq!(error.to_string().replace("not YAML:", "not YAML of a connector:"), expected);
        }
        // What is no number, or keeps its digits.
        for value in [
            "'18446744073709551617'",
            "1.5 # 0.1234567890123456789",
            "[1.10, 1e2, .5, 1., +1.5, 007, 1_000.5]",
            "3.141592653589793\n  # 3.14159265358979323846",
            "18446744073709551615",
            "~\n  b: 1.5",
            "&x 1.5\n  b: *x",
        ] {
            assert!(parse(value).is_ok(), "{value} {:?}", parse(value));
        }
    }

    #[test]
    fn a_byte_order_mark_is_read_over_and_another_encoding_is_named() {
        let text = "name: Gr\u{f6}\u{df}e\nclassName: x.Y\n";
        let marked = format!("\u{feff}{text}");
        let read = Description::parse(marked.as_bytes()).expect("valid");
        assert_eq!(read, Description::parse(text.as_bytes()).expect("valid"));
        let utf16 = |bytes: fn(u16) -> [u8; 2]| marked.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        for utf16 in [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)] {
            let error = Description::parse(&utf16).expect_err("UTF-16").to_string();
            assert_eq!(error, "not YAML: the file is in UTF-16; save it in UTF-8");
        }
        let latin1 = Description::parse(b"name: HR\nclassName: Gr\xf6\xdfe\n").expect_err("ISO-8859-1");
        assert_eq!(latin1.to_string(), "not YAML: the file is not in UTF-8; save it in UTF-8");
        assert!(matches!(latin1, FileError::Yaml { line: Some(2), .. }), "{latin1:?}");
    }

    #[test]
    fn a_text_that_means_something_to_yaml_is_shown_in_quotes() {
        for text in ["@hr", "*hr", "HR: Cloud", "`hr`", "%hr", "&hr HR: x"] {
            let yaml = format!("className: x.Y\nname: {text}\n");
            let error = Description::parse(yaml.as_bytes()).expect_err(text).to_string();
            assert!(error.ends_with(&format!("; put the text in quotes: name: \"{text}\"")), "{error}");
        }
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
