//! Making a PostgreSQL database of records, in one transaction.

use tokio_postgres::Row;
use uuid::Uuid;

use super::address::Address;
use super::backup::Runner;
use super::connection::{Connection, Lock};
use super::limits::{BEGIN, RESTORE, RESTORE_IDLE};
use super::schema;
use super::value::{Value, column, text};
use crate::access::TenantId;
use crate::backup::error::BackupError;
use crate::backup::record::{PartRow, Record, RevisionRow};
use crate::error::{Result, StoreError, Unavailable, unreadable};
use crate::revision::RevisionNumber;

/// How many rows wait to be written together.
const ROWS: usize = 1000;
/// How many bytes wait to be written together, unless a single row has more.
const BYTES: usize = 4 << 20;

/// A database that is made of records. It has them when the transaction is committed.
pub(crate) struct Restore {
    pub(super) connection: Connection,
    pub(super) runtime: Runner,
    tenant: Option<i64>,
    /// The newest revision, until all its parts are known, and so its totals.
    revision: Option<RevisionRow>,
    revisions: Revisions,
    parts: Parts,
    connectors: Connectors,
}

/// Columns of revisions that wait.
#[derive(Default)]
struct Revisions {
    numbers: Vec<i64>,
    script_names: Vec<String>,
    previous: Vec<Option<i64>>,
    changes: Vec<i64>,
    commit_ids: Vec<Uuid>,
    actions: Vec<i64>,
    changed: Vec<String>,
    author_kinds: Vec<i64>,
    author_ids: Vec<String>,
    author_names: Vec<Option<String>>,
    tracking_ids: Vec<Option<Uuid>>,
    times: Vec<i64>,
    connectors: Vec<i64>,
    bytes: Vec<i64>,
    formats: Vec<i64>,
    bodies: Vec<Vec<u8>>,
    size: usize,
}

/// Columns of parts that wait.
#[derive(Default)]
struct Parts {
    numbers: Vec<i64>,
    names: Vec<String>,
    bodies: Vec<Vec<u8>>,
    size: usize,
}

/// Columns of connectors that wait.
#[derive(Default)]
struct Connectors {
    script_names: Vec<String>,
    name_keys: Vec<String>,
    numbers: Vec<i64>,
    summaries: Vec<String>,
}

impl Restore {
    /// Begins. Refuses a database that has something.
    pub fn begin(address: &Address) -> Result<Self, BackupError> {
        let runtime = Runner::new()?;
        let not_empty = || BackupError::NotEmpty(format!("the database {address} has or had tenants"));
        let connection = runtime.wait(async {
            let connection = Connection::open(address).await.map_err(|error| schema::refused(address, &error))?;
            // A database with tenants stays as it is, its schema too.
            if schema::exists(&connection).await? && has_tenants(&connection).await? {
                return Err(not_empty());
            }
            schema::migrate(&connection, &address.to_string()).await?;
            schema::expect_whole(&connection, &address.to_string()).await?;
            connection.begin(Lock::INSTANCE, BEGIN).await.map_err(StoreError::from)?;
            allow_long(&connection).await?;
            // Whoever creates the first tenant waits for the lock.
            if has_tenants(&connection).await? {
                return Err(not_empty());
            }
            schema::finish_begun(&connection).await.map_err(StoreError::from)?;
            Ok(connection)
        })?;
        let mut this = Self::over(connection, runtime);
        this.run(
            "UPDATE settings SET value = replace(gen_random_uuid()::text, '-', '') WHERE name = 'incarnation'",
            &[],
        )?;
        this.run("UPDATE settings SET value = replace(gen_random_uuid()::text, '-', '') WHERE name = 'issuer'", &[])?;
        // What a start before the restore made.
        this.run("DELETE FROM signing_keys", &[])?;
        Ok(this)
    }

    /// Writes with a connection, on which the caller begins and ends transactions.
    pub(super) fn over(connection: Connection, runtime: Runner) -> Self {
        let (revisions, parts, connectors) = (Revisions::default(), Parts::default(), Connectors::default());
        Self { connection, runtime, tenant: None, revision: None, revisions, parts, connectors }
    }

    /// Passes over a record that is there already.
    pub(super) fn skip(&mut self, record: &Record) {
        if let Record::Tenant(row) = record {
            self.tenant = Some(row.id);
        }
    }

