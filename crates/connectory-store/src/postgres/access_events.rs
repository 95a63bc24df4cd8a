//! The rows of access events and refused sign-ins.

use std::sync::Arc;

use connectory_model::limits::{
    ACTIVITY_SCANNED, REFUSED_SIGN_INS, REFUSED_SIGN_INS_PER_CLIENT, SIGN_INS, SIGN_INS_PER_AUTHOR,
};
use tokio_postgres::Row;

use super::pool::Pool;
use super::transaction::Transaction;
use super::value::{NOW, Value, author, column, plain, text, text_column, word};
use super::who::texts_of;
use crate::access::TenantId;
use crate::access_event::{AccessAction, AccessEvent, AccessOrigin, RefusedSignIns, SIGN_INS_BETWEEN_DELETES};
use crate::error::{Result, StoreError, unreadable};
use crate::find::{AccessEvents, AccessFilter, RefusedFilter, RefusedPlace};
use crate::revision::Origin;

/// Refuses an event of a tenant that does not exist.
pub(super) async fn expect_tenant(transaction: &Transaction, tenant: TenantId) -> Result<()> {
    let found = transaction.query_one("SELECT 1 FROM tenants WHERE id = $1", &[&tenant.get()]).await?;
    found.map(drop).ok_or_else(|| StoreError::Unknown("the tenant".to_owned()))
}

/// Records an event of a tenant, whose lock the transaction has. Sometimes deletes the oldest sign-ins and sign-outs, if
/// there are too many.
pub(super) async fn record(
    transaction: &Transaction,
    tenant: TenantId,
    action: AccessAction,
    subject: Option<&str>,
    by: &AccessOrigin,
) -> Result<()> {
    let AccessOrigin { origin: Origin { author, tracking_id }, address } = by;
    let insert = format!(
        "INSERT INTO access_events (tenant_id, number, action, subject, author_kind, author_id, author_name, address,
                                    tracking_id, created_at)
             VALUES ($1, (SELECT coalesce(max(number), 0) + 1 FROM access_events WHERE tenant_id = $1),
                     $2, $3, $4, $5, $6, $7, $8, {NOW})
             RETURNING number"
    );
    let (kind, id) = (author.kind.number(), text(&author.id));
    let row = transaction
        .query_one(
            &insert,
            &[
                &tenant.get(),
                &action.number(),
                &subject.map(text),
                &kind,
                &id,
                &author.name.as_deref().map(text),
                &address.map(|address| address.to_string()),
                tracking_id,
            ],
        )
        .await?;
    let number: i64 = column(&row.ok_or_else(|| unreadable("no number"))?, 0)?;
    if action.is_sign_in() && number % SIGN_INS_BETWEEN_DELETES == 0 {
        let of_author = "DELETE FROM access_events WHERE tenant_id = $1 AND number IN
                             (SELECT number FROM access_events WHERE tenant_id = $1 AND action IN (1, 6)
                              AND author_kind = $2 AND author_id = $3 ORDER BY number DESC OFFSET $4)";
        let most = i64::from(SIGN_INS_PER_AUTHOR);
        transaction.query(of_author, &[&tenant.get(), &kind, &id, &most]).await?;
        let of_tenant = "DELETE FROM access_events WHERE tenant_id = $1 AND number IN
                             (SELECT number FROM access_events WHERE tenant_id = $1 AND action IN (1, 6)
                              ORDER BY number DESC OFFSET $2)";
        transaction.query(of_tenant, &[&tenant.get(), &i64::from(SIGN_INS)]).await?;
    }
    Ok(())
}

/// Finds up to `limit` events with numbers up to `up_to`, the newest first.
pub(super) async fn events(
    pool: &Arc<Pool>,
    tenant: TenantId,
    filter: &AccessFilter,
    up_to: Option<i64>,
    limit: u32,
) -> Result<AccessEvents> {
    let query = "SELECT number, action, subject, author_kind, author_id, author_name, address, tracking_id, created_at
                     FROM (SELECT * FROM access_events WHERE tenant_id = $1 AND number <= $2
                               ORDER BY number DESC LIMIT $8) AS looked
                     WHERE ($4 IS NULL OR author_id = ANY ($4) OR author_name = ANY ($4)) AND ($5 IS NULL OR action = $5)
                       AND ($6 IS NULL OR created_at >= $6) AND ($7 IS NULL OR created_at <= $7)
                     ORDER BY number DESC LIMIT $3";
    let (tenant, up_to) = (tenant.get(), up_to.unwrap_or(i64::MAX));
    let scanned = i64::try_from(ACTIVITY_SCANNED).unwrap_or(i64::MAX).max(i64::from(limit));
    let looked = "SELECT author_id, author_name FROM access_events WHERE tenant_id = $1 AND number <= $2
                      ORDER BY number DESC LIMIT $3";
    let author = texts_of(pool, filter.author.as_ref(), looked, &[&tenant, &up_to, &scanned]).await?;
    let action = filter.action.map(AccessAction::number);
    let values: [&dyn Value; 8] =
        [&tenant, &up_to, &i64::from(limit), &author, &action, &filter.since, &filter.until, &scanned];
    let rows = pool.query(query, &values).await?;
    let events = rows.iter().map(event).collect::<Result<Vec<_>>>()?;
    if filter.is_empty() || events.len() == limit as usize {
        return Ok(AccessEvents { events, rest: None });
    }
    let query = "SELECT number, created_at FROM access_events WHERE tenant_id = $1 AND number <= $2
                     ORDER BY number DESC LIMIT 1 OFFSET $3";
    let rest = pool.query_one(query, &[&tenant, &up_to, &scanned]).await?;
    let rest = rest.as_ref().map(|row| Ok::<_, StoreError>((column(row, 0)?, column(row, 1)?))).transpose()?;
    Ok(AccessEvents { events, rest })
}

