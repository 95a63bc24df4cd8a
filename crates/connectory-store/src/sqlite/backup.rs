//! Reading a whole SQLite database as records.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::key::{end_key, first_key};
use super::lock::{self, DatabaseFile, Lock};
use super::rows::{author, uuid};
use super::syncs::Syncs;
use super::{access, lock_when_free, schema};
use crate::access::TenantId;
use crate::backup::error::BackupError;
use crate::backup::record::{
    AccessEventRow, ClientRow, ConnectorRow, DeletedRow, PartRow, Record, RefusedRow, RequestRow, RevisionRow,
    SettingRow, SigningKeyRow, Sink, TenantRow,
};
use crate::error::{Result, unreadable};
use crate::revision::Action;

/// Opens a database of which all is read, whether a server is running on it or not. Updates the schema if no server is
/// running. A server may start meanwhile.
pub(crate) fn open(path: &Path) -> Result<Source> {
    // A server that holds the lock has the schema that each read checks. The lock is free again when this returns.
    let (connection, _, file) = schema::open_beside(path).map_err(|error| error.of(path))?;
    Ok(Source { connection, lock: None, file })
}

/// Opens a database for this process alone, as a server does, and updates the schema. While it is read, nobody else writes.
pub(crate) fn open_alone(path: &Path) -> Result<Source> {
    let open = || {
        let file = DatabaseFile::open_existing(path)?;
        let lock = Some(lock_when_free(&file, Syncs::Full)?);
        let mut connection = schema::open(&file, schema::COMMAND_WAIT, Syncs::Full)?;
        schema::migrate(&mut connection, file.path())?;
        schema::expect_whole(&connection, file.path())?;
        Ok(Source { connection, lock, file })
    };
    open().map_err(|error: crate::error::StoreError| error.of(path))
}

/// A database of which all is read.
pub(crate) struct Source {
    // The fields have this order so that the file is closed after the connection.
    connection: Connection,
    /// The lock, if the database is this process's alone.
    lock: Option<Lock>,
    file: Arc<DatabaseFile>,
}

impl Source {
    /// One more connection of a process that has the file open.
    pub(super) fn of(file: &Arc<DatabaseFile>) -> Result<Self> {
        Ok(Self { connection: schema::open_reader(file)?, lock: None, file: Arc::clone(file) })
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Whether a path is that of the database, or of a file that SQLite or the lock has beside it.
    pub fn has(&self, path: &Path) -> bool {
        let missing = || {
            let path = std::path::absolute(path).ok()?;
            Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
        };
        let Some(path) = path.canonicalize().ok().or_else(missing) else { return false };
        ["", "-wal", "-shm", "-journal", ".lock"].iter().any(|end| lock::beside(self.path(), end) == path)
    }

    /// Begins to read: all that is read until this is dropped is of one moment.
    pub fn begin(&self) -> Result<Moment<'_>> {
        // Commands do not have the lock, so a transaction that could write keeps them out.
        let behavior = if self.lock.is_some() { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
        let transaction = Transaction::new_unchecked(&self.connection, behavior)?;
        // The first read begins the transaction.
        schema::expect_current(&transaction, self.file.path())?;
        Ok(Moment(transaction))
    }
}

/// A database at one moment.
pub(crate) struct Moment<'a>(Transaction<'a>);

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl<'a> Moment<'a> {
    /// What a connection reads now.
    pub(super) fn of(connection: &'a Connection) -> Result<Self> {
        Ok(Self(connection.unchecked_transaction()?))
    }
}