    /// Writes a record. Settings and keys are those that the caller wants to keep. `ended` has the totals after the revision
    /// that this record ends.
    pub fn write(&mut self, record: Record, ended: Option<(i64, i64)>) -> Result<()> {
        self.end_revision(ended)?;
        match record {
            Record::Setting(row) => self.run(
                "INSERT INTO settings (name, value) VALUES ($1, $2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                &[&row.name, &text(&row.value)],
            ),
            Record::SigningKey(row) => self.run(
                "INSERT INTO signing_keys (id, pem, created_at) VALUES ($1, $2, $3)",
                &[&row.id, &row.pem, &row.created_at],
            ),
            Record::Tenant(row) => {
                self.flush()?;
                TenantId::new(row.id).ok_or_else(|| unreadable(format_args!("a tenant with the key {}", row.id)))?;
                self.tenant = Some(row.id);
                self.run(
                    "INSERT INTO tenants (id, uuid, name, created_at, max_connectors, max_bytes, suspended_at)
                         OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    &[
                        &row.id,
                        &row.uuid,
                        &text(&row.name),
                        &row.created_at,
                        &row.max_connectors,
                        &row.max_bytes,
                        &row.suspended_at,
                    ],
                )
            }
            other => {
                let tenant = self.tenant.ok_or_else(|| unreadable("a record before the first tenant"))?;
                self.write_of_tenant(tenant, other)
            }
        }
    }

    fn write_of_tenant(&mut self, tenant: i64, record: Record) -> Result<()> {
        match record {
            Record::Client(row) => self.run(
                "INSERT INTO clients (id, tenant_id, name, secret_hash, level, scopes, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                &[&text(&row.id), &tenant, &text(&row.name), &row.secret_hash, &row.level, &row.scopes, &row.created_at],
            ),
            Record::Revision(row) => {
                RevisionNumber::try_from(row.number).map_err(unreadable)?;
                self.revision = Some(row);
                Ok(())
            }
            Record::Part(PartRow { number, part, body }) => {
                RevisionNumber::try_from(number).map_err(unreadable)?;
                let parts = &mut self.parts;
                parts.size += body.len();
                parts.numbers.push(number);
                parts.names.push(part);
                parts.bodies.push(body);
                if parts.size >= BYTES || parts.numbers.len() >= ROWS { self.flush_parts(tenant) } else { Ok(()) }
            }
            Record::Connector(row) => {
                let connectors = &mut self.connectors;
                connectors.script_names.push(row.script_name);
                connectors.name_keys.push(row.name_key);
                connectors.numbers.push(row.number);
                connectors.summaries.push(row.summary);
                if connectors.numbers.len() >= ROWS { self.flush_connectors(tenant) } else { Ok(()) }
            }
            Record::Deleted(row) => self.run(
                "INSERT INTO deleted (tenant_id, script_name, number) VALUES ($1, $2, $3)",
                &[&tenant, &row.script_name, &row.number],
            ),
            Record::Request(row) => self.run(
                "INSERT INTO once (tenant_id, key, fingerprint, first, last, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6)",
                &[&tenant, &row.key, &row.fingerprint, &row.first, &row.last, &row.created_at],
            ),
            Record::AccessEvent(row) => self.run(
                "INSERT INTO access_events (tenant_id, number, action, subject, author_kind, author_id, author_name, address,
                                            tracking_id, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                &[
                    &tenant,
                    &row.number,
                    &row.action.number(),
                    &row.subject.as_deref().map(text),
                    &row.author.kind.number(),
                    &text(&row.author.id),
                    &row.author.name.as_deref().map(text),
                    &row.address,
                    &row.tracking_id,
                    &row.created_at,
                ],
            ),
            Record::RefusedSignIns(row) => self.run(
                "INSERT INTO refused_sign_ins (tenant_id, minute, client_id, address, count) VALUES ($1, $2, $3, $4, $5)",
                &[&tenant, &row.minute, &text(&row.client_id), &row.address, &row.count],
            ),
            Record::Setting(_) | Record::SigningKey(_) | Record::Tenant(_) | Record::End(_) => Ok(()),
        }
    }

    /// Commits. `ended` has the totals after the last revision, if it was the last record.
    pub fn end(mut self, ended: Option<(i64, i64)>) -> Result<(), BackupError> {
        self.write_waiting(ended)?;
        self.set_next_tenant()?;
        Ok(self.commit()?)
    }

    /// The next tenant gets the next id.
    pub(super) fn set_next_tenant(&mut self) -> Result<()> {
        let sequence =
            "SELECT setval(pg_get_serial_sequence('tenants', 'id'), greatest(max(id), 1), max(id) IS NOT NULL)
                            FROM tenants";
        self.run(sequence, &[])
    }

    /// Writes all rows that wait. `ended` has the totals after the last revision, if it was the last record.
    pub(super) fn write_waiting(&mut self, ended: Option<(i64, i64)>) -> Result<()> {
        self.end_revision(ended)?;
        self.flush()
    }

