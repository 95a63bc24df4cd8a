//! Reading a whole SQLite database as records, and making one of records.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params};
use tempfile::TempPath;
use uuid::Uuid;

use super::key::{end_key, first_key, key};
use super::lock::{self, DatabaseFile};
use super::rows::{author, uuid};
use super::schema;
use super::syncs::Syncs;
use crate::access::TenantId;
use crate::backup::error::BackupError;
use crate::backup::record::{
    AccessEventRow, ClientRow, ConnectorRow, DeletedRow, PartRow, Record, RefusedRow, RequestRow, RevisionRow,
    SettingRow, SigningKeyRow, Sink, TenantRow,
};
use crate::error::{Result, StoreError, unreadable};
use crate::revision::{Action, RevisionId, RevisionNumber};

/// Opens a database of which all is read, whether a server is running on it or not. Updates the schema if no server is
/// running. A server may start meanwhile.
pub(crate) fn open(path: &Path) -> Result<Source> {
    // A server that holds the lock has the schema that each read checks. The lock is free again when this returns.
    let (connection, _, file) = schema::open_beside(path).map_err(|error| error.of(path))?;
    Ok(Source { connection, file })
}

/// A database of which all is read.
pub(crate) struct Source {
    // The fields have this order so that the file is closed after the connection.
    connection: Connection,
    file: Arc<DatabaseFile>,
}

impl Source {
    /// One more connection of a process that has the file open.
    pub(super) fn of(file: &Arc<DatabaseFile>) -> Result<Self> {
        Ok(Self { connection: schema::open_reader(file)?, file: Arc::clone(file) })
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Begins to read: all that is read until this is dropped is of one moment.
    pub fn begin(&self) -> Result<Moment<'_>> {
        let transaction = self.connection.unchecked_transaction()?;
        // The first read begins the transaction.
        schema::expect_current(&transaction, self.file.path())?;
        Ok(Moment(transaction))
    }
}

/// A database at one moment.
pub(crate) struct Moment<'a>(rusqlite::Transaction<'a>);

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
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

fn tenant_id(id: i64) -> Result<TenantId> {
    TenantId::new(id).ok_or_else(|| unreadable(format_args!("a tenant with the key {id}")))
}

/// A database that is made of records. It has a temporary name until it is whole.
pub(crate) struct Restore {
    connection: Connection,
    /// The file is removed with this.
    temporary: TempPath,
    path: PathBuf,
    tenant: Option<TenantId>,
}

impl Restore {
    /// Begins. Refuses a path at which there is a file.
    pub fn begin(path: &Path) -> Result<Self, BackupError> {
        let io = |error| StoreError::Io { path: path.to_owned(), error };
        let path = &std::path::absolute(path).map_err(io)?;
        // What a database lost may be in its log.
        for end in ["", "-wal", "-journal"] {
            let found = lock::beside(path, end);
            if std::fs::symlink_metadata(&found).is_ok() {
                return Err(BackupError::NotEmpty(format!("there is a file at {}", found.display())));
            }
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(io)?;
        let temporary = tempfile::Builder::new().prefix(".connectory-restore-").tempfile_in(folder).map_err(io)?;
        Self::begin_at(temporary.into_temp_path(), path.clone())
    }

    fn begin_at(temporary: TempPath, path: PathBuf) -> Result<Self, BackupError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&temporary, flags)?;
        // A database that is not whole is removed, so nothing is rolled back, and the file is synced at the end.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", Syncs::Off.as_str())?;
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::migrate(&mut connection, &path)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection, temporary, path, tenant: None })
    }

    /// Writes a record. Settings and keys are those that the caller wants to keep.
    pub fn write(&mut self, record: Record) -> Result<()> {
        let connection = &self.connection;
        if let Record::Setting(SettingRow { name, value }) = record {
            let upsert = "INSERT INTO settings (name, value) VALUES (?1, ?2)
                          ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            connection.prepare_cached(upsert)?.execute(params![name, value])?;
            return Ok(());
        }
        if let Record::SigningKey(SigningKeyRow { id, pem, created_at }) = record {
            let insert = "INSERT INTO signing_keys (id, pem, created_at) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(insert)?.execute(params![id, pem, created_at])?;
            return Ok(());
        }
        if let Record::Tenant(TenantRow {
            id, uuid, name, created_at, max_connectors, max_bytes, suspended_at, ..
        }) = record
        {
            self.tenant = Some(tenant_id(id)?);
            let insert = "INSERT INTO tenants (id, uuid, name, created_at, max_connectors, max_bytes,
                                               suspended_at)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let values = params![id, uuid, name, created_at, max_connectors, max_bytes, suspended_at];
            connection.prepare_cached(insert)?.execute(values)?;
            return Ok(());
        }
        let tenant = self.tenant.ok_or_else(|| unreadable("a record before the first tenant"))?;
        write_of_tenant(connection, tenant, record)
    }

    /// Syncs the database and gives it its name.
    pub fn end(self) -> Result<(), BackupError> {
        let Self { connection, temporary, path, .. } = self;
        connection.execute_batch("COMMIT")?;
        connection.close().map_err(|(_, error)| error)?;
        let io = |error| StoreError::Io { path: path.clone(), error };
        // No connection has the file open any more, so closing it drops no lock.
        File::open(&temporary).and_then(|file| file.sync_all()).map_err(io)?;
        temporary.persist_noclobber(&path).map_err(|error| io(error.error))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(())
    }
}

