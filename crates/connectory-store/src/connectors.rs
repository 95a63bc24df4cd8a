//! Connectors and their revisions.

use std::fmt::Display;
use std::sync::Arc;

use connectory_model::{Connector, Part, ScriptName, Summary, lower_key};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::now;
use crate::body::{self, Body, Found, Holders};
use crate::{Result, StoreError, TenantId};

/// An enumeration that is a number in the database and a word everywhere else.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            const fn number(self) -> i64 {
                match self { $(Self::$variant => $number,)+ }
            }

            const fn of(number: i64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

/// The number of a tenant's revision. It grows by one with every change to a connector of the tenant, and is never used
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionNumber(pub i64);

/// A revision of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevisionId {
    /// The tenant.
    pub tenant: TenantId,
    /// Its number among the tenant's.
    pub number: RevisionNumber,
}

/// Bits of a key that are the number; the others are the tenant.
const NUMBER_BITS: u32 = 40;

impl RevisionId {
    /// The key of its row.
    fn key(self) -> i64 {
        first_key(self.tenant) | self.number.0
    }
}

/// The key that is before all of a tenant's.
pub(crate) const fn first_key(tenant: TenantId) -> i64 {
    tenant.0 << NUMBER_BITS
}

/// The key that is after all of a tenant's.
pub(crate) const fn end_key(tenant: TenantId) -> i64 {
    (tenant.0 + 1) << NUMBER_BITS
}

/// Who makes a change, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who.
    pub author: Author,
    /// The id under which the request is logged.
    pub tracking_id: Option<Uuid>,
}

/// Who made a change, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// What the author is.
    pub kind: AuthorKind,
    /// The id of the client, or the issuer and the subject of a person.
    pub id: String,
    /// The name, if it is known.
    pub name: Option<String>,
}

words! {
    /// What an author is. The numbers are in the database.
    pub enum AuthorKind {
        /// An API client.
        Client = 1, "client",
        /// A person who signed in by OpenID Connect.
        Person = 2, "person",
        /// Whoever runs the server, at its command line.
        Operator = 3, "operator",
    }
}

words! {
    /// What a revision did to its connector. The numbers are in the database.
    pub enum Action {
        /// Created it.
        Create = 1, "create",
        /// Changed it.
        Update = 2, "update",
        /// Deleted it.
        Delete = 3, "delete",
        /// Made it what it was at an earlier revision.
        Restore = 4, "restore",
    }
}

/// What is done to a connector. What exists is changed only as it was read: `expected` is the revision it was read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Create,
    /// It takes the place of what was.
    Update {
        /// The revision that it was made from.
        expected: RevisionNumber,
    },
    /// It goes.
    Delete {
        /// The revision that was to go.
        expected: RevisionNumber,
    },
}

/// A change to a connector, and what of it changes; in the form in which it is written. Making it serializes and
/// compresses the connector, so that the writer does as little as it can.
#[derive(Debug, Clone)]
pub struct Edit {
    change: Change,
    action: Action,
    connector: Arc<Connector>,
    summary: Arc<Summary>,
    changed: String,
    name_key: String,
    body: Body,
    summary_json: String,
}

impl Edit {
    /// A change to what the connector will be; of a deletion, to what it was. `changed` names the members or files that
    /// change. `before` is the connector as it was, and where its parts are stored: of a large one, only parts that
    /// change are written.
    pub fn new(
        change: Change,
        connector: Arc<Connector>,
        changed: &[String],
        before: Option<(&Connector, &Holders)>,
    ) -> Self {
        let summary = connector.summary();
        let action = match change {
            Change::Create => Action::Create,
            Change::Update { .. } => Action::Update,
            Change::Delete { .. } => Action::Delete,
        };
        Self {
            change,
            action,
            changed: changed.join(" "),
            name_key: lower_key(&connector.name),
            body: Body::new(&connector, before),
            summary_json: serde_json::to_string(&summary).expect("a summary is JSON"),
            summary: Arc::new(summary),
            connector,
        }
    }

    /// The same edit, where it makes the connector what it was at an earlier revision.
    #[must_use]
    pub fn restoring(self) -> Self {
        Self { action: Action::Restore, ..self }
    }

    /// What is done.
    pub fn change(&self) -> Change {
        self.change
    }

