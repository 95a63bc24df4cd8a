//! The schema, its migrations, and how connections are opened.
//!
//! Migrations are only ever appended; `rusqlite_migration` keeps the version in the file's `user_version`.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use crate::file::DatabaseFile;
use crate::{Result, StoreError};

const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("schema/1-connectors-and-access.sql")),
    M::up(include_str!("schema/2-compressed-revisions.sql")),
    M::up(include_str!("schema/3-chained-revisions.sql")),
    M::up(include_str!("schema/4-dictionary.sql")),
    M::up(include_str!("schema/5-revisions-of-tenants.sql")),
];

/// How long a command waits for another process's transaction.
pub(crate) const COMMAND_WAIT: Duration = Duration::from_secs(10);
/// How long the server does, whose other writes wait meanwhile. A transaction of `connectory client create` takes
/// milliseconds.
pub(crate) const SERVER_WAIT: Duration = Duration::from_secs(2);

/// Opens a connection that writes, durably: in WAL mode with `synchronous=FULL` a commit returns when it is on disk.
pub(crate) fn open(file: &DatabaseFile, wait: Duration) -> Result<Connection> {
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
pub(crate) fn open_reader(file: &DatabaseFile) -> Result<Connection> {
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
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    if found > MIGRATIONS.len() {
        return Err(mismatch(path, found, "use the newer program that wrote it"));
    }
    Migrations::from_slice(MIGRATIONS)
        .to_latest(connection)
        .map_err(|error| StoreError::Commit(format!("migrating the schema: {error}")))
}

/// Sets the number by which the database is known again.
pub(crate) fn mark(connection: &Connection, cookie: u32) -> Result<()> {
    Ok(connection.pragma_update(None, "schema_version", cookie)?)
}

/// Copies the whole log into the database and begins it again; says whether it is empty then. Readers may prevent it.
pub(crate) fn begin_log(connection: &Connection) -> Result<bool> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))? == 0)
}

/// Refuses a schema that is not this program's.
pub(crate) fn expect_current(connection: &Connection, path: &Path) -> Result<()> {
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
pub(crate) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or_default())
}

/// Brings the schema up to a version that was the latest once.
#[cfg(test)]
pub(crate) fn migrate_to(connection: &mut Connection, version: usize) {
    Migrations::from_slice(MIGRATIONS).to_version(connection, version).expect("it is an older version");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TenantId;
    use crate::connectors::{Action, Author, AuthorKind, RevisionNumber, last_number, revisions};

    #[test]
    fn a_database_of_the_first_schema_keeps_its_revisions_their_order_and_their_numbers() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate_to(&mut connection, 1);
        connection
            .execute_batch(
                "INSERT INTO tenants VALUES (1, 'u', 't', 0), (2, 'v', 'other', 0);
                 INSERT INTO revisions VALUES
                    (4, 1, 'hr', 'create', '', 'me', 0, '{}'),
                    (5, 1, 'gone', 'create', '', 'me', 0, '{}'),
                    (6, 2, 'hr', 'create', '', 'me', 0, '{}'),
                    (7, 1, 'hr', 'update', 'name', 'me', 0, '{}'),
                    (8, 1, 'gone', 'delete', '', 'me', 0, '{}'),
                    (9, 1, 'x', 'create', '', 'me', 0, '{}');
                 INSERT INTO connectors VALUES (1, 'hr', 'hr', 7, '{}'), (2, 'hr', 'hr', 6, '{}');
                 DELETE FROM revisions WHERE seq = 9;",
            )
            .unwrap();
        migrate(&mut connection, Path::new("memory")).unwrap();
        let history = |tenant, script_name: &str| {
            let script_name = script_name.parse().expect("valid");
            let revisions = revisions(&connection, TenantId(tenant), Some(&script_name), None, 9).unwrap();
            revisions.iter().map(|revision| (revision.number.0, revision.action)).collect::<Vec<_>>()
        };
        assert_eq!(history(1, "hr"), [(7, Action::Update), (4, Action::Create)]);
        assert_eq!(history(2, "hr"), [(6, Action::Create)]);
        assert_eq!(history(1, "gone"), [(8, Action::Delete), (5, Action::Create)]);
        let authors = revisions(&connection, TenantId(1), None, None, 9).unwrap();
        let author = Author { kind: AuthorKind::Client, id: "me".to_owned(), name: None };
        assert!(authors.iter().all(|revision| revision.author == author && revision.change == revision.number));
        let body: String =
            connection.query_row("SELECT body FROM revisions WHERE number = 7", [], |row| row.get(0)).unwrap();
        assert_eq!(body, "{}");
        assert_eq!(last_number(&connection, TenantId(1)).unwrap(), RevisionNumber(8));
        assert_eq!(last_number(&connection, TenantId(2)).unwrap(), RevisionNumber(6));
    }
}
