//! Reads of what was before: the revisions after one, the revision at a time, and the connectors at a revision.

use std::collections::HashMap;
use std::sync::Arc;

use connectory_model::Status;
use tokio_postgres::Row;

use super::pool::Pool;
use super::reads::revision;
use super::value::{Value, column, count, number, optional_number, script_name};
use super::who::texts_of;
use crate::access::TenantId;
use crate::body;
use crate::error::{Result, unreadable};
use crate::find::{Firsts, RevisionFilter};
use crate::past::{Deleted, DeletedAt, DeletedKind, Left, Moment, Search};
use crate::revision::{Action, Revision, RevisionId, RevisionNumber, columns};

const AFTER: &str =
    concat!("SELECT ", columns!(""), " FROM revisions WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3");

/// Reads the revisions with numbers after one, the oldest first.
pub(super) async fn revisions_after(pool: &Arc<Pool>, after: RevisionId, limit: u32) -> Result<Vec<Revision>> {
    let rows = pool.query(AFTER, &[&after.tenant.get(), &after.number.get(), &i64::from(limit)]).await?;
    rows.iter().map(revision).collect()
}

const AT: &str = concat!("SELECT ", columns!(""), " FROM revisions WHERE tenant_id = $1 AND number = ANY ($2)");

/// Reads the revisions with these numbers.
pub(super) async fn revisions_at(
    pool: &Arc<Pool>,
    tenant: TenantId,
    numbers: &[RevisionNumber],
) -> Result<Vec<Revision>> {
    let numbers: Vec<_> = numbers.iter().map(|number| number.get()).collect();
    pool.query(AT, &[&tenant.get(), &numbers]).await?.iter().map(revision).collect()
}

/// Reads the statuses of connectors at these revisions.
pub(super) async fn statuses(
    pool: &Arc<Pool>,
    tenant: TenantId,
    numbers: &[RevisionNumber],
) -> Result<HashMap<RevisionNumber, Status>> {
    let numbers: Vec<_> = numbers.iter().map(|number| number.get()).collect();
    let query = "SELECT number, format, body FROM revisions
                     WHERE tenant_id = $1 AND number = ANY ($2) AND length(body) > 0";
    let rows = pool.query(query, &[&tenant.get(), &numbers]).await?;
    rows.iter().map(|row| Ok((number(row, 0)?, body::status(column(row, 1)?, column(row, 2)?)?))).collect()
}

const DELETED: &str = "(SELECT number, FALSE FROM deleted
                            WHERE tenant_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3)
                       UNION ALL
                       (SELECT previous, TRUE FROM revisions
                            WHERE tenant_id = $1 AND previous < $2 AND action = 1 AND previous IS NOT NULL
                            ORDER BY previous DESC LIMIT $4)
                       ORDER BY 1 DESC LIMIT $3";

/// Finds the connectors that were deleted last.
pub(super) async fn deleted_at(
    pool: &Arc<Pool>,
    tenant: TenantId,
    kind: DeletedKind,
    before: Option<RevisionNumber>,
    limit: u32,
) -> Result<Vec<DeletedAt>> {
    let limit = i64::from(limit);
    let replaced = if kind == DeletedKind::All { limit } else { 0 };
    let before = before.map_or(i64::MAX, RevisionNumber::get);
    let rows = pool.query(DELETED, &[&tenant.get(), &before, &limit, &replaced]).await?;
    rows.iter().map(|row| Ok(DeletedAt { number: number(row, 0)?, is_replaced: column(row, 1)? })).collect()
}

const WITH_BODY: &str =
    concat!("SELECT ", columns!(""), ", format, body FROM revisions WHERE tenant_id = $1 AND number = ANY ($2)");

/// Reads deleted connectors.
pub(super) async fn deleted(pool: &Arc<Pool>, tenant: TenantId, at: &[DeletedAt]) -> Result<Vec<Deleted>> {
    let numbers: Vec<_> = at.iter().map(|at| at.number.get()).collect();
    let rows = pool.query(WITH_BODY, &[&tenant.get(), &numbers]).await?;
    let read = |row: &Row| {
        let body: &[u8] = column(row, 14)?;
        let named = (!body.is_empty()).then(|| body::name_and_type(column(row, 13)?, body)).transpose()?;
        let deletion = revision(row)?;
        Ok((deletion.number, (deletion, named)))
    };
    let mut read: HashMap<_, _> = rows.iter().map(read).collect::<Result<_>>()?;
    let found = |at: &DeletedAt| {
        let (deletion, named) = read.remove(&at.number)?;
        Some(Deleted::new(deletion, named, at.is_replaced))
    };
    Ok(at.iter().filter_map(found).collect())
}

