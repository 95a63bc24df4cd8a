//! Making a connector from the members that its author writes.
//!
//! Lenient in, strict out: the vendor's own deployment guide sends `"directConnect": "true"` and
//! `"status": "released"`, so booleans may be quoted and statuses are read in any case. A member of another type is
//! refused by name. The same rules read a create request, an imported object and a `connector.yaml`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::document::{Scaffold, is_xml_char};
use crate::limits::MEMBER_CHARS;
use crate::translations::Translations;
use crate::{Connector, Metadata, ScriptName, Status};

/// A member that is missing or not what it should be; the text names it and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMember(String);

/// The members of a connector apart from its documents; serialized, the body of a create request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewConnector {
    /// The connector's name.
    pub name: String,
    /// The connector's type; `custom ` and the name where the author gave none (the specification's default).
    #[serde(rename = "type")]
    pub connector_type: String,
    /// The class that implements the connector.
    pub class_name: String,
    /// Whether the connector reaches its source directly; true where the author did not say.
    pub direct_connect: bool,
    /// How far the connector is; released where the author did not say (our decision).
    pub status: Status,
}

impl NewConnector {
    /// A released connector with the defaults of a create request.
    pub fn new(name: impl Into<String>, class_name: impl Into<String>) -> Self {
        let (name, class_name) = (name.into(), class_name.into());
        let connector_type = format!("custom {name}");
        Self { name, connector_type, class_name, direct_connect: true, status: Status::Released }
    }

    /// Reads the body of a create request.
    pub fn from_request(body: &Value) -> Result<Self, InvalidMember> {
        let new = Self::from_members(Members::of(body)?, None)?;
        if new.status == Status::Deprecated {
            return Err(InvalidMember(
                "`status` is DEPRECATED; a new connector is DEVELOPMENT, DEMO or RELEASED".to_owned(),
            ));
        }
        Ok(new)
    }

    /// Reads the members; `class_name` stands in for a missing class name.
    pub(crate) fn from_members(members: Members<'_>, class_name: Option<&str>) -> Result<Self, InvalidMember> {
        let name = members.required_text("name", None)?;
        let connector_type = members.text("type")?;
        let default = Self::new(name, members.required_text("className", class_name)?);
        Ok(Self {
            connector_type: connector_type.unwrap_or(default.connector_type),
            direct_connect: members.flag("directConnect")?.unwrap_or(default.direct_connect),
            status: members.status()?.unwrap_or(default.status),
            name: default.name,
            class_name: default.class_name,
        })
    }

    /// The complete connector: with scaffolded documents that name it.
    pub fn build(self, script_name: ScriptName, features: &[String]) -> Connector {
        let scaffold = Scaffold {
            name: &self.name,
            connector_type: &self.connector_type,
            class_name: &self.class_name,
            direct_connect: self.direct_connect,
            status: self.status,
            features,
        };
        Connector {
            source_config: scaffold.source_config(),
            source_template: scaffold.source_template(),
            correlation_config: scaffold.correlation_config(),
            translations: Translations::default(),
            connector_metadata: Metadata::new(),
            script_name,
            name: self.name,
            connector_type: self.connector_type,
            class_name: self.class_name,
            direct_connect: self.direct_connect,
            status: self.status,
        }
    }
}

