//! Writing a copy into a PostgreSQL database, in many transactions. Each notes how far the copy came.
//!
//! A transaction has the lock of the instance. It begins with a look at what the last one noted, so of two processes that copy
//! into one database, one is refused.

use super::address::Address;
use super::backup::{Moment, Runner};
use super::connection::{Connection, Lock};
use super::limits::BEGIN;
use super::restore::{Restore, allow_long, has_tenants};
use super::schema;
use crate::backup::error::{BackupError, CopyError};
use crate::backup::record::{Record, Sink};
use crate::backup::unfinished::{Position, Unfinished};
use crate::error::{Result, StoreError};

/// A database into which another one is copied.
pub(crate) struct CopyTarget {
    restore: Restore,
    address: Address,
    /// What the last commit noted.
    position: Position,
}

impl CopyTarget {
    /// Connects, and returns how far an earlier copy came. Refuses a database with tenants that is not half copied.
    pub fn open(address: &Address) -> Result<(Self, Option<Unfinished>), CopyError> {
        let runtime = Runner::new()?;
        let database = address.to_string();
        let (connection, unfinished) = runtime.wait(async {
            let connection = Connection::open(address).await.map_err(|error| schema::refused(address, &error))?;
            // A database with tenants stays as it is, its schema too.
            if schema::exists(&connection).await?
                && has_tenants(&connection).await?
                && schema::unfinished(&connection).await?.is_none()
            {
                return Err(CopyError::NotEmpty(database.clone()));
            }
            schema::migrate(&connection, &database).await?;
            let unfinished = schema::unfinished(&connection).await?;
            Ok((connection, unfinished))
        })?;
        let position = Position { records: 0, sha256: String::new() };
        Ok((Self { restore: Restore::over(connection, runtime), address: address.clone(), position }, unfinished))
    }

    /// Removes all that there is, and notes that a copy has begun.
    pub fn begin(&mut self, begun: &Unfinished) -> Result<(), CopyError> {
        self.begin_transaction()?;
        let connection = &self.restore.connection;
        // Whoever creates the first tenant waits for the lock.
        let is_taken = self.restore.runtime.wait(async {
            Ok::<_, StoreError>(has_tenants(connection).await? && schema::unfinished(connection).await?.is_none())
        })?;
        if is_taken {
            return Err(CopyError::NotEmpty(self.address.to_string()));
        }
        for statement in [
            "TRUNCATE sessions, refused_sign_ins, once, clients, access_events, deleted, connectors, parts, revisions,
                      tenants, signing_keys",
            "DELETE FROM settings WHERE name NOT IN ('issuer', 'incarnation')",
            "CREATE TABLE IF NOT EXISTS unfinished_copy (
                 source text COLLATE \"C\" NOT NULL, state text COLLATE \"C\" NOT NULL, records bigint NOT NULL,
                 sha256 text COLLATE \"C\" NOT NULL
             )",
            "DELETE FROM unfinished_copy",
        ] {
            self.restore.run(statement, &[])?;
        }
        self.restore.runtime.wait(schema::finish_begun(&self.restore.connection)).map_err(StoreError::from)?;
        let Unfinished { from, state, position } = begun;
        let insert = "INSERT INTO unfinished_copy (source, state, records, sha256) VALUES ($1, $2, $3, $4)";
        self.restore.run(insert, &[from, state, &position.records, &position.sha256])?;
        Ok(self.restore.commit()?)
    }

    fn begin_transaction(&self) -> Result<()> {
        let connection = &self.restore.connection;
        self.restore.runtime.wait(async {
            connection.begin(Lock::INSTANCE, BEGIN).await?;
            allow_long(connection).await
        })
    }

    /// Begins the transaction of the records after a position.
    pub fn go_on(&mut self, position: &Position) -> Result<(), CopyError> {
        self.begin_transaction()?;
        let found = self.restore.runtime.wait(schema::unfinished(&self.restore.connection))?;
        if found.is_none_or(|found| found.position != *position) {
            return Err(CopyError::Taken(self.address.to_string()));
        }
        self.position = position.clone();
        Ok(())
    }

    /// Passes over a record that is there already.
    pub fn skip(&mut self, record: &Record) {
        self.restore.skip(record);
    }

    /// Writes a record. `ended` has the totals after the revision that this record ends.
    pub fn write(&mut self, record: Record, ended: Option<(i64, i64)>) -> Result<()> {
        self.restore.write(record, ended)
    }

    /// Commits the records so far, with their position. `ended` has the totals after the revision that the last record ended.
    pub fn commit(&mut self, position: &Position, ended: Option<(i64, i64)>) -> Result<(), CopyError> {
        self.restore.write_waiting(ended)?;
        let update = "UPDATE unfinished_copy SET records = $1, sha256 = $2";
        self.restore.run(update, &[&position.records, &position.sha256])?;
        self.restore.commit()?;
        self.go_on(position)
    }

    /// Reads back all that is there.
    pub fn read_back(&mut self, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        let Restore { connection, runtime, .. } = &self.restore;
        let reading = runtime.wait(async {
            connection.roll_back().await;
            let failed = |error| schema::refused(&self.address, &error);
            let reading = Connection::open(&self.address).await.map_err(failed)?;
            reading.begin_read(BEGIN).await?;
            Ok::<_, StoreError>(reading)
        })?;
        Moment { connection: reading, runtime }.read(sink)
    }

    /// Ends the copy: from now on it is a database like any other.
    pub fn end(mut self, incarnation: &str) -> Result<(), CopyError> {
        let position = self.position.clone();
        self.go_on(&position)?;
        self.restore.set_next_tenant()?;
        self.restore.run("UPDATE settings SET value = $1 WHERE name = 'incarnation'", &[&incarnation])?;
        self.restore.run("DROP TABLE unfinished_copy", &[])?;
        Ok(self.restore.commit()?)
    }
}
