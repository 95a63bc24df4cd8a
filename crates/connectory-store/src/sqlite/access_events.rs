//! The rows of access events and refused sign-ins.

use connectory_model::limits::{
    ACTIVITY_SCANNED, REFUSED_SIGN_INS, REFUSED_SIGN_INS_PER_CLIENT, SIGN_INS, SIGN_INS_PER_AUTHOR,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::key::{end_key, first_key};
use super::rows::{self, author, uuid, word};
use crate::access::TenantId;
use crate::access_event::{AccessAction, AccessEvent, AccessOrigin, RefusedSignIns, SIGN_INS_BETWEEN_DELETES};
use crate::clock::now;
use crate::error::{Result, StoreError};
use crate::find::{AccessEvents, AccessFilter, RefusedFilter, RefusedPlace};
use crate::revision::Origin;

/// Refuses an event of a tenant that does not exist.
pub(super) fn expect_tenant(connection: &Connection, tenant: TenantId) -> Result<()> {
    let query = "SELECT 1 FROM tenants WHERE id = ?1";
    let found = connection.prepare_cached(query)?.query_row([tenant.get()], |_| Ok(())).optional()?;
    found.ok_or_else(|| StoreError::Unknown("the tenant".to_owned()))
}

/// Records an event of a tenant. Sometimes deletes the oldest sign-ins and sign-outs, if there are too many.
pub(super) fn record(
    connection: &Connection,
    tenant: TenantId,
    action: AccessAction,
    subject: Option<&str>,
    by: &AccessOrigin,
) -> Result<()> {
    let AccessOrigin { origin: Origin { author, tracking_id }, address } = by;
    let keys = [first_key(tenant), end_key(tenant)];
    let key: i64 = connection
        .prepare_cached(
            "INSERT INTO access_events (key, action, subject, author_kind, author_id, author_name, address,
                                        tracking_id, created_at)
                 VALUES ((SELECT coalesce(max(key), ?1) + 1 FROM access_events WHERE key > ?1 AND key < ?2),
                         ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 RETURNING key",
        )?
        .query_row(
            params![
                keys[0],
                keys[1],
                action.number(),
                subject,
                author.kind.number(),
                author.id,
                author.name,
                address.map(|address| address.to_string()),
                tracking_id.as_ref().map(uuid::Uuid::as_bytes),
                now()
            ],
            |row| row.get(0),
        )?;
    if action.is_sign_in() && key % SIGN_INS_BETWEEN_DELETES == 0 {
        connection
            .prepare_cached(
                "DELETE FROM access_events WHERE key IN
                     (SELECT key FROM access_events WHERE action IN (1, 6) AND key > ?1 AND key < ?2
                      AND author_kind = ?3 AND author_id = ?4 ORDER BY key DESC LIMIT -1 OFFSET ?5)",
            )?
            .execute(params![keys[0], keys[1], author.kind.number(), author.id, SIGN_INS_PER_AUTHOR])?;
        connection
            .prepare_cached(
                "DELETE FROM access_events WHERE key IN
                     (SELECT key FROM access_events WHERE action IN (1, 6) AND key > ?1 AND key < ?2
                      ORDER BY key DESC LIMIT -1 OFFSET ?3)",
            )?
            .execute(params![keys[0], keys[1], SIGN_INS])?;
    }
    Ok(())
}

/// Finds up to `limit` events with numbers up to `up_to`, the newest first.
pub(super) fn events(
    connection: &Connection,
    tenant: TenantId,
    filter: &AccessFilter,
    up_to: Option<i64>,
    limit: u32,
) -> Result<AccessEvents> {
    let first = first_key(tenant);
    let end = up_to.map_or(end_key(tenant), |up_to| first.saturating_add(up_to).saturating_add(1).min(end_key(tenant)));
    let mut statement = connection.prepare_cached(
        "SELECT key, action, subject, author_kind, author_id, author_name, address, tracking_id, created_at
             FROM (SELECT * FROM access_events WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT ?8)
             WHERE (?4 IS NULL OR author_id IN (SELECT value FROM json_each(?4))
                               OR author_name IN (SELECT value FROM json_each(?4))) AND (?5 IS NULL OR action = ?5)
               AND (?6 IS NULL OR created_at >= ?6) AND (?7 IS NULL OR created_at <= ?7)
             ORDER BY key DESC LIMIT ?3",
    )?;
    let read = |row: &Row<'_>| {
        let action = row.get(1)?;
        let origin = Origin { author: author(row, 3)?, tracking_id: uuid(row, 7)? };
        let address = row.get::<_, Option<String>>(6)?.and_then(|text| text.parse().ok());
        Ok(AccessEvent {
            number: row.get::<_, i64>(0)? - first,
            action: AccessAction::of(action).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, action))?,
            subject: row.get(2)?,
            by: AccessOrigin { origin, address },
            created_at: row.get(8)?,
        })
    };
    let scanned = ACTIVITY_SCANNED.max(limit as usize);
    let AccessFilter { author, action, since, until } = filter;
    let looked =
        "SELECT author_id, author_name FROM access_events WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";
    let of = rows::texts_of(connection, author.as_ref(), looked, params![first, end, scanned])?;
    let values = params![first, end, limit, of, action.map(AccessAction::number), since, until, scanned];
    let events: Vec<_> = statement.query_map(values, read)?.collect::<rusqlite::Result<_>>()?;
    let may_lack = !filter.is_empty() && events.len() < limit as usize;
    let rest = if may_lack { nth_event(connection, (first, end), scanned)? } else { None };
    Ok(AccessEvents { events, rest })
}