/// Counts deleted connectors, up to a number.
pub(super) async fn deleted_count(pool: &Arc<Pool>, tenant: TenantId, most: u32) -> Result<u64> {
    let query = "SELECT count(*) FROM (SELECT 1 FROM deleted WHERE tenant_id = $1
                                       UNION ALL
                                       SELECT 1 FROM revisions
                                           WHERE tenant_id = $1 AND action = 1 AND previous IS NOT NULL LIMIT $2) AS found";
    let row = pool.query_one(query, &[&tenant.get(), &i64::from(most)]).await?.ok_or_else(|| unreadable("no count"))?;
    count(&row, 0)
}

const FIND: &str = concat!(
    "SELECT ",
    columns!(""),
    " FROM revisions WHERE tenant_id = $1 AND number > $2 AND number < $3
          AND ($4 IS NULL OR author_id = ANY ($4) OR author_name = ANY ($4))
          AND ($5 IS NULL OR action = $5)
          AND ($6 IS NULL OR strpos(' ' || changed || ' ', $6) > 0)
          ORDER BY number DESC LIMIT $7"
);

/// Finds revisions that have something, among those between two numbers, the newest first.
pub(super) async fn find(
    pool: &Arc<Pool>,
    tenant: TenantId,
    filter: &RevisionFilter,
    (after, before): (RevisionNumber, RevisionNumber),
    limit: u32,
) -> Result<Vec<Revision>> {
    let action = filter.action.map(Action::number);
    let looked = "SELECT author_id, author_name FROM revisions WHERE tenant_id = $1 AND number > $2 AND number < $3";
    let values: [&dyn Value; 3] = [&tenant.get(), &after.get(), &before.get()];
    let author = texts_of(pool, filter.author.as_ref(), looked, &values).await?;
    let (tenant, limit) = (tenant.get(), i64::from(limit));
    let values: [&dyn Value; 7] =
        [&tenant, &after.get(), &before.get(), &author, &action, &filter.changed_text(), &limit];
    pool.query(FIND, &values).await?.iter().map(revision).collect()
}

/// Finds the numbers of the first revisions of changes. Revisions never change, so the reads need not be of one moment.
pub(super) async fn first_of_changes(
    pool: &Arc<Pool>,
    tenant: TenantId,
    changes: &[RevisionNumber],
) -> Result<Vec<RevisionNumber>> {
    let query = "SELECT number, change FROM revisions WHERE tenant_id = $1 AND number = ANY ($2)";
    let mut firsts = Firsts::of(changes);
    loop {
        let probes = firsts.probes();
        if probes.is_empty() {
            return Ok(firsts.found());
        }
        let rows = pool.query(query, &[&tenant.get(), &probes]).await?;
        let found = rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?)));
        firsts.note(&found.collect::<Result<HashMap<i64, i64>>>()?);
    }
}

fn moment(row: &Row) -> Result<Moment> {
    Ok(Moment { number: number(row, 0)?, change: number(row, 1)?, created_at: column(row, 2)? })
}

/// Finds the newest revision up to a number.
pub(super) async fn moment_of(pool: &Arc<Pool>, id: RevisionId) -> Result<Option<Moment>> {
    let query = "SELECT number, change, created_at FROM revisions WHERE tenant_id = $1 AND number <= $2
                     ORDER BY number DESC LIMIT 1";
    let row = pool.query_one(query, &[&id.tenant.get(), &id.number.get()]).await?;
    row.as_ref().map(moment).transpose()
}

/// Finds the newest revision that was committed at a time or before it. Revisions are only appended, so the reads need not
/// be of one moment.
pub(super) async fn moment_at(pool: &Arc<Pool>, tenant: TenantId, time: i64) -> Result<Option<Moment>> {
    let mut found = None;
    let newest = moment_of(pool, RevisionId { tenant, number: RevisionNumber::MAX }).await?;
    let mut search = Search::below(newest);
    while let Some(number) = search.next() {
        let moment = moment_of(pool, RevisionId { tenant, number }).await?;
        if search.note(time, moment) {
            found = moment;
        }
    }
    Ok(found)
}

/// Reads what each connector was, at a revision, that changed after it.
pub(super) async fn left_at(pool: &Arc<Pool>, id: RevisionId) -> Result<Vec<Left>> {
    let query = "SELECT first.script_name, before.number, coalesce(length(before.body) > 0, false)
                     FROM (SELECT DISTINCT ON (script_name) script_name, previous FROM revisions
                               WHERE tenant_id = $1 AND number > $2 ORDER BY script_name, number) AS first
                     LEFT JOIN revisions AS before
                          ON before.tenant_id = $1 AND before.number = first.previous AND before.action <> 3";
    let rows = pool.query(query, &[&id.tenant.get(), &id.number.get()]).await?;
    let left = |row: &Row| {
        Ok(Left { script_name: script_name(row, 0)?, number: optional_number(row, 1)?, has_body: column(row, 2)? })
    };
    rows.iter().map(left).collect()
}
