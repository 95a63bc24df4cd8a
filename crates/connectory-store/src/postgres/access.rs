//! The rows of tenants, API clients and signing keys.

use std::collections::HashMap;
use std::sync::Arc;

use connectory_model::access::Permission;
use connectory_model::limits::{CLIENTS_PER_TENANT, KEY_PUBLISHED};
use tokio_postgres::Row;
use uuid::Uuid;

use super::access_events;
use super::connection::Lock;
use super::pool::Pool;
use super::transaction::Transaction;
use super::value::{self, NOW, TENANT_COLUMNS, column, stored, text, text_column, word};
use crate::access::{
    ApiClient, NewClient, Quotas, REMOVED_ROWS, RemovedRows, SigningKey, Tenant, TenantId, name_of_deleted,
};
use crate::access_event::{AccessAction, AccessOrigin};
use crate::clock::now;
use crate::error::{Result, StoreError, unreadable};
use crate::revision::AuthorKind;

/// The version of the schema that has the states of tenants.
const STATES: i64 = 6;
/// The version of the schema whose servers know documents that are not UTF-8.
const ENCODINGS: i64 = 6;

/// Reads up to `limit` clients of a tenant, ordered by name and then by id, after the client with a name and an id.
pub(super) async fn clients(
    pool: &Arc<Pool>,
    tenant: TenantId,
    after: Option<&(String, String)>,
    limit: u32,
) -> Result<Vec<ApiClient>> {
    let query = format!(
        "{CLIENTS} WHERE tenant_id = $1 AND (clients.name, clients.id) > ($2, $3)
             ORDER BY clients.name, clients.id LIMIT $4"
    );
    let (name, id) = after.map(|(name, id)| (name.as_str(), id.as_str())).unwrap_or_default();
    let rows = pool.query(&query, &[&tenant.get(), &text(name), &text(id), &i64::from(limit)]).await?;
    rows.iter().map(client_row).collect()
}

/// Lists all clients or the clients of one tenant, ordered by name.
pub(super) async fn all_clients(pool: &Arc<Pool>, tenant: Option<&str>) -> Result<Vec<ApiClient>> {
    let query =
        format!("{CLIENTS} WHERE $1 IS NULL OR tenants.name = $1 ORDER BY tenants.name, clients.name, clients.id");
    pool.query(&query, &[&tenant.map(text)]).await?.iter().map(client_row).collect()
}

/// Deletes a client, of one tenant if it is given, with its sessions.
pub(super) async fn delete_client(
    transaction: &Transaction,
    tenant: Option<TenantId>,
    id: &str,
    by: &AccessOrigin,
) -> Result<()> {
    if let Some(tenant) = tenant {
        expect_manager(transaction, tenant, by).await?;
    }
    let find = "SELECT tenant_id FROM clients WHERE id = $1 AND ($2 IS NULL OR tenant_id = $2)";
    let row = transaction.query_one(find, &[&text(id), &tenant.map(TenantId::get)]).await?;
    let of = value::tenant_id(&row.ok_or_else(|| StoreError::Unknown(format!("the client `{id}`")))?, 0)?;
    transaction.lock(Lock::access(of)).await?;
    transaction.query("DELETE FROM clients WHERE id = $1", &[&text(id)]).await?;
    let delete = "DELETE FROM sessions WHERE tenant_id = $1 AND author_kind = $2 AND author_id = $3";
    transaction.query(delete, &[&of.get(), &AuthorKind::Client.number(), &text(id)]).await?;
    transaction.query("DELETE FROM rate_windows WHERE client_id = $1", &[&text(id)]).await?;
    access_events::record(transaction, of, AccessAction::ClientDeleted, Some(id), by).await
}

pub(super) async fn tenants(pool: &Arc<Pool>) -> Result<Vec<Tenant>> {
    let query = format!("SELECT {TENANT_COLUMNS} FROM tenants WHERE deleted_at IS NULL ORDER BY id");
    pool.query(&query, &[]).await?.iter().map(|row| value::tenant(row, 0)).collect()
}

