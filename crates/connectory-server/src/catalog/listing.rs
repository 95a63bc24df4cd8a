//! Pages of a list: cached, made at once, or searched for on a thread of their own.

use std::sync::Arc;

use connectory_model::limits::{INLINE_LIST_BYTES, INLINE_TIME, LIST_BYTES};

use super::Catalog;
use super::caches::{MAX_KEPT_QUERY, PageKey, PageOf};
use super::request::{ListPage, NoPage, PageRequest, Selection};
use super::snapshot::Snapshot;
use super::tenant::TenantCatalog;
use crate::budget::Charge;
use crate::work::{Stop, WorkError, counted};

/// Why a list has no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The search took too long, or others take long.
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
    /// The page that a query asks for, if it was asked for lately. What is asked again of the same state, as clients that
    /// poll do, is kept.
    pub fn cached_page(&self, tenant: &TenantCatalog, query: &str) -> Option<ListPage> {
        self.caches.pages.get(&PageOf(tenant.current.load().version(), query))
    }

    /// The page that a selection and a window of it make, if that takes next to no time, and what it is counted with;
    /// under `query`, it is kept.
    pub fn quick_page(
        &self,
        tenant: &TenantCatalog,
        query: &str,
        selection: &Selection,
        window: PageRequest,
    ) -> Result<(ListPage, Charge), NoPage> {
        let snapshot = tenant.current.load();
        let mut charge = self.answers.charge();
        let room = |length| match length {
            ..=INLINE_LIST_BYTES => add(&mut charge, length),
            _ => Err(NoPage::Late),
        };
        let page = snapshot.page(selection, window, &Stop::after(INLINE_TIME), room)?;
        self.keep_page(&snapshot, query, &page);
        Ok((page, charge))
    }

    /// The same, however long it takes. A long search goes on on a thread of its own, and ends when its time is over.
    pub async fn page(
        &self,
        tenant: &TenantCatalog,
        query: &str,
        selection: Selection,
        window: PageRequest,
    ) -> Result<ListPage, ListError> {
        let (page, charge) = match self.quick_page(tenant, query, &selection, window) {
            Err(NoPage::Late) => {
                let (snapshot, mut charge) = (tenant.snapshot(), self.answers.charge());
                let searched = Arc::clone(&snapshot);
                let search = move |stop: &Stop| {
                    let page = searched.page(&selection, window, stop, |length| add(&mut charge, length))?;
                    Ok::<_, NoPage>((page, charge))
                };
                let (page, charge) = self.work.search(search).await??;
                self.keep_page(&snapshot, query, &page);
                (page, charge)
            }
            quick => quick?,
        };
        counted(charge);
        Ok(page)
    }

    fn keep_page(&self, snapshot: &Snapshot, query: &str, page: &ListPage) {
        if query.len() <= MAX_KEPT_QUERY {
            self.caches.pages.insert(PageKey(snapshot.version(), query.into()), page.clone());
        }
    }
}

/// Counts a page before it is made.
fn add(charge: &mut Charge, length: usize) -> Result<(), NoPage> {
    if charge.add(length) { Ok(()) } else { Err(NoPage::Busy) }
}
