//! The rows of tenants, API clients and signing keys.
//!
//! [`AccessDb`] manages these rows without owning the database, so it also works while a server is running: the server
//! caches none of these rows for more than a few seconds.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use connectory_model::access::Permission;
use connectory_model::limits::{CLIENTS_PER_TENANT, KEY_PUBLISHED};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::key::{end_key, first_key};
use super::lock::{DatabaseFile, Lock};
use super::rows::{self, TENANT_COLUMNS, word};
use super::{access_events, schema, usage};
use crate::access::{
    ApiClient, NewClient, Quotas, REMOVED_ROWS, RemovedRows, SigningKey, Tenant, TenantId, name_of_deleted,
};
use crate::access_event::{AccessAction, AccessOrigin};
use crate::clock::now;
use crate::error::{Result, StoreError, unreadable};
use crate::revision::AuthorKind;

/// Manages access in a database, whether a server is running on it or not.
pub struct AccessDb {
    // The fields have this order so that the file is closed after the connection.
    connection: Connection,
    _lock: Result<Lock>,
    file: Arc<DatabaseFile>,
}

impl AccessDb {
    /// Opens a database. A missing or empty one is not created: its path is probably wrong, or the file was moved.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_or_refuse(path).map_err(|error| error.of(path))
    }

    fn open_or_refuse(path: &Path) -> Result<Self> {
        let (connection, lock, file) = schema::open_beside(path)?;
        if lock.is_err() {
            // The running server has updated the schema to its own version, which must be the version of this program.
            schema::expect_current(&connection, file.path())?;
        }
        Ok(Self { connection, _lock: lock, file })
    }

    /// The path of the database, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The address at which clients reach the server, as the newest start noted it.
    pub fn address(&self) -> Result<Option<String>> {
        let query = "SELECT value FROM settings WHERE name = 'address'";
        Ok(self.connection.query_row(query, [], |row| row.get(0)).optional()?)
    }

    /// Lists all tenants, the oldest first.
    pub fn tenants(&self) -> Result<Vec<Tenant>> {
        tenants(&self.connection)
    }

    /// Creates a tenant.
    pub fn create_tenant(&self, name: &str, by: &AccessOrigin) -> Result<Tenant> {
        self.write(|connection| create_tenant(connection, name, by))
    }

    /// Sets the quotas of a tenant. A running server uses them from the next commit on.
    pub fn set_quotas(&self, name: &str, quotas: Quotas, by: &AccessOrigin) -> Result<()> {
        self.write(|connection| set_quotas(connection, name, quotas, by))
    }

    /// Runs changes in one transaction, which begins as a write: a server may write at the same time.
    fn write<T>(&self, change: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }

    /// Gives a tenant another name.
    pub fn rename_tenant(&self, name: &str, to: &str, by: &AccessOrigin) -> Result<()> {
        self.write(|connection| rename_tenant(connection, name, to, by))
    }

    /// Suspends or resumes a tenant.
    pub fn suspend_tenant(&self, name: &str, suspend: bool, by: &AccessOrigin) -> Result<()> {
        self.write(|connection| suspend_tenant(connection, name, suspend, by))
    }

    /// Deletes a tenant. What it had is removed in steps after that.
    pub fn delete_tenant(&self, name: &str) -> Result<TenantId> {
        self.write(|connection| delete_tenant(connection, name))
    }

    /// Removes some rows of a deleted tenant. None if there are none.
    pub fn remove_deleted(&self) -> Result<Option<RemovedRows>> {
        self.write(remove_deleted)
    }

    /// Counts the connectors of a tenant.
    pub fn connector_count(&self, tenant: TenantId) -> Result<u64> {
        let query = "SELECT count(*) FROM connectors WHERE tenant_id = ?1";
        Ok(self.connection.query_row(query, [tenant.get()], |row| row.get(0))?)
    }

    /// Sums the sizes of all revisions of a tenant, as its quota of bytes counts them.
    pub fn stored_bytes(&self, tenant: TenantId) -> Result<u64> {
        usage::sum_bytes(&self.connection, tenant)
    }

    /// Lists all clients or the clients of one tenant, ordered by name.
    pub fn clients(&self, tenant: Option<&str>) -> Result<Vec<ApiClient>> {
        self.connection
            .prepare_cached(&format!(
                "{CLIENTS} WHERE ?1 IS NULL OR tenants.name = ?1 ORDER BY tenants.name, clients.name, clients.id"
            ))?
            .query_map([tenant], client_row)?
            .collect::<rusqlite::Result<_>>()
            .map_err(StoreError::from)
    }

    /// Creates a client of a tenant.
    pub fn create_client(&self, tenant: &str, client: &NewClient, by: &AccessOrigin) -> Result<()> {
        self.write(|connection| create_client(connection, tenant, client, by))
    }

    /// Deletes a client. Its tokens end within seconds.
    pub fn delete_client(&self, id: &str, by: &AccessOrigin) -> Result<()> {
        self.write(|connection| delete_client(connection, None, id, by))
    }
}

