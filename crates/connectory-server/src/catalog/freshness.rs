//! Fresh and local reads: how current the lists in memory are, if other processes commit to the database (D45).
//!
//! A request that needs a fresh list waits until the store has handed over everything that was acknowledged before the
//! request. With `--reads local`, reads do not wait: a task follows each tenant that is asked, and a read waits only if
//! that failed for too long. If this process alone commits, nothing here waits.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use connectory_model::limits::{FRESH_TIMEOUT, KEPT_CURRENT, REVISION_LOOK};
use connectory_model::shown;
use connectory_model::wire::MIN_REVISION;
use connectory_store::{RevisionNumber, Store, StoreError, Unavailable};
use http::{HeaderMap, HeaderValue, Method};

use super::Catalog;
use super::tenant::{Currency, TenantCatalog};
use crate::clock::Clock;
use crate::http::error::ApiError;
use crate::http::metrics::NodeMetrics;
use crate::http::response::REVISION;
use crate::options::{Options, PlayedNodes, Reads};

/// Waits for what other processes commit.
pub struct Freshness {
    store: Store,
    played: Option<PlayedNodes>,
    is_shared: bool,
    reads: Reads,
    clock: Clock,
    started: Instant,
    metrics: NodeMetrics,
}

/// What a request needs of the lists.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Whether the request may change something. Whatever is changed or refused is decided on a fresh list.
    changes: bool,
    /// The revision that must be in the lists.
    revision: RevisionNumber,
}

/// The reason why the lists are not as current as a request needs them.
#[derive(Debug, thiserror::Error)]
pub enum NotCurrent {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database does not have the revision that the request asks for.
    #[error("the newest revision is {newest}, and `Connectory-Min-Revision` asks for {asked}; nothing was changed")]
    Behind {
        /// The newest revision of the tenant.
        newest: RevisionNumber,
        /// The revision that the request asks for.
        asked: RevisionNumber,
    },
}

impl Need {
    /// Reads what a request needs.
    pub fn of(method: &Method, headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(MIN_REVISION).iter();
        let revision = match (values.next(), values.next()) {
            (None, _) => Some(RevisionNumber::ZERO),
            (Some(value), None) => revision_number(value),
            _ => None,
        };
        let Some(revision) = revision else {
            let text = headers.get(MIN_REVISION).map(HeaderValue::as_bytes).unwrap_or_default();
            return Err(ApiError::bad_request(format!(
                "`Connectory-Min-Revision` is given once, as a whole number of at most {}, such as an answer has it in \
                 `Connectory-Revision`; got `{}`",
                RevisionNumber::MAX,
                shown(&String::from_utf8_lossy(text), 40)
            )));
        };
        Ok(Self { changes: !method.is_safe(), revision })
    }

    /// Whether the request asks for no revision.
    pub fn is_any_revision(self) -> bool {
        self.revision == RevisionNumber::ZERO
    }
}

fn revision_number(value: &HeaderValue) -> Option<RevisionNumber> {
    let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    RevisionNumber::new(text.parse().ok()?)
}

impl Freshness {
    /// Makes the reads of a store as the options want them.
    pub fn new(store: Store, options: &Options, metrics: NodeMetrics) -> Arc<Self> {
        let (played, reads, clock) = (options.played_nodes.clone(), options.reads, options.clock.clone());
        let is_shared = played.is_some() || store.is_shared();
        Arc::new(Self { store, played, is_shared, reads, started: clock.now(), clock, metrics })
    }

    /// Whether other processes may commit to the database.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The time since this process knew all commits of the tenants that it follows, if others commit too.
    pub fn lag(&self) -> Option<Duration> {
        self.played.as_ref().map_or_else(|| self.store.lag(), |played| Some(played.lag))
    }

    /// How many tenants miss what others committed, and get it at the moment, if others commit too.
    pub fn behind(&self) -> Option<usize> {
        if self.played.is_some() { Some(0) } else { self.store.behind() }
    }