    /// The connector as it will be; of a deletion, as it was.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// The same as lists show it.
    pub fn summary(&self) -> &Arc<Summary> {
        &self.summary
    }
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub number: RevisionNumber,
    /// The number of the last revision of the same commit: one request may change several connectors.
    pub change: RevisionNumber,
    /// The connector that changed.
    pub script_name: ScriptName,
    /// What was done.
    pub action: Action,
    /// The members or files that changed.
    pub changed: Vec<String>,
    /// Who did it.
    pub author: Author,
    /// The id under which the request was logged. It is not known of revisions before schema 5.
    pub tracking_id: Option<Uuid>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// Writes the revision under the tenant's next number. A refusal comes from the first statement, before anything is
/// written.
pub(crate) fn write(
    connection: &Connection,
    tenant: TenantId,
    edit: &Edit,
    origin: &Origin,
    commit_id: Uuid,
) -> Result<RevisionNumber> {
    let number = RevisionNumber(last_number(connection, tenant)?.0 + 1);
    let tenant_id = tenant.0;
    let script_name = edit.connector.script_name.as_str();
    let previous = match edit.change {
        Change::Create => {
            connection
                .prepare_cached(
                    "INSERT INTO connectors (tenant_id, script_name, name_key, number, summary)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![tenant_id, script_name, edit.name_key, number.0, edit.summary_json])
                .or_else(|error| Err(refused(connection, tenant_id, edit, error)?))?;
            let before: Option<i64> = connection
                .prepare_cached("SELECT number FROM deleted WHERE tenant_id = ?1 AND script_name = ?2")?
                .query_row(params![tenant_id, script_name], |row| row.get(0))
                .optional()?;
            if before.is_some() {
                connection
                    .prepare_cached("DELETE FROM deleted WHERE tenant_id = ?1 AND script_name = ?2")?
                    .execute(params![tenant_id, script_name])?;
            }
            before
        }
        Change::Update { expected } => {
            let changed = connection
                .prepare_cached(
                    "UPDATE connectors SET number = ?4, summary = ?5
                         WHERE tenant_id = ?1 AND script_name = ?2 AND number = ?3",
                )?
                .execute(params![tenant_id, script_name, expected.0, number.0, edit.summary_json])?;
            expect_unchanged(changed)?;
            Some(expected.0)
        }
        Change::Delete { expected } => {
            let changed = connection
                .prepare_cached("DELETE FROM connectors WHERE tenant_id = ?1 AND script_name = ?2 AND number = ?3")?
                .execute(params![tenant_id, script_name, expected.0])?;
            expect_unchanged(changed)?;
            connection
                .prepare_cached("INSERT INTO deleted (tenant_id, script_name, number) VALUES (?1, ?2, ?3)")?
                .execute(params![tenant_id, script_name, number.0])?;
            Some(expected.0)
        }
    };
    let key = RevisionId { tenant, number }.key();
    let Author { kind, id, name } = &origin.author;
    connection
        .prepare_cached(
            "INSERT INTO revisions (key, script_name, previous, commit_id, action, changed, author_kind, author_id,
                                    author_name, tracking_id, created_at, format, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            key,
            script_name,
            previous,
            commit_id.as_bytes(),
            edit.action.number(),
            edit.changed,
            kind.number(),
            id,
            name,
            origin.tracking_id.as_ref().map(Uuid::as_bytes),
            now(),
            edit.body.format,
            edit.body.bytes
        ])?;
    for (part, bytes) in &edit.body.parts {
        connection.prepare_cached("INSERT INTO parts (key, part, body) VALUES (?1, ?2, ?3)")?.execute(params![
            key,
            part.to_string(),
            bytes
        ])?;
    }
    Ok(number)
}

/// What is taken that a new connector was refused for; its name, if that is.
fn refused(connection: &Connection, tenant: i64, edit: &Edit, error: rusqlite::Error) -> Result<StoreError> {
    if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return Ok(error.into());
    }
    let name_taken = connection
        .prepare_cached("SELECT 1 FROM connectors WHERE tenant_id = ?1 AND name_key = ?2")?
        .exists(params![tenant, edit.name_key])?;
    Ok(if name_taken { StoreError::NameTaken } else { StoreError::ScriptNameTaken })
}

