//! The rows of sessions.

use connectory_model::limits::{SESSIONS_PER_AUTHOR, SESSIONS_PER_TENANT};
use rusqlite::{Connection, OptionalExtension, params};

use super::access_events;
use super::rows::{self, TENANT_COLUMNS, author, word};
use crate::access::TenantId;
use crate::access_event::{AccessAction, AccessOrigin};
use crate::error::Result;
use crate::session::{Ended, NewSession, Session, SessionHash};

/// Begins a session and records the sign-in. Deletes the session that it replaces, the sessions of the tenant that have
/// ended, and the oldest ones of the same author and of the tenant if there are too many.
pub(super) fn begin(connection: &Connection, new: &NewSession, ended: Ended, by: &AccessOrigin) -> Result<()> {
    let NewSession { hash, tenant, rights, created_at, replaces } = new;
    let (author, tenant_id) = (&by.origin.author, tenant.get());
    access_events::expect_tenant(connection, *tenant)?;
    connection.execute(
        "DELETE FROM sessions WHERE (tenant_id = ?1 AND (created_at < ?2 OR used_at < ?3)) OR hash = ?4",
        params![tenant_id, ended.created_before, ended.used_before, replaces],
    )?;
    // A new session makes room for itself.
    connection.execute(
        "DELETE FROM sessions WHERE hash IN
             (SELECT hash FROM sessions WHERE tenant_id = ?1 AND author_kind = ?2 AND author_id = ?3
              ORDER BY used_at DESC LIMIT -1 OFFSET ?4)",
        params![tenant_id, author.kind.number(), author.id, SESSIONS_PER_AUTHOR - 1],
    )?;
    connection.execute(
        "DELETE FROM sessions WHERE hash IN
             (SELECT hash FROM sessions WHERE tenant_id = ?1 ORDER BY used_at DESC LIMIT -1 OFFSET ?2)",
        params![tenant_id, SESSIONS_PER_TENANT - 1],
    )?;
    let (level, scopes) = rights.as_ref().map(|(level, scopes)| (level.as_str(), scopes.to_string())).unzip();
    connection.execute(
        "INSERT INTO sessions (hash, tenant_id, author_kind, author_id, author_name, level, scopes, created_at, used_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        params![hash, tenant_id, author.kind.number(), author.id, author.name, level, scopes, created_at],
    )?;
    access_events::record(connection, *tenant, AccessAction::SignIn, None, by)
}

/// Reads a session, if it has not ended.
pub(super) fn session(connection: &Connection, hash: &SessionHash, ended: Ended) -> Result<Option<Session>> {
    let query = format!(
        "SELECT author_kind, author_id, author_name, level, scopes, sessions.created_at, used_at, {TENANT_COLUMNS}
             FROM sessions JOIN tenants ON tenants.id = tenant_id
             WHERE hash = ?1 AND sessions.created_at >= ?2 AND used_at >= ?3"
    );
    let read = |row: &rusqlite::Row<'_>| {
        let rights = match row.get::<_, Option<String>>(3)?.zip(row.get::<_, Option<String>>(4)?) {
            Some((level, scopes)) => Some((word(3, &level)?, word(4, &scopes)?)),
            None => None,
        };
        let (created_at, used_at) = (row.get(5)?, row.get(6)?);
        Ok(Session { tenant: rows::tenant(row, 7)?, author: author(row, 0)?, rights, created_at, used_at })
    };
    let values = params![hash, ended.created_before, ended.used_before];
    Ok(connection.prepare_cached(&query)?.query_row(values, read).optional()?)
}

/// Removes the sessions of all tenants that have ended. Returns how many.
pub(super) fn remove_ended(connection: &Connection, ended: Ended) -> Result<u64> {
    let delete = "DELETE FROM sessions WHERE created_at < ?1 OR used_at < ?2";
    Ok(connection.execute(delete, [ended.created_before, ended.used_before])? as u64)
}

/// Sets the time of the last use of a session. A session that has ended stays ended.
pub(super) fn touch(connection: &Connection, hash: &SessionHash, used_at: i64) -> Result<()> {
    connection.execute("UPDATE sessions SET used_at = ?2 WHERE hash = ?1", params![hash, used_at])?;
    Ok(())
}

/// Ends a session and records it. Does nothing if there is none.
pub(super) fn end(connection: &Connection, hash: &SessionHash, by: &AccessOrigin) -> Result<()> {
    let delete = "DELETE FROM sessions WHERE hash = ?1 RETURNING tenant_id";
    let tenant: Option<i64> = connection.query_row(delete, [hash], |row| row.get(0)).optional()?;
    match tenant.and_then(TenantId::new) {
        Some(tenant) => access_events::record(connection, tenant, AccessAction::SignOut, None, by),
        None => Ok(()),
    }
}
