//! The rows of tenants, API clients and signing keys.
//!
//! [`AccessDb`] manages these rows without owning the database, so it also works while a server is running: the server
//! caches none of these rows for more than a few seconds. Deleting a tenant is the exception: it needs the database for
//! itself.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::clock::now;
use super::key::{end_key, first_key};
use super::lock::{DatabaseFile, Lock};
use super::schema;
use crate::access::{ApiClient, NewClient, SigningKey, Tenant, TenantId};
use crate::error::{Result, StoreError, unreadable};

/// Manages access in a database, whether a server is running on it or not.
pub struct AccessDb {
    // The fields have this order so that the file is closed after the connection.
    connection: Connection,
    lock: Result<Lock>,
    _file: Arc<DatabaseFile>,
}

impl AccessDb {
    /// Opens a database. A missing database is not created: its path is probably wrong, or the file was moved.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_or_refuse(path).map_err(|error| error.of(path))
    }

    fn open_or_refuse(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(StoreError::Absent(path.to_owned()));
        }
        let file = DatabaseFile::open(path)?;
        let lock = match file.lock() {
            Err(error) if !matches!(error, StoreError::InUse { .. }) => return Err(error),
            lock => lock,
        };
        let mut connection = schema::open(&file, schema::COMMAND_WAIT)?;
        if lock.is_ok() {
            schema::migrate(&mut connection, file.path())?;
        } else {
            // The running server has updated the schema to its own version, which must be the version of this program.
            schema::expect_current(&connection, file.path())?;
        }
        Ok(Self { connection, lock, _file: file })
    }

    /// Lists all tenants, the oldest first.
    pub fn tenants(&self) -> Result<Vec<Tenant>> {
        tenants(&self.connection)
    }

    /// Creates a tenant.
    pub fn create_tenant(&self, name: &str) -> Result<Tenant> {
        create_tenant(&self.connection, name)
    }

    /// Deletes a tenant, its connectors, their history, and its clients.
    pub fn delete_tenant(&self, name: &str) -> Result<()> {
        if let Err(StoreError::InUse { path, pid }) = &self.lock {
            return Err(StoreError::InUse { path: path.clone(), pid: *pid });
        }
        let transaction = self.connection.unchecked_transaction()?;
        let delete = "DELETE FROM tenants WHERE name = ?1 RETURNING id";
        let id: Option<i64> = transaction.query_row(delete, [name], |row| row.get(0)).optional()?;
        let id = id.ok_or_else(|| unknown_tenant(name))?;
        let tenant = TenantId::new(id).ok_or_else(|| unreadable(format_args!("a tenant with the key {id}")))?;
        let keys = [first_key(tenant), end_key(tenant)];
        transaction.execute("DELETE FROM revisions WHERE key > ?1 AND key < ?2", keys)?;
        transaction.execute("DELETE FROM parts WHERE key > ?1 AND key < ?2", keys)?;
        Ok(transaction.commit()?)
    }

    /// Counts the connectors of a tenant.
    pub fn connector_count(&self, tenant: TenantId) -> Result<i64> {
        let query = "SELECT count(*) FROM connectors WHERE tenant_id = ?1";
        Ok(self.connection.query_row(query, [tenant.get()], |row| row.get(0))?)
    }

    /// Lists all clients or the clients of one tenant, ordered by name.
    pub fn clients(&self, tenant: Option<&str>) -> Result<Vec<ApiClient>> {
        clients(&self.connection, tenant)
    }

    /// Creates a client of a tenant.
    pub fn create_client(&self, tenant: &str, client: &NewClient) -> Result<()> {
        create_client(&self.connection, tenant, client)
    }

    /// Deletes a client. Its tokens end within seconds.
    pub fn delete_client(&self, id: &str) -> Result<()> {
        delete_client(&self.connection, None, id)
    }
}

pub(super) fn clients(connection: &Connection, tenant: Option<&str>) -> Result<Vec<ApiClient>> {
    connection
        .prepare_cached(&format!(
            "{CLIENTS} WHERE ?1 IS NULL OR tenants.name = ?1 ORDER BY tenants.name, clients.name, clients.id"
        ))?
        .query_map([tenant], client_row)?
        .collect::<rusqlite::Result<_>>()
        .map_err(StoreError::from)
}

