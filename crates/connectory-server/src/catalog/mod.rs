//! The in-memory read model: what lists and filters need of every tenant, and the documents that were read lately.
//!
//! Each tenant has an immutable [`Snapshot`] of its list behind an atomic pointer, and a map from script names that is
//! read without locks. Readers never wait; the store's writer renews both after a commit is on disk and before it is
//! acknowledged, so nobody reads what is not durable, and whoever was answered reads what they wrote. Tenants are
//! loaded on first use.
//!
//! A revision never changes, so what is cached under its number needs no invalidation.

pub mod builtin;
mod entry;
mod facets;
mod snapshot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use connectory_model::connector::Connector;
use connectory_model::limits::{INLINE_BYTES, INLINE_LIST_BYTES, INLINE_TIME, LIST_BYTES};
use connectory_model::wire::{ConnectorDetail, DetailShape};
use connectory_model::{Locale, ScriptName, Summary};
use connectory_store::{
    Change, Changed, Committed, Edit, Follow, Found, Holders, Origin, Refusal, RevisionId, RevisionNumber, Store,
    StoreError, TenantId, Unavailable,
};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use tokio::sync::OnceCell;

use crate::budget::{Budget, Charge};
use crate::work::{Stop, Work, WorkError, counted, reserve};

pub use entry::{Entry, Source};
pub use facets::{Facet, Facets};
use snapshot::NoPage;
pub use snapshot::{Page, Selection, Snapshot, SortBy, Window};

/// How many bytes of details are kept in memory (D33).
const DETAIL_BYTES: u64 = 40 * 1024 * 1024;
/// How many bytes a detail or a connector has at most that is kept: a few large ones would crowd out all others.
const MAX_KEPT_BYTES: usize = 1024 * 1024;
/// How many bytes of whole connectors, which single documents are read from and changes made from, their metadata included.
const CONNECTOR_BYTES: u64 = 8 * 1024 * 1024;
/// About how many connectors that is, which the cache wants to know to begin with.
const CACHE_ITEMS: usize = 4096;

/// How many bytes of pages are kept in memory (D34).
const PAGE_BYTES: u64 = 8 * 1024 * 1024;
/// The longest query whose page is kept.
const MAX_KEPT_QUERY: usize = 1024;

/// What a rendered detail depends on: the connector, the locale and which members it has.
pub type DetailKey = (Source, Locale, DetailShape);

/// Every tenant's connectors.
pub struct Catalog {
    store: Store,
    work: Work,
    answers: Budget,
    builtins: Vec<Arc<Connector>>,
    base: Arc<Base>,
    tenants: Arc<Tenants>,
    connectors: Cache<RevisionId, Arc<Connector>, ByDocuments>,
    details: Cache<DetailKey, Bytes, ByLength>,
    pages: Cache<PageKey, Page, ByLength>,
}

/// The tenants that are loaded. They follow the store, which is why the catalogue's store is not in here.
#[derive(Default)]
struct Tenants(Mutex<HashMap<TenantId, Arc<OnceCell<Arc<Tenant>>>>>);

impl Follow for Tenants {
    fn committed(&self, batch: Vec<Committed>) {
        let mut published: Vec<Arc<Tenant>> = Vec::with_capacity(1);
        for Committed { tenant: id, changed, prepared } in batch {
            let followed = published.iter().position(|tenant| tenant.id == id).or_else(|| {
                published.push(self.loaded(id)?);
                published.len().checked_sub(1)
            });
            if let Some(at) = followed {
                let entry = prepared.and_then(|prepared| prepared.downcast().ok()).map(|entry| *entry);
                published[at].publish(changed, entry);
            }
        }
        for tenant in published {
            tenant.show();
        }
    }
}

impl Tenants {
    fn cell(&self, id: TenantId) -> Arc<OnceCell<Arc<Tenant>>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default())
    }

    fn loaded(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id)?.get().cloned()
    }
}

/// The state of a list, and what was asked of it in the words of the request.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PageKey(u64, Box<str>);

/// The same, borrowed.
#[derive(Hash)]
struct PageOf<'a>(u64, &'a str);

impl Equivalent<PageKey> for PageOf<'_> {
    fn equivalent(&self, key: &PageKey) -> bool {
        (self.0, self.1) == (key.0, &key.1)
    }
}

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