/// Reads the number and the time of the event after the newest `skip` ones.
fn nth_event(connection: &Connection, (first, end): (i64, i64), skip: usize) -> Result<Option<(i64, i64)>> {
    let query = "SELECT key, created_at FROM access_events WHERE key > ?1 AND key < ?2
                     ORDER BY key DESC LIMIT 1 OFFSET ?3";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)? - first, row.get(1)?));
    Ok(connection.prepare_cached(query)?.query_row(params![first, end, skip], read).optional()?)
}

/// Adds refused sign-ins to those of the same minute. Those of tenants that do not exist any more are left out. Deletes
/// the oldest ones of a tenant if there are too many.
pub(super) fn add_refused(connection: &Connection, refused: &[RefusedSignIns]) -> Result<()> {
    for RefusedSignIns { tenant, minute, client_id, address, count } in refused {
        connection
            .prepare_cached(
                "INSERT INTO refused_sign_ins (tenant_id, minute, client_id, address, count)
                     SELECT id, ?2, ?3, ?4, ?5 FROM tenants WHERE id = ?1
                     ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )?
            .execute(params![tenant.get(), minute, client_id, address.to_string(), count])?;
    }
    let mut clients: Vec<_> = refused.iter().map(|refused| (refused.tenant, refused.client_id.as_str())).collect();
    clients.sort_unstable_by_key(|(tenant, client)| (tenant.get(), *client));
    clients.dedup();
    let mut tenants: Vec<_> = clients.iter().map(|(tenant, _)| *tenant).collect();
    tenants.dedup();
    for (tenant, client) in clients {
        connection
            .prepare_cached(
                "DELETE FROM refused_sign_ins WHERE tenant_id = ?1 AND (minute, client_id, address) IN
                     (SELECT minute, client_id, address FROM refused_sign_ins WHERE tenant_id = ?1 AND client_id = ?2
                      ORDER BY minute DESC, address DESC LIMIT -1 OFFSET ?3)",
            )?
            .execute(params![tenant.get(), client, REFUSED_SIGN_INS_PER_CLIENT])?;
    }
    for tenant in tenants {
        connection
            .prepare_cached(
                "DELETE FROM refused_sign_ins WHERE tenant_id = ?1 AND (minute, client_id, address) IN
                     (SELECT minute, client_id, address FROM refused_sign_ins WHERE tenant_id = ?1
                      ORDER BY minute DESC, client_id DESC, address DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![tenant.get(), REFUSED_SIGN_INS])?;
    }
    Ok(())
}

/// Finds refused sign-ins of a tenant, the newest first, from a place on.
pub(super) fn refused(
    connection: &Connection,
    tenant: TenantId,
    filter: &RefusedFilter,
    from: Option<RefusedPlace>,
    limit: u32,
) -> Result<Vec<RefusedSignIns>> {
    let mut statement = connection.prepare_cached(
        "SELECT minute, client_id, address, count FROM refused_sign_ins
             WHERE tenant_id = ?1 AND minute >= ?2 AND minute <= ?3
               AND (?4 IS NULL OR client_id IN (SELECT value FROM json_each(?4)))
               AND (?5 IS NULL OR (minute, client_id, address) <= (?5, ?6, ?7))
             ORDER BY minute DESC, client_id DESC, address DESC LIMIT ?8",
    )?;
    let last = from.as_ref().map_or(i64::MAX, |from| from.minute);
    let (minute, client_id, address) =
        from.map_or_else(Default::default, |at| (Some(at.minute), at.client_id, at.address.to_string()));
    let (since, until) = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(i64::MAX).min(last));
    let read = |row: &Row<'_>| {
        let address = word(2, &row.get::<_, String>(2)?)?;
        Ok(RefusedSignIns { tenant, minute: row.get(0)?, client_id: row.get(1)?, address, count: row.get(3)? })
    };
    let looked = "SELECT client_id, NULL FROM refused_sign_ins WHERE tenant_id = ?1";
    let client = rows::texts_of(connection, filter.client.as_ref(), looked, params![tenant.get()])?;
    let values = params![tenant.get(), since, until, client, minute, client_id, address, limit];
    Ok(statement.query_map(values, read)?.collect::<rusqlite::Result<_>>()?)
}