/// The statement that reads the tenant with a name, or without a name, the oldest tenant.
fn tenant_query() -> String {
    format!(
        "SELECT {TENANT_COLUMNS} FROM tenants WHERE ($1 IS NULL OR name = $1) AND deleted_at IS NULL
                 ORDER BY id LIMIT 1"
    )
}

/// Reads the tenant with a name; without a name, the oldest tenant.
pub(super) async fn tenant(pool: &Arc<Pool>, name: Option<&str>) -> Result<Option<Tenant>> {
    let row = pool.query_one(&tenant_query(), &[&name.map(text)]).await?;
    row.map(|row| value::tenant(&row, 0)).transpose()
}

async fn tenant_in(transaction: &Transaction, name: Option<&str>) -> Result<Option<Tenant>> {
    let row = transaction.query_one(&tenant_query(), &[&name.map(text)]).await?;
    row.map(|row| value::tenant(&row, 0)).transpose()
}

pub(super) async fn create_tenant(transaction: &Transaction, name: &str, by: &AccessOrigin) -> Result<Tenant> {
    // A copy into the database may have begun since it was opened.
    transaction.expect_whole().await?;
    let insert = format!(
        "INSERT INTO tenants (uuid, name, created_at) VALUES ($1, $2, {NOW})
             ON CONFLICT (name) DO NOTHING RETURNING {TENANT_COLUMNS}"
    );
    let row = transaction.query_one(&insert, &[&Uuid::new_v4().to_string(), &text(name)]).await?;
    let row = row.ok_or_else(|| StoreError::Exists(format!("the tenant `{name}`")))?;
    let tenant = value::tenant(&row, 0)?;
    access_events::record(transaction, tenant.id, AccessAction::TenantCreated, Some(name), by).await?;
    Ok(tenant)
}

pub(super) async fn set_quotas(transaction: &Transaction, name: &str, quotas: Quotas, by: &AccessOrigin) -> Result<()> {
    let tenant = tenant_in(transaction, Some(name)).await?.ok_or_else(|| unknown_tenant(name))?;
    transaction.lock(Lock::access(tenant.id)).await?;
    let bytes = quotas.bytes.map(stored).transpose()?;
    let update = "UPDATE tenants SET max_connectors = $2, max_bytes = $3 WHERE id = $1";
    transaction.query(update, &[&tenant.id.get(), &stored(quotas.connectors)?, &bytes]).await?;
    let bytes = quotas.bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string());
    let subject = format!("connectors {}, bytes {bytes}", quotas.connectors);
    access_events::record(transaction, tenant.id, AccessAction::QuotasChanged, Some(&subject), by).await
}

const FINISHED: &str = "SELECT version FROM connectory_schema";

/// Refuses what older servers could not read, until the update to a version of the schema is finished.
async fn expect_finished(transaction: &Transaction, version: i64) -> Result<()> {
    is_finished(transaction.query_one(FINISHED, &[]).await?, version)
}

/// Refuses documents that are not UTF-8, which older servers could not read.
pub(super) async fn expect_encodings(pool: &Arc<Pool>) -> Result<()> {
    is_finished(pool.query_one(FINISHED, &[]).await?, ENCODINGS)
}

fn is_finished(row: Option<Row>, version: i64) -> Result<()> {
    if column::<i64>(&row.ok_or(StoreError::Closed)?, 0)? >= version { Ok(()) } else { Err(StoreError::Unfinished) }
}

