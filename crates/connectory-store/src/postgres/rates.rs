//! The rows that count the requests of clients for the rate limit, for all nodes together.

use std::sync::Arc;
use std::time::Duration;

use super::pool::Pool;
use super::value::{column, count, plain, stored, text};
use crate::error::Result;
use crate::permits::{Granted, PermitLimit, PermitRequest};

/// Takes permits in the current window of the database's clock.
pub(super) async fn take(pool: &Arc<Pool>, limit: PermitLimit, requests: Vec<PermitRequest>) -> Result<Vec<Granted>> {
    let tenants: Vec<_> = requests.iter().map(|request| request.tenant.get()).collect();
    let clients: Vec<_> = requests.iter().map(|request| text(&request.client)).collect();
    let apis: Vec<_> = requests.iter().map(|request| request.api).collect();
    let counts: Vec<_> = requests.iter().map(|request| stored(request.count)).collect::<Result<_>>()?;
    let query = "SELECT client, api, granted, number, left_ms FROM take_permits($1, $2, $3, $4, $5, $6)";
    let (most, seconds) = (i64::from(limit.requests), i64::from(limit.seconds));
    let rows = pool.query(query, &[&tenants, &clients, &apis, &counts, &most, &seconds]).await?;
    let granted = |row: &_| {
        // Below zero if the statement waited until the window had ended.
        let left: i64 = column(row, 4)?;
        Ok(Granted {
            client: plain(column(row, 0)?),
            api: column(row, 1)?,
            count: count(row, 2)?,
            window: column(row, 3)?,
            left: Duration::from_millis(u64::try_from(left).unwrap_or_default()),
        })
    };
    rows.iter().map(granted).collect()
}