impl Moment<'_> {
    /// The version of the schema.
    pub const SCHEMA: usize = schema::LATEST;

    /// About how many revisions there are: a tenant that is older than schema 5 may have fewer.
    pub fn revisions(&self) -> Result<u64> {
        let query = "SELECT coalesce(sum((SELECT number FROM revisions WHERE key > id << 40 AND key < (id + 1) << 40
                                          ORDER BY key DESC LIMIT 1)), 0) FROM tenants WHERE deleted_at IS NULL";
        Ok(self.0.query_row(query, [], |row| row.get(0))?)
    }

    /// What has changed if the database has: the newest numbers and the counts of what is read. For a copy, which compares two
    /// moments of one database.
    pub fn state(&self) -> Result<String> {
        let query = "SELECT concat_ws(' ', (SELECT group_concat(name || ' ' || value, ' ' ORDER BY name) FROM settings
                                                WHERE name IN ('issuer', 'incarnation')),
                                      (SELECT group_concat(id, ' ' ORDER BY id) FROM signing_keys))
                     UNION ALL
                     SELECT * FROM (SELECT concat_ws(' ', id, uuid, max_connectors, coalesce(max_bytes, 'none'),
                         (SELECT coalesce(hex(commit_id), '') || key FROM revisions WHERE key > id << 40 AND key < (id + 1) << 40
                              ORDER BY key DESC LIMIT 1),
                         'events', (SELECT max(key) FROM access_events WHERE key > id << 40 AND key < (id + 1) << 40),
                         'clients', (SELECT count(*) FROM clients WHERE tenant_id = tenants.id),
                         'refused', (SELECT sum(count) FROM refused_sign_ins WHERE tenant_id = tenants.id))
                         FROM tenants ORDER BY id)";
        let mut statement = self.0.prepare(query)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.join("\n"))
    }

    /// The incarnation of the database.
    pub fn incarnation(&self) -> Result<String> {
        access::incarnation(&self.0)
    }

    /// Reads all rows.
    pub fn read(&self, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        let connection = &*self.0;
        let setting = |row: &Row<'_>| Ok(Record::Setting(SettingRow { name: row.get(0)?, value: row.get(1)? }));
        each(connection, "SELECT name, value FROM settings WHERE name = 'issuer'", [], setting, sink)?;
        let key = |row: &Row<'_>| {
            Ok(Record::SigningKey(SigningKeyRow { id: row.get(0)?, pem: row.get(1)?, created_at: row.get(2)? }))
        };
        each(connection, "SELECT id, pem, created_at FROM signing_keys ORDER BY created_at, id", [], key, sink)?;
        let mut tenants = connection.prepare(
            "SELECT id, uuid, name, created_at, max_connectors, max_bytes, suspended_at FROM tenants
                          WHERE deleted_at IS NULL ORDER BY id",
        )?;
        let tenant = |row: &Row<'_>| {
            Ok(TenantRow {
                id: row.get(0)?,
                uuid: row.get(1)?,
                name: row.get(2)?,
                created_at: row.get(3)?,
                max_connectors: row.get(4)?,
                max_bytes: row.get(5)?,
                suspended_at: row.get(6)?,
                removed_bytes: None,
            })
        };
        for row in tenants.query_map([], tenant)? {
            let row = row?;
            let id = tenant_id(row.id)?;
            sink(Record::Tenant(row))?;
            read_tenant(connection, id, sink)?;
        }
        Ok(())
    }

    /// Checks what the engine itself knows of the file: its pages, indexes and references.
    pub fn check_file(&self, found: &mut dyn FnMut(String)) -> Result<()> {
        let mut check = self.0.prepare("PRAGMA integrity_check")?;
        for problem in check.query_map([], |row| row.get::<_, String>(0))? {
            let problem = problem?;
            if problem != "ok" {
                found(format!("the file is damaged: {problem}"));
            }
        }
        let mut check = self.0.prepare("PRAGMA foreign_key_check")?;
        let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?));
        for row in check.query_map([], row)? {
            let (table, parent) = row?;
            found(format!("the table `{table}` has a row that belongs to none of `{parent}`"));
        }
        for table in ["revisions", "parts", "access_events"] {
            let query =
                format!("SELECT DISTINCT key >> 40 FROM {table} WHERE key >> 40 NOT IN (SELECT id FROM tenants)");
            let mut orphans = self.0.prepare(&query)?;
            for tenant in orphans.query_map([], |row| row.get::<_, i64>(0))? {
                found(format!("the table `{table}` has rows of the tenant {}, which does not exist", tenant?));
            }
        }
        Ok(())
    }
}

/// Passes the rows of a query to the sink.
fn each(
    connection: &Connection,
    query: &str,
    values: impl rusqlite::Params,
    record: impl Fn(&Row<'_>) -> rusqlite::Result<Record>,
    sink: &mut Sink<'_>,
) -> Result<(), BackupError> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        sink(record(row)?)?;
    }
    Ok(())
}