/// Gives a tenant another name.
pub(super) async fn rename_tenant(transaction: &Transaction, name: &str, to: &str, by: &AccessOrigin) -> Result<()> {
    expect_finished(transaction, STATES).await?;
    let id = tenant_in(transaction, Some(name)).await?.ok_or_else(|| unknown_tenant(name))?.id;
    if tenant_in(transaction, Some(to)).await?.is_some_and(|other| other.id != id) {
        return Err(StoreError::Exists(format!("the tenant `{to}`")));
    }
    transaction.lock(Lock::access(id)).await?;
    transaction.query("UPDATE tenants SET name = $2 WHERE id = $1", &[&id.get(), &text(to)]).await?;
    access_events::record(transaction, id, AccessAction::TenantRenamed, Some(&format!("{name} → {to}")), by).await
}

/// Suspends or resumes a tenant. What it commits at the moment is committed before.
pub(super) async fn suspend_tenant(
    transaction: &Transaction,
    name: &str,
    suspend: bool,
    by: &AccessOrigin,
) -> Result<()> {
    expect_finished(transaction, STATES).await?;
    let tenant = tenant_in(transaction, Some(name)).await?.ok_or_else(|| unknown_tenant(name))?;
    if tenant.suspended_at.is_some() == suspend {
        return Ok(());
    }
    transaction.lock(Lock::access(tenant.id)).await?;
    transaction.lock(Lock::commits(tenant.id)).await?;
    let since = suspend.then(now);
    transaction.query("UPDATE tenants SET suspended_at = $2 WHERE id = $1", &[&tenant.id.get(), &since]).await?;
    let action = if suspend { AccessAction::TenantSuspended } else { AccessAction::TenantResumed };
    access_events::record(transaction, tenant.id, action, Some(name), by).await
}

/// Marks a tenant as deleted, and ends all access to it.
pub(super) async fn delete_tenant(transaction: &Transaction, name: &str) -> Result<TenantId> {
    expect_finished(transaction, STATES).await?;
    let Tenant { id, uuid, .. } = tenant_in(transaction, Some(name)).await?.ok_or_else(|| unknown_tenant(name))?;
    transaction.lock(Lock::access(id)).await?;
    transaction.lock(Lock::commits(id)).await?;
    let mark = "UPDATE tenants SET name = $2, deleted_at = $3 WHERE id = $1";
    transaction.query(mark, &[&id.get(), &name_of_deleted(&uuid), &now()]).await?;
    for table in ["clients", "sessions", "rate_windows"] {
        transaction.query(&format!("DELETE FROM {table} WHERE tenant_id = $1"), &[&id.get()]).await?;
    }
    Ok(id)
}

/// Removes some rows of the deleted tenant that has the smallest key of those that have rows and that nobody else removes.
pub(super) async fn remove_deleted(transaction: &Transaction) -> Result<Option<RemovedRows>> {
    let query = "SELECT id FROM tenants WHERE deleted_at IS NOT NULL AND removed_at IS NULL
                     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";
    let Some(row) = transaction.query_one(query, &[]).await? else { return Ok(None) };
    let id = value::tenant_id(&row, 0)?.get();
    let mut rows = 0;
    for table in ["connectors", "deleted", "once", "revisions", "parts", "access_events", "refused_sign_ins"] {
        let delete = format!(
            "WITH removed AS (DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM {table} WHERE tenant_id = $1 LIMIT {REMOVED_ROWS})) RETURNING 1)
             SELECT count(*) FROM removed"
        );
        let row = transaction.query_one(&delete, &[&id]).await?.ok_or_else(|| unreadable("no count"))?;
        rows += value::count(&row, 0)?;
    }
    if rows == 0 {
        transaction.query("UPDATE tenants SET removed_at = $2 WHERE id = $1", &[&id, &now()]).await?;
    }
    Ok(Some(RemovedRows { rows, is_all: rows == 0 }))
}

/// Counts the connectors of a tenant, and the bytes of all its revisions.
pub(super) async fn usage(pool: &Arc<Pool>, tenant: TenantId) -> Result<(u64, u64)> {
    let query = "SELECT connectors, greatest(bytes - coalesce((SELECT removed_bytes FROM tenants WHERE id = $1), 0), 0)
                     FROM revisions WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1";
    let row = pool.query_one(query, &[&tenant.get()]).await?;
    row.map_or(Ok((0, 0)), |row| Ok((value::count(&row, 0)?, value::count(&row, 1)?)))
}

