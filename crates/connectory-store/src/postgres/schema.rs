//! The schema and its migrations, and what this program needs of a server.
//!
//! Migrations are only appended, never changed. The table `connectory_schema` has the version.

use super::address::Address;
use super::connect::ConnectError;
use super::connection::{Connection, Failed, Lock};
use super::limits::{BEGIN, QUERY};
use super::value::column;
use crate::backup::unfinished::{Position, Unfinished};
use crate::error::{Result, StoreError};

/// The migrations, the oldest first.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
];

/// The number of migrations, which is the newest schema version.
pub(super) const LATEST: usize = MIGRATIONS.len();

/// The oldest server that the tests pass with.
const OLDEST_SERVER: i32 = 150_000;

/// Connects, and updates the schema.
pub(super) async fn connect(address: &Address) -> Result<Connection> {
    let connection = Connection::open(address).await.map_err(|error| refused(address, &error))?;
    migrate(&connection, &address.to_string()).await?;
    expect_whole(&connection, &address.to_string()).await?;
    Ok(connection)
}

/// Reads how far a copy into the database came that is not finished. None if there is no such copy.
pub(super) async fn unfinished(connection: &Connection) -> Result<Option<Unfinished>> {
    let is_there = "SELECT to_regclass('unfinished_copy') IS NOT NULL";
    let row = connection.query(is_there, &[], QUERY).await?.pop().ok_or(StoreError::Closed)?;
    if !column(&row, 0)? {
        return Ok(None);
    }
    let rows = connection.query("SELECT source, state, records, sha256 FROM unfinished_copy", &[], QUERY).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let position = Position { records: column(row, 2)?, sha256: column(row, 3)? };
    Ok(Some(Unfinished { from: column(row, 0)?, state: column(row, 1)?, position }))
}

/// Refuses a database that has a part of another one only.
pub(super) async fn expect_whole(connection: &Connection, database: &str) -> Result<()> {
    match unfinished(connection).await? {
        None => Ok(()),
        Some(Unfinished { from, .. }) => Err(StoreError::HalfCopied { database: database.to_owned(), from }),
    }
}

/// Why a server cannot be connected to.
pub(super) fn refused(address: &Address, error: &ConnectError) -> StoreError {
    StoreError::Server { database: address.to_string(), why: error.to_string() }
}

/// Whether the database has the tables of this program, of whatever version.
pub(super) async fn exists(connection: &Connection) -> Result<bool> {
    let query = "SELECT to_regclass('connectory_schema') IS NOT NULL AND to_regclass('tenants') IS NOT NULL";
    let row = connection.query(query, &[], QUERY).await?.pop().ok_or(StoreError::Closed)?;
    column(&row, 0)
}

/// Checks the server, and updates the schema to the version of this program. Of several nodes that start together, one
/// updates it and the others wait.
pub(super) async fn migrate(connection: &Connection, database: &str) -> Result<()> {
    let refused = |why: String| StoreError::Server { database: database.to_owned(), why };
    let query = "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),
                        current_setting('server_encoding'), current_setting('fsync'), pg_is_in_recovery()";
    let row = connection.query(query, &[], QUERY).await?.pop().ok_or(StoreError::Closed)?;
    let (number, version): (i64, &str) = (column(&row, 0)?, column(&row, 1)?);
    let (encoding, fsync): (&str, &str) = (column(&row, 2)?, column(&row, 3)?);
    if number < i64::from(OLDEST_SERVER) {
        return Err(refused(format!("its PostgreSQL has version {version}; connectory needs 15 or newer")));
    }
    if encoding != "UTF8" {
        let create = "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0";
        return Err(refused(format!("its encoding is {encoding}; create a database with UTF8 ({create})")));
    }
    if column(&row, 4)? {
        return Err(refused("it is a standby, which cannot be written; give the address of the primary".to_owned()));
    }
    if fsync == "off" {
        tracing::warn!("fsync is off in PostgreSQL: acknowledged changes can be lost when its machine stops");
    }
    connection.begin(Lock::INSTANCE, BEGIN).await.map_err(|failed| match failed.of_pooler() {
        Some(said) => refused(format!(
            "a pooler in front of it refuses a transaction ({said}); it must lend a connection for a whole transaction, as \
             PgBouncer does with pool_mode = transaction"
        )),
        None => failed.into(),
    })?;
    let migrated = migrate_begun(connection).await;
    match migrated {
        Ok(()) => Ok(()),
        Err(NotMigrated::Refused(why)) => Err(refused(why)),
        Err(NotMigrated::Store(error)) => Err(error),
        Err(NotMigrated::Failed(failed)) => match failed.of_tables() {
            Some(said) => Err(refused(format!(
                "its user cannot create or use the tables ({said}); let it own the database, or GRANT it CREATE and USAGE \
                 on a schema that is first in its search_path"
            ))),
            None => Err(failed.into()),
        },
    }
}

/// Why the schema could not be updated.
enum NotMigrated {
    /// The database is not one that this program can use.
    Refused(String),
    /// A statement has no result.
    Failed(Failed),
    /// The store failed.
    Store(StoreError),
}

impl From<Failed> for NotMigrated {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<StoreError> for NotMigrated {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Updates the schema in the transaction that was begun, and ends it.
async fn migrate_begun(connection: &Connection) -> Result<(), NotMigrated> {
    let query = "SELECT to_regclass('connectory_schema') IS NOT NULL,
                        coalesce(to_regclass('revisions'), to_regclass('tenants'), to_regclass('settings')) IS NOT NULL";
    let row = connection.query(query, &[], QUERY).await?.pop().ok_or(StoreError::Closed)?;
    let (ours, taken) = (column(&row, 0)?, column(&row, 1)?);
    let found = match (ours, taken) {
        (true, _) => {
            let rows = connection.query("SELECT version FROM connectory_schema", &[], QUERY).await?;
            rows.first().map_or(Ok(0), |row| column::<i64>(row, 0))?
        }
        (false, true) => {
            let why = "it has tables of another program; create a database for connectory alone, nothing was changed";
            return Err(NotMigrated::Refused(why.to_owned()));
        }
        (false, false) => 0,
    };
    let latest = LATEST;
    let found = usize::try_from(found).unwrap_or_default();
    if found > latest {
        let newer = format!("its schema has version {found}, which a newer connectory wrote; this one knows {latest}");
        return Err(NotMigrated::Refused(newer));
    }
    if found == latest {
        connection.roll_back().await;
        return Ok(());
    }
    if found == 0 {
        connection.run("CREATE TABLE connectory_schema (version bigint NOT NULL)", BEGIN).await?;
        connection.run("INSERT INTO connectory_schema VALUES (0)", BEGIN).await?;
    }
    for migration in &MIGRATIONS[found..] {
        connection.run(migration, BEGIN).await?;
    }
    connection.run(&format!("UPDATE connectory_schema SET version = {latest}"), BEGIN).await?;
    Ok(connection.commit().await?)
}
