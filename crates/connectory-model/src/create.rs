//! Making a connector from the members that its author writes: their defaults, and the documents that complete it.

use serde::Serialize;
use serde_json::Value;

use crate::document::Scaffold;
use crate::limits::MEMBER_CHARS;
use crate::members::{InvalidMember, Members};
use crate::translations::Translations;
use crate::{Connector, Metadata, ScriptName, Status};

/// The class name of a connector whose author gives none: lists may answer null, which is imported (D17).
pub const DEFAULT_CLASS_NAME: &str = "sailpoint.connector.OpenConnectorAdapter";

/// The type of a connector whose author gives none: `custom ` and the name (the specification's default), as far as a member
/// may be long.
pub fn default_type(name: &str) -> String {
    let connector_type: String = "custom ".chars().chain(name.chars()).take(MEMBER_CHARS).collect();
    connector_type.trim_end().to_owned()
}

/// Checks that a new connector may have a status.
fn check_status(status: Status) -> Result<(), InvalidMember> {
    match status {
        Status::Deprecated => {
            Err(InvalidMember::new("`status` is DEPRECATED; a new connector is DEVELOPMENT, DEMO or RELEASED"))
        }
        _ => Ok(()),
    }
}

/// What a duplicate of a connector does not have of the original, and which state of the original it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDuplicate {
    /// The duplicate's name.
    pub name: String,
    /// The duplicate's status. The default is development.
    pub status: Status,
    /// The number of the original's revision. Without one, it is the original as it is now.
    pub revision: Option<u64>,
}

impl NewDuplicate {
    /// Reads the body of a request for a duplicate. A member that it does not have is refused (D41).
    pub fn from_request(body: &Value) -> Result<Self, InvalidMember> {
        let members = Members::of(body)?;
        members.expect_only(&["name", "status", "revision"])?;
        let revision = match members.get("revision") {
            None => None,
            Some(value) => Some(
                value
                    .as_u64()
                    .filter(|number| *number > 0)
                    .ok_or_else(|| Members::wrong_type("revision", "the number of a revision, such as 42", value))?,
            ),
        };
        let status = members.status()?.unwrap_or(Status::Development);
        check_status(status)?;
        Ok(Self { name: members.required_text("name", None)?, status, revision })
    }
}

/// The members of a connector apart from its documents. Serialized, they are the body of a create request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewConnector {
    /// The connector's name.
    pub name: String,
    /// The connector's type. [`default_type`] is the default.
    #[serde(rename = "type")]
    pub connector_type: String,
    /// The class that implements the connector.
    pub class_name: String,
    /// Whether the connector reaches its source directly. The default is true.
    pub direct_connect: bool,
    /// The connector's status. The default is released (D11).
    pub status: Status,
}

impl NewConnector {
    /// A released connector with the defaults of a create request.
    pub fn new(name: impl Into<String>, class_name: impl Into<String>) -> Self {
        let (name, class_name) = (name.into(), class_name.into());
        let connector_type = default_type(&name);
        Self { name, connector_type, class_name, direct_connect: true, status: Status::Released }
    }

    /// The members of a connector.
    pub fn of(connector: &Connector) -> Self {
        Self {
            name: connector.name.clone(),
            connector_type: connector.connector_type.clone(),
            class_name: connector.class_name.clone(),
            direct_connect: connector.direct_connect,
            status: connector.status,
        }
    }

    /// Reads the body of a create request.
    pub fn from_request(body: &Value) -> Result<Self, InvalidMember> {
        let new = Self::from_members(Members::of(body)?, None)?;
        check_status(new.status)?;
        Ok(new)
    }

    /// Reads the members. `class_name` is the default of the class name.
    pub fn from_members(members: Members<'_>, class_name: Option<&str>) -> Result<Self, InvalidMember> {
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

    /// The complete connector, with scaffolded documents that have its name.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(body: &Value) -> String {
        NewConnector::from_request(body).expect_err("not a connector").to_string()
    }

    #[test]
    fn defaults_fill_what_the_author_left_out() {
        let new =
            NewConnector::from_request(&json!({"name": " HR ", "className": "x.Y", "extra": [1]})).expect("valid");
        assert_eq!((new.name.as_str(), new.connector_type.as_str()), ("HR", "custom HR"));
        assert_eq!((new.direct_connect, new.status), (true, Status::Released));
    }

    #[test]
    fn the_members_of_a_connector_with_a_long_name_are_read_again() {
        for name in ["é".repeat(255), format!("{}  b", "a".repeat(246))] {
            let new = NewConnector::from_request(&json!({"name": name, "className": "x.Y"})).expect("valid");
            assert_eq!(NewConnector::from_request(&json!(new)).expect("its members are valid"), new);
        }
    }

    #[test]
    fn quoted_booleans_and_lower_case_statuses_are_read() {
        let body = json!({"name": "a", "className": "b", "directConnect": "False", "status": "demo", "type": null});
        let new = NewConnector::from_request(&body).expect("valid");
        assert_eq!((new.direct_connect, new.status), (false, Status::Demo));
    }

    #[test]
    fn a_duplicate_is_in_development_unless_its_author_says_otherwise() {
        let read = |body: Value| NewDuplicate::from_request(&body).map_err(|error| error.to_string());
        let new = |status, revision| Ok(NewDuplicate { name: "HR copy".to_owned(), status, revision });
        assert_eq!(read(json!({"name": " HR copy "})), new(Status::Development, None));
        assert_eq!(read(json!({"name": "HR copy", "status": "demo", "revision": 7})), new(Status::Demo, Some(7)));
        for (body, expected) in [
            (json!({"status": "DEMO"}), "`name` is required and must not be blank"),
            (
                json!({"name": "a", "status": "DEPRECATED"}),
                "`status` is DEPRECATED; a new connector is DEVELOPMENT, DEMO or RELEASED",
            ),
            (
                json!({"name": "a", "revision": 0}),
                "`revision` must be the number of a revision, such as 42, got the number 0",
            ),
            (json!({"name": "a", "type": "b"}), "the member `type` is unknown; expected `name`, `status`, `revision`"),
        ] {
            assert_eq!(read(body), Err(expected.to_owned()));
        }
    }

    #[test]
    fn an_error_names_the_member_and_what_would_be_right() {
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
            assert_eq!(error(&body), expected);
        }
    }
}