    pub(super) fn commit(&self) -> Result<()> {
        match self.runtime.wait(self.connection.commit_within(RESTORE)) {
            Ok(()) => Ok(()),
            Err(failed) if failed.is_refusal() => Err(failed.into()),
            Err(_) => Err(StoreError::Uncertain(Unavailable::Disconnected)),
        }
    }

    pub(super) fn run(&mut self, sql: &str, values: &[&dyn Value]) -> Result<()> {
        self.runtime.wait(self.connection.query(sql, values, RESTORE))?;
        Ok(())
    }

    /// Adds the newest revision to those that wait, when its totals are known.
    fn end_revision(&mut self, ended: Option<(i64, i64)>) -> Result<()> {
        let Some((connectors, bytes)) = ended else { return Ok(()) };
        let (Some(row), Some(tenant)) = (self.revision.take(), self.tenant) else { return Ok(()) };
        let columns = &mut self.revisions;
        columns.size += row.body.len();
        columns.numbers.push(row.number);
        columns.script_names.push(row.script_name);
        columns.previous.push(row.previous);
        columns.changes.push(row.change.unwrap_or(row.number));
        columns.commit_ids.push(row.commit.unwrap_or_default());
        columns.actions.push(row.action.number());
        columns.changed.push(row.changed);
        columns.author_kinds.push(row.author.kind.number());
        columns.author_ids.push(text(&row.author.id).into_owned());
        columns.author_names.push(row.author.name.as_deref().map(|name| text(name).into_owned()));
        columns.tracking_ids.push(row.tracking_id);
        columns.times.push(row.created_at);
        columns.connectors.push(connectors);
        columns.bytes.push(bytes);
        columns.formats.push(row.body_format);
        columns.bodies.push(row.body);
        if columns.size >= BYTES || columns.numbers.len() >= ROWS { self.flush_revisions(tenant) } else { Ok(()) }
    }

    /// Writes all rows that wait.
    fn flush(&mut self) -> Result<()> {
        let Some(tenant) = self.tenant else { return Ok(()) };
        self.flush_revisions(tenant)?;
        self.flush_parts(tenant)?;
        self.flush_connectors(tenant)
    }

    fn flush_revisions(&mut self, tenant: i64) -> Result<()> {
        let rows = std::mem::take(&mut self.revisions);
        if rows.numbers.is_empty() {
            return Ok(());
        }
        self.run(
            "INSERT INTO revisions (tenant_id, number, script_name, previous, change, commit_id, action, changed, author_kind,
                                    author_id, author_name, tracking_id, created_at, connectors, bytes, format, body)
                 SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::uuid[], $7::bigint[],
                                          $8::text[], $9::bigint[], $10::text[], $11::text[], $12::uuid[], $13::bigint[],
                                          $14::bigint[], $15::bigint[], $16::bigint[], $17::bytea[])",
            &[
                &tenant,
                &rows.numbers,
                &rows.script_names,
                &rows.previous,
                &rows.changes,
                &rows.commit_ids,
                &rows.actions,
                &rows.changed,
                &rows.author_kinds,
                &rows.author_ids,
                &rows.author_names,
                &rows.tracking_ids,
                &rows.times,
                &rows.connectors,
                &rows.bytes,
                &rows.formats,
                &rows.bodies,
            ],
        )
    }

    fn flush_parts(&mut self, tenant: i64) -> Result<()> {
        let rows = std::mem::take(&mut self.parts);
        if rows.numbers.is_empty() {
            return Ok(());
        }
        self.run(
            "INSERT INTO parts (tenant_id, number, part, body)
                 SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bytea[])",
            &[&tenant, &rows.numbers, &rows.names, &rows.bodies],
        )
    }

    fn flush_connectors(&mut self, tenant: i64) -> Result<()> {
        let rows = std::mem::take(&mut self.connectors);
        if rows.numbers.is_empty() {
            return Ok(());
        }
        self.run(
            "INSERT INTO connectors (tenant_id, script_name, name_key, number, summary)
                 SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[])",
            &[&tenant, &rows.script_names, &rows.name_keys, &rows.numbers, &rows.summaries],
        )
    }
}

/// Gives the transaction the time that it takes to read a source meanwhile.
pub(super) async fn allow_long(connection: &Connection) -> Result<()> {
    let settings = format!(
        "SELECT set_config('idle_in_transaction_session_timeout', '{RESTORE_IDLE}', true), \
                set_config('statement_timeout', '0', true)"
    );
    Ok(connection.run(&settings, BEGIN).await?)
}

pub(super) async fn has_tenants(connection: &Connection) -> Result<bool> {
    let rows: Vec<Row> = connection.query("SELECT EXISTS (SELECT FROM tenants)", &[], BEGIN).await?;
    column(rows.first().ok_or_else(|| unreadable("no answer"))?, 0)
}