/// Reads the rows of a tenant.
fn read_tenant(connection: &Connection, tenant: TenantId, sink: &mut Sink<'_>) -> Result<(), BackupError> {
    let (id, keys) = (tenant.get(), [first_key(tenant), end_key(tenant)]);
    let client = |row: &Row<'_>| {
        Ok(Record::Client(ClientRow {
            id: row.get(0)?,
            name: row.get(1)?,
            secret_hash: row.get(2)?,
            level: row.get(3)?,
            scopes: row.get(4)?,
            created_at: row.get(5)?,
        }))
    };
    let query = "SELECT id, name, secret_hash, level, scopes, created_at FROM clients WHERE tenant_id = ?1 ORDER BY id";
    each(connection, query, [id], client, sink)?;
    read_revisions(connection, keys, sink)?;
    let connector = |row: &Row<'_>| {
        Ok(Record::Connector(ConnectorRow {
            script_name: row.get(0)?,
            name_key: row.get(1)?,
            number: row.get(2)?,
            summary: row.get(3)?,
        }))
    };
    let query = "SELECT script_name, name_key, number, summary FROM connectors WHERE tenant_id = ?1 ORDER BY name_key";
    each(connection, query, [id], connector, sink)?;
    let deleted = |row: &Row<'_>| Ok(Record::Deleted(DeletedRow { script_name: row.get(0)?, number: row.get(1)? }));
    let query = "SELECT script_name, number FROM deleted WHERE tenant_id = ?1 ORDER BY script_name";
    each(connection, query, [id], deleted, sink)?;
    let request = |row: &Row<'_>| {
        Ok(Record::Request(RequestRow {
            key: row.get(0)?,
            fingerprint: row.get(1)?,
            first: row.get(2)?,
            last: row.get(3)?,
            created_at: row.get(4)?,
        }))
    };
    let query = "SELECT key, fingerprint, first, last, created_at FROM once WHERE tenant_id = ?1 ORDER BY key";
    each(connection, query, [id], request, sink)?;
    let event = |row: &Row<'_>| {
        let action = row.get(1)?;
        Ok(Record::AccessEvent(AccessEventRow {
            number: row.get::<_, i64>(0)? - keys[0],
            action: crate::access_event::AccessAction::of(action)
                .ok_or(rusqlite::Error::IntegralValueOutOfRange(1, action))?,
            subject: row.get(2)?,
            author: author(row, 3)?.into(),
            address: row.get(6)?,
            tracking_id: uuid(row, 7)?,
            created_at: row.get(8)?,
        }))
    };
    let query = "SELECT key, action, subject, author_kind, author_id, author_name, address, tracking_id, created_at
                     FROM access_events WHERE key > ?1 AND key < ?2 ORDER BY key";
    each(connection, query, keys, event, sink)?;
    let refused = |row: &Row<'_>| {
        Ok(Record::RefusedSignIns(RefusedRow {
            minute: row.get(0)?,
            client_id: row.get(1)?,
            address: row.get(2)?,
            count: row.get(3)?,
        }))
    };
    let query = "SELECT minute, client_id, address, count FROM refused_sign_ins WHERE tenant_id = ?1
                     ORDER BY minute, client_id, address";
    each(connection, query, [id], refused, sink)
}

/// Reads the revisions of a tenant, and after each the parts that are stored with it.
fn read_revisions(connection: &Connection, keys: [i64; 2], sink: &mut Sink<'_>) -> Result<(), BackupError> {
    let mut statement = connection.prepare(
        "SELECT key, script_name, previous, change, commit_id, action, changed, author_kind, author_id, author_name,
                tracking_id, created_at, format, body
             FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key",
    )?;
    let mut parts_statement =
        connection.prepare("SELECT key, part, body FROM parts WHERE key > ?1 AND key < ?2 ORDER BY key, part")?;
    let (mut rows, mut part_rows) = (statement.query(keys)?, parts_statement.query(keys)?);
    let read_part = |row: &Row<'_>| {
        Ok::<_, rusqlite::Error>(PartRow {
            number: row.get::<_, i64>(0)? - keys[0],
            part: row.get(1)?,
            body: row.get(2)?,
        })
    };
    let mut part = part_rows.next()?.map(read_part).transpose()?;
    loop {
        let revision = rows.next()?.map(|row| read_revision(row, keys[0])).transpose()?;
        let number = revision.as_ref().map(|revision| revision.number);
        // A part without a revision comes before the next revision too.
        while let Some(held) = part.take_if(|part| number.is_none_or(|number| part.number < number)) {
            sink(Record::Part(held))?;
            part = part_rows.next()?.map(read_part).transpose()?;
        }
        let Some(revision) = revision else { return Ok(()) };
        sink(Record::Revision(revision))?;
    }
}

fn read_revision(row: &Row<'_>, first: i64) -> Result<RevisionRow> {
    let action = row.get(5)?;
    let body = row.get_ref(13)?;
    Ok(RevisionRow {
        number: row.get::<_, i64>(0)? - first,
        script_name: row.get(1)?,
        previous: row.get(2)?,
        change: row.get(3)?,
        commit: uuid(row, 4)?,
        action: Action::of(action).ok_or_else(|| unreadable(format_args!("a revision of action {action}")))?,
        changed: row.get(6)?,
        author: author(row, 7)?.into(),
        tracking_id: uuid(row, 10)?,
        created_at: row.get(11)?,
        body_format: row.get(12)?,
        body: body.as_bytes().map_err(unreadable)?.to_vec(),
        totals: None,
    })
}

pub(super) fn tenant_id(id: i64) -> Result<TenantId> {
    TenantId::new(id).ok_or_else(|| unreadable(format_args!("a tenant with the key {id}")))
}
