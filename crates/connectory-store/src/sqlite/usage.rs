//! What tenants store, counted for their quotas.
//!
//! Only the writer changes connectors, so it counts a tenant once and then keeps the numbers up to date in memory. A sum
//! over the revisions of a tenant is made only if the tenant has a quota of bytes.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::key::{end_key, first_key};
use crate::access::{Quotas, TenantId};
use crate::edit::{Change, Edit, check_quotas};
use crate::error::{Refusal, Result};

/// What every tenant stores, as far as it was counted.
#[derive(Default)]
pub(super) struct Usage(HashMap<TenantId, Stored>);

/// What a tenant stores. None means that it was not counted yet.
#[derive(Clone, Copy, Default)]
struct Stored {
    connectors: Option<u64>,
    bytes: Option<u64>,
}

impl Usage {
    /// Refuses edits with which the tenant would exceed a quota.
    pub fn check(
        &mut self,
        connection: &Connection,
        tenant: TenantId,
        edits: &[Edit],
        quotas: Quotas,
    ) -> Result<(), Refusal> {
        let Stored { connectors, bytes } = self.0.entry(tenant).or_default();
        check_quotas(
            quotas,
            edits,
            || match connectors {
                Some(connectors) => Ok(*connectors),
                None => Ok(*connectors.insert(count_connectors(connection, tenant)?)),
            },
            || match bytes {
                Some(bytes) => Ok(*bytes),
                None => Ok(*bytes.insert(sum_bytes(connection, tenant)?)),
            },
        )
    }

    /// Counts edits that were written.
    pub fn wrote(&mut self, tenant: TenantId, edits: &[Edit]) {
        let stored = self.0.entry(tenant).or_default();
        for edit in edits {
            if let Some(connectors) = &mut stored.connectors {
                match edit.change() {
                    Change::Create => *connectors += 1,
                    Change::Update { .. } => {}
                    Change::Delete { .. } => *connectors = connectors.saturating_sub(1),
                }
            }
            if let Some(bytes) = &mut stored.bytes {
                *bytes += edit.stored_bytes();
            }
        }
    }

    /// Counts bytes that retention removed.
    pub fn removed(&mut self, tenant: TenantId, bytes: u64) {
        if let Some(stored) = &mut self.0.entry(tenant).or_default().bytes {
            *stored = stored.saturating_sub(bytes);
        }
    }

    /// Forgets all numbers, because the writes that they include were rolled back.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

fn count_connectors(connection: &Connection, tenant: TenantId) -> Result<u64> {
    let query = "SELECT count(*) FROM connectors WHERE tenant_id = ?1";
    Ok(connection.query_row(query, [tenant.get()], |row| row.get(0))?)
}

/// Sums the sizes of all revisions of a tenant.
pub(super) fn sum_bytes(connection: &Connection, tenant: TenantId) -> Result<u64> {
    let query = "SELECT (SELECT coalesce(sum(octet_length(body)), 0) FROM revisions WHERE key > ?1 AND key < ?2)
                      + (SELECT coalesce(sum(octet_length(body)), 0) FROM parts WHERE key > ?1 AND key < ?2)";
    Ok(connection.query_row(query, params![first_key(tenant), end_key(tenant)], |row| row.get(0))?)
}