    /// Says how current lists are that are read from the database now.
    pub(super) fn currency(&self) -> Currency {
        Currency { as_of: self.now().into(), ..Currency::default() }
    }

    /// The time for [`Currency`].
    fn now(&self) -> u64 {
        self.since_start(self.clock.now())
    }

    /// The milliseconds from the start of the catalog to a time.
    pub(super) fn since_start(&self, time: Instant) -> u64 {
        time.saturating_duration_since(self.started).as_millis().try_into().unwrap_or(u64::MAX)
    }

    /// Asks the store for what others committed to a tenant, until `end`.
    async fn ask(&self, tenant: &TenantCatalog, end: tokio::time::Instant) -> Result<(), StoreError> {
        let began = self.now();
        let asked = async {
            match &self.played {
                Some(played) => (played.fresh)(tenant.id).await,
                None => self.store.fresh(tenant.id).await,
            }
        };
        tokio::time::timeout_at(end, asked).await.unwrap_or(Err(Unavailable::Slow.into()))?;
        if tenant.has_ended() {
            return Err(Unavailable::Lost.into());
        }
        tenant.currency.as_of.fetch_max(began, Ordering::AcqRel);
        Ok(())
    }

    /// Whether the lists of a tenant are at most as old as a local read may be. Keeps them up to date from now on.
    fn is_recent(self: &Arc<Self>, tenant: &Arc<TenantCatalog>, max_staleness: Duration) -> bool {
        let (now, currency) = (self.now(), &tenant.currency);
        // Written once in a second, because all threads read it.
        if now - currency.asked.load(Ordering::Relaxed).min(now) >= 1000 {
            currency.asked.store(now, Ordering::Relaxed);
        }
        if !currency.is_kept.load(Ordering::Relaxed) && !currency.is_kept.swap(true, Ordering::AcqRel) {
            tokio::spawn(keep_current(Arc::downgrade(self), Arc::downgrade(tenant), max_staleness / 3));
        }
        u128::from(now.saturating_sub(currency.as_of.load(Ordering::Acquire))) <= max_staleness.as_millis()
    }
}

/// The end of a wait that begins now.
fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + FRESH_TIMEOUT
}

/// Keeps the lists of a tenant up to date while requests ask for it. If that fails, the requests wait and get the error.
async fn keep_current(freshness: Weak<Freshness>, tenant: Weak<TenantCatalog>, pause: Duration) {
    while let (Some(freshness), Some(tenant)) = (freshness.upgrade(), tenant.upgrade()) {
        let idle = freshness.now().saturating_sub(tenant.currency.asked.load(Ordering::Relaxed));
        if tenant.has_ended() || u128::from(idle) > KEPT_CURRENT.as_millis() {
            return tenant.currency.is_kept.store(false, Ordering::Release);
        }
        if let Err(error) = freshness.ask(&tenant, deadline()).await {
            tracing::debug!(%error, "could not read what other servers committed");
        }
        drop((freshness, tenant));
        tokio::time::sleep(pause).await;
    }
}

impl Catalog {
    /// Whether other processes may commit to the database.
    pub fn is_shared(&self) -> bool {
        self.freshness.is_shared
    }

    /// The time since this process knew all commits of the tenants that it follows, if others commit too.
    pub fn lag(&self) -> Option<Duration> {
        self.freshness.lag()
    }

    /// How many tenants are not as current as the database at the moment: they miss what others committed, or are loaded.
    /// None if nobody else commits.
    pub fn behind(&self) -> Option<usize> {
        Some(self.freshness.behind()? + self.tenants.loading())
    }

    /// Counts an attempt to change a connector that the store refused because of a newer revision.
    pub fn note_refused_edit(&self) {
        self.freshness.metrics.refused_edits.inc();
    }

