//! The rows of leases, and what is written only under one.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::pool::Pool;
use super::transaction::Transaction;
use super::value::{column, count, stored};
use crate::error::{Result, unreadable};
use crate::lease::{Claim, Lease, LeasedWork};
use crate::session::Ended;

/// Takes a lease, or renews it. A lease that has ended has another epoch when it is taken again, also by the same process.
pub(super) async fn take(pool: &Arc<Pool>, holder: Uuid, work: LeasedWork, time: Duration) -> Result<Option<Lease>> {
    let query = "
        INSERT INTO leases AS l (work, holder, epoch, until)
            VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
            ON CONFLICT (work) DO UPDATE SET holder = excluded.holder, until = excluded.until,
                    epoch = CASE WHEN l.until > clock_timestamp() THEN l.epoch ELSE l.epoch + 1 END
                WHERE l.holder = excluded.holder OR l.until <= clock_timestamp()
            RETURNING epoch";
    let row = pool.query_one(query, &[&work.as_str(), &holder, &stored(time.as_millis())?]).await?;
    row.map(|row| Ok(Lease { work, claim: Some(Claim { holder, epoch: column(&row, 0)? }) })).transpose()
}

/// The row of a lease that has not ended.
const HELD: &str = "SELECT 1 FROM leases WHERE work = $1 AND holder = $2 AND epoch = $3 AND until > clock_timestamp()";

/// Whether a lease is held.
pub(super) async fn holds(pool: &Arc<Pool>, lease: &Lease) -> Result<bool> {
    let Claim { holder, epoch } = claim(lease)?;
    Ok(pool.query_one(HELD, &[&lease.work.as_str(), holder, epoch]).await?.is_some())
}

/// Begins a transaction in which the lease is held. Nobody takes the lease until the end of the transaction. Returns none if
/// the lease is not held any more.
pub(super) async fn begin(pool: &Arc<Pool>, lease: &Lease) -> Result<Option<Transaction>> {
    let Claim { holder, epoch } = claim(lease)?;
    let transaction = Transaction::begin_without_lock(pool.lease().await?).await?;
    let held = transaction.query_one(&format!("{HELD} FOR SHARE"), &[&lease.work.as_str(), holder, epoch]).await?;
    if held.is_none() {
        transaction.roll_back().await;
        return Ok(None);
    }
    Ok(Some(transaction))
}

fn claim(lease: &Lease) -> Result<&Claim> {
    lease.claim.as_ref().ok_or_else(|| unreadable("a lease of another database"))
}

/// Removes sessions that have ended, and counts of the rate limit of clients that were deleted while a request was counted.
/// Returns how many rows, or none if the lease is not held any more.
pub(super) async fn clean_up(pool: &Arc<Pool>, lease: &Lease, ended: Ended) -> Result<Option<u64>> {
    let Some(transaction) = begin(pool, lease).await? else { return Ok(None) };
    let removed = remove(&transaction, ended).await;
    transaction.end(removed).await.map(Some)
}

async fn remove(transaction: &Transaction, ended: Ended) -> Result<u64> {
    let sessions = "WITH gone AS (DELETE FROM sessions WHERE created_at < $1 OR used_at < $2 RETURNING 1)
                    SELECT count(*) FROM gone";
    let counts = "WITH gone AS (DELETE FROM rate_windows AS r
                                    WHERE NOT EXISTS (SELECT 1 FROM clients WHERE clients.id = r.client_id) RETURNING 1)
                  SELECT count(*) FROM gone";
    let mut removed = 0;
    if let Some(row) = transaction.query_one(sessions, &[&ended.created_before, &ended.used_before]).await? {
        removed += count(&row, 0)?;
    }
    if let Some(row) = transaction.query_one(counts, &[]).await? {
        removed += count(&row, 0)?;
    }
    Ok(removed)
}
