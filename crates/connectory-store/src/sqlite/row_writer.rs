//! Writing records as rows of a SQLite database.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::backup::tenant_id;
use super::key::key;
use crate::access::TenantId;
use crate::backup::record::{
    ClientRow, ConnectorRow, DeletedRow, PartRow, Record, RefusedRow, RequestRow, SettingRow, SigningKeyRow, TenantRow,
};
use crate::error::{Result, unreadable};
use crate::revision::{RevisionId, RevisionNumber};

/// Writes records in their order.
pub(super) struct RowWriter {
    /// The connection, on which the caller begins and ends transactions.
    pub connection: Connection,
    tenant: Option<TenantId>,
}

impl RowWriter {
    pub fn new(connection: Connection) -> Self {
        Self { connection, tenant: None }
    }

    /// Passes over a record that is there already.
    pub fn skip(&mut self, record: &Record) -> Result<()> {
        if let Record::Tenant(row) = record {
            self.tenant = Some(tenant_id(row.id)?);
        }
        Ok(())
    }

    /// Writes a record.
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
                    ToSqlOutput::Borrowed(body)
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