pub(super) fn delete_client(connection: &Connection, tenant: Option<TenantId>, id: &str) -> Result<()> {
    let tenant = tenant.map(TenantId::get);
    match connection
        .execute("DELETE FROM clients WHERE id = ?1 AND (?2 IS NULL OR tenant_id = ?2)", params![id, tenant])?
    {
        0 => Err(StoreError::Unknown(format!("the client `{id}`"))),
        _ => Ok(()),
    }
}

pub(super) fn tenants(connection: &Connection) -> Result<Vec<Tenant>> {
    connection
        .prepare_cached("SELECT id, uuid, name, created_at FROM tenants ORDER BY id")?
        .query_map([], |row| tenant_row(row, 0))?
        .collect::<rusqlite::Result<_>>()
        .map_err(StoreError::from)
}

pub(super) fn create_tenant(connection: &Connection, name: &str) -> Result<Tenant> {
    let insert = "INSERT INTO tenants (uuid, name, created_at)
                  VALUES (?1, ?2, ?3)
                  ON CONFLICT (name) DO NOTHING
                  RETURNING id, uuid, name, created_at";
    connection
        .query_row(insert, params![Uuid::new_v4().to_string(), name, now()], |row| tenant_row(row, 0))
        .optional()?
        .ok_or_else(|| StoreError::Exists(format!("the tenant `{name}`")))
}

pub(super) fn create_client(connection: &Connection, tenant: &str, client: &NewClient) -> Result<()> {
    let scopes = client.scopes.to_string();
    let tenant_id: i64 = connection
        .query_row("SELECT id FROM tenants WHERE name = ?1", [tenant], |row| row.get(0))
        .optional()?
        .ok_or_else(|| unknown_tenant(tenant))?;
    let insert = "INSERT INTO clients (id, tenant_id, name, secret_hash, level, scopes, created_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING";
    let level = client.level.as_str();
    let values = params![client.id, tenant_id, client.name, client.secret_hash, level, scopes, now()];
    match connection.execute(insert, values)? {
        0 => Err(StoreError::Exists(format!("the client `{}`", client.id))),
        _ => Ok(()),
    }
}

/// Creates the first tenant and its client, if there is no tenant yet. Returns whether it created them.
pub(super) fn bootstrap(connection: &Connection, tenant: &str, client: &NewClient) -> Result<bool> {
    if !tenants(connection)?.is_empty() {
        return Ok(false);
    }
    create_tenant(connection, tenant)?;
    create_client(connection, tenant, client)?;
    Ok(true)
}

const CLIENTS: &str = "SELECT clients.id, clients.name, secret_hash, level, scopes, clients.created_at,
                              tenants.id, tenants.uuid, tenants.name, tenants.created_at
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
    connection
        .prepare("SELECT id, pem FROM signing_keys ORDER BY created_at DESC, id")?
        .query_map([], |row| Ok(SigningKey { id: row.get(0)?, pem: row.get(1)? }))?
        .collect::<rusqlite::Result<_>>()
        .map_err(StoreError::from)
}

fn tenant_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Tenant> {
    let id = row.get(first)?;
    Ok(Tenant {
        id: TenantId::new(id).ok_or(rusqlite::Error::IntegralValueOutOfRange(first, id))?,
        uuid: row.get(first + 1)?,
        name: row.get(first + 2)?,
        created_at: row.get(first + 3)?,
    })
}

fn client_row(row: &Row<'_>) -> rusqlite::Result<ApiClient> {
    Ok(ApiClient {
        id: row.get(0)?,
        name: row.get(1)?,
        secret_hash: row.get(2)?,
        level: word(3, &row.get::<_, String>(3)?)?,
        scopes: word(4, &row.get::<_, String>(4)?)?,
        created_at: row.get(5)?,
        tenant: tenant_row(row, 6)?,
    })
}

fn word<T>(column: usize, text: &str) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn unknown_tenant(name: &str) -> StoreError {
    StoreError::Unknown(format!("the tenant `{name}`"))
}
