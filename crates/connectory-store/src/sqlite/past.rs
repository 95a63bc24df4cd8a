//! Reads of what was before: the revisions after one, the revision at a time, and the connectors at a revision.

use std::collections::HashMap;

use connectory_model::Status;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connectors::{bytes_of, revision, script_name};
use super::key::{end_key, first_key, key};
use super::rows;
use crate::access::TenantId;
use crate::body;
use crate::error::Result;
use crate::find::{Firsts, RevisionFilter};
use crate::past::{self, Deleted, DeletedAt, DeletedKind, Left, Moment};
use crate::revision::{Action, Revision, RevisionId, RevisionNumber, columns};

const AFTER: &str =
    concat!("SELECT ", columns!(""), " FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT ?3");

/// Reads the revisions with numbers after one, the oldest first.
pub(super) fn revisions_after(connection: &Connection, after: RevisionId, limit: u32) -> Result<Vec<Revision>> {
    let mut statement = connection.prepare_cached(AFTER)?;
    let rows = statement.query_map(params![key(after), end_key(after.tenant), limit], revision)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const ONE: &str = concat!("SELECT ", columns!(""), " FROM revisions WHERE key = ?1");

/// Reads the revisions with these numbers.
pub(super) fn revisions_at(
    connection: &Connection,
    tenant: TenantId,
    numbers: &[RevisionNumber],
) -> Result<Vec<Revision>> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut found = Vec::with_capacity(numbers.len());
    for number in numbers {
        found.extend(statement.query_row([key(RevisionId { tenant, number: *number })], revision).optional()?);
    }
    Ok(found)
}

/// Reads the statuses of connectors at these revisions.
pub(super) fn statuses(
    connection: &Connection,
    tenant: TenantId,
    numbers: &[RevisionNumber],
) -> Result<HashMap<RevisionNumber, Status>> {
    let mut statement = connection.prepare_cached("SELECT format, body FROM revisions WHERE key = ?1")?;
    let mut found = HashMap::new();
    for number in numbers {
        let mut rows = statement.query([key(RevisionId { tenant, number: *number })])?;
        let Some(row) = rows.next()? else { continue };
        let body = bytes_of(row.get_ref(1)?)?;
        if !body.is_empty() {
            found.insert(*number, body::status(row.get(0)?, body)?);
        }
    }
    Ok(found)
}

const DELETED: &str = "SELECT * FROM (SELECT number, FALSE FROM deleted
                                  WHERE tenant_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3)
               UNION ALL
               SELECT * FROM (SELECT previous, TRUE FROM revisions
                                  WHERE tenant_id = ?1 AND previous < ?2 AND action = 1 AND previous IS NOT NULL
                                  ORDER BY previous DESC LIMIT ?4)
               ORDER BY 1 DESC LIMIT ?3";

/// Finds the connectors that were deleted last.
pub(super) fn deleted_at(
    connection: &Connection,
    tenant: TenantId,
    kind: DeletedKind,
    before: Option<RevisionNumber>,
    limit: u32,
) -> Result<Vec<DeletedAt>> {
    let replaced = if kind == DeletedKind::All { limit } else { 0 };
    let before = before.map_or(i64::MAX, RevisionNumber::get);
    let mut statement = connection.prepare_cached(DELETED)?;
    let at = |row: &Row<'_>| Ok(DeletedAt { number: row.get(0)?, is_replaced: row.get(1)? });
    Ok(statement.query_map(params![tenant.get(), before, limit, replaced], at)?.collect::<rusqlite::Result<_>>()?)
}

const WITH_BODY: &str = concat!("SELECT ", columns!(""), ", format, body FROM revisions WHERE key = ?1");

/// Reads deleted connectors.
pub(super) fn deleted(connection: &Connection, tenant: TenantId, at: &[DeletedAt]) -> Result<Vec<Deleted>> {
    let mut statement = connection.prepare_cached(WITH_BODY)?;
    let mut deleted = Vec::with_capacity(at.len());
    for DeletedAt { number, is_replaced } in at {
        let mut rows = statement.query([key(RevisionId { tenant, number: *number })])?;
        let Some(row) = rows.next()? else { continue };
        let body = bytes_of(row.get_ref(14)?)?;
        let named = (!body.is_empty()).then(|| body::name_and_type(row.get(13)?, body)).transpose()?;
        deleted.push(Deleted::new(revision(row)?, named, *is_replaced));
    }
    Ok(deleted)
}