/// Refuses a change of access by a client that was deleted, or lost its rights, since its request was let in.
async fn expect_manager(transaction: &Transaction, tenant: TenantId, by: &AccessOrigin) -> Result<()> {
    let author = &by.origin.author;
    if author.kind != AuthorKind::Client {
        return Ok(());
    }
    let row = transaction.query_one(&format!("{CLIENTS} WHERE clients.id = $1"), &[&text(&author.id)]).await?;
    let found = row.as_ref().map(client_row).transpose()?.filter(|client| client.tenant.id == tenant);
    let may = found.is_some_and(|client| Permission::ManageClients.check(client.level, &client.scopes).is_ok());
    if may { Ok(()) } else { Err(StoreError::Unknown(format!("the client `{}`, which asks for this,", author.id))) }
}

/// Creates a client of a tenant. Checks everything by reading before it writes.
pub(super) async fn create_client(
    transaction: &Transaction,
    tenant: &str,
    client: &NewClient,
    by: &AccessOrigin,
) -> Result<()> {
    let tenant = tenant_in(transaction, Some(tenant)).await?.ok_or_else(|| unknown_tenant(tenant))?.id;
    // The name of the tenant is known before its id, so the lock comes after the first read.
    transaction.lock(Lock::access(tenant)).await?;
    expect_manager(transaction, tenant, by).await?;
    let query = "SELECT count(*) FROM clients WHERE tenant_id = $1";
    let row = transaction.query_one(query, &[&tenant.get()]).await?.ok_or_else(|| unreadable("no count"))?;
    if value::count(&row, 0)? >= CLIENTS_PER_TENANT as u64 {
        return Err(StoreError::ClientLimit(CLIENTS_PER_TENANT));
    }
    let insert = format!(
        "INSERT INTO clients (id, tenant_id, name, secret_hash, level, scopes, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, {NOW}) ON CONFLICT (id) DO NOTHING RETURNING id"
    );
    let (level, scopes) = (client.level.as_str(), client.scopes.to_string());
    let (id, name) = (text(&client.id), text(&client.name));
    let secret_hash = client.secret_hash.as_str();
    let row = transaction.query_one(&insert, &[&id, &tenant.get(), &name, &secret_hash, &level, &scopes]).await?;
    if row.is_none() {
        return Err(StoreError::Exists(format!("the client `{}`", client.id)));
    }
    access_events::record(transaction, tenant, AccessAction::ClientCreated, Some(&client.id), by).await
}

/// Creates the first tenant and its client, if there is no tenant yet. Returns whether it created them.
pub(super) async fn bootstrap(
    transaction: &Transaction,
    name: &str,
    client: &NewClient,
    by: &AccessOrigin,
) -> Result<bool> {
    // The row of a deleted tenant stays.
    if transaction.query_one("SELECT 1 FROM tenants LIMIT 1", &[]).await?.is_some() {
        return Ok(false);
    }
    create_tenant(transaction, name, by).await?;
    create_client(transaction, name, client, by).await?;
    Ok(true)
}

/// Reads a setting.
pub(super) async fn setting(pool: &Arc<Pool>, name: &str) -> Result<Option<String>> {
    let row = pool.query_one("SELECT value FROM settings WHERE name = $1", &[&name]).await?;
    row.map(|row| column(&row, 0)).transpose()
}

/// Sets a setting. Writes nothing if it is the same as before.
pub(super) async fn set(transaction: &Transaction, name: &str, value: &str) -> Result<()> {
    let upsert = "INSERT INTO settings (name, value) VALUES ($1, $2)
                  ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE settings.value <> excluded.value";
    transaction.query(upsert, &[&name, &text(value)]).await?;
    Ok(())
}

