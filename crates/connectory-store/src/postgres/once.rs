//! The rows of keys under which requests were committed.

use std::sync::Arc;

use super::pool::Pool;
use super::value::{column, number};
use crate::access::TenantId;
use crate::error::{Result, unreadable};
use crate::once::{Done, Once};

/// Reads what was committed under the key of a request, unless that is too long ago.
pub(super) async fn done(pool: &Arc<Pool>, tenant: TenantId, once: &Once) -> Result<Option<Done>> {
    let query = "SELECT fingerprint, first, last FROM once WHERE tenant_id = $1 AND key = $2 AND created_at >= $3";
    let row = pool.query_one(query, &[&tenant.get(), &once.key.as_slice(), &once.oldest()]).await?;
    let Some(row) = row else { return Ok(None) };
    let fingerprint: &[u8] = column(&row, 0)?;
    let fingerprint = fingerprint.try_into().map_err(unreadable)?;
    Ok(Some(Done::new(fingerprint, number(&row, 1)?, number(&row, 2)?)))
}

/// The keys of these that were committed.
pub(super) const COMMITTED: &str = "
    SELECT once.key FROM once JOIN unnest($2::bytea[], $3::bigint[]) AS asked (key, oldest)
        ON once.key = asked.key AND created_at >= oldest WHERE tenant_id = $1";
