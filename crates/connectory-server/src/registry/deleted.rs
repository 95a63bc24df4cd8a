//! Connectors that were deleted and can be restored, and the newest revisions of those that exist.

use connectory_model::Search;
use connectory_model::limits::{DELETED_COUNTED, DELETED_READ, DELETED_SCANNED};
use connectory_store::{Deleted, DeletedKind, Revision, RevisionNumber};

use super::{Registry, RegistryError};
use crate::catalog::TenantCatalog;

/// Deleted connectors, the last deleted first.
pub struct DeletedPage {
    /// The connectors.
    pub deleted: Vec<Deleted>,
    /// The number below which more may follow. None if there are no more.
    pub next: Option<RevisionNumber>,
}

impl Registry {
    /// Lists up to `limit` connectors that were deleted by revisions with numbers below `before`, the last deleted first: all
    /// of them, or those whose name, type or script name contains a text. A page may have fewer, even none, where more
    /// follow: a search looks at so many connectors at most.
    pub async fn deleted(
        &self,
        tenant: &TenantCatalog,
        kind: DeletedKind,
        search: Option<&Search>,
        mut before: Option<RevisionNumber>,
        limit: usize,
    ) -> Result<DeletedPage, RegistryError> {
        let _turn = match search {
            Some(_) => Some(self.work.search_turn().await?),
            None => None,
        };
        let mut page = DeletedPage { deleted: Vec::with_capacity(limit), next: None };
        let read = if search.is_some() { DELETED_READ } else { limit + 1 };
        let rows = u32::try_from(read).unwrap_or(u32::MAX);
        let mut scanned = 0;
        loop {
            let found = self.store.deleted(tenant.id(), kind, before, rows).await?;
            let is_last = found.len() < read;
            for deleted in found {
                let number = deleted.deletion.number;
                if search.is_some_and(|search| !is_found(search, &deleted)) {
                    before = Some(number);
                } else if page.deleted.len() == limit {
                    page.next = before;
                    return Ok(page);
                } else {
                    before = Some(number);
                    page.deleted.push(deleted);
                }
            }
            scanned += read;
            if is_last || scanned >= DELETED_SCANNED {
                page.next = before.filter(|_| !is_last);
                return Ok(page);
            }
        }
    }

    /// Counts the deleted connectors of all kinds, up to [`DELETED_COUNTED`]. None if there are more.
    pub async fn deleted_count(&self, tenant: &TenantCatalog) -> Result<Option<usize>, RegistryError> {
        let most = u32::try_from(DELETED_COUNTED + 1).unwrap_or(u32::MAX);
        let count = self.store.deleted_count(tenant.id(), most).await?;
        Ok(usize::try_from(count).ok().filter(|count| *count <= DELETED_COUNTED))
    }

    /// Reads the revisions of a tenant with these numbers, in any order.
    pub async fn revisions_at(
        &self,
        tenant: &TenantCatalog,
        numbers: Vec<RevisionNumber>,
    ) -> Result<Vec<Revision>, RegistryError> {
        Ok(self.store.revisions_at(tenant.id(), numbers).await?)
    }
}

fn is_found(search: &Search, deleted: &Deleted) -> bool {
    let texts =
        [deleted.name.as_deref(), deleted.connector_type.as_deref(), Some(deleted.deletion.script_name.as_str())];
    texts.into_iter().flatten().any(|text| search.is_in(text))
}