/// What every tenant starts from: the built-in connectors.
struct Base {
    snapshot: Snapshot,
    by_script_name: HashMap<ScriptName, (Arc<Entry>, Summary)>,
}

/// A tenant's connectors.
pub struct Tenant {
    id: TenantId,
    base: Arc<Base>,
    /// The custom connectors.
    by_script_name: papaya::HashMap<ScriptName, Arc<Entry>>,
    /// What was published, used by the store's writer alone: changes that are committed together copy a chunk once.
    published: Mutex<Snapshot>,
    /// The same when it is shown.
    current: ArcSwap<Snapshot>,
    /// The counted values of the state of this number.
    facets: ArcSwapOption<(u64, Facets)>,
}

impl Tenant {
    /// The connectors as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The values by which a state of the list can be narrowed.
    pub fn facets(&self, snapshot: &Snapshot) -> Arc<(u64, Facets)> {
        let kept = self.facets.load_full().filter(|kept| kept.0 == snapshot.version());
        kept.unwrap_or_else(|| {
            let counted = Arc::new((snapshot.version(), snapshot.facets()));
            self.facets.store(Some(Arc::clone(&counted)));
            counted
        })
    }

    /// The tenant's key in the store.
    pub fn id(&self) -> TenantId {
        self.id
    }

    fn published(&self) -> MutexGuard<'_, Snapshot> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connector of a script name.
    pub fn entry(&self, script_name: &ScriptName) -> Option<Arc<Entry>> {
        let custom = self.by_script_name.pin().get(script_name).cloned();
        custom.or_else(|| self.base.by_script_name.get(script_name).map(|(entry, _)| Arc::clone(entry)))
    }

    fn insert(&self, entry: Entry, summary: &Summary) {
        let mut published = self.published();
        // A built-in connector of another name may be hidden by this one.
        if let Some(before) = self.entry(&entry.script_name).filter(|before| before.order() != entry.order()) {
            published.remove(&before);
        }
        let entry = Arc::new(entry);
        published.insert(Arc::clone(&entry), summary);
        self.by_script_name.pin().insert(entry.script_name.clone(), entry);
    }

    fn remove(&self, script_name: &ScriptName) {
        let mut published = self.published();
        if let Some(entry) = self.by_script_name.pin().remove(script_name) {
            published.remove(entry);
        }
        // A built-in connector that came with a later version may have been hidden by this one.
        if let Some((hidden, summary)) = self.base.by_script_name.get(script_name) {
            published.insert(Arc::clone(hidden), summary);
        }
    }

    /// Prepares a change to be shown; `entry` is the connector as its caller has rendered it.
    fn publish(&self, changed: Changed, entry: Option<Entry>) {
        let Some(summary) = changed.summary else { return self.remove(&changed.script_name) };
        let source = Source::Stored(RevisionId { tenant: self.id, number: changed.number });
        let mut entry = entry.unwrap_or_else(|| Entry::new(&summary, source));
        entry.source = source;
        self.insert(entry, &summary);
    }

    /// Lets readers see all that was published.
    fn show(&self) {
        let published = self.published();
        if published.version() != self.current.load().version() {
            self.current.store(Arc::new(published.clone()));
        }
    }
}

impl Catalog {
    /// A catalogue of built-in connectors and whatever the store holds.
    pub fn new(store: Store, builtins: Vec<Arc<Connector>>, work: Work, answers: Budget) -> Self {
        let mut listed: Vec<_> = builtins
            .iter()
            .enumerate()
            .map(|(at, connector)| {
                let summary = connector.summary();
                (Arc::new(Entry::new(&summary, Source::BuiltIn(at))), summary)
            })
            .collect();
        listed.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        let by_script_name = listed.iter().map(|listed| (listed.0.script_name.clone(), listed.clone())).collect();
        let tenants = Arc::<Tenants>::default();
        store.follow(Arc::<Tenants>::clone(&tenants));
        Self {
            base: Arc::new(Base { snapshot: Snapshot::from_ordered(listed), by_script_name }),
            builtins,
            store,
            work,
            answers,
            tenants,
            connectors: Cache::with_weighter(CACHE_ITEMS, CONNECTOR_BYTES, ByDocuments),
            details: Cache::with_weighter(CACHE_ITEMS, DETAIL_BYTES, ByLength),
            pages: Cache::with_weighter(CACHE_ITEMS, PAGE_BYTES, ByLength),
        }
    }

