//! The in-memory read model: the data that lists and filters need from every tenant, and the recently read documents.
//!
//! Each tenant has an immutable [`Snapshot`] of its list behind an atomic pointer, and a map from script names that
//! readers use without locks. Readers never wait. The store's writer updates both after a commit is on disk and before
//! the commit is acknowledged. So readers see only durable data, and a caller that got its result can read its own
//! write. Tenants are loaded on first use.
//!
//! A revision never changes, so values that are cached under its number need no invalidation.

pub mod builtin;
mod caches;
mod chunk;
mod commit;
mod counted;
mod details;
mod division;
mod entry;
mod facets;
mod follow;
mod freshness;
mod listing;
mod load;
mod request;
mod snapshot;
mod tagged;
mod tags;
mod tenant;

use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use connectory_model::Connector;
use connectory_store::Store;
use sha2::{Digest, Sha256};

pub use self::caches::{Detail, DetailKey};
use self::division::Division;
pub use self::entry::{Entry, Source};
pub use self::facets::{CountedFacets, Facet, Facets};
use self::follow::Tenants;
pub use self::freshness::{Freshness, Need, NotCurrent};
pub use self::listing::ListError;
pub use self::request::{ListPage, PageRequest, Searched, Selection, SortBy};
pub use self::snapshot::Snapshot;
pub use self::tagged::Tagged;
use self::tenant::Base;
pub use self::tenant::TenantCatalog;
use crate::budget::Budget;
use crate::http::metrics::CatalogMetrics;
use crate::work::Work;

/// The connectors of all tenants.
pub struct Catalog {
    store: Store,
    work: Work,
    answers: Budget,
    builtins: Vec<Arc<Connector>>,
    builtin_digest: OnceLock<String>,
    base: Arc<Base>,
    tenants: Arc<Tenants>,
    division: Division,
    freshness: Arc<Freshness>,
    /// How many bytes all tenants may take.
    memory: usize,
    /// When the log may say again that this is not enough, in milliseconds since the start.
    warn_again_at: AtomicU64,
    metrics: CatalogMetrics,
}

impl Catalog {
    /// Makes a catalog of the built-in connectors and the connectors in the store.
    pub fn new(
        store: Store,
        builtins: Vec<Arc<Connector>>,
        work: Work,
        answers: Budget,
        freshness: Arc<Freshness>,
        (memory, metrics): (usize, CatalogMetrics),
    ) -> Self {
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
            builtin_digest: OnceLock::new(),
            store,
            work,
            answers,
            tenants,
            division: Division::default(),
            freshness,
            memory,
            warn_again_at: AtomicU64::new(0),
            metrics,
        }
    }

    /// The SHA-256 of the built-in connectors, in hexadecimal digits. Computed when it is first asked for.
    pub fn builtin_digest(&self) -> &str {
        self.builtin_digest.get_or_init(|| {
            let mut builtins: Vec<_> = self.builtins.iter().collect();
            builtins.sort_by(|a, b| a.script_name.cmp(&b.script_name));
            let digest = builtins.into_iter().fold(Sha256::new(), |digest, connector| {
                digest.chain_update(serde_json::to_vec(connector).expect("a connector is JSON"))
            });
            digest.finalize().iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("a string takes any text");
                hex
            })
        })
    }

    /// How many bytes all tenants in memory take.
    pub fn tenants_memory(&self) -> usize {
        self.tenants.memory()
    }

    /// The number of built-in connectors.
    pub fn builtin_count(&self) -> usize {
        self.builtins.len()
    }
}

#[cfg(test)]
mod testing {
    use connectory_model::access::{Scopes, UserLevel};
    use connectory_store::{AccessOrigin, NewClient, TenantId};
    use tempfile::TempDir;

    use super::*;
    use crate::budget::Budget;
    use crate::http::metrics::NodeMetrics;
    use crate::options::Options;
    use crate::share::Pool;

    /// Makes a catalog with one tenant and no connectors, in a database of this folder.
    pub(super) async fn with_tenant(folder: &TempDir, options: &Options) -> (Catalog, TenantId) {
        let store = Store::open_without_syncs(&folder.path().join("c.db")).unwrap();
        let (client, _) = NewClient::generate("first".to_owned(), UserLevel::OrgAdmin, Scopes::default());
        let by = AccessOrigin::operator("test".to_owned());
        store.bootstrap("default".to_owned(), client, by).await.unwrap();
        let id = store.tenant(None).await.unwrap().unwrap().id;
        let freshness = Freshness::new(store.clone(), options, NodeMetrics::default());
        let answers = Budget::new(Pool::Answers, 1);
        let limits = (usize::MAX, CatalogMetrics::default());
        (Catalog::new(store, Vec::new(), Work::default(), answers, freshness, limits), id)
    }
}