/// Counts deleted connectors, up to a number.
pub(super) fn deleted_count(connection: &Connection, tenant: TenantId, most: u32) -> Result<u64> {
    let query = "SELECT count(*) FROM (SELECT 1 FROM deleted WHERE tenant_id = ?1
                                       UNION ALL
                                       SELECT 1 FROM revisions
                                           WHERE tenant_id = ?1 AND action = 1 AND previous IS NOT NULL LIMIT ?2)";
    Ok(connection.prepare_cached(query)?.query_row(params![tenant.get(), most], |row| row.get(0))?)
}

const FIND: &str = concat!(
    "SELECT ",
    columns!(""),
    " FROM revisions WHERE key > ?1 AND key < ?2
          AND (?3 IS NULL OR author_id IN (SELECT value FROM json_each(?3))
                          OR author_name IN (SELECT value FROM json_each(?3)))
          AND (?4 IS NULL OR action = ?4)
          AND (?5 IS NULL OR instr(' ' || changed || ' ', ?5) > 0)
          ORDER BY key DESC LIMIT ?6"
);

/// Finds revisions that have something, among those between two numbers, the newest first.
pub(super) fn find(
    connection: &Connection,
    tenant: TenantId,
    filter: &RevisionFilter,
    (after, before): (RevisionNumber, RevisionNumber),
    limit: u32,
) -> Result<Vec<Revision>> {
    let [after, before] = [after, before].map(|number| key(RevisionId { tenant, number }));
    let action = filter.action.map(Action::number);
    let looked = "SELECT author_id, author_name FROM revisions WHERE key > ?1 AND key < ?2";
    let authors = rows::texts_of(connection, filter.author.as_ref(), looked, params![after, before])?;
    let mut statement = connection.prepare_cached(FIND)?;
    let values = params![after, before, authors, action, filter.changed_text(), limit];
    Ok(statement.query_map(values, revision)?.collect::<rusqlite::Result<_>>()?)
}

/// Finds the numbers of the first revisions of changes.
pub(super) fn first_of_changes(
    connection: &Connection,
    tenant: TenantId,
    changes: &[RevisionNumber],
) -> Result<Vec<RevisionNumber>> {
    let mut statement = connection.prepare_cached("SELECT coalesce(change, number) FROM revisions WHERE key = ?1")?;
    let mut firsts = Firsts::of(changes);
    loop {
        let probes = firsts.probes();
        if probes.is_empty() {
            return Ok(firsts.found());
        }
        let mut found = HashMap::new();
        for number in probes {
            let change: Option<i64> = statement.query_row([first_key(tenant) | number], |row| row.get(0)).optional()?;
            found.extend(change.map(|change| (number, change)));
        }
        firsts.note(&found);
    }
}

/// Reads the newest revision up to a number: its number, its change and its time.
fn moment(connection: &Connection, tenant: TenantId, up_to: RevisionNumber) -> Result<Option<Moment>> {
    let query = "SELECT number, coalesce(change, number), created_at FROM revisions WHERE key > ?1 AND key <= ?2
                     ORDER BY key DESC LIMIT 1";
    let read = |row: &Row<'_>| Ok(Moment { number: row.get(0)?, change: row.get(1)?, created_at: row.get(2)? });
    let up_to = key(RevisionId { tenant, number: up_to });
    Ok(connection.prepare_cached(query)?.query_row([first_key(tenant), up_to], read).optional()?)
}

/// Finds the newest revision that was committed at a time or before it.
pub(super) fn moment_at(connection: &Connection, tenant: TenantId, time: i64) -> Result<Option<Moment>> {
    let _one_moment = connection.unchecked_transaction()?;
    past::search(time, |up_to| moment(connection, tenant, up_to))
}

/// Finds the newest revision up to a number.
pub(super) fn moment_of(connection: &Connection, id: RevisionId) -> Result<Option<Moment>> {
    moment(connection, id.tenant, id.number)
}

/// Reads what each connector was, at a revision, that changed after it.
pub(super) fn left_at(connection: &Connection, id: RevisionId) -> Result<Vec<Left>> {
    // SQLite takes the columns of a group from the row that has the minimum.
    let mut statement = connection.prepare_cached(
        "SELECT first.script_name, before.number, length(before.body) > 0
             FROM (SELECT script_name, min(key), previous FROM revisions WHERE key > ?1 AND key < ?2
                       GROUP BY script_name) AS first
             LEFT JOIN revisions AS before ON before.key = ?3 + first.previous AND before.action <> 3",
    )?;
    let rows = statement.query_map(params![key(id), end_key(id.tenant), first_key(id.tenant)], |row| {
        let has_body = row.get::<_, Option<bool>>(2)?.unwrap_or_default();
        Ok(Left { script_name: script_name(row, 0)?, number: row.get(1)?, has_body })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
