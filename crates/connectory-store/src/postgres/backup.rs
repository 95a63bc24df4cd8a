//! Reading a whole PostgreSQL database as records. All is read in one transaction on one connection, so it is of one
//! moment. A tenant's revisions are read a page at a time.

use futures_util::TryStreamExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_postgres::Row;
use uuid::Uuid;

use super::address::Address;
use super::connection::Connection;
use super::limits::{BEGIN, QUERY};
use super::schema;
use super::value::{Value, author, column, plain, text_column};
use crate::access_event::AccessAction;
use crate::backup::error::BackupError;
use crate::backup::record::{
    AccessEventRow, ClientRow, ConnectorRow, DeletedRow, PartRow, Record, RefusedRow, RequestRow, RevisionRow,
    SettingRow, SigningKeyRow, Sink, TenantRow,
};
use crate::error::{Result, StoreError, Unavailable, unreadable};
use crate::revision::Action;

/// How many revisions are read at a time. Most have some hundred bytes, the largest some 64 KiB.
const PAGE: i64 = 256;

/// A database of which all is read. Methods block, so no async worker may call them.
pub(crate) struct Source {
    address: Address,
    runtime: Runner,
}

/// What runs the connection.
pub(super) enum Runner {
    Own(Runtime),
    Caller(Handle),
}

impl Runner {
    pub fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.map(Self::Own).map_err(|error| StoreError::Engine(format!("cannot start a runtime: {error}")))
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        match self {
            Self::Own(runtime) => runtime.block_on(work),
            Self::Caller(handle) => handle.block_on(work),
        }
    }
}

impl Source {
    /// Connects with a runtime of its own.
    pub fn open(address: &Address) -> Result<Self> {
        let this = Self { address: address.clone(), runtime: Runner::new()? };
        drop(this.runtime.wait(schema::connect(address))?);
        Ok(this)
    }

    /// For the runtime of the caller.
    pub(super) fn of(address: &Address) -> Self {
        Self { address: address.clone(), runtime: Runner::Caller(Handle::current()) }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Begins to read: all that is read until this is dropped is of one moment.
    pub fn begin(&self) -> Result<Moment<'_>> {
        self.runtime.wait(async {
            let connection = schema::connect(&self.address).await?;
            connection.begin_read(BEGIN).await?;
            Ok(Moment { connection, runtime: &self.runtime })
        })
    }
}

/// A database at one moment.
pub(crate) struct Moment<'a> {
    pub(super) connection: Connection,
    pub(super) runtime: &'a Runner,
}

