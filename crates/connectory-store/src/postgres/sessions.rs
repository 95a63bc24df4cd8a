//! The rows of sessions.

use std::sync::Arc;

use connectory_model::limits::{SESSIONS_PER_AUTHOR, SESSIONS_PER_TENANT};

use super::access_events;
use super::connection::Lock;
use super::pool::Pool;
use super::transaction::Transaction;
use super::value::{self, TENANT_COLUMNS, author, column, text, word};
use crate::access_event::{AccessAction, AccessOrigin};
use crate::error::Result;
use crate::session::{Ended, NewSession, Session, SessionHash};

/// Begins a session and records the sign-in. The transaction has the lock of the tenant. Deletes the session that it
/// replaces, the sessions of the tenant that have ended, and the oldest ones of the same author and of the tenant if
/// there are too many.
pub(super) async fn begin(transaction: &Transaction, new: &NewSession, ended: Ended, by: &AccessOrigin) -> Result<()> {
    let NewSession { hash, tenant, rights, created_at, replaces } = new;
    let (kind, id, tenant_id) = (by.origin.author.kind.number(), text(&by.origin.author.id), tenant.get());
    access_events::expect_tenant(transaction, *tenant).await?;
    let replaced = replaces.as_ref().map(<[u8; 32]>::as_slice);
    transaction
        .query(
            "DELETE FROM sessions WHERE (tenant_id = $1 AND (created_at < $2 OR used_at < $3)) OR hash = $4",
            &[&tenant_id, &ended.created_before, &ended.used_before, &replaced],
        )
        .await?;
    // A new session makes room for itself.
    let of_author = "DELETE FROM sessions WHERE hash IN
                         (SELECT hash FROM sessions WHERE tenant_id = $1 AND author_kind = $2 AND author_id = $3
                          ORDER BY used_at DESC OFFSET $4)";
    transaction.query(of_author, &[&tenant_id, &kind, &id, &(i64::from(SESSIONS_PER_AUTHOR) - 1)]).await?;
    let of_tenant = "DELETE FROM sessions WHERE hash IN
                         (SELECT hash FROM sessions WHERE tenant_id = $1 ORDER BY used_at DESC OFFSET $2)";
    transaction.query(of_tenant, &[&tenant_id, &(i64::from(SESSIONS_PER_TENANT) - 1)]).await?;
    let (level, scopes) = rights.as_ref().map(|(level, scopes)| (level.as_str(), scopes.to_string())).unzip();
    let name = by.origin.author.name.as_deref().map(text);
    let insert =
        "INSERT INTO sessions (hash, tenant_id, author_kind, author_id, author_name, level, scopes, created_at,
                                        used_at)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    transaction.query(insert, &[&hash.as_slice(), &tenant_id, &kind, &id, &name, &level, &scopes, created_at]).await?;
    access_events::record(transaction, *tenant, AccessAction::SignIn, None, by).await
}

/// Reads a session, if it has not ended.
pub(super) async fn session(pool: &Arc<Pool>, hash: &SessionHash, ended: Ended) -> Result<Option<Session>> {
    let query = format!(
        "SELECT author_kind, author_id, author_name, level, scopes, sessions.created_at, used_at, {TENANT_COLUMNS}
             FROM sessions JOIN tenants ON tenants.id = tenant_id
             WHERE hash = $1 AND sessions.created_at >= $2 AND used_at >= $3"
    );
    let values: [&dyn value::Value; 3] = [&hash.as_slice(), &ended.created_before, &ended.used_before];
    let Some(row) = pool.query_one(&query, &values).await? else { return Ok(None) };
    let rights = match column::<Option<&str>>(&row, 3)?.zip(column::<Option<&str>>(&row, 4)?) {
        Some((level, scopes)) => Some((word(level)?, word(scopes)?)),
        None => None,
    };
    let (created_at, used_at) = (column(&row, 5)?, column(&row, 6)?);
    Ok(Some(Session { tenant: value::tenant(&row, 7)?, author: author(&row, 0)?, rights, created_at, used_at }))
}

/// Sets the time of the last use of a session. A session that has ended stays ended.
pub(super) async fn touch(pool: &Arc<Pool>, hash: &SessionHash, used_at: i64) -> Result<()> {
    pool.query("UPDATE sessions SET used_at = $2 WHERE hash = $1", &[&hash.as_slice(), &used_at]).await?;
    Ok(())
}

/// Ends a session and records it. Does nothing if there is none.
pub(super) async fn end(transaction: &Transaction, hash: &SessionHash, by: &AccessOrigin) -> Result<()> {
    let find = "SELECT tenant_id FROM sessions WHERE hash = $1";
    let Some(row) = transaction.query_one(find, &[&hash.as_slice()]).await? else { return Ok(()) };
    let tenant = value::tenant_id(&row, 0)?;
    transaction.lock(Lock::access(tenant)).await?;
    let delete = "DELETE FROM sessions WHERE hash = $1 RETURNING 1";
    if transaction.query_one(delete, &[&hash.as_slice()]).await?.is_none() {
        return Ok(());
    }
    access_events::record(transaction, tenant, AccessAction::SignOut, None, by).await
}
