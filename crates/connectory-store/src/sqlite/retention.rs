//! The rows that retention reads, and those that it empties and deletes.

use rusqlite::{Connection, OptionalExtension, params};

use super::key::{first_key, key};
use super::usage::Usage;
use crate::access::TenantId;
use crate::body::format;
use crate::error::Result;
use crate::retention::{Link, Newest, Removal, Removed, Row, Run, removal};
use crate::revision::{RevisionId, RevisionNumber};

/// Reads the newest revisions of connectors, deleted ones too, with script names after one.
pub(super) fn newest(connection: &Connection, tenant: TenantId, after: &str, limit: u32) -> Result<Vec<Newest>> {
    let mut statement = connection.prepare_cached(
        "SELECT found.script_name, found.number, coalesce(length(before.body) > 0, false)
             FROM (SELECT script_name, number FROM connectors WHERE tenant_id = ?1 AND script_name > ?2
                   UNION ALL
                   SELECT script_name, number FROM deleted WHERE tenant_id = ?1 AND script_name > ?2
                   ORDER BY script_name LIMIT ?3) AS found
             LEFT JOIN revisions AS newest ON newest.key = ?4 + found.number
             LEFT JOIN revisions AS before ON before.key = ?4 + newest.previous
             ORDER BY found.script_name",
    )?;
    let rows = statement.query_map(params![tenant.get(), after, limit, first_key(tenant)], |row| {
        Ok(Newest { script_name: row.get(0)?, number: row.get(1)?, has_more: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads revisions of a connector, from one of them to older ones, up to the first without a body.
pub(super) fn links(connection: &Connection, from: RevisionId, limit: u32) -> Result<Vec<Link>> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE history (number, previous, created_at, has_body) AS (
             SELECT number, previous, created_at, length(body) > 0 FROM revisions WHERE key = ?1
             UNION ALL
             SELECT found.number, found.previous, found.created_at, length(found.body) > 0
                 FROM history JOIN revisions AS found ON found.key = ?2 + history.previous WHERE history.has_body
         )
         SELECT number, previous, created_at, has_body FROM history LIMIT ?3",
    )?;
    let rows = statement.query_map(params![key(from), first_key(from.tenant), limit], |row| {
        Ok(Link { number: row.get(0)?, previous: row.get(1)?, created_at: row.get(2)?, has_body: row.get(3)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Removes bodies, and the parts that go with them.
pub(super) fn remove(connection: &Connection, usage: &mut Usage, tenant: TenantId, run: &Run) -> Result<Removed> {
    let key = |number: RevisionNumber| key(RevisionId { tenant, number });
    let mut read = connection.prepare_cached(
        "SELECT format, octet_length(body), iif(format = ?2, body, NULL) FROM revisions WHERE key = ?1",
    )?;
    let newest = connection
        .prepare_cached(
            "SELECT number FROM connectors WHERE tenant_id = ?1 AND script_name = ?2
                 UNION ALL SELECT number FROM deleted WHERE tenant_id = ?1 AND script_name = ?2",
        )?
        .query_row(params![tenant.get(), run.script_name], |row| row.get(0))
        .optional()?;
    let mut rows = Vec::new();
    for number in run.rows().chain(newest) {
        let row = read.query_row(params![key(number), format::HEAD], |row| {
            let (format, bytes) = (row.get(0)?, row.get(1)?);
            Ok(Row { number, format, bytes, head: row.get(2)? })
        });
        rows.extend(row.optional()?);
    }
    let Removal { bodies, mut bytes, parts } = removal(run, rows)?;
    // All is read before the first write.
    let mut sizes = connection.prepare_cached("SELECT octet_length(body) FROM parts WHERE key = ?1 AND part = ?2")?;
    for (part, holder) in &parts {
        let size = sizes.query_row(params![key(*holder), part.to_string()], |row| row.get::<_, u64>(0)).optional()?;
        bytes += size.unwrap_or_default();
    }
    let mut delete = connection.prepare_cached("DELETE FROM parts WHERE key = ?1 AND part = ?2")?;
    for (part, holder) in &parts {
        delete.execute(params![key(*holder), part.to_string()])?;
    }
    let mut empty = connection.prepare_cached("UPDATE revisions SET body = x'' WHERE key = ?1")?;
    for number in &bodies {
        empty.execute([key(*number)])?;
    }
    usage.removed(tenant, bytes);
    Ok(Removed { bodies: bodies.len() as u64, bytes, is_elsewhere: false })
}
