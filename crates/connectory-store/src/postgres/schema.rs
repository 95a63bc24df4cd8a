//! The schema and its migrations, and what this program needs of a server.
//!
//! Migrations are only appended, never changed. A migration only adds what older servers do not mind (*expand*), because
//! they go on while the servers of a database are updated one after the other. What they would mind comes when an operator
//! says that all are updated (*finish*). So the table `connectory_schema` has two numbers: `version` is what every server on
//! the database must know, and `expanded` is the newest migration that was made. Programs from before the second number
//! read only the first.

use std::time::{Duration, Instant};

use super::address::Address;
use super::connect::ConnectError;
use super::connection::{Connection, Failed, Lock};
use super::is_planted;
use super::limits::{BEGIN, MIGRATE, MIGRATE_AGAIN, MIGRATE_LOCK, QUERY, WHOLE};
use super::value::column;
use crate::backup::unfinished::{Position, Unfinished};
use crate::error::{Result, StoreError, Unavailable};

/// The migrations, the oldest first.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
];

/// The number of migrations, which is the newest schema version.
pub(super) const LATEST: usize = MIGRATIONS.len();

/// The last migration that older servers mind. It is finished when it is made.
const LAST_UNFIT: usize = 4;

/// The newest schema version that this program knows. A test can have a program that knows one less.
pub(super) fn latest() -> usize {
    if is_planted("older") { LATEST - 1 } else { LATEST }
}

/// What the database has of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The version that every server on the database must know.
    pub version: usize,
    /// The newest migration that was made.
    pub expanded: usize,
}

/// The oldest server that the tests pass with.
const OLDEST_SERVER: i32 = 140_000;

/// Connects.
pub(super) async fn open(address: &Address) -> Result<Connection> {
    Connection::open(address).await.map_err(|error| refused(address, &error))
}

/// Connects, and updates the schema.
pub(super) async fn connect(address: &Address) -> Result<Connection> {
    let connection = open(address).await?;
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

/// Checks the server, and expands the schema to the version of this program. Of several nodes that start together, one
/// does that and the others wait. Tries again while another transaction holds a table: to wait for the table would hold up
/// all others that need it.
pub(super) async fn migrate(connection: &Connection, database: &str) -> Result<Schema> {
    let began = Instant::now();
    let mut told = false;
    loop {
        match migrate_once(connection, database).await {
            Err(StoreError::Unavailable(Unavailable::Locked)) if began.elapsed() < MIGRATE => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(
                        "the schema cannot be updated yet, because another transaction holds a table; it is tried again \
                         every few seconds (pg_stat_activity shows who it is)"
                    );
                }
                let jitter = rand::random_range(0..500);
                tokio::time::sleep(MIGRATE_AGAIN + Duration::from_millis(jitter)).await;
            }
            result => return result,
        }
    }
}

/// Ends the time of older servers: makes what they would mind, and lets no more of them start. Returns what was there before,
/// and what is there now.
pub(super) async fn finish(connection: &Connection, database: &str) -> Result<(Schema, Schema)> {
    let before = migrate(connection, database).await?;
    if before.expanded > latest() {
        return Err(StoreError::Server {
            database: database.to_owned(),
            why: format!(
                "a newer connectory has prepared the schema {} for it, and this one knows {}; finish with the newer one",
                before.expanded,
                latest()
            ),
        });
    }
    let after = Schema { version: before.expanded, ..before };
    connection.begin(Lock::INSTANCE, BEGIN).await?;
    finish_begun(connection).await?;
    connection.commit().await.map_err(|failed| failed.of_commit())?;
    Ok((before, after))
}