/// An object's members, read leniently; a member that is null counts as absent.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    pub(crate) fn of(value: &'a Value) -> Result<Self, InvalidMember> {
        value
            .as_object()
            .map(Self)
            .ok_or_else(|| InvalidMember(format!("expected an object such as {{\"name\": …}}, got {}", kind(value))))
    }

    pub(crate) fn get(self, member: &str) -> Option<&'a Value> {
        self.0.get(member).filter(|value| !value.is_null())
    }

    pub(crate) fn wrong_type(member: &str, expected: &str, value: &Value) -> InvalidMember {
        InvalidMember(format!("`{member}` must be {expected}, got {}", kind(value)))
    }

    /// A text without surrounding white space that an XML attribute can hold; blank counts as absent.
    pub(crate) fn text(self, member: &str) -> Result<Option<String>, InvalidMember> {
        let Some(value) = self.get(member) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| Self::wrong_type(member, "a string", value))?.trim();
        let length = text.chars().count();
        if length > MEMBER_CHARS {
            let reason = format!("`{member}` has {length} characters; it may have at most {MEMBER_CHARS}");
            return Err(InvalidMember(reason));
        }
        if let Some(c) = text.chars().find(|&c| c.is_control() || !is_xml_char(c)) {
            return Err(InvalidMember(format!("`{member}` holds the control character {c:?}; remove it")));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn required_text(self, member: &str, default: Option<&str>) -> Result<String, InvalidMember> {
        self.text(member)?
            .or_else(|| default.map(str::to_owned))
            .ok_or_else(|| InvalidMember(format!("`{member}` is required and must not be blank")))
    }

    fn flag(self, member: &str) -> Result<Option<bool>, InvalidMember> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(value) => Err(Self::wrong_type(member, "true or false", value)),
        }
    }

    fn status(self) -> Result<Option<Status>, InvalidMember> {
        let Some(value) = self.get("status") else { return Ok(None) };
        let word = value.as_str().ok_or_else(|| Self::wrong_type("status", "a string", value))?;
        word.parse().map(Some).map_err(|error| InvalidMember(format!("`status`: {error}")))
    }

    pub(crate) fn metadata(self) -> Result<Option<Metadata>, InvalidMember> {
        match self.get("connectorMetadata") {
            None => Ok(None),
            Some(Value::Object(metadata)) => Ok(Some(metadata.clone())),
            Some(value) => Err(Self::wrong_type("connectorMetadata", "an object", value)),
        }
    }
}

/// What a JSON value is, in words, with the value where it is short.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(body: &Value) -> String {
        NewConnector::from_request(body).expect_err("refused").to_string()
    }

    #[test]
    fn defaults_fill_what_the_author_left_out() {
        let new =
            NewConnector::from_request(&json!({"name": " HR ", "className": "x.Y", "extra": [1]})).expect("valid");
        assert_eq!((new.name.as_str(), new.connector_type.as_str()), ("HR", "custom HR"));
        assert_eq!((new.direct_connect, new.status), (true, Status::Released));
    }

    #[test]
    fn quoted_booleans_and_lower_case_statuses_are_read() {
        let body = json!({"name": "a", "className": "b", "directConnect": "False", "status": "demo", "type": null});
        let new = NewConnector::from_request(&body).expect("valid");
        assert_eq!((new.direct_connect, new.status), (false, Status::Demo));
    }

    #[test]
    fn a_refusal_names_the_member_and_what_would_be_right() {
        let table = [
            (json!([]), "expected an object such as {\"name\": …}, got an array"),
            (json!({"className": "b"}), "`name` is required and must not be blank"),
            (json!({"name": "a", "className": " "}), "`className` is required and must not be blank"),
            (json!({"name": 7, "className": "b"}), "`name` must be a string, got the number 7"),
            (
                json!({"name": "a", "className": "b", "directConnect": 1}),
                "`directConnect` must be true or false, got the number 1",
            ),
            (
                json!({"name": "a", "className": "b", "status": "x"}),
                "`status`: `x` is not a status; expected DEPRECATED, DEVELOPMENT, DEMO or RELEASED",
            ),
            (
                json!({"name": "a", "className": "b", "status": "DEPRECATED"}),
                "`status` is DEPRECATED; a new connector is DEVELOPMENT, DEMO or RELEASED",
            ),
            (json!({"name": "a\nb", "className": "b"}), "`name` holds the control character '\\n'; remove it"),
            (json!({"name": "é".repeat(256), "className": "b"}), "`name` has 256 characters; it may have at most 255"),
        ];
        for (body, expected) in table {
            assert_eq!(refusal(&body), expected);
        }
    }
}
