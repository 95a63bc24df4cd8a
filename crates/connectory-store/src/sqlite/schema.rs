//! The schema, its migrations, and how connections are opened.
//!
//! Migrations are only ever appended; `rusqlite_migration` keeps the version in the file's `user_version`.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::lock::DatabaseFile;
use crate::error::{Result, StoreError};

const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("migrations/1-connectors-and-access.sql")),
    M::up(include_str!("migrations/2-compressed-revisions.sql")),
    M::up(include_str!("migrations/3-chained-revisions.sql")),
    M::up(include_str!("migrations/4-dictionary.sql")),
    M::up(include_str!("migrations/5-revisions-of-tenants.sql")),
];

/// How long a command waits for another process's transaction.
pub(super) const COMMAND_WAIT: Duration = Duration::from_secs(10);
/// How long the server does, whose other writes wait meanwhile. A transaction of `connectory client create` takes
/// milliseconds.
pub(super) const SERVER_WAIT: Duration = Duration::from_secs(2);

/// Opens a connection that writes, durably: in WAL mode with `synchronous=FULL` a commit returns when it is on disk.
pub(super) fn open(file: &DatabaseFile, wait: Duration) -> Result<Connection> {
    // Without the flag that creates the file: where it is missing now, it was there a moment ago.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file.path(), flags)?;
    connection.busy_timeout(wait)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The log is copied into the database by the writer and its helper, and by whoever closes the database last.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(file: &DatabaseFile) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file.path(), flags)?;
    connection.busy_timeout(SERVER_WAIT)?;
    // In KiB. A row is found by its number in a few pages, and what is read is kept elsewhere.
    connection.pragma_update(None, "cache_size", -512)?;
    // A connection opens the log with its first read.
    version(&connection)?;
    Ok(connection)
}

/// Brings the schema up to date, refusing one from the future.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    if found > MIGRATIONS.len() {
        return Err(mismatch(path, found, "use the newer program that wrote it"));
    }
    Migrations::from_slice(MIGRATIONS)
        .to_latest(connection)
        .map_err(|error| StoreError::Commit(format!("migrating the schema: {error}")))
}

/// Sets the number by which the database is known again.
pub(super) fn mark(connection: &Connection, cookie: u32) -> Result<()> {
    Ok(connection.pragma_update(None, "schema_version", cookie)?)
}

/// Copies the whole log into the database and begins it again; says whether it is empty then. Readers may prevent it.
pub(super) fn begin_log(connection: &Connection) -> Result<bool> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))? == 0)
}

/// Refuses a schema that is not this program's.
pub(super) fn expect_current(connection: &Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    if found == MIGRATIONS.len() {
        Ok(())
    } else {
        Err(mismatch(path, found, "use the version of the program that is serving it"))
    }
}

fn mismatch(path: &Path, found: usize, advice: &'static str) -> StoreError {
    StoreError::Schema { path: path.to_owned(), found, expected: MIGRATIONS.len(), advice }
}

/// The version of the schema that the database has.
pub(super) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or_default())
}

/// Writes the version that is there already, a page like any other.
pub(super) fn write_version(connection: &Connection) -> Result<()> {
    let version = i64::try_from(version(connection)?).unwrap_or_default();
    Ok(connection.pragma_update(None, "user_version", version)?)
}
