//! The schema, its migrations, and the settings of connections.
//!
//! Migrations are only appended, never changed. `rusqlite_migration` stores the version in the file's `user_version`.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connectory_model::name_key;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, Transaction, params};
use rusqlite_migration::{HookResult, M, Migrations};

use super::content;
use super::lock::{self, DatabaseFile, Lock};
use super::syncs::Syncs;
use crate::backup::unfinished::{Position, Unfinished};
use crate::error::{Result, StoreError};

fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("migrations/1-connectors-and-access.sql")),
        M::up(include_str!("migrations/2-compressed-revisions.sql")),
        M::up(include_str!("migrations/3-chained-revisions.sql")),
        M::up(include_str!("migrations/4-dictionary.sql")),
        M::up_with_hook(include_str!("migrations/5-revisions-of-tenants.sql"), renew_name_keys),
        M::up(include_str!("migrations/6-sessions-and-access-events.sql")),
        M::up(include_str!("migrations/7-requests-done-once.sql")),
        M::up(include_str!("migrations/8-incarnation.sql")),
        M::up(include_str!("migrations/9-states-of-tenants.sql")),
        M::up(include_str!("migrations/10-deleted-connectors.sql")),
    ])
}

/// The number of migrations, which is the newest schema version.
pub(super) const LATEST: usize = 10;

/// Gives every connector the current key of its name. Before schema 5 the key was the name in lower case.
///
/// Connectors whose names become equal keep their names. The first one, in the order of script names, gets the key. The
/// others get the key with a suffix that begins with U+0001, which no name contains. So the connectors are still
/// ordered by name and then by script name, and a new connector with the name is refused while one of them exists.
fn renew_name_keys(transaction: &Transaction<'_>) -> HookResult {
    let mut changes = Vec::new();
    {
        let mut statement = transaction.prepare(
            "SELECT tenant_id, script_name, name_key, coalesce(json_extract(summary, '$.name'), name_key)
                 FROM connectors ORDER BY tenant_id, script_name",
        )?;
        let mut rows = statement.query([])?;
        let (mut of, mut taken) = (0, HashSet::new());
        while let Some(row) = rows.next()? {
            let (tenant, script_name, before): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let name: String = row.get(3)?;
            if std::mem::replace(&mut of, tenant) != tenant {
                taken.clear();
            }
            let mut key = name_key(&name);
            if !taken.insert(key.clone()) {
                tracing::warn!(
                    name,
                    script_name,
                    "another connector has the same name: names are compared by full case folding from now on; both stay, \
                     and the next change of either must give it another name"
                );
                key = format!("{key}\u{1}{script_name}");
            }
            if key != before {
                changes.push((tenant, script_name, key));
            }
        }
    }
    // First give all of them temporary keys, because a new key of one may be the old key of another.
    let set = "UPDATE connectors SET name_key = ?3 WHERE tenant_id = ?1 AND script_name = ?2";
    let mut statement = transaction.prepare(set)?;
    for (tenant, script_name, _) in &changes {
        statement.execute(params![tenant, script_name, format!("\u{1}{script_name}")])?;
    }
    for (tenant, script_name, key) in &changes {
        statement.execute(params![tenant, script_name, key])?;
    }
    Ok(())
}

/// The time that a command waits for the transaction of another process.
pub(super) const COMMAND_WAIT: Duration = Duration::from_secs(10);
/// The time that the server waits for the transaction of another process. Its other writes wait meanwhile. A
/// transaction of `connectory client create` takes milliseconds.
pub(super) const SERVER_WAIT: Duration = Duration::from_secs(2);

