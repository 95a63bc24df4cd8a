//! Writing a copy into a SQLite database, in many transactions. Each notes how far the copy came.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::backup::Moment;
use super::lock::{DatabaseFile, Lock};
use super::row_writer::RowWriter;
use super::syncs::Syncs;
use super::{access, lock_when_free, schema};
use crate::backup::error::{BackupError, CopyError};
use crate::backup::record::{Record, Sink};
use crate::backup::unfinished::{Position, Unfinished};
use crate::error::Result;

/// Pages of the log after which it is copied into the database: 4 MiB, about what a transaction writes.
const LOG_PAGES: i64 = 1000;

/// The tables that a copy fills, those that refer to others first. Sessions are not copied.
const TABLES: [&str; 11] = [
    "sessions",
    "refused_sign_ins",
    "once",
    "clients",
    "access_events",
    "deleted",
    "connectors",
    "parts",
    "revisions",
    "tenants",
    "signing_keys",
];

/// A database into which another one is copied. This process alone has it.
pub(crate) struct CopyTarget {
    // The fields have this order so that the file is closed after the connection.
    rows: RowWriter,
    _lock: Lock,
    _file: Arc<DatabaseFile>,
}

impl CopyTarget {
    /// Opens the database, which is created if it is missing, and returns how far an earlier copy came. Refuses a database
    /// with tenants that is not half copied.
    pub fn open(path: &Path) -> Result<(Self, Option<Unfinished>), CopyError> {
        let open = || -> Result<_> {
            let file = DatabaseFile::open(path)?;
            let lock = lock_when_free(&file, Syncs::Full)?;
            let connection = schema::open(&file, schema::COMMAND_WAIT, Syncs::Full)?;
            connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
            Ok((file, lock, connection))
        };
        let (file, lock, mut connection) = open().map_err(|error| error.of(path))?;
        let unfinished = schema::unfinished(&connection)?;
        // A database with tenants stays as it is, its schema too.
        if unfinished.is_none() && has_tenants(&connection)? {
            return Err(CopyError::NotEmpty(format!("sqlite:{}", file.path().display())));
        }
        schema::migrate(&mut connection, file.path())?;
        Ok((Self { rows: RowWriter::new(connection), _lock: lock, _file: file }, unfinished))
    }

    /// Removes all that there is, and notes that a copy has begun.
    pub fn begin(&mut self, begun: &Unfinished) -> Result<()> {
        let connection = &self.rows.connection;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for table in TABLES {
            connection.execute(&format!("DELETE FROM {table}"), [])?;
        }
        connection.execute_batch(
            "DELETE FROM settings WHERE name NOT IN ('issuer', 'incarnation');
             CREATE TABLE IF NOT EXISTS unfinished_copy (
                 source TEXT NOT NULL, state TEXT NOT NULL, records INTEGER NOT NULL, sha256 TEXT NOT NULL
             ) STRICT;
             DELETE FROM unfinished_copy",
        )?;
        let Unfinished { from, state, position } = begun;
        let insert = "INSERT INTO unfinished_copy (source, state, records, sha256) VALUES (?1, ?2, ?3, ?4)";
        connection.execute(insert, params![from, state, position.records, position.sha256])?;
        Ok(connection.execute_batch("COMMIT")?)
    }

    /// Begins the transaction of the next records.
    pub fn go_on(&mut self) -> Result<()> {
        Ok(self.rows.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Passes over a record that is there already.
    pub fn skip(&mut self, record: &Record) -> Result<()> {
        self.rows.skip(record)
    }

    /// Writes a record.
    pub fn write(&mut self, record: Record) -> Result<()> {
        self.rows.write(record)
    }

    /// Commits the records so far, with their position.
    pub fn commit(&mut self, position: &Position) -> Result<()> {
        let update = "UPDATE unfinished_copy SET records = ?1, sha256 = ?2";
        self.rows.connection.prepare_cached(update)?.execute(params![position.records, position.sha256])?;
        self.rows.connection.execute_batch("COMMIT")?;
        self.go_on()
    }

    /// Reads back all that is there.
    pub fn read_back(&mut self, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        self.rows.connection.execute_batch("COMMIT")?;
        Moment::of(&self.rows.connection)?.read(sink)?;
        Ok(self.go_on()?)
    }

    /// Ends the copy: from now on it is a database like any other.
    pub fn end(self, incarnation: &str) -> Result<()> {
        let connection = &self.rows.connection;
        connection.execute("UPDATE settings SET value = ?1 WHERE name = 'incarnation'", [incarnation])?;
        connection.execute_batch("DROP TABLE unfinished_copy; COMMIT")?;
        schema::begin_log(connection)?;
        Ok(())
    }
}

fn has_tenants(connection: &Connection) -> Result<bool> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'tenants')";
    if !connection.query_row(is_there, [], |row| row.get::<_, bool>(0))? {
        return Ok(false);
    }
    access::has_tenants(connection)
}