async fn migrate_once(connection: &Connection, database: &str) -> Result<Schema> {
    let refused = |why: String| StoreError::Server { database: database.to_owned(), why };
    let query = "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),
                        current_setting('server_encoding'), current_setting('fsync'), pg_is_in_recovery()";
    let row = connection.query(query, &[], QUERY).await?.pop().ok_or(StoreError::Closed)?;
    let (number, version): (i64, &str) = (column(&row, 0)?, column(&row, 1)?);
    let (encoding, fsync): (&str, &str) = (column(&row, 2)?, column(&row, 3)?);
    if number < i64::from(OLDEST_SERVER) {
        return Err(refused(format!("its PostgreSQL has version {version}; connectory needs 14 or newer")));
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
    if migrated.is_err() {
        connection.roll_back().await;
    }
    match migrated {
        Ok(schema) => Ok(schema),
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

/// Expands the schema in the transaction that was begun, and ends it.
async fn migrate_begun(connection: &Connection) -> Result<Schema, NotMigrated> {
    let query = "SELECT to_regclass('connectory_schema') IS NOT NULL,
                        coalesce(to_regclass('revisions'), to_regclass('tenants'), to_regclass('settings')) IS NOT NULL";
    let row = connection.query(query, &[], QUERY).await?.pop().ok_or(StoreError::Closed)?;
    let (ours, taken) = (column(&row, 0)?, column(&row, 1)?);
    let found = match (ours, taken) {
        (true, _) => found(connection).await?,
        (false, true) => {
            let why = "it has tables of another program; create a database for connectory alone, nothing was changed";
            return Err(NotMigrated::Refused(why.to_owned()));
        }
        (false, false) => Schema { version: 0, expanded: 0 },
    };
    let latest = latest();
    if found.version > latest {
        let newer = format!(
            "its schema has version {}, which a newer connectory wrote; this one knows {latest}",
            found.version
        );
        return Err(NotMigrated::Refused(newer));
    }
    if found.expanded >= latest {
        connection.roll_back().await;
        return Ok(found);
    }
    connection.run(&format!("SET LOCAL lock_timeout = '{MIGRATE_LOCK}'"), BEGIN).await?;
    if found.expanded == 0 {
        connection.run("CREATE TABLE connectory_schema (version bigint NOT NULL)", BEGIN).await?;
        connection.run("INSERT INTO connectory_schema VALUES (0)", BEGIN).await?;
    }
    // A program that only plays the version before has statements that need the newest tables.
    let made = if is_planted("older") { LATEST } else { latest };
    for migration in &MIGRATIONS[found.expanded..made] {
        connection.run(migration, WHOLE).await?;
    }
    // A new database has no older servers.
    let version = if found.expanded == 0 { latest } else { found.version.max(LAST_UNFIT) };
    let now = Schema { version, expanded: latest };
    connection
        .run(
            &format!(
                "ALTER TABLE connectory_schema ADD COLUMN IF NOT EXISTS expanded bigint; \
                 UPDATE connectory_schema SET version = {version}, expanded = {latest}"
            ),
            BEGIN,
        )
        .await?;
    connection.commit().await?;
    if version < latest {
        tracing::info!(
            version,
            expanded = latest,
            "the schema is prepared for this version; when all servers have it, run `connectory database migrate --finish`"
        );
    }
    Ok(now)
}

/// Reads what the database has.
async fn found(connection: &Connection) -> Result<Schema> {
    // Databases of programs that did not know the second number do not have its column.
    let query = "SELECT version, coalesce((to_jsonb(connectory_schema) ->> 'expanded')::bigint, version) FROM connectory_schema";
    let rows = connection.query(query, &[], QUERY).await?;
    let Some(row) = rows.first() else { return Ok(Schema { version: 0, expanded: 0 }) };
    let number = |at| Ok::<_, StoreError>(usize::try_from(column::<i64>(row, at)?).unwrap_or_default());
    Ok(Schema { version: number(0)?, expanded: number(1)? })
}

/// Finishes the schema in a transaction that was begun. One that makes a new database of records does so too: what they are
/// may be what older servers do not know.
pub(super) async fn finish_begun(connection: &Connection) -> Result<(), Failed> {
    connection.run("UPDATE connectory_schema SET version = greatest(version, expanded)", BEGIN).await
}

/// Refuses to go on if the schema has become one that this program does not know.
pub(super) fn expect_known(version: i64) -> Result<()> {
    let is_known = usize::try_from(version).is_ok_and(|version| version <= latest());
    if is_known { Ok(()) } else { Err(Unavailable::Newer.into()) }
}