impl Moment<'_> {
    /// The version of the schema.
    pub const SCHEMA: usize = schema::LATEST;

    /// What has changed if the database has: the newest numbers and the counts of what is read. For a copy, which compares two
    /// moments of one database.
    pub fn state(&self) -> Result<String> {
        let query = "SELECT concat_ws(' ', (SELECT string_agg(name || ' ' || value, ' ' ORDER BY name) FROM settings
                                                WHERE name IN ('issuer', 'incarnation')),
                                      (SELECT string_agg(id, ' ' ORDER BY id) FROM signing_keys))
                     UNION ALL
                     (SELECT concat_ws(' ', id, uuid, max_connectors, coalesce(max_bytes::text, 'none'), removed_bytes,
                         (SELECT commit_id::text || number FROM revisions WHERE tenant_id = id ORDER BY number DESC LIMIT 1),
                         'events', (SELECT max(number) FROM access_events WHERE tenant_id = id),
                         'clients', (SELECT count(*) FROM clients WHERE tenant_id = tenants.id),
                         'refused', (SELECT sum(count) FROM refused_sign_ins WHERE tenant_id = tenants.id))
                         FROM tenants ORDER BY id)";
        let rows = self.query(query, &[])?;
        let rows: Vec<String> = rows.iter().map(|row| column(row, 0)).collect::<Result<_>>()?;
        Ok(rows.join("\n"))
    }

    /// The incarnation of the database.
    pub fn incarnation(&self) -> Result<String> {
        let row = self.query("SELECT value FROM settings WHERE name = 'incarnation'", &[])?.pop();
        column(&row.ok_or_else(|| unreadable("there is no incarnation"))?, 0)
    }

    /// About how many revisions there are.
    pub fn revisions(&self) -> Result<u64> {
        let query =
            "SELECT coalesce(sum((SELECT number FROM revisions WHERE tenant_id = id ORDER BY number DESC LIMIT 1)),
                                     0)::bigint FROM tenants WHERE deleted_at IS NULL";
        let row = self.query(query, &[])?.pop().ok_or_else(|| unreadable("no count"))?;
        super::value::count(&row, 0)
    }

    fn query(&self, sql: &str, values: &[&dyn Value]) -> Result<Vec<Row>> {
        Ok(self.runtime.wait(self.connection.query(sql, values, QUERY))?)
    }

    /// Passes the rows of a query to the sink, as they arrive.
    fn each(
        &self,
        sql: &str,
        values: &[&dyn Value],
        record: impl Fn(&Row) -> Result<Record>,
        sink: &mut Sink<'_>,
    ) -> Result<(), BackupError> {
        let rows = self.runtime.wait(self.connection.stream(sql, values, QUERY)).map_err(StoreError::from)?;
        let mut rows = std::pin::pin!(rows);
        loop {
            let next = self.runtime.wait(async { timeout(QUERY, rows.try_next()).await });
            let next = next.map_err(|_| StoreError::from(Unavailable::Slow))?.map_err(StoreError::from)?;
            let Some(row) = next else { return Ok(()) };
            sink(record(&row)?)?;
        }
    }

    /// Reads all rows.
    pub fn read(&self, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        let setting =
            |row: &Row| Ok(Record::Setting(SettingRow { name: column(row, 0)?, value: text_column(row, 1)? }));
        self.each("SELECT name, value FROM settings WHERE name = 'issuer'", &[], setting, sink)?;
        let key = |row: &Row| {
            Ok(Record::SigningKey(SigningKeyRow {
                id: column(row, 0)?,
                pem: column(row, 1)?,
                created_at: column(row, 2)?,
            }))
        };
        self.each("SELECT id, pem, created_at FROM signing_keys ORDER BY created_at, id", &[], key, sink)?;
        let query =
            "SELECT id, uuid, name, created_at, max_connectors, max_bytes, removed_bytes, suspended_at FROM tenants
                 WHERE deleted_at IS NULL ORDER BY id";
        for row in self.query(query, &[])? {
            let id = column(&row, 0)?;
            sink(Record::Tenant(TenantRow {
                id,
                uuid: column(&row, 1)?,
                name: text_column(&row, 2)?,
                created_at: column(&row, 3)?,
                max_connectors: column(&row, 4)?,
                max_bytes: column(&row, 5)?,
                removed_bytes: column(&row, 6)?,
                suspended_at: column(&row, 7)?,
            }))?;
            self.read_tenant(id, sink)?;
        }
        Ok(())
    }

    fn read_tenant(&self, tenant: i64, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        let client = |row: &Row| {
            Ok(Record::Client(ClientRow {
                id: text_column(row, 0)?,
                name: text_column(row, 1)?,
                secret_hash: column(row, 2)?,
                level: column(row, 3)?,
                scopes: column(row, 4)?,
                created_at: column(row, 5)?,
            }))
        };
        let query =
            "SELECT id, name, secret_hash, level, scopes, created_at FROM clients WHERE tenant_id = $1 ORDER BY id";
        self.each(query, &[&tenant], client, sink)?;
        self.read_revisions(tenant, sink)?;
        let connector = |row: &Row| {
            Ok(Record::Connector(ConnectorRow {
                script_name: column(row, 0)?,
                name_key: column(row, 1)?,
                number: column(row, 2)?,
                summary: column(row, 3)?,
            }))
        };
        let query =
            "SELECT script_name, name_key, number, summary FROM connectors WHERE tenant_id = $1 ORDER BY name_key";
        self.each(query, &[&tenant], connector, sink)?;
        let deleted =
            |row: &Row| Ok(Record::Deleted(DeletedRow { script_name: column(row, 0)?, number: column(row, 1)? }));
        let query = "SELECT script_name, number FROM deleted WHERE tenant_id = $1 ORDER BY script_name";
        self.each(query, &[&tenant], deleted, sink)?;
        let request = |row: &Row| {
            Ok(Record::Request(RequestRow {
                key: column(row, 0)?,
                fingerprint: column(row, 1)?,
                first: column(row, 2)?,
                last: column(row, 3)?,
                created_at: column(row, 4)?,
            }))
        };
        let query = "SELECT key, fingerprint, first, last, created_at FROM once WHERE tenant_id = $1 ORDER BY key";
        self.each(query, &[&tenant], request, sink)?;
        let event = |row: &Row| {
            let action = column(row, 1)?;
            let unknown = || unreadable(format_args!("an access event of action {action}"));
            Ok(Record::AccessEvent(AccessEventRow {
                number: column(row, 0)?,
                action: AccessAction::of(action).ok_or_else(unknown)?,
                subject: column::<Option<String>>(row, 2)?.map(plain),
                author: author(row, 3)?.into(),
                address: column(row, 6)?,
                tracking_id: column(row, 7)?,
                created_at: column(row, 8)?,
            }))
        };
        let query =
            "SELECT number, action, subject, author_kind, author_id, author_name, address, tracking_id, created_at
                         FROM access_events WHERE tenant_id = $1 ORDER BY number";
        self.each(query, &[&tenant], event, sink)?;
        let refused = |row: &Row| {
            Ok(Record::RefusedSignIns(RefusedRow {
                minute: column(row, 0)?,
                client_id: text_column(row, 1)?,
                address: column(row, 2)?,
                count: column(row, 3)?,
            }))
        };
        let query = "SELECT minute, client_id, address, count FROM refused_sign_ins WHERE tenant_id = $1
                         ORDER BY minute, client_id, address";
        self.each(query, &[&tenant], refused, sink)
    }

    /// Reads the revisions of a tenant, and after each the parts that are stored with it.
    fn read_revisions(&self, tenant: i64, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        let mut last = 0;
        loop {
            let rows = self.query(
                "SELECT number, script_name, previous, change, commit_id, action, changed, author_kind, author_id,
                        author_name, tracking_id, created_at, format, body, connectors, bytes
                     FROM revisions WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
                &[&tenant, &last, &PAGE],
            )?;
            let mut page = Vec::with_capacity(rows.len());
            for row in &rows {
                page.push(read_revision(row)?);
            }
            drop(rows);
            // After the last page come parts without a revision.
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            let end = if is_last { i64::MAX } else { page.last().map_or(i64::MAX, |revision| revision.number) };
            let mut page = page.into_iter().peekable();
            let mut next = |record: Record, sink: &mut Sink<'_>| {
                // The revisions up to that of this part come first.
                while let Some(revision) = page.next_if(|revision| match &record {
                    Record::Part(part) => revision.number <= part.number,
                    _ => true,
                }) {
                    sink(Record::Revision(revision))?;
                }
                sink(record)
            };
            let part = |row: &Row| {
                Ok(Record::Part(PartRow { number: column(row, 0)?, part: column(row, 1)?, body: column(row, 2)? }))
            };
            let query = "SELECT number, part, body FROM parts WHERE tenant_id = $1 AND number > $2 AND number <= $3
                             ORDER BY number, part";
            self.each(query, &[&tenant, &last, &end], part, &mut |record| next(record, sink))?;
            for revision in page {
                sink(Record::Revision(revision))?;
            }
            if is_last {
                return Ok(());
            }
            last = end;
        }
    }

    /// Looks for rows of tenants that do not exist.
    pub fn check_orphans(&self, found: &mut dyn FnMut(String)) -> Result<()> {
        for table in ["revisions", "parts", "connectors", "deleted", "access_events", "once"] {
            let query = format!(
                "SELECT DISTINCT tenant_id FROM {table} AS t WHERE NOT EXISTS (SELECT FROM tenants WHERE id = t.tenant_id)"
            );
            for row in self.long_query(&query)? {
                let tenant: i64 = column(&row, 0)?;
                found(format!("the table `{table}` has rows of the tenant {tenant}, which does not exist"));
            }
        }
        Ok(())
    }

    /// Checks the indexes with the extension `amcheck`. Returns why they were not checked, if they were not. Nothing can be
    /// read after that.
    pub fn check_indexes(&self, found: &mut dyn FnMut(String)) -> Result<Option<String>> {
        let installed =
            "SELECT quote_ident(n.nspname),
                                   has_function_privilege(quote_ident(n.nspname) || '.bt_index_check(regclass, boolean)', 'EXECUTE')
                             FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
                             WHERE e.extname = 'amcheck'";
        let Some(row) = self.query(installed, &[])?.pop() else {
            return Ok(Some(
                "the extension amcheck is not there (a superuser installs it with `CREATE EXTENSION amcheck`)"
                    .to_owned(),
            ));
        };
        let schema: String = column(&row, 0)?;
        if !column::<bool>(&row, 1)? {
            let grant = format!("GRANT EXECUTE ON FUNCTION {schema}.bt_index_check(regclass, boolean) TO this role");
            return Ok(Some(format!("this role may not use the extension amcheck (a superuser allows it: `{grant}`)")));
        }
        let indexes = "SELECT i.indexrelid::bigint, i.indexrelid::regclass::text
                           FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
                           WHERE a.amname = 'btree' AND i.indrelid = ANY (
                               ARRAY['settings', 'tenants', 'clients', 'signing_keys', 'revisions', 'parts', 'connectors',
                                     'deleted', 'sessions', 'access_events', 'refused_sign_ins', 'once']::regclass[])";
        for row in self.query(indexes, &[])? {
            let (index, name): (i64, String) = (column(&row, 0)?, column(&row, 1)?);
            match self.long_query(&format!("SELECT {schema}.bt_index_check({index}::oid::regclass, true)")) {
                Ok(_) => {}
                Err(StoreError::Unavailable(Unavailable::Damaged)) => {
                    found(format!("the index `{name}` is damaged"));
                    return Ok(None);
                }
                // Such as a role that may not run it.
                Err(StoreError::Engine(why)) => return Ok(Some(why)),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Runs a statement that reads whole tables.
    fn long_query(&self, sql: &str) -> Result<Vec<Row>> {
        Ok(self.runtime.wait(self.connection.query(sql, &[], super::limits::WHOLE))?)
    }
}

fn read_revision(row: &Row) -> Result<RevisionRow> {
    let (number, change, action) = (column(row, 0)?, column(row, 3)?, column(row, 5)?);
    Ok(RevisionRow {
        number,
        script_name: column(row, 1)?,
        previous: column(row, 2)?,
        change: Some(change).filter(|change| *change != number),
        commit: column::<Option<Uuid>>(row, 4)?.filter(|commit| !commit.is_nil()),
        action: Action::of(action).ok_or_else(|| unreadable(format_args!("a revision of action {action}")))?,
        changed: column(row, 6)?,
        author: author(row, 7)?.into(),
        tracking_id: column(row, 10)?,
        created_at: column(row, 11)?,
        body_format: column(row, 12)?,
        body: column(row, 13)?,
        totals: Some((column(row, 14)?, column(row, 15)?)),
    })
}
