//! Pages of a list: cached, made at once, or searched on a separate thread.

use std::sync::Arc;

use connectory_model::limits::{INLINE_LIST_BYTES, INLINE_TIME, LIST_BYTES};

use super::Catalog;
use super::caches::{MAX_KEPT_QUERY, PageKey, PageOf};
use super::request::{ListPage, NoPage, PageRequest, Selection};
use super::snapshot::Snapshot;
use super::tenant::TenantCatalog;
use crate::budget::Charge;
use crate::work::{Stop, WorkError, charge, counted};

/// The reason why a list returns no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The search took too long, or too many other long searches are running.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The page would be too large.
    #[error("the page would have {0} bytes, and may have {LIST_BYTES}; ask for fewer connectors with `limit`")]
    Large(usize),
}

impl From<NoPage> for ListError {
    fn from(error: NoPage) -> Self {
        match error {
            NoPage::Late => Self::Work(WorkError::Late),
            NoPage::Busy => Self::Work(WorkError::Busy),
            NoPage::Large(bytes) => Self::Large(bytes),
        }
    }
}

impl Catalog {
    /// Returns the page for a query if it is cached. The cache helps clients that poll: they send the same query while
    /// the list does not change.
    pub fn cached_page(&self, tenant: &TenantCatalog, query: &str) -> Option<ListPage> {
        tenant.caches.load().as_ref()?.pages.get(&PageOf(tenant.current.load().version(), query))
    }

    /// Makes a page if that takes at most [`INLINE_TIME`] and the page is small, and caches it under `query`. The charge
    /// counts the page in the answer budget.
    pub fn quick_page(
        &self,
        tenant: &TenantCatalog,
        query: &str,
        selection: &Selection,
        window: PageRequest,
        mut charge: Charge,
    ) -> Result<(ListPage, Charge), NoPage> {
        let snapshot = tenant.current.load();
        let room = |length| match length {
            ..=INLINE_LIST_BYTES => add(&mut charge, length),
            _ => Err(NoPage::Late),
        };
        let page = snapshot.page(selection, window, &Stop::after(INLINE_TIME), room)?;
        tenant.keep_page(&snapshot, query, &page);
        Ok((page, charge))
    }

    /// Makes a page, and caches it under `query`. A long search continues on a separate thread, and ends at its time
    /// limit.
    pub async fn page(
        &self,
        tenant: &TenantCatalog,
        query: &str,
        selection: Selection,
        window: PageRequest,
    ) -> Result<ListPage, ListError> {
        let (page, charge) = match self.quick_page(tenant, query, &selection, window, charge(&self.answers)) {
            Err(NoPage::Late) => {
                let (snapshot, mut charge) = (tenant.snapshot(), charge(&self.answers));
                let searched = Arc::clone(&snapshot);
                let search = move |stop: &Stop| {
                    let page = searched.page(&selection, window, stop, |length| add(&mut charge, length))?;
                    Ok::<_, NoPage>((page, charge))
                };
                let (page, charge) = self.work.search(search).await??;
                tenant.keep_page(&snapshot, query, &page);
                (page, charge)
            }
            quick => quick?,
        };
        counted(charge);
        Ok(page)
    }
}

impl TenantCatalog {
    fn keep_page(&self, snapshot: &Snapshot, query: &str, page: &ListPage) {
        if let Some(caches) = self.caches.load().as_ref().filter(|_| query.len() <= MAX_KEPT_QUERY) {
            caches.pages.insert(PageKey(snapshot.version(), query.into()), page.clone());
        }
    }
}

/// Counts a page in the answer budget before the page is made.
fn add(charge: &mut Charge, length: usize) -> Result<(), NoPage> {
    if charge.add(length) { Ok(()) } else { Err(NoPage::Busy) }
}
