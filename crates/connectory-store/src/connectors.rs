//! Connectors and their revisions.

use std::fmt::Display;
use std::sync::Arc;

use connectory_model::limits::INLINE_BYTES;
use connectory_model::{Connector, ScriptName, Summary, lower_key};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict, uncompressed_size};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use crate::access::now;
use crate::{Result, StoreError, TenantId};

/// What bodies are compressed with: a connector as it is created, so that a new one takes about 100 bytes instead of 700.
/// Its bytes must stay as they are, because bodies are read with them; a better one gets the next number.
const DICTIONARY: &[u8] = include_bytes!("dictionary-1.json");
const DICTIONARY_NUMBER: i64 = 1;

/// The number of a revision: it grows with every change of any connector, and never comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

/// What is done to a connector. What exists is changed only as it was read: `expected` is the revision it was read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Create,
    /// It takes the place of what was.
    Update {
        /// The revision that it was made from.
        expected: Seq,
    },
    /// It goes.
    Delete {
        /// The revision that was to go.
        expected: Seq,
    },
}

/// A change of a connector, by whom, and what of it changes; in the form in which it is written. Making it serializes and
/// compresses the connector, so that the writer does as little as it can.
#[derive(Debug, Clone)]
pub struct Edit {
    change: Change,
    connector: Arc<Connector>,
    summary: Arc<Summary>,
    changed: String,
    client_id: String,
    name_key: String,
    body: Vec<u8>,
    summary_json: String,
}

