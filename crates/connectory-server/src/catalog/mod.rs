//! The in-memory read model: what lists and filters need of every tenant, and the documents that were read lately.
//!
//! Each tenant has an immutable [`Snapshot`] of its list behind an atomic pointer, and a map from script names that is
//! read without locks. Readers never wait; the store's writer renews both after a commit is on disk and before it is
//! acknowledged, so nobody reads what is not durable, and whoever was answered reads what they wrote. Tenants are
//! loaded on first use.
//!
//! A revision never changes, so what is cached under its number needs no invalidation.

pub mod builtin;
mod caches;
mod chunk;
mod commit;
mod details;
mod entry;
mod facets;
mod follow;
mod listing;
mod load;
mod request;
mod snapshot;
mod tenant;

use std::sync::Arc;

use connectory_model::Connector;
use connectory_store::Store;

use self::caches::Caches;
pub use self::caches::DetailKey;
pub use self::entry::{Entry, Source};
pub use self::facets::{Facet, Facets};
use self::follow::Tenants;
pub use self::listing::ListError;
pub use self::request::{ListPage, PageRequest, Selection, SortBy};
pub use self::snapshot::Snapshot;
use self::tenant::Base;
pub use self::tenant::TenantCatalog;
use crate::budget::Budget;
use crate::work::Work;

/// Every tenant's connectors.
pub struct Catalog {
    store: Store,
    work: Work,
    answers: Budget,
    builtins: Vec<Arc<Connector>>,
    base: Arc<Base>,
    tenants: Arc<Tenants>,
    caches: Caches,
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
            caches: Caches::default(),
        }
    }

    /// How many built-in connectors there are.
    pub fn builtin_count(&self) -> usize {
        self.builtins.len()
    }
}