/// Reads up to `limit` clients of a tenant, ordered by name and then by id, after the client with a name and an id.
pub(super) fn clients(
    connection: &Connection,
    tenant: TenantId,
    after: Option<&(String, String)>,
    limit: u32,
) -> Result<Vec<ApiClient>> {
    let (name, id) = after.map(|(name, id)| (name.as_str(), id.as_str())).unzip();
    let query = format!(
        "{CLIENTS} WHERE tenant_id = ?1 AND (clients.name, clients.id) > (coalesce(?2, ''), coalesce(?3, ''))
             ORDER BY clients.name, clients.id LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map(params![tenant.get(), name, id, limit], client_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads the names of clients of a tenant by their ids.
pub(super) fn client_names(
    connection: &Connection,
    tenant: TenantId,
    ids: &[String],
) -> Result<HashMap<String, String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM clients WHERE id = ?1 AND tenant_id = ?2")?;
    let mut names = HashMap::new();
    for id in ids {
        let name = statement.query_row(params![id, tenant.get()], |row| row.get(0)).optional()?;
        names.extend(name.map(|name| (id.clone(), name)));
    }
    Ok(names)
}

/// Deletes a client, of one tenant if it is given, with its sessions.
pub(super) fn delete_client(
    connection: &Connection,
    tenant: Option<TenantId>,
    id: &str,
    by: &AccessOrigin,
) -> Result<()> {
    if let Some(tenant) = tenant {
        expect_manager(connection, tenant, by)?;
    }
    let delete = "DELETE FROM clients WHERE id = ?1 AND (?2 IS NULL OR tenant_id = ?2) RETURNING tenant_id";
    let of = connection.query_row(delete, params![id, tenant.map(TenantId::get)], |row| row.get(0)).optional()?;
    let of = of.and_then(TenantId::new).ok_or_else(|| StoreError::Unknown(format!("the client `{id}`")))?;
    connection.execute(
        "DELETE FROM sessions WHERE tenant_id = ?1 AND author_kind = ?2 AND author_id = ?3",
        params![of.get(), AuthorKind::Client.number(), id],
    )?;
    access_events::record(connection, of, AccessAction::ClientDeleted, Some(id), by)
}

pub(super) fn tenants(connection: &Connection) -> Result<Vec<Tenant>> {
    connection
        .prepare_cached(&format!("SELECT {TENANT_COLUMNS} FROM tenants WHERE deleted_at IS NULL ORDER BY id"))?
        .query_map([], |row| rows::tenant(row, 0))?
        .collect::<rusqlite::Result<_>>()
        .map_err(StoreError::from)
}

/// Reads the tenant with a name; without a name, the oldest tenant.
pub(super) fn tenant(connection: &Connection, name: Option<&str>) -> Result<Option<Tenant>> {
    let query = match name {
        Some(_) => format!("SELECT {TENANT_COLUMNS} FROM tenants WHERE name = ?1"),
        None => {
            format!("SELECT {TENANT_COLUMNS} FROM tenants WHERE ?1 IS NULL AND deleted_at IS NULL ORDER BY id LIMIT 1")
        }
    };
    Ok(connection.prepare_cached(&query)?.query_row([name], |row| rows::tenant(row, 0)).optional()?)
}

pub(super) fn create_tenant(connection: &Connection, name: &str, by: &AccessOrigin) -> Result<Tenant> {
    let insert = format!(
        "INSERT INTO tenants (uuid, name, created_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO NOTHING RETURNING {TENANT_COLUMNS}"
    );
    let tenant = connection
        .query_row(&insert, params![Uuid::new_v4().to_string(), name, now()], |row| rows::tenant(row, 0))
        .optional()?
        .ok_or_else(|| StoreError::Exists(format!("the tenant `{name}`")))?;
    access_events::record(connection, tenant.id, AccessAction::TenantCreated, Some(name), by)?;
    Ok(tenant)
}

fn set_quotas(connection: &Connection, name: &str, quotas: Quotas, by: &AccessOrigin) -> Result<()> {
    let tenant = tenant(connection, Some(name))?.ok_or_else(|| unknown_tenant(name))?;
    connection.execute(
        "UPDATE tenants SET max_connectors = ?2, max_bytes = ?3 WHERE id = ?1",
        params![tenant.id.get(), quotas.connectors, quotas.bytes],
    )?;
    let bytes = quotas.bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string());
    let subject = format!("connectors {}, bytes {bytes}", quotas.connectors);
    access_events::record(connection, tenant.id, AccessAction::QuotasChanged, Some(&subject), by)
}

fn rename_tenant(connection: &Connection, name: &str, to: &str, by: &AccessOrigin) -> Result<()> {
    let id = tenant(connection, Some(name))?.ok_or_else(|| unknown_tenant(name))?.id;
    if tenant(connection, Some(to))?.is_some_and(|other| other.id != id) {
        return Err(StoreError::Exists(format!("the tenant `{to}`")));
    }
    connection.execute("UPDATE tenants SET name = ?2 WHERE id = ?1", params![id.get(), to])?;
    access_events::record(connection, id, AccessAction::TenantRenamed, Some(&format!("{name} → {to}")), by)
}

fn suspend_tenant(connection: &Connection, name: &str, suspend: bool, by: &AccessOrigin) -> Result<()> {
    let tenant = tenant(connection, Some(name))?.ok_or_else(|| unknown_tenant(name))?;
    if tenant.suspended_at.is_some() == suspend {
        return Ok(());
    }
    let since = suspend.then(now);
    connection.execute("UPDATE tenants SET suspended_at = ?2 WHERE id = ?1", params![tenant.id.get(), since])?;
    let action = if suspend { AccessAction::TenantSuspended } else { AccessAction::TenantResumed };
    access_events::record(connection, tenant.id, action, Some(name), by)
}

/// Marks a tenant as deleted, and ends all access to it.
fn delete_tenant(connection: &Connection, name: &str) -> Result<TenantId> {
    let Tenant { id, uuid, .. } = tenant(connection, Some(name))?.ok_or_else(|| unknown_tenant(name))?;
    let mark = "UPDATE tenants SET name = ?2, deleted_at = ?3 WHERE id = ?1";
    connection.execute(mark, params![id.get(), name_of_deleted(&uuid), now()])?;
    connection.execute("DELETE FROM clients WHERE tenant_id = ?1", [id.get()])?;
    connection.execute("DELETE FROM sessions WHERE tenant_id = ?1", [id.get()])?;
    Ok(id)
}

/// Removes some rows of the deleted tenant that has the smallest key of those that have rows.
pub(super) fn remove_deleted(connection: &Connection) -> Result<Option<RemovedRows>> {
    let query = "SELECT id FROM tenants WHERE deleted_at IS NOT NULL AND removed_at IS NULL ORDER BY id LIMIT 1";
    let Some(id) = connection.query_row(query, [], |row| row.get(0)).optional()? else { return Ok(None) };
    let tenant = TenantId::new(id).ok_or_else(|| unreadable(format_args!("a tenant with the key {id}")))?;
    let mut rows = 0;
    for (table, key) in [("connectors", "name_key"), ("deleted", "script_name"), ("once", "key")] {
        let delete = format!(
            "DELETE FROM {table} WHERE tenant_id = ?1
                 AND {key} IN (SELECT {key} FROM {table} WHERE tenant_id = ?1 LIMIT {REMOVED_ROWS})"
        );
        rows += connection.execute(&delete, [id])?;
    }
    for table in ["revisions", "parts", "access_events"] {
        let delete = format!(
            "DELETE FROM {table}
                 WHERE key IN (SELECT key FROM {table} WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT {REMOVED_ROWS})"
        );
        rows += connection.execute(&delete, [first_key(tenant), end_key(tenant)])?;
    }
    rows += connection.execute("DELETE FROM refused_sign_ins WHERE tenant_id = ?1", [id])?;
    if rows == 0 {
        connection.execute("UPDATE tenants SET removed_at = ?2 WHERE id = ?1", params![id, now()])?;
    }
    Ok(Some(RemovedRows { rows: rows as u64, is_all: rows == 0 }))
}

/// Refuses a change of access by a client that was deleted, or lost its rights, since its request was let in.
fn expect_manager(connection: &Connection, tenant: TenantId, by: &AccessOrigin) -> Result<()> {
    let author = &by.origin.author;
    if author.kind != AuthorKind::Client {
        return Ok(());
    }
    let found = client(connection, &author.id)?.filter(|client| client.tenant.id == tenant);
    let may = found.is_some_and(|client| Permission::ManageClients.check(client.level, &client.scopes).is_ok());
    if may { Ok(()) } else { Err(StoreError::Unknown(format!("the client `{}`, which asks for this,", author.id))) }
}

/// Creates a client of a tenant. Checks everything by reading before it writes.
pub(super) fn create_client(
    connection: &Connection,
    tenant: &str,
    client: &NewClient,
    by: &AccessOrigin,
) -> Result<()> {
    let tenant = self::tenant(connection, Some(tenant))?.ok_or_else(|| unknown_tenant(tenant))?.id;
    expect_manager(connection, tenant, by)?;
    let count = "SELECT count(*) FROM clients WHERE tenant_id = ?1";
    if connection.query_row(count, [tenant.get()], |row| row.get::<_, usize>(0))? >= CLIENTS_PER_TENANT {
        return Err(StoreError::ClientLimit(CLIENTS_PER_TENANT));
    }
    let insert = "INSERT INTO clients (id, tenant_id, name, secret_hash, level, scopes, created_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING";
    let (level, scopes) = (client.level.as_str(), client.scopes.to_string());
    let values = params![client.id, tenant.get(), client.name, client.secret_hash, level, scopes, now()];
    if connection.execute(insert, values)? == 0 {
        return Err(StoreError::Exists(format!("the client `{}`", client.id)));
    }
    access_events::record(connection, tenant, AccessAction::ClientCreated, Some(&client.id), by)
}

/// Creates the first tenant and its client, if there is no tenant yet. Returns whether it created them.
pub(super) fn bootstrap(connection: &Connection, name: &str, client: &NewClient, by: &AccessOrigin) -> Result<bool> {
    if has_tenants(connection)? {
        return Ok(false);
    }
    create_tenant(connection, name, by)?;
    create_client(connection, name, client, by)?;
    Ok(true)
}

/// Whether there is or was a tenant: the row of a deleted one stays.
pub(super) fn has_tenants(connection: &Connection) -> Result<bool> {
    Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM tenants)", [], |row| row.get(0))?)
}