impl Edit {
    /// A change by a client to what the connector will be; of a deletion, to what it was. `changed` names the members
    /// or files that change.
    pub fn new(change: Change, connector: Arc<Connector>, changed: &[String], client_id: &str) -> Self {
        let summary = connector.summary();
        // Room for it all at once, escaped quotes included.
        let mut body = Vec::with_capacity(connector.size() * 5 / 4 + 1024);
        serde_json::to_writer(&mut body, &*connector).expect("a connector is JSON");
        let mut compressed = compress_prepend_size_with_dict(&body, DICTIONARY);
        if body.len() > INLINE_BYTES {
            // It has room for what cannot be compressed.
            compressed.shrink_to_fit();
        }
        Self {
            change,
            changed: changed.join(" "),
            client_id: client_id.to_owned(),
            name_key: lower_key(&connector.name),
            body: compressed,
            summary_json: serde_json::to_string(&summary).expect("a summary is JSON"),
            summary: Arc::new(summary),
            connector,
        }
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
    pub seq: Seq,
    /// The connector that changed.
    pub script_name: ScriptName,
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The members or files that changed.
    pub changed: Vec<String>,
    /// The client that did it.
    pub client_id: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// Writes the revision under a number. A refusal comes from the first statement, before anything is written.
pub(crate) fn write(connection: &Connection, tenant: TenantId, edit: &Edit, seq: Seq) -> Result<()> {
    let tenant = tenant.0;
    let script_name = edit.connector.script_name.as_str();
    let (action, previous) = match edit.change {
        Change::Create => {
            connection
                .prepare_cached(
                    "INSERT INTO connectors (tenant_id, script_name, name_key, seq, summary)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![tenant, script_name, edit.name_key, seq.0, edit.summary_json])
                .or_else(|error| Err(refused(connection, tenant, edit, error)?))?;
            let before: Option<i64> = connection
                .prepare_cached("SELECT seq FROM deleted WHERE tenant_id = ?1 AND script_name = ?2")?
                .query_row(params![tenant, script_name], |row| row.get(0))
                .optional()?;
            if before.is_some() {
                connection
                    .prepare_cached("DELETE FROM deleted WHERE tenant_id = ?1 AND script_name = ?2")?
                    .execute(params![tenant, script_name])?;
            }
            ("create", before)
        }
        Change::Update { expected } => {
            let changed = connection
                .prepare_cached(
                    "UPDATE connectors SET seq = ?4, summary = ?5
                         WHERE tenant_id = ?1 AND script_name = ?2 AND seq = ?3",
                )?
                .execute(params![tenant, script_name, expected.0, seq.0, edit.summary_json])?;
            expect_unchanged(changed)?;
            ("update", Some(expected.0))
        }
        Change::Delete { expected } => {
            let changed = connection
                .prepare_cached("DELETE FROM connectors WHERE tenant_id = ?1 AND script_name = ?2 AND seq = ?3")?
                .execute(params![tenant, script_name, expected.0])?;
            expect_unchanged(changed)?;
            connection
                .prepare_cached("INSERT INTO deleted (tenant_id, script_name, seq) VALUES (?1, ?2, ?3)")?
                .execute(params![tenant, script_name, seq.0])?;
            ("delete", Some(expected.0))
        }
    };
    connection
        .prepare_cached(
            "INSERT INTO revisions
                    (seq, tenant_id, script_name, previous, action, changed, client_id, created_at, body, dictionary)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            seq.0,
            tenant,
            script_name,
            previous,
            action,
            edit.changed,
            edit.client_id,
            now(),
            edit.body,
            DICTIONARY_NUMBER
        ])?;
    Ok(())
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

/// The number of the newest revision of any tenant.
pub(crate) fn last_seq(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("SELECT coalesce(max(seq), 0) FROM revisions", [], |row| row.get(0))?)
}

pub(crate) fn summaries<T>(
    connection: &Connection,
    tenant: TenantId,
    read: impl FnOnce(&mut dyn Iterator<Item = (Seq, Summary)>) -> T,
) -> Result<T> {
    let mut statement =
        connection.prepare_cached("SELECT seq, summary FROM connectors WHERE tenant_id = ?1 ORDER BY name_key")?;
    let mut rows = statement.query([tenant.0])?;
    let mut failed = None;
    let mut next = || {
        let Some(row) = rows.next()? else { return Ok(None) };
        let summary = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        Ok(Some((Seq(row.get(0)?), from_json(summary.as_bytes())?)))
    };
    let result = read(&mut std::iter::from_fn(|| {
        next().unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    }));
    failed.map_or(Ok(result), Err)
}

/// A connector that was looked for.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// The connector.
    Connector(Box<Connector>),
    /// It has more bytes than were asked for: about so many.
    Large(usize),
}

/// A connector at a revision, if it has at most so many bytes. Its body is compressed, or the text of a database's first
/// schema. What is too large is not read, let alone parsed.
pub(crate) fn at(connection: &Connection, seq: Seq, most: usize) -> Result<Found> {
    let mut statement = connection.prepare_cached(
        "SELECT length(body), iif(length(body) > ?2, NULL, body), dictionary FROM revisions WHERE seq = ?1",
    )?;
    let mut rows = statement.query(params![seq.0, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let row = rows.next()?.ok_or_else(|| unreadable(format_args!("there is no revision {}", seq.0)))?;
    let compressed = match row.get_ref(1)? {
        ValueRef::Null => return Ok(Found::Large(usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX))),
        ValueRef::Blob(compressed) => compressed,
        text => return from_json(text.as_bytes().map_err(rusqlite::Error::from)?).map(Found::Connector),
    };
    let (bytes, _) = uncompressed_size(compressed).map_err(unreadable)?;
    if bytes > most {
        return Ok(Found::Large(bytes));
    }
    let dictionary = match row.get(2)? {
        None => &[],
        Some(DICTIONARY_NUMBER) => DICTIONARY,
        Some(other) => return Err(unreadable(format_args!("a body compressed with dictionary {other}"))),
    };
    from_json(&decompress_size_prepended_with_dict(compressed, dictionary).map_err(unreadable)?).map(Found::Connector)
}

/// A connector's history, from its newest revision to the one before it and so on.
const OF_CONNECTOR: &str = "
    WITH RECURSIVE newest AS (
        SELECT seq FROM connectors WHERE tenant_id = ?1 AND script_name = ?2
        UNION ALL
        SELECT seq FROM deleted WHERE tenant_id = ?1 AND script_name = ?2
    ), history (seq, script_name, action, changed, client_id, created_at, previous) AS (
        SELECT seq, script_name, action, changed, client_id, created_at, previous FROM revisions JOIN newest USING (seq)
        UNION ALL
        SELECT of.seq, of.script_name, of.action, of.changed, of.client_id, of.created_at, of.previous
        FROM history JOIN revisions AS of ON of.seq = history.previous
    )
    SELECT * FROM history WHERE seq < ?3 LIMIT ?4";

const OF_TENANT: &str = "
    SELECT seq, script_name, action, changed, client_id, created_at FROM revisions
    WHERE tenant_id = ?1 AND ?2 = '' AND seq < ?3 ORDER BY seq DESC LIMIT ?4";

/// The revisions of a tenant, or of one of its connectors, that were made before one: the newest first.
pub(crate) fn revisions(
    connection: &Connection,
    tenant: TenantId,
    script_name: Option<&ScriptName>,
    before: Option<Seq>,
    limit: u32,
) -> Result<Vec<Revision>> {
    let before = before.map_or(i64::MAX, |seq| seq.0);
    let (query, script_name) = script_name.map_or((OF_TENANT, ""), |name| (OF_CONNECTOR, name.as_str()));
    connection
        .prepare_cached(query)?
        .query_map(params![tenant.0, script_name, before, limit], revision)?
        .collect::<rusqlite::Result<_>>()
        .map_err(StoreError::from)
}

fn revision(row: &Row<'_>) -> rusqlite::Result<Revision> {
    let script_name: String = row.get(1)?;
    let not_one = |error| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error));
    Ok(Revision {
        seq: Seq(row.get(0)?),
        script_name: script_name.parse().map_err(not_one)?,
        action: row.get(2)?,
        changed: row.get::<_, String>(3)?.split_whitespace().map(str::to_owned).collect(),
        client_id: row.get(4)?,
        created_at: row.get(5)?,
    })
}

fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(unreadable)
}

fn unreadable(error: impl Display) -> StoreError {
    StoreError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use connectory_model::import;
    use lz4_flex::block::compress_prepend_size;

    use super::*;
    use crate::schema;

    #[test]
    fn the_dictionary_never_changes() {
        let sum = DICTIONARY.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        assert_eq!(
            sum, 12_364_793_945_205_114_222,
            "give another dictionary the next number, and keep this one for the bodies that need it"
        );
    }

    #[test]
    fn bodies_of_every_schema_are_read() {
        let connector = import::from_json(br#"[{"name": "HR"}]"#).unwrap().remove(0);
        let json = serde_json::to_string(&connector).unwrap();
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate_to(&mut connection, 1);
        connection.execute("INSERT INTO tenants VALUES (1, 'u', 't', 0)", []).unwrap();
        let insert = "INSERT INTO revisions VALUES (1, 1, 'hr', 'create', '', 'me', 0, ?1)";
        connection.execute(insert, [&json]).unwrap();
        schema::migrate_to(&mut connection, 2);
        let insert = "INSERT INTO revisions VALUES (2, 1, 'hr', 'update', '', 'me', 0, ?1)";
        connection.execute(insert, [compress_prepend_size(json.as_bytes())]).unwrap();
        schema::migrate(&mut connection, Path::new("memory")).unwrap();
        let edit = Edit::new(Change::Create, Arc::new(connector.clone()), &[], "me");
        let length = edit.body.len();
        assert!(length * 4 < json.len(), "a new connector is much like the dictionary: {length}");
        write(&connection, TenantId(1), &edit, Seq(3)).unwrap();
        for seq in 1..=3 {
            let found = at(&connection, Seq(seq), usize::MAX).unwrap();
            assert_eq!(found, Found::Connector(Box::new(connector.clone())), "{seq}");
            assert!(
                matches!(at(&connection, Seq(seq), length).unwrap(), Found::Large(bytes) if bytes > length),
                "{seq}"
            );
        }
        connection.execute("UPDATE revisions SET dictionary = 2 WHERE seq = 3", []).unwrap();
        assert!(at(&connection, Seq(3), usize::MAX).unwrap_err().to_string().ends_with("with dictionary 2"));
    }
}
