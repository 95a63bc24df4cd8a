//! Connectors that were deleted and can be restored, and the newest revisions of those that exist.

use std::collections::HashMap;
use std::sync::Arc;

use connectory_model::limits::{DELETED_COUNTED, DELETED_READ, DELETED_SCANNED};
use connectory_model::{Search, name_key};
use connectory_store::{Deleted, DeletedAt, DeletedKind, Revision, RevisionNumber};

use super::{Registry, RegistryError};
use crate::catalog::TenantCatalog;
use crate::work::Stop;

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
        before: Option<RevisionNumber>,
        limit: usize,
    ) -> Result<DeletedPage, RegistryError> {
        let _turn = match search {
            Some(_) => Some(self.work.search_turn().await?),
            None => None,
        };
        let (mut at, last) = match search {
            Some(search) => self.find_deleted(tenant, kind, search, before, limit + 1).await?,
            None => (self.deleted_at(tenant, kind, before, limit + 1).await?, None),
        };
        let has_more = at.len() > limit;
        at.truncate(limit);
        let next = if has_more { at.last().map(|last| last.number) } else { last };
        Ok(DeletedPage { deleted: self.store.deleted(tenant.id(), at).await?, next })
    }

    /// Finds up to `limit` deleted connectors, and the number below which there may be more that it did not look at.
    async fn find_deleted(
        &self,
        tenant: &TenantCatalog,
        kind: DeletedKind,
        search: &Search,
        before: Option<RevisionNumber>,
        limit: usize,
    ) -> Result<(Vec<DeletedAt>, Option<RevisionNumber>), RegistryError> {
        let at = self.deleted_at(tenant, kind, before, DELETED_SCANNED).await?;
        let last = at.last().filter(|_| at.len() == DELETED_SCANNED).map(|last| last.number);
        let texts = self.deleted_texts(tenant, &at).await?;
        let (bytes, wanted) = (texts.values().map(|text| text.len()).sum(), search.clone());
        let is_found = move |at: &DeletedAt| texts.get(&at.number).is_some_and(|text| text.contains(wanted.as_str()));
        let find = move |_: &Stop| at.into_iter().filter(is_found).take(limit).collect::<Vec<_>>();
        Ok((self.work.run(bytes, find).await?, last))
    }

    async fn deleted_at(
        &self,
        tenant: &TenantCatalog,
        kind: DeletedKind,
        before: Option<RevisionNumber>,
        limit: usize,
    ) -> Result<Vec<DeletedAt>, RegistryError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(self.store.deleted_at(tenant.id(), kind, before, limit).await?)
    }

    /// What a search looks at in deleted connectors: it never changes, so it is read once.
    async fn deleted_texts(
        &self,
        tenant: &TenantCatalog,
        at: &[DeletedAt],
    ) -> Result<HashMap<RevisionNumber, Arc<str>>, RegistryError> {
        let (mut texts, mut unread) = (HashMap::with_capacity(at.len()), Vec::new());
        for at in at {
            match tenant.deleted_text(at.number) {
                Some(text) => drop(texts.insert(at.number, text)),
                None => unread.push(*at),
            }
        }
        for part in unread.chunks(DELETED_READ) {
            for deleted in self.store.deleted(tenant.id(), part.to_vec()).await? {
                let (number, text) = (deleted.deletion.number, searched(&deleted));
                tenant.keep_deleted_text(number, &text);
                texts.insert(number, text);
            }
        }
        Ok(texts)
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

/// The texts of a deleted connector that a search looks at, each on a line, by the rule for names.
fn searched(Deleted { deletion, name, connector_type, .. }: &Deleted) -> Arc<str> {
    let texts = [name.as_deref(), connector_type.as_deref(), Some(deletion.script_name.as_str())];
    texts.into_iter().flatten().map(name_key).collect::<Vec<_>>().join("\n").into()
}