/// Reads the issuer of this database's tokens.
pub(super) fn issuer(connection: &Connection) -> Result<String> {
    let query = "SELECT value FROM settings WHERE name = 'issuer'";
    Ok(connection.query_row(query, [], |row| row.get(0))?)
}

/// Reads the incarnation of this database.
pub(super) fn incarnation(connection: &Connection) -> Result<String> {
    let query = "SELECT value FROM settings WHERE name = 'incarnation'";
    Ok(connection.query_row(query, [], |row| row.get(0))?)
}

/// Makes another incarnation of this database.
pub(super) fn renew_incarnation(connection: &Connection) -> Result<()> {
    connection.execute("UPDATE settings SET value = lower(hex(randomblob(16))) WHERE name = 'incarnation'", [])?;
    Ok(())
}

/// Notes the address at which clients reach the server. Writes nothing if it is the same as before.
pub(super) fn note_address(connection: &Connection, address: &str) -> Result<()> {
    let upsert = "INSERT INTO settings (name, value) VALUES ('address', ?1)
                  ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
    connection.execute(upsert, [address])?;
    Ok(())
}

const CLIENTS: &str = "SELECT clients.id, clients.name, secret_hash, level, scopes, clients.created_at,
                              tenants.id, tenants.uuid, tenants.name, tenants.created_at, tenants.max_connectors,
                              tenants.max_bytes, tenants.suspended_at
                       FROM clients JOIN tenants ON tenants.id = clients.tenant_id";

