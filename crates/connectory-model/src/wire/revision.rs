//! The history of connectors, and its events. Only connectory has these operations (D53 to D55).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Open;
use crate::ScriptName;

/// The path of the revisions of a tenant.
pub const REVISIONS_PATH: &str = "/connectory/v1/revisions";

/// The path of the deleted connectors of a tenant.
pub const DELETED_PATH: &str = "/connectory/v1/deleted-connectors";

/// The path of the events of a tenant.
pub const EVENTS_PATH: &str = "/connectory/v1/events";

/// The path at which two connectors are compared.
pub const COMPARE_PATH: &str = "/connectory/v1/compare";

/// The media type of a difference.
pub const DIFF_TYPE: &str = "text/x-diff";

/// A change to a connector, as the history records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectorRevision {
    /// The number of the revision. Those of a tenant grow by one in the order of commits.
    #[cfg_attr(feature = "openapi", schema(example = 42))]
    pub revision: u64,
    /// The number of the last revision of the same commit: revisions with the same number here were made by one request.
    #[cfg_attr(feature = "openapi", schema(example = 42))]
    pub change: u64,
    /// The script name of the connector.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "hr-system"))]
    pub script_name: ScriptName,
    /// What the revision did to the connector.
    #[cfg_attr(feature = "openapi", schema(value_type = RevisionAction))]
    pub action: Open<RevisionAction>,
    /// The members that changed, and for example `translations/de`.
    #[cfg_attr(feature = "openapi", schema(example = json!(["sourceConfigXml", "translations/de"])))]
    pub changed: Vec<String>,
    /// Who made the change.
    pub author: RevisionAuthor,
    /// The tracking id of the request in the server's log. Revisions of old versions have none.
    pub tracking_id: Option<String>,
    /// The time of the change (RFC 3339), with milliseconds.
    #[cfg_attr(feature = "openapi", schema(example = "2026-05-04T03:02:01.123Z"))]
    pub created: String,
    /// Whether the connector at the revision can be read. It is false if the retention of the server removed it.
    pub body: bool,
}

/// A connector that was deleted and is not there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeletedConnector {
    /// The script name of the connector.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "hr-system"))]
    pub script_name: ScriptName,
    /// The name that it had. None if the retention of the server removed the connector.
    #[cfg_attr(feature = "openapi", schema(example = "HR system"))]
    pub name: Option<String>,
    /// The type that it had.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(example = "custom HR system"))]
    pub connector_type: Option<String>,
    /// The revision that deleted it. To restore the connector, restore this revision.
    pub deletion: ConnectorRevision,
}

/// The author of a change, as known at the time of the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionAuthor {
    /// The kind of author.
    #[cfg_attr(feature = "openapi", schema(value_type = RevisionAuthorKind))]
    pub kind: Open<RevisionAuthorKind>,
    /// The id of the client, or the issuer and the subject of a person.
    pub id: String,
    /// The name of the client or person. Null if it was not known.
    pub name: Option<String>,
}

/// Defines an enumeration of lower-case words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for the value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What a revision did to its connector.
    RevisionAction {
        /// It created the connector.
        Create = "create",
        /// It changed the connector.
        Update = "update",
        /// It deleted the connector.
        Delete = "delete",
        /// It gave the connector the state of an earlier revision.
        Restore = "restore",
    }
}

words! {
    /// The kind of an author.
    RevisionAuthorKind {
        /// An API client.
        Client = "client",
        /// A person who signed in with OpenID Connect.
        Person = "person",
        /// The operator of the server, at the command line.
        Operator = "operator",
    }
}

words! {
    /// The kind of an event.
    EventKind {
        /// A connector was created, or a deleted one was restored.
        Created = "connector.created",
        /// A connector was changed or restored.
        Updated = "connector.updated",
        /// A connector was deleted.
        Deleted = "connector.deleted",
        /// What happened before this event is not known to the stream: the client reads anew what it needs.
        Reset = "reset",
    }
}

/// The data of the event `reset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventReset {
    /// The newest revision of the tenant. Events go on after it.
    pub revision: u64,
    /// Why the stream begins anew.
    pub reason: String,
}