/// Opens a connection for writes in WAL mode. With [`Syncs::Full`], a commit returns when it is on disk.
pub(super) fn open(file: &DatabaseFile, wait: Duration, syncs: Syncs) -> Result<Connection> {
    // The flags do not create the file. It existed a moment ago, so a missing file is an error.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file.path(), flags)?;
    connection.busy_timeout(wait)?;
    // First, because a new database is synced when it gets its journal mode.
    connection.pragma_update(None, "synchronous", syncs.as_str())?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The writer and the checkpoint thread copy the log into the database. So does the last connection when it is
    // closed.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens an existing database for a command, whether a server is running on it or not, and takes the lock, or says who has
/// it. Updates the schema if no server is running.
pub(super) fn open_beside(path: &Path) -> Result<(Connection, Result<Lock>, Arc<DatabaseFile>)> {
    let file = DatabaseFile::open_existing(path)?;
    let lock = match file.lock(Syncs::Full) {
        Err(error) if !matches!(error, StoreError::InUse { .. }) => return Err(error),
        lock => lock,
    };
    let mut connection = open(&file, COMMAND_WAIT, Syncs::Full)?;
    if lock.is_ok() {
        migrate(&mut connection, file.path())?;
    }
    expect_whole(&connection, file.path())?;
    Ok((connection, lock, file))
}

/// Writes a copy of the database, as it is now, into a new file that only its owner can read.
pub(super) fn copy_to(file: &DatabaseFile, copy: &Path) -> Result<()> {
    let io = |error| StoreError::Io { path: copy.to_owned(), error };
    let path = copy.to_str().ok_or_else(|| io(std::io::ErrorKind::InvalidFilename.into()))?;
    // SQLite fills a file that is empty, and would make one that others can read.
    lock::for_owner().create_new(true).write(true).open(copy).map_err(io)?;
    let connection = open_reader(file)?;
    connection.pragma_update(None, "synchronous", Syncs::Off.as_str())?;
    connection.execute("VACUUM INTO ?1", [path])?;
    Ok(())
}

/// Opens a connection that only reads.
pub(super) fn open_reader(file: &DatabaseFile) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file.path(), flags)?;
    connection.busy_timeout(SERVER_WAIT)?;
    // In KiB. A small cache is enough: a row is found by its number in a few pages, and the server caches connectors
    // itself.
    connection.pragma_update(None, "cache_size", -512)?;
    // The first read of a connection opens the log.
    version(&connection)?;
    Ok(connection)
}

/// Updates the schema. Refuses a schema that is newer than this program, and a database of another program.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    if found > LATEST {
        return Err(mismatch(path, found, "use the newer program that wrote it"));
    }
    // The database of another program may have any version.
    content::content_of(connection, path)?;
    migrations().to_latest(connection).map_err(|error| StoreError::Commit(format!("migrating the schema: {error}")))
}

/// Sets the schema cookie to the first of these unless it is one of these. The cookie is part of the database's mark. It
/// must not get a value again that it had before: other connections would then use an old schema.
pub(super) fn mark(connection: &Connection, cookies: &RangeInclusive<u32>) -> Result<()> {
    let found: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    if u32::try_from(found).is_ok_and(|found| cookies.contains(&found)) {
        return Ok(());
    }
    Ok(connection.pragma_update(None, "schema_version", cookies.start())?)
}

/// Copies the whole log into the database and empties it. Returns whether the log is empty; readers may prevent that.
pub(super) fn begin_log(connection: &Connection) -> Result<bool> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))? == 0)
}

/// Refuses a schema version other than this program's.
pub(super) fn expect_current(connection: &Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    if found == LATEST {
        Ok(())
    } else {
        Err(mismatch(path, found, "use the version of the program that is serving it"))
    }
}

/// Reads how far a copy into the database came that is not finished. None if there is no such copy.
pub(super) fn unfinished(connection: &Connection) -> Result<Option<Unfinished>> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'unfinished_copy')";
    if !connection.query_row(is_there, [], |row| row.get::<_, bool>(0))? {
        return Ok(None);
    }
    let read = |row: &Row<'_>| {
        let position = Position { records: row.get(2)?, sha256: row.get(3)? };
        Ok(Unfinished { from: row.get(0)?, state: row.get(1)?, position })
    };
    Ok(connection.query_row("SELECT source, state, records, sha256 FROM unfinished_copy", [], read).optional()?)
}

/// Refuses a database that has a part of another one only.
pub(super) fn expect_whole(connection: &Connection, path: &Path) -> Result<()> {
    match unfinished(connection)? {
        None => Ok(()),
        Some(Unfinished { from, .. }) => {
            Err(StoreError::HalfCopied { database: format!("sqlite:{}", path.display()), from })
        }
    }
}

fn mismatch(path: &Path, found: usize, advice: &'static str) -> StoreError {
    StoreError::Schema { path: path.to_owned(), found, expected: LATEST, advice }
}

/// Reads the schema version of the database.
pub(super) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or_default())
}

/// The size of what [`write_and_remove`] writes. A usual change writes 12 to 32 KiB to the log.
const SPACE: i64 = 64 << 10;

/// Writes pages and removes them again in the same transaction. In WAL mode, the removed pages are in the log too.
pub(super) fn write_and_remove(connection: &Connection) -> Result<()> {
    // No revision has the key 0.
    connection.execute("INSERT INTO parts (key, part, body) VALUES (0, '', zeroblob(?1))", [SPACE])?;
    connection.execute("DELETE FROM parts WHERE key = 0", [])?;
    Ok(())
}

/// Writes the current version again. This writes a page like any other write.
pub(super) fn write_version(connection: &Connection) -> Result<()> {
    let version = i64::try_from(version(connection)?).unwrap_or_default();
    Ok(connection.pragma_update(None, "user_version", version)?)
}
