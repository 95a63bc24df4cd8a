//! The key of a revision's row: tenant and number in one integer. So a new revision is appended to the tenant's rows,
//! and all revisions of a tenant are neighbours. The types limit both values, so no number can reach the keys of
//! another tenant.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use crate::access::TenantId;
use crate::revision::{RevisionId, RevisionNumber};

/// Makes the key of a revision's row.
pub(super) const fn key(id: RevisionId) -> i64 {
    first_key(id.tenant) | id.number.get()
}

/// The key before the first revision of a tenant.
pub(super) const fn first_key(tenant: TenantId) -> i64 {
    tenant.get() << RevisionNumber::BITS
}

/// The key after the last possible revision of a tenant.
pub(super) const fn end_key(tenant: TenantId) -> i64 {
    (tenant.get() + 1) << RevisionNumber::BITS
}

impl FromSql for RevisionNumber {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        Self::new(number).ok_or(FromSqlError::OutOfRange(number))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_tenant_are_between_its_first_and_its_end() {
        for tenant in [1, 2, TenantId::MAX] {
            let tenant = TenantId::new(tenant).unwrap();
            let last = RevisionId { tenant, number: RevisionNumber::MAX };
            assert_eq!(key(last) + 1, end_key(tenant));
            assert!(first_key(tenant) > 0 && key(last) > first_key(tenant));
        }
        assert_eq!((TenantId::new(0), TenantId::new(TenantId::MAX + 1)), (None, None));
        assert_eq!(RevisionNumber::new(RevisionNumber::MAX.get() + 1), None);
    }
}