fn write_of_tenant(connection: &Connection, tenant: TenantId, record: Record) -> Result<()> {
    let id = tenant.get();
    let key = |number: i64| -> Result<i64> {
        let number = RevisionNumber::try_from(number).map_err(unreadable)?;
        Ok(key(RevisionId { tenant, number }))
    };
    let run = |insert: &str, values: &[&dyn rusqlite::ToSql]| -> Result<()> {
        connection.prepare_cached(insert)?.execute(values)?;
        Ok(())
    };
    let bytes = |id: &Option<Uuid>| id.map(|id| id.as_bytes().to_vec());
    match record {
        Record::Client(ClientRow { id: client, name, secret_hash, level, scopes, created_at }) => run(
            "INSERT INTO clients (id, tenant_id, name, secret_hash, level, scopes, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![client, id, name, secret_hash, level, scopes, created_at],
        ),
        Record::Revision(row) => {
            let body = match (row.body_format, std::str::from_utf8(&row.body)) {
                // As the first schema stored it.
                (0, Ok(text)) => ValueRef::Text(text.as_bytes()),
                _ => ValueRef::Blob(&row.body),
            };
            run(
                "INSERT INTO revisions (key, script_name, previous, change, commit_id, action, changed, author_kind,
                                        author_id, author_name, tracking_id, created_at, format, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                params![
                    key(row.number)?,
                    row.script_name,
                    row.previous,
                    row.change,
                    bytes(&row.commit),
                    row.action.number(),
                    row.changed,
                    row.author.kind.number(),
                    row.author.id,
                    row.author.name,
                    bytes(&row.tracking_id),
                    row.created_at,
                    row.body_format,
                    rusqlite::types::ToSqlOutput::Borrowed(body)
                ],
            )
        }
        Record::Part(PartRow { number, part, body }) => {
            run("INSERT INTO parts (key, part, body) VALUES (?1, ?2, ?3)", params![key(number)?, part, body])
        }
        Record::Connector(ConnectorRow { script_name, name_key, number, summary }) => run(
            "INSERT INTO connectors (tenant_id, script_name, name_key, number, summary) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, script_name, name_key, number, summary],
        ),
        Record::Deleted(DeletedRow { script_name, number }) => run(
            "INSERT INTO deleted (tenant_id, script_name, number) VALUES (?1, ?2, ?3)",
            params![id, script_name, number],
        ),
        Record::Request(RequestRow { key, fingerprint, first, last, created_at }) => run(
            "INSERT INTO once (tenant_id, key, fingerprint, first, last, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, key, fingerprint, first, last, created_at],
        ),
        Record::AccessEvent(row) => run(
            "INSERT INTO access_events (key, action, subject, author_kind, author_id, author_name, address, tracking_id,
                                        created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                key(row.number)?,
                row.action.number(),
                row.subject,
                row.author.kind.number(),
                row.author.id,
                row.author.name,
                row.address,
                bytes(&row.tracking_id),
                row.created_at
            ],
        ),
        Record::RefusedSignIns(RefusedRow { minute, client_id, address, count }) => run(
            "INSERT INTO refused_sign_ins (tenant_id, minute, client_id, address, count) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, minute, client_id, address, count],
        ),
        Record::Setting(_) | Record::SigningKey(_) | Record::Tenant(_) | Record::End(_) => Ok(()),
    }
}