    /// Returns when everything is visible that was acknowledged before this call, by whichever process.
    pub async fn fresh(&self, tenant: &TenantCatalog) -> Result<(), StoreError> {
        if self.is_shared() { self.fresh_until(tenant, deadline()).await } else { Ok(()) }
    }

    async fn fresh_until(&self, tenant: &TenantCatalog, end: tokio::time::Instant) -> Result<(), StoreError> {
        let began = Instant::now();
        let fresh = self.freshness.ask(tenant, end).await;
        self.freshness.metrics.fresh_waits.observe(began.elapsed().as_secs_f64());
        fresh
    }

    /// Whether a request can be answered from the lists as they are now.
    pub fn is_current(&self, tenant: &Arc<TenantCatalog>, need: Need) -> bool {
        match self.freshness.reads {
            _ if !self.is_shared() => true,
            Reads::Local { max_staleness } if !need.changes => {
                self.freshness.is_recent(tenant, max_staleness) && tenant.revision() >= need.revision
            }
            _ => false,
        }
    }

    /// Waits until a request can be answered from the lists, for [`FRESH_TIMEOUT`] at most.
    pub async fn current(&self, tenant: &TenantCatalog, need: Need) -> Result<(), NotCurrent> {
        let (end, asked) = (deadline(), need.revision);
        let mut found = None;
        loop {
            match (self.fresh_until(tenant, end).await, found) {
                // The last look had no time left, and those before it were answered.
                (Err(StoreError::Unavailable(Unavailable::Slow)), Some(newest)) => {
                    return Err(NotCurrent::Behind { newest, asked });
                }
                (looked, _) => looked?,
            }
            let newest = tenant.revision();
            found = Some(newest);
            if newest >= asked {
                return Ok(());
            }
            let next = tokio::time::Instant::now() + REVISION_LOOK;
            if next >= end {
                return Err(NotCurrent::Behind { newest, asked });
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// Adds the revision up to which a response knows the tenant, if other processes may commit to the database. The
    /// response is made already, so it never knows more.
    pub fn note_revision(&self, tenant: &TenantCatalog, response: &mut Response) {
        if self.is_shared() {
            response.headers_mut().insert(REVISION, tenant.revision().get().into());
        }
    }
}

impl TenantCatalog {
    /// The newest revision that is visible.
    pub fn revision(&self) -> RevisionNumber {
        self.current.load().number
    }
}

impl IntoResponse for NotCurrent {
    fn into_response(self) -> Response {
        match self {
            Self::Store(error) => ApiError::from(error).into_response(),
            Self::Behind { newest, .. } => {
                let mut response = ApiError::unavailable(self.to_string()).into_response();
                // A client that knows the revisions of a database that was lost begins anew with this one.
                response.headers_mut().insert(REVISION, newest.get().into());
                response
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use connectory_store::Follow;
    use futures_util::FutureExt;
    use tempfile::TempDir;

    use super::super::testing::with_tenant;
    use super::*;

    #[tokio::test]
    async fn a_tenant_whose_history_is_lost_is_not_fresh_and_is_loaded_anew() {
        let played = PlayedNodes { fresh: Arc::new(|_| async { Ok(()) }.boxed()), lag: Duration::ZERO };
        let options = Options { played_nodes: Some(played), ..Options::default() };
        let folder = TempDir::new().unwrap();
        let (catalog, id) = with_tenant(&folder, &options).await;
        let now = Instant::now();

        let before = catalog.asked(id, now).await.unwrap();
        catalog.fresh(&before).await.unwrap();
        catalog.tenants.lost(id);
        let error = catalog.fresh(&before).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(Unavailable::Lost)), "{error}");
        let after = catalog.asked(id, now).await.unwrap();
        assert!(!Arc::ptr_eq(&before, &after) && before.caches.load().is_none());
        assert!(after.caches.load().is_some(), "it has the part of the caches that the other had");
        catalog.fresh(&after).await.unwrap();
    }
}