/// Reads the names of clients of a tenant by their ids.
pub(super) async fn client_names(
    pool: &Arc<Pool>,
    tenant: TenantId,
    ids: &[String],
) -> Result<HashMap<String, String>> {
    let ids: Vec<_> = ids.iter().map(|id| text(id)).collect();
    let query = "SELECT id, name FROM clients WHERE tenant_id = $1 AND id = ANY ($2)";
    let rows = pool.query(query, &[&tenant.get(), &ids]).await?;
    rows.iter().map(|row| Ok((text_column(row, 0)?, text_column(row, 1)?))).collect()
}

const CLIENTS: &str = "SELECT clients.id, clients.name, secret_hash, level, scopes, clients.created_at,
                              tenants.id, tenants.uuid, tenants.name, tenants.created_at, tenants.max_connectors,
                              tenants.max_bytes, tenants.suspended_at
                       FROM clients JOIN tenants ON tenants.id = clients.tenant_id";

pub(super) async fn client(pool: &Arc<Pool>, id: &str) -> Result<Option<ApiClient>> {
    let row = pool.query_one(&format!("{CLIENTS} WHERE clients.id = $1"), &[&text(id)]).await?;
    row.as_ref().map(client_row).transpose()
}

/// Reads the signing keys. If there is none, `generated` becomes the first.
pub(super) async fn signing_keys(transaction: &Transaction, generated: &SigningKey) -> Result<Vec<SigningKey>> {
    let insert = format!(
        "INSERT INTO signing_keys (id, pem, created_at)
             SELECT $1, $2, {NOW} WHERE NOT EXISTS (SELECT 1 FROM signing_keys)"
    );
    transaction.query(&insert, &[&generated.id, &generated.pem]).await?;
    keys(&transaction.query(&signing_keys_query(), &[&published()]).await?)
}

/// Reads the signing keys that there are.
pub(super) async fn known_signing_keys(pool: &Arc<Pool>) -> Result<Vec<SigningKey>> {
    keys(&pool.query(&signing_keys_query(), &[&published()]).await?)
}

/// The statement that reads the signing keys, the newest first.
fn signing_keys_query() -> String {
    format!("SELECT id, pem, created_at > {NOW} - $1 FROM signing_keys ORDER BY created_at DESC, id")
}

/// The time for which a key is published before it signs, in milliseconds.
fn published() -> i64 {
    i64::try_from(KEY_PUBLISHED.as_millis()).unwrap_or(i64::MAX)
}

fn keys(rows: &[Row]) -> Result<Vec<SigningKey>> {
    let key = |row: &Row| Ok(SigningKey { id: column(row, 0)?, pem: column(row, 1)?, is_new: column(row, 2)? });
    rows.iter().map(key).collect()
}

/// By how many milliseconds the clock of the database is ahead of this machine's. The time between the question and the
/// answer is divided in halves.
pub(super) async fn clock_difference(pool: &Arc<Pool>) -> Result<i64> {
    // The first statement may have to connect.
    pool.query("SELECT 1", &[]).await?;
    let asked = now();
    let row = pool.query_one(&format!("SELECT {NOW}"), &[]).await?;
    let answered = now();
    let time: i64 = column(&row.ok_or_else(|| unreadable("no time"))?, 0)?;
    Ok(time - asked.midpoint(answered))
}

fn client_row(row: &Row) -> Result<ApiClient> {
    Ok(ApiClient {
        id: text_column(row, 0)?,
        name: text_column(row, 1)?,
        secret_hash: column(row, 2)?,
        level: word(column(row, 3)?)?,
        scopes: word(column(row, 4)?)?,
        created_at: column(row, 5)?,
        tenant: value::tenant(row, 6)?,
    })
}

fn unknown_tenant(name: &str) -> StoreError {
    StoreError::Unknown(format!("the tenant `{name}`"))
}