    /// How many built-in connectors there are.
    pub fn builtin_count(&self) -> usize {
        self.builtins.len()
    }

    /// A tenant's connectors, loaded when they are first asked for.
    pub async fn tenant(&self, id: TenantId) -> Result<Arc<Tenant>, StoreError> {
        self.tenants.cell(id).get_or_try_init(|| self.load(id)).await.cloned()
    }

    /// Nothing can write to a tenant before it is loaded, because writers start from its snapshot.
    async fn load(&self, id: TenantId) -> Result<Arc<Tenant>, StoreError> {
        let base = Arc::clone(&self.base);
        let read = move |summaries: &mut dyn Iterator<Item = (RevisionNumber, Summary)>| {
            let by_script_name = papaya::HashMap::new();
            let listed = summaries.map(|(number, summary)| {
                let entry = Arc::new(Entry::new(&summary, Source::Stored(RevisionId { tenant: id, number })));
                by_script_name.pin().insert(entry.script_name.clone(), Arc::clone(&entry));
                (entry, summary)
            });
            (Snapshot::from_ordered(listed), by_script_name)
        };
        let (_, (custom, by_script_name)) = self.store.load(id, read).await?;
        let mut snapshot = base.snapshot.clone();
        if !by_script_name.is_empty() {
            snapshot = custom;
            for (script_name, (entry, summary)) in &base.by_script_name {
                let hidden = by_script_name.pin().contains_key(script_name);
                if hidden || snapshot.has_name(entry.name_key()) {
                    tracing::warn!(
                        %script_name,
                        hidden,
                        "a custom connector has the name or script name of this built-in one; delete it to see this one"
                    );
                }
                if !hidden {
                    snapshot.insert(Arc::clone(entry), summary);
                }
            }
        }
        let published = Mutex::new(snapshot.clone());
        Ok(Arc::new(Tenant {
            id,
            base,
            by_script_name,
            published,
            current: ArcSwap::from_pointee(snapshot),
            facets: ArcSwapOption::empty(),
        }))
    }

    /// A whole connector. A large one is read when it is the request's turn.
    pub async fn connector(&self, source: Source) -> Result<Arc<Connector>, StoreError> {
        let id = match source {
            Source::BuiltIn(at) => return Ok(Arc::clone(&self.builtins[at])),
            Source::Stored(id) => id,
        };
        if let Some(connector) = self.connectors.get(&id) {
            return Ok(connector);
        }
        // Two may read the same at once. If one waited for the other, it could hold the turn that the other waits for.
        let connector = self.read(id).await?;
        self.keep(id, &connector);
        Ok(connector)
    }

    fn keep(&self, id: RevisionId, connector: &Arc<Connector>) {
        if connector.size() <= MAX_KEPT_BYTES {
            self.connectors.insert(id, Arc::clone(connector));
        }
    }

    async fn read(&self, id: RevisionId) -> Result<Arc<Connector>, StoreError> {
        let missing = || StoreError::Unreadable(format!("there is no revision {}", id.number));
        let bytes = match self.store.find(id, INLINE_BYTES).await?.ok_or_else(missing)? {
            Found::Connector(connector) => return Ok(connector.into()),
            Found::Large(bytes) => bytes,
        };
        self.work.turn(bytes).await.map_err(|_| Unavailable::Busy)?;
        self.store.connector(id).await?.map(Arc::new).ok_or_else(missing)
    }

    /// Where the parts of a connector are stored that was read at a revision.
    pub async fn holders(&self, id: RevisionId, connector: &Connector) -> Result<Holders, StoreError> {
        if connector.size() > INLINE_BYTES { self.store.holders(id).await } else { Ok(Holders::default()) }
    }

    /// The page that a query asks for, if it was asked for lately. What is asked again of the same state, as clients that
    /// poll do, is kept.
    pub fn cached_page(&self, tenant: &Tenant, query: &str) -> Option<Page> {
        self.pages.get(&PageOf(tenant.current.load().version(), query))
    }

