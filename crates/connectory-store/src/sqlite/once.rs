//! The rows of keys under which requests were committed.

use connectory_model::limits::ONCE_REVISIONS;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::access::TenantId;
use crate::error::Result;
use crate::once::{Done, Once, REMOVED};
use crate::revision::RevisionNumber;

/// Reads what was committed under the key of a request, unless that is too long ago.
pub(super) fn done(connection: &Connection, tenant: TenantId, once: &Once) -> Result<Option<Done>> {
    let read = |row: &Row<'_>| Ok(Done::new(row.get(0)?, row.get(1)?, row.get(2)?));
    Ok(connection
        .prepare_cached(
            "SELECT fingerprint, first, last FROM once WHERE tenant_id = ?1 AND key = ?2 AND created_at >= ?3",
        )?
        .query_row(params![tenant.get(), once.key, once.oldest()], read)
        .optional()?)
}

/// Notes the first and the last revision of a request under its key. Removes some of the oldest keys of the tenant if
/// they are too old, or if too many revisions were made since then.
pub(super) fn note(
    connection: &Connection,
    tenant: TenantId,
    once: &Once,
    (first, last): (RevisionNumber, RevisionNumber),
) -> Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM once WHERE tenant_id = ?1 AND (created_at < ?2 OR last <= ?3)
                 AND key IN (SELECT key FROM once WHERE tenant_id = ?1 ORDER BY last LIMIT ?4)",
        )?
        .execute(params![tenant.get(), once.oldest(), last.get() - ONCE_REVISIONS, REMOVED])?;
    // A key that was used before, too long ago, may still have its row.
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO once (tenant_id, key, fingerprint, first, last, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![tenant.get(), once.key, once.fingerprint, first.get(), last.get(), once.at])?;
    Ok(())
}
