//! Pages of a list: cached, made at once, or searched on a separate thread.

use std::sync::Arc;

use connectory_model::limits::{INLINE_BYTES, INLINE_LIST_BYTES, INLINE_TIME, LIST_BYTES};

use super::Catalog;
use super::caches::{MAX_KEPT_QUERY, PageKey, PageOf};
use super::request::{ListPage, NoPage, PageRequest, Selection};
use super::snapshot::Snapshot;
use super::tenant::TenantCatalog;
use crate::budget::Charge;
use crate::http::coding::{Accepted, Coding};
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
    /// Returns the page for a query if it is cached as the client accepts it. The cache helps clients that poll: they send
    /// the same query while the list does not change.
    pub fn cached_page(&self, tenant: &TenantCatalog, query: &str, accepted: Accepted) -> Option<ListPage> {
        tenant.kept_page(tenant.current.load().version(), query, accepted)
    }

    /// Makes a page if that takes at most [`INLINE_TIME`] and the page is small, and caches it under `query`. The charge
    /// counts the page in the answer budget. It is compressed if that takes no longer than that either; otherwise its
    /// coding is not what the client accepts.
    pub fn quick_page(
        &self,
        tenant: &TenantCatalog,
        query: &str,
        selection: &Selection,
        window: PageRequest,
        accepted: Accepted,
        mut charge: Charge,
    ) -> Result<(ListPage, Charge), NoPage> {
        let snapshot = tenant.current.load();
        let room = |length| match length {
            ..=INLINE_LIST_BYTES => add(&mut charge, length),
            _ => Err(NoPage::Late),
        };
        let page = snapshot.page(selection, window, &Stop::after(INLINE_TIME), room)?;
        tenant.keep_page(&snapshot, query, &page);
        if page.is_as(accepted) || page.json.len() > INLINE_BYTES {
            return Ok((page, charge));
        }
        let page = page.coded(accepted.coding());
        tenant.keep_page(&snapshot, query, &page);
        Ok((page, charge))
    }

    /// Makes a page as the client accepts it, and caches it under `query`. A long search continues on a separate thread, and
    /// ends at its time limit.
    pub async fn page(
        &self,
        tenant: &TenantCatalog,
        query: &str,
        selection: Selection,
        window: PageRequest,
        accepted: Accepted,
    ) -> Result<ListPage, ListError> {
        let snapshot = tenant.snapshot();
        if let Some(page) = tenant.kept_page(snapshot.version(), query, Accepted::PLAIN) {
            return Ok(self.coded_page(tenant, &snapshot, query, page, accepted).await);
        }
        let (page, charge) = match self.quick_page(tenant, query, &selection, window, accepted, charge(&self.answers)) {
            Err(NoPage::Late) => {
                let mut charge = charge(&self.answers);
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
        Ok(self.coded_page(tenant, &snapshot, query, page, accepted).await)
    }

    /// Compresses a page if the client accepts that, and caches it. If the server has too much to do, the page stays as it is.
    async fn coded_page(
        &self,
        tenant: &TenantCatalog,
        snapshot: &Snapshot,
        query: &str,
        page: ListPage,
        accepted: Accepted,
    ) -> ListPage {
        if page.is_as(accepted) {
            return page;
        }
        let plain = page.clone();
        match self.work.run(page.json.len(), move |_| plain.coded(accepted.coding())).await {
            Ok(coded) => {
                tenant.keep_page(snapshot, query, &coded);
                coded
            }
            Err(_) => page,
        }
    }
}

impl TenantCatalog {
    fn kept_page(&self, version: u64, query: &str, accepted: Accepted) -> Option<ListPage> {
        let caches = self.caches.load();
        let pages = &caches.as_ref()?.pages;
        if accepted.coding() != Coding::Identity
            && let Some(page) = pages.get(&PageOf(version, accepted.coding(), query))
        {
            return Some(page);
        }
        let plain = pages.get(&PageOf(version, Coding::Identity, query))?;
        (accepted.of_size(plain.json.len()) == Coding::Identity).then_some(plain)
    }

    fn keep_page(&self, snapshot: &Snapshot, query: &str, page: &ListPage) {
        if let Some(caches) = self.caches.load().as_ref().filter(|_| query.len() <= MAX_KEPT_QUERY) {
            caches.pages.insert(PageKey(snapshot.version(), page.coding, query.into()), page.clone());
        }
    }
}

/// Counts a page in the answer budget before the page is made.
fn add(charge: &mut Charge, length: usize) -> Result<(), NoPage> {
    if charge.add(length) { Ok(()) } else { Err(NoPage::Busy) }
}