fn event(row: &Row) -> Result<AccessEvent> {
    let action = column(row, 1)?;
    Ok(AccessEvent {
        number: column(row, 0)?,
        action: AccessAction::of(action).ok_or_else(|| unreadable(format_args!("an event of action {action}")))?,
        subject: column::<Option<String>>(row, 2)?.map(plain),
        by: AccessOrigin {
            origin: Origin { author: author(row, 3)?, tracking_id: column(row, 7)? },
            address: column::<Option<&str>>(row, 6)?.and_then(|address| address.parse().ok()),
        },
        created_at: column(row, 8)?,
    })
}

/// Adds refused sign-ins of a tenant, whose lock the transaction has, to those of the same minute. Deletes the oldest ones
/// if there are too many.
pub(super) async fn add_refused(transaction: &Transaction, tenant: TenantId, refused: &[RefusedSignIns]) -> Result<()> {
    let tenant = tenant.get();
    let mut clients: Vec<_> = refused.iter().map(|refused| text(&refused.client_id).into_owned()).collect();
    for (RefusedSignIns { minute, address, count, .. }, client) in refused.iter().zip(&clients) {
        let upsert = "INSERT INTO refused_sign_ins (tenant_id, minute, client_id, address, count)
                          SELECT id, $2, $3, $4, $5 FROM tenants WHERE id = $1
                          ON CONFLICT (tenant_id, minute, client_id, address)
                          DO UPDATE SET count = refused_sign_ins.count + excluded.count";
        let values: [&dyn super::value::Value; 5] = [&tenant, minute, client, &address.to_string(), &i64::from(*count)];
        transaction.query(upsert, &values).await?;
    }
    clients.sort_unstable();
    clients.dedup();
    let delete = "DELETE FROM refused_sign_ins WHERE tenant_id = $1 AND (minute, client_id, address) IN
                      (SELECT minute, client_id, address FROM refused_sign_ins WHERE tenant_id = $1 AND client_id = $2
                       ORDER BY minute DESC, address DESC OFFSET $3)";
    for client in &clients {
        transaction.query(delete, &[&tenant, client, &i64::from(REFUSED_SIGN_INS_PER_CLIENT)]).await?;
    }
    let delete = "DELETE FROM refused_sign_ins WHERE tenant_id = $1 AND (minute, client_id, address) IN
                      (SELECT minute, client_id, address FROM refused_sign_ins WHERE tenant_id = $1
                       ORDER BY minute DESC, client_id DESC, address DESC OFFSET $2)";
    transaction.query(delete, &[&tenant, &i64::from(REFUSED_SIGN_INS)]).await?;
    Ok(())
}

/// Finds refused sign-ins of a tenant, the newest first, from a place on.
pub(super) async fn refused(
    pool: &Arc<Pool>,
    tenant: TenantId,
    filter: &RefusedFilter,
    from: Option<RefusedPlace>,
    limit: u32,
) -> Result<Vec<RefusedSignIns>> {
    let query = "SELECT minute, client_id, address, count FROM refused_sign_ins
                     WHERE tenant_id = $1 AND minute >= $2 AND minute <= $3
                       AND ($4 IS NULL OR client_id = ANY ($4))
                       AND ($5 IS NULL OR (minute, client_id, address) <= ($5, $6, $7))
                     ORDER BY minute DESC, client_id DESC, address DESC LIMIT $8";
    let last = from.as_ref().map_or(i64::MAX, |from| from.minute);
    let (since, until) = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(i64::MAX).min(last));
    let looked = "SELECT client_id, NULL FROM refused_sign_ins WHERE tenant_id = $1";
    let client = texts_of(pool, filter.client.as_ref(), looked, &[&tenant.get()]).await?;
    let (minute, client_id, address) =
        from.map_or_else(Default::default, |at| (Some(at.minute), at.client_id, at.address.to_string()));
    let values: [&dyn Value; 8] =
        [&tenant.get(), &since, &until, &client, &minute, &text(&client_id), &address, &i64::from(limit)];
    let rows = pool.query(query, &values).await?;
    let read = |row: &Row| {
        Ok(RefusedSignIns {
            tenant,
            minute: column(row, 0)?,
            client_id: text_column(row, 1)?,
            address: word(column(row, 2)?)?,
            count: u32::try_from(column::<i64>(row, 3)?).unwrap_or(u32::MAX),
        })
    };
    rows.iter().map(read).collect()
}
