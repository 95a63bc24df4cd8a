//! The rows that retention reads, and those that it empties and deletes.
//!
//! A step is one transaction. Only the process with the lease of retention makes steps. A step also has the lock of the tenant's
//! commits, so that no commit is checked against a quota in the middle of it.

use std::sync::Arc;

use super::connection::Lock;
use super::leases;
use super::pool::Pool;
use super::transaction::Transaction;
use super::value::{column, count, number, optional_number, stored};
use crate::access::TenantId;
use crate::body::format;
use crate::error::Result;
use crate::lease::Lease;
use crate::retention::{Link, Newest, Removal, Removed, Row, Run, removal};
use crate::revision::{RevisionId, RevisionNumber};

/// Reads the newest revisions of connectors, deleted ones too, with script names after one.
pub(super) async fn newest(pool: &Arc<Pool>, tenant: TenantId, after: &str, limit: u32) -> Result<Vec<Newest>> {
    let query = "
        SELECT found.script_name, found.number, coalesce(length(before.body) > 0, false)
            FROM (SELECT * FROM (
                      (SELECT script_name, number FROM connectors WHERE tenant_id = $1 AND script_name > $2
                           ORDER BY script_name LIMIT $3)
                      UNION ALL
                      (SELECT script_name, number FROM deleted WHERE tenant_id = $1 AND script_name > $2
                           ORDER BY script_name LIMIT $3)) AS both_kinds
                  ORDER BY script_name LIMIT $3) AS found
            LEFT JOIN revisions AS newest ON newest.tenant_id = $1 AND newest.number = found.number
            LEFT JOIN revisions AS before ON before.tenant_id = $1 AND before.number = newest.previous
            ORDER BY found.script_name";
    let rows = pool.query(query, &[&tenant.get(), &after, &i64::from(limit)]).await?;
    let newest =
        |row: &_| Ok(Newest { script_name: column(row, 0)?, number: number(row, 1)?, has_more: column(row, 2)? });
    rows.iter().map(newest).collect()
}

/// Reads revisions of a connector, from one of them to older ones, up to the first without a body.
pub(super) async fn links(pool: &Arc<Pool>, from: RevisionId, limit: u32) -> Result<Vec<Link>> {
    let query = "
        WITH RECURSIVE history (number, previous, created_at, has_body) AS (
            SELECT number, previous, created_at, length(body) > 0 FROM revisions WHERE tenant_id = $1 AND number = $2
            UNION ALL
            SELECT found.number, found.previous, found.created_at, length(found.body) > 0
                FROM history JOIN revisions AS found ON found.tenant_id = $1 AND found.number = history.previous
                WHERE history.has_body
        )
        SELECT number, previous, created_at, has_body FROM history LIMIT $3";
    let rows = pool.query(query, &[&from.tenant.get(), &from.number.get(), &i64::from(limit)]).await?;
    let link = |row: &_| {
        Ok(Link {
            number: number(row, 0)?,
            previous: optional_number(row, 1)?,
            created_at: column(row, 2)?,
            has_body: column(row, 3)?,
        })
    };
    rows.iter().map(link).collect()
}

/// Removes bodies, and the parts that go with them. Returns none if the lease is not held any more.
pub(super) async fn remove(pool: &Arc<Pool>, tenant: TenantId, run: &Run, lease: &Lease) -> Result<Option<Removed>> {
    let Some(transaction) = leases::begin(pool, lease).await? else { return Ok(None) };
    let removed = write(&transaction, tenant, run).await;
    transaction.end(removed).await.map(Some)
}

async fn write(transaction: &Transaction, tenant: TenantId, run: &Run) -> Result<Removed> {
    transaction.lock(Lock::commits(tenant)).await?;
    let tenant = tenant.get();
    let numbers: Vec<_> = run.rows().map(RevisionNumber::get).collect();
    let query = "SELECT number, format, length(body)::bigint, CASE WHEN format = $3 THEN body END
                     FROM revisions WHERE tenant_id = $1 AND number IN (
                         SELECT unnest($2)
                         UNION SELECT number FROM connectors WHERE tenant_id = $1 AND script_name = $4
                         UNION SELECT number FROM deleted WHERE tenant_id = $1 AND script_name = $4)";
    let rows = transaction.query(query, &[&tenant, &numbers, &format::HEAD, &run.script_name]).await?;
    let row = |row: &_| {
        Ok(Row { number: number(row, 0)?, format: column(row, 1)?, bytes: count(row, 2)?, head: column(row, 3)? })
    };
    let Removal { bodies, mut bytes, parts } = removal(run, rows.iter().map(row).collect::<Result<_>>()?)?;
    if bodies.is_empty() {
        return Ok(Removed::default());
    }
    if !parts.is_empty() {
        let (names, holders): (Vec<_>, Vec<_>) =
            parts.iter().map(|(part, holder)| (part.to_string(), holder.get())).unzip();
        let delete = "DELETE FROM parts USING unnest($2::text[], $3::bigint[]) AS gone (name, holder)
                          WHERE tenant_id = $1 AND number = holder AND part = name RETURNING length(body)::bigint";
        for row in transaction.query(delete, &[&tenant, &names, &holders]).await? {
            bytes += count(&row, 0)?;
        }
    }
    let bodies: Vec<_> = bodies.iter().copied().map(RevisionNumber::get).collect();
    let empty = "UPDATE revisions SET body = '' WHERE tenant_id = $1 AND number = ANY ($2)";
    transaction.query(empty, &[&tenant, &bodies]).await?;
    let note = "UPDATE tenants SET removed_bytes = removed_bytes + $2 WHERE id = $1";
    transaction.query(note, &[&tenant, &stored(bytes)?]).await?;
    Ok(Removed { bodies: bodies.len() as u64, bytes, is_elsewhere: false })
}