pub(super) fn client(connection: &Connection, id: &str) -> Result<Option<ApiClient>> {
    Ok(connection
        .prepare_cached(&format!("{CLIENTS} WHERE clients.id = ?1"))?
        .query_row([id], client_row)
        .optional()?)
}

pub(super) fn signing_keys(connection: &Connection, generated: &SigningKey) -> Result<Vec<SigningKey>> {
    connection.execute(
        "INSERT INTO signing_keys (id, pem, created_at)
         SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)",
        params![generated.id, generated.pem, now()],
    )?;
    known_signing_keys(connection)
}

/// Reads the signing keys, the newest first.
pub(super) fn known_signing_keys(connection: &Connection) -> Result<Vec<SigningKey>> {
    let published = now() - i64::try_from(KEY_PUBLISHED.as_millis()).unwrap_or(i64::MAX);
    connection
        .prepare("SELECT id, pem, created_at > ?1 FROM signing_keys ORDER BY created_at DESC, id")?
        .query_map([published], |row| Ok(SigningKey { id: row.get(0)?, pem: row.get(1)?, is_new: row.get(2)? }))?
        .collect::<rusqlite::Result<_>>()
        .map_err(StoreError::from)
}

fn client_row(row: &Row<'_>) -> rusqlite::Result<ApiClient> {
    Ok(ApiClient {
        id: row.get(0)?,
        name: row.get(1)?,
        secret_hash: row.get(2)?,
        level: word(3, &row.get::<_, String>(3)?)?,
        scopes: word(4, &row.get::<_, String>(4)?)?,
        created_at: row.get(5)?,
        tenant: rows::tenant(row, 6)?,
    })
}

fn unknown_tenant(name: &str) -> StoreError {
    StoreError::Unknown(format!("the tenant `{name}`"))
}
