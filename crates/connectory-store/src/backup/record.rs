//! The records of a backup. `docs/BACKUP-FORMAT.md` describes them for others.
//!
//! A record is a row as both engines have it. Records come in this order: settings and keys; then for each tenant the
//! tenant itself, its clients, its revisions, each with the parts that are stored with it, and its other rows. So a reader
//! needs to know the current tenant and little more. A check reads the rows of a database in the same order.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::BackupError;
use crate::access_event::AccessAction;
use crate::revision::{Action, Author, AuthorKind};

/// Takes records, one after the other.
pub(crate) type Sink<'a> = dyn FnMut(Record) -> Result<(), BackupError> + 'a;

/// The first line of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Always the same word, by which a backup is recognized.
    pub(super) format: String,
    /// The version of the format.
    pub version: u64,
    /// The version of the program that wrote the backup.
    pub program: String,
    /// The time of the backup, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// The engine that the backup is of: `sqlite` or `postgres`.
    pub engine: String,
    /// The version of that engine's schema.
    pub schema: u64,
}

/// A row of the database, or the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Record {
    Setting(SettingRow),
    SigningKey(SigningKeyRow),
    Tenant(TenantRow),
    Client(ClientRow),
    Revision(RevisionRow),
    Part(PartRow),
    Connector(ConnectorRow),
    Deleted(DeletedRow),
    Request(RequestRow),
    AccessEvent(AccessEventRow),
    RefusedSignIns(RefusedRow),
    End(End),
}

/// A setting that belongs to the data, such as the issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingRow {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SigningKeyRow {
    pub id: String,
    pub pem: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantRow {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub created_at: i64,
    pub max_connectors: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<i64>,
    /// The bytes that retention removed, of an engine that stores them. They follow from the running totals.
    #[serde(skip)]
    pub removed_bytes: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientRow {
    pub id: String,
    pub name: String,
    pub secret_hash: String,
    pub level: String,
    pub scopes: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorRow {
    pub kind: AuthorKind,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<Author> for AuthorRow {
    fn from(Author { kind, id, name }: Author) -> Self {
        Self { kind, id, name }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RevisionRow {
    pub number: i64,
    pub script_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<i64>,
    /// The last revision of the same commit. None means this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<i64>,
    /// None before schema 5 of SQLite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Uuid>,
    pub action: Action,
    /// The members that changed, separated by spaces.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub changed: String,
    pub author: AuthorRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_id: Option<Uuid>,
    pub created_at: i64,
    pub body_format: i64,
    /// Empty if retention removed it.
    #[serde(with = "bytes")]
    pub body: Vec<u8>,
    /// The running totals of an engine that stores them: connectors and bytes. They follow from the rest.
    #[serde(skip)]
    pub totals: Option<(i64, i64)>,
}

/// A part of a large connector, which is stored with the revision that changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartRow {
    pub number: i64,
    pub part: String,
    #[serde(with = "bytes")]
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectorRow {
    pub script_name: String,
    pub name_key: String,
    pub number: i64,
    /// The summary as JSON, as it is stored.
    pub summary: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeletedRow {
    pub script_name: String,
    pub number: i64,
}

/// A request that is done once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestRow {
    #[serde(with = "bytes")]
    pub key: Vec<u8>,
    #[serde(with = "bytes")]
    pub fingerprint: Vec<u8>,
    pub first: i64,
    pub last: i64,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccessEventRow {
    pub number: i64,
    pub action: AccessAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub author: AuthorRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_id: Option<Uuid>,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefusedRow {
    pub minute: i64,
    pub client_id: String,
    pub address: String,
    pub count: i64,
}

/// The last line of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct End {
    pub counts: Counts,
    /// The SHA-256 of all bytes before this line, in hexadecimal.
    pub sha256: String,
}

/// How many rows of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// Settings that belong to the data.
    pub settings: u64,
    /// Keys that sign tokens.
    pub signing_keys: u64,
    /// Tenants.
    pub tenants: u64,
    /// API clients.
    pub clients: u64,
    /// Revisions.
    pub revisions: u64,
    /// Revisions whose bodies retention removed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed_bodies: u64,
    /// Parts of large connectors.
    pub parts: u64,
    /// Connectors that exist.
    pub connectors: u64,
    /// Connectors that were deleted.
    pub deleted: u64,
    /// Requests that are done once.
    pub requests: u64,
    /// Access events.
    pub access_events: u64,
    /// Minutes with refused sign-ins.
    pub refused_sign_ins: u64,
}

impl Counts {
    /// Counts a record.
    pub(crate) fn add(&mut self, record: &Record) {
        let count = match record {
            Record::Setting(_) => &mut self.settings,
            Record::SigningKey(_) => &mut self.signing_keys,
            Record::Tenant(_) => &mut self.tenants,
            Record::Client(_) => &mut self.clients,
            Record::Revision(revision) => {
                self.removed_bodies += u64::from(revision.body.is_empty());
                &mut self.revisions
            }
            Record::Part(_) => &mut self.parts,
            Record::Connector(_) => &mut self.connectors,
            Record::Deleted(_) => &mut self.deleted,
            Record::Request(_) => &mut self.requests,
            Record::AccessEvent(_) => &mut self.access_events,
            Record::RefusedSignIns(_) => &mut self.refused_sign_ins,
            Record::End(_) => return,
        };
        *count += 1;
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Bytes as base64.
mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(<&str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
