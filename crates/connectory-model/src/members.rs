//! The members of a JSON or YAML object, read leniently. An error names the member.
//!
//! A create request, an imported object and a `connector.yaml` are read by the same rules: the vendor's own deployment
//! guide sends `"directConnect": "true"` and `"status": "released"`, so booleans may be quoted and statuses are read in
//! any case.

use serde_json::{Map, Value};

use crate::document::markup::is_xml_char;
use crate::limits::{MEMBER_CHARS, QUOTED_CHARS};
use crate::{Metadata, Status, shown};

/// A member that is missing or has a wrong value. The message names the member and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidMember {
    message: String,
    fault: Option<(String, MemberFault)>,
}

/// What is wrong with the text of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberFault {
    /// It is absent or blank.
    Blank,
    /// It has this many characters, which are too many.
    TooLong(usize),
    /// It holds this control character.
    Control(char),
}

impl InvalidMember {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), fault: None }
    }

    fn text(member: &str, fault: MemberFault) -> Self {
        let message = match fault {
            MemberFault::Blank => format!("`{member}` is required and must not be blank"),
            MemberFault::TooLong(length) => {
                format!("`{member}` has {length} characters; it may have at most {MEMBER_CHARS}")
            }
            MemberFault::Control(c) => format!("`{member}` holds the control character {c:?}; remove it"),
        };
        Self { message, fault: Some((member.to_owned(), fault)) }
    }

    /// The member, and what is wrong with its text. None if something else is wrong.
    pub fn fault(&self) -> Option<(&str, MemberFault)> {
        self.fault.as_ref().map(|(member, fault)| (member.as_str(), *fault))
    }
}

/// The members of an object. A member that is null counts as absent.
#[derive(Clone, Copy)]
pub struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    /// The members of a value, which must be an object.
    pub fn of(value: &'a Value) -> Result<Self, InvalidMember> {
        value.as_object().map(Self).ok_or_else(|| {
            InvalidMember::new(format!("expected an object such as {{\"name\": …}}, got {}", kind(value)))
        })
    }

    /// Checks that there are no other members than these.
    pub fn expect_only(self, known: &[&str]) -> Result<(), InvalidMember> {
        match self.0.keys().find(|member| !known.contains(&member.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(InvalidMember::new(format!(
                "the member `{}` is unknown; expected `{}`",
                shown(unknown, QUOTED_CHARS),
                known.join("`, `")
            ))),
        }
    }

    /// A member of any type.
    pub fn get(self, member: &str) -> Option<&'a Value> {
        self.0.get(member).filter(|value| !value.is_null())
    }

    /// The error for a member of another type than expected.
    pub fn wrong_type(member: &str, expected: &str, value: &Value) -> InvalidMember {
        InvalidMember::new(format!("`{member}` must be {expected}, got {}", kind(value)))
    }

    /// A text, without surrounding white space. An XML attribute must be able to hold it. A blank text counts as absent.
    pub fn text(self, member: &str) -> Result<Option<String>, InvalidMember> {
        let Some(value) = self.get(member) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| Self::wrong_type(member, "a string", value))?.trim();
        let length = text.chars().count();
        if length > MEMBER_CHARS {
            return Err(InvalidMember::text(member, MemberFault::TooLong(length)));
        }
        if let Some(c) = text.chars().find(|&c| c.is_control() || !is_xml_char(c)) {
            return Err(InvalidMember::text(member, MemberFault::Control(c)));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// A text, or else a default. Without either it is an error.
    pub fn required_text(self, member: &str, default: Option<&str>) -> Result<String, InvalidMember> {
        self.text(member)?
            .or_else(|| default.map(str::to_owned))
            .ok_or_else(|| InvalidMember::text(member, MemberFault::Blank))
    }

    /// A boolean, or a string with one.
    pub fn flag(self, member: &str) -> Result<Option<bool>, InvalidMember> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(value) => Err(Self::wrong_type(member, "true or false", value)),
        }
    }

    /// The member `status`, in any case.
    pub fn status(self) -> Result<Option<Status>, InvalidMember> {
        let Some(value) = self.get("status") else { return Ok(None) };
        let word = value.as_str().ok_or_else(|| Self::wrong_type("status", "a string", value))?;
        word.parse().map(Some).map_err(|error| InvalidMember::new(format!("`status`: {error}")))
    }

    /// The member `connectorMetadata`.
    pub fn metadata(self) -> Result<Option<Metadata>, InvalidMember> {
        match self.get("connectorMetadata") {
            None => Ok(None),
            Some(Value::Object(metadata)) => Ok(Some(metadata.clone())),
            Some(value) => Err(Self::wrong_type("connectorMetadata", "an object", value)),
        }
    }
}

/// The type of a JSON value in words, with the value where it is short.
pub fn kind(value: &Value) -> String {
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