    /// The page that a selection and a window of it make, if that takes next to no time, and what it is counted with;
    /// under `query`, it is kept.
    pub fn quick_page(
        &self,
        tenant: &Tenant,
        query: &str,
        selection: &Selection,
        window: Window,
    ) -> Result<(Page, Charge), NoPage> {
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
        tenant: &Tenant,
        query: &str,
        selection: Selection,
        window: Window,
    ) -> Result<Page, ListError> {
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

    fn keep_page(&self, snapshot: &Snapshot, query: &str, page: &Page) {
        if query.len() <= MAX_KEPT_QUERY {
            self.pages.insert(PageKey(snapshot.version(), query.into()), page.clone());
        }
    }

    /// Counts the detail of a connector of this size among the answers, before it is made.
    pub fn reserve_detail(&self, size: usize) -> Result<(), StoreError> {
        // Its source config is in it twice, as it is stored and with a locale's texts.
        reserve(&self.answers, 2 * size).map_err(|_| Unavailable::Busy.into())
    }

    /// A connector's detail as JSON, if it was asked for lately.
    pub fn cached_detail(&self, source: Source, locale: Locale, shape: DetailShape) -> Option<Bytes> {
        self.details.get(&(source, locale, shape))
    }

    /// A connector's detail as JSON.
    pub async fn detail(&self, source: Source, locale: Locale, shape: DetailShape) -> Result<Bytes, StoreError> {
        let key = (source, locale, shape);
        if let Some(detail) = self.details.get(&key) {
            return Ok(detail);
        }
        // Where it is not kept already, it need not be beside its detail, which is what is asked for again.
        let connector = match source {
            Source::Stored(id) if self.connectors.peek(&id).is_none() => self.read(id).await?,
            kept => self.connector(kept).await?,
        };
        self.render(key, connector).await
    }

    /// The detail of a connector that was read or made already.
    pub async fn render(&self, key: DetailKey, connector: Arc<Connector>) -> Result<Bytes, StoreError> {
        let size = connector.size();
        self.reserve_detail(size)?;
        let (source, locale, shape) = key;
        let render = move |_: &Stop| {
            let connector = Arc::unwrap_or_clone(connector);
            let detail = ConnectorDetail::of(connector, source.origin(), locale, shape);
            // Room for it at once, because growing copies it. What is not needed is given back.
            let mut json = Vec::with_capacity(3 * size + 1024);
            serde_json::to_writer(&mut json, &detail).expect("a detail is JSON");
            drop(detail);
            Bytes::from(json.into_boxed_slice())
        };
        let json = self.work.run(size, render).await.map_err(|_| Unavailable::Busy)?;
        if json.len() <= MAX_KEPT_BYTES {
            self.details.insert(key, json.clone());
        }
        Ok(json)
    }

    /// Commits a change to a tenant's connector, which publishes it. Returns where the connector is now.
    pub async fn commit(&self, tenant: &Arc<Tenant>, edit: Edit, origin: Origin) -> Result<Source, Refusal> {
        let (change, connector) = (edit.change(), Arc::clone(edit.connector()));
        let at = |number| RevisionId { tenant: tenant.id, number };
        let is_there = !matches!(change, Change::Delete { .. });
        let edit = if is_there {
            // Rendered here, not on the writer's thread, which every other write waits for.
            let entry = Entry::new(edit.summary(), Source::Stored(at(RevisionNumber::ZERO)));
            edit.preparing(entry)
        } else {
            edit
        };
        let numbers = self.store.commit(tenant.id, vec![edit], origin).await?;
        let number = numbers[0];
        // What was changed is not asked for again. Left where it is, it would crowd out what is.
        if let Change::Update { expected } | Change::Delete { expected } = change {
            self.connectors.remove(&at(expected));
        }
        if is_there {
            self.keep(at(number), &connector);
        }
        Ok(Source::Stored(at(number)))
    }
}

/// Counts a page before it is made.
fn add(charge: &mut Charge, length: usize) -> Result<(), NoPage> {
    if charge.add(length) { Ok(()) } else { Err(NoPage::Busy) }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<DetailKey, Bytes> for ByLength {
    fn weight(&self, _: &DetailKey, detail: &Bytes) -> u64 {
        detail.len() as u64 + 1
    }
}

impl Weighter<PageKey, Page> for ByLength {
    fn weight(&self, key: &PageKey, page: &Page) -> u64 {
        (key.1.len() + page.json.len()) as u64 + 1
    }
}

#[derive(Clone)]
struct ByDocuments;

impl Weighter<RevisionId, Arc<Connector>> for ByDocuments {
    fn weight(&self, _: &RevisionId, connector: &Arc<Connector>) -> u64 {
        connector.memory() as u64
    }
}