fn expect_unchanged(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Refuses a database whose newest revision cannot be found, because it is damaged.
pub(crate) fn expect_readable(connection: &Connection) -> Result<()> {
    Ok(connection.query_row("SELECT max(key) FROM revisions", [], |_| Ok(()))?)
}

/// The number of a tenant's newest revision.
pub(crate) fn last_number(connection: &Connection, tenant: TenantId) -> Result<RevisionNumber> {
    let newest = connection
        .prepare_cached("SELECT number FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT 1")?
        .query_row([first_key(tenant), end_key(tenant)], |row| row.get(0))
        .optional()?;
    Ok(RevisionNumber(newest.unwrap_or_default()))
}

pub(crate) fn summaries<T>(
    connection: &Connection,
    tenant: TenantId,
    read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T,
) -> Result<T> {
    let mut statement =
        connection.prepare_cached("SELECT number, summary FROM connectors WHERE tenant_id = ?1 ORDER BY name_key")?;
    let mut rows = statement.query([tenant.0])?;
    let mut failed = None;
    let mut next = || {
        let Some(row) = rows.next()? else { return Ok(None) };
        let summary = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        Ok(Some((RevisionNumber(row.get(0)?), body::from_json(summary.as_bytes())?)))
    };
    let result = read(&mut std::iter::from_fn(|| {
        next().unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    }));
    failed.map_or(Ok(result), Err)
}

/// A connector at a revision, if there is one and it has at most so many bytes. What is too large is not read.
pub(crate) fn at(connection: &Connection, id: RevisionId, most: usize) -> Result<Option<Found>> {
    let mut statement = connection.prepare_cached(
        "SELECT format, length(body), iif(length(body) > ?2, NULL, body) FROM revisions WHERE key = ?1",
    )?;
    let mut rows = statement.query(params![id.key(), i64::try_from(most).unwrap_or(i64::MAX)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let body = row.get_ref(2)?;
    if body == ValueRef::Null {
        return Ok(Some(Found::Large(usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX))));
    }
    let part = |part: Part, holder: Option<RevisionNumber>| {
        let holder = RevisionId { number: holder.unwrap_or(id.number), ..id };
        connection
            .prepare_cached("SELECT body FROM parts WHERE key = ?1 AND part = ?2")?
            .query_row(params![holder.key(), part.to_string()], |row| row.get(0))
            .optional()?
            .ok_or_else(|| unreadable(format_args!("revision {} has no part {part}", holder.number.0)))
    };
    body::read(row.get(0)?, body, most, part).map(Some)
}

/// Where the parts of a large connector are stored at a revision; nowhere else, if it is small.
pub(crate) fn holders(connection: &Connection, id: RevisionId) -> Result<Holders> {
    let mut statement = connection.prepare_cached("SELECT format, body FROM revisions WHERE key = ?1")?;
    let mut rows = statement.query([id.key()])?;
    let Some(row) = rows.next()? else { return Ok(Holders::default()) };
    body::holders(row.get(0)?, row.get_ref(1)?, id.number)
}

/// The columns that a revision is read from, of a table; after them, the revision before it.
macro_rules! columns {
    ($table:literal) => {
        concat!(
            $table,
            "number, ",
            $table,
            "script_name, ",
            $table,
            "action, ",
            $table,
            "changed, ",
            $table,
            "author_kind, ",
            $table,
            "author_id, ",
            $table,
            "author_name, ",
            $table,
            "created_at, ",
            $table,
            "tracking_id, ",
            $table,
            "change, ",
            $table,
            "previous"
        )
    };
}

/// A connector's history, from its newest revision to the one before it and so on.
const OF_CONNECTOR: &str = concat!(
    "WITH RECURSIVE newest (newest) AS (
        SELECT number FROM connectors WHERE tenant_id = ?4 AND script_name = ?5
        UNION ALL
        SELECT number FROM deleted WHERE tenant_id = ?4 AND script_name = ?5
    ), history (",
    columns!(""),
    ") AS (
        SELECT ",
    columns!("found."),
    " FROM newest JOIN revisions AS found ON found.key = ?1 + newest.newest
        UNION ALL
        SELECT ",
    columns!("found."),
    " FROM history JOIN revisions AS found ON found.key = ?1 + history.previous
    )
    SELECT * FROM history WHERE number < ?3 - ?1 LIMIT ?2"
);

const OF_TENANT: &str =
    concat!("SELECT ", columns!(""), " FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3");

/// The revisions of a tenant, or of one of its connectors, that were made before one: the newest first.
pub(crate) fn revisions(
    connection: &Connection,
    tenant: TenantId,
    script_name: Option<&ScriptName>,
    before: Option<RevisionNumber>,
    limit: u32,
) -> Result<Vec<Revision>> {
    let first = first_key(tenant);
    let before = before.map_or(end_key(tenant), |before| first.saturating_add(before.0).min(end_key(tenant)));
    let rows = match script_name {
        Some(script_name) => connection
            .prepare_cached(OF_CONNECTOR)?
            .query_map(params![first, limit, before, tenant.0, script_name.as_str()], revision)?
            .collect::<rusqlite::Result<_>>(),
        None => connection.prepare_cached(OF_TENANT)?.query_map(params![first, before, limit], revision)?.collect(),
    };
    rows.map_err(StoreError::from)
}

fn revision(row: &Row<'_>) -> rusqlite::Result<Revision> {
    let script_name: String = row.get(1)?;
    let wrong = |column, error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error);
    let number = RevisionNumber(row.get(0)?);
    Ok(Revision {
        number,
        change: row.get::<_, Option<i64>>(9)?.map_or(number, RevisionNumber),
        script_name: script_name.parse().map_err(|error| wrong(1, Box::new(error)))?,
        action: Action::of(row.get(2)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, row.get(2)?))?,
        changed: row.get::<_, String>(3)?.split_whitespace().map(str::to_owned).collect(),
        author: Author {
            kind: AuthorKind::of(row.get(4)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(4, row.get(4)?))?,
            id: row.get(5)?,
            name: row.get(6)?,
        },
        created_at: row.get(7)?,
        tracking_id: row.get::<_, Option<Vec<u8>>>(8)?.and_then(|bytes| Uuid::from_slice(&bytes).ok()),
    })
}

pub(crate) fn unreadable(error: impl Display) -> StoreError {
    StoreError::Unreadable(error.to_string())
}
