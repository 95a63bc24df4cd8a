//! The operations on connectors: find, create, edit, delete, restore, and their history; and those on API clients.
//!
//! All changes by the API and the console use this module. Of HTTP, the module knows only the conditions of requests: a
//! refused operation returns a [`RegistryError`], which contains the reason and its values.

mod activity;
mod apply;
mod changed;
mod clients;
mod create;
mod delete;
mod deleted;
mod diff;
mod edit;
mod error;
mod expected;
mod export;
mod find;
mod history;
mod load;
mod patch;
mod queue;
mod restore;
mod upload;

use std::sync::Arc;

use connectory_store::{Store, StoreError};

use self::queue::Queues;
use crate::catalog::{Catalog, TenantCatalog};
use crate::work::Work;

pub use self::activity::{
    ActivityChange, ActivityCursor, ActivityDetails, ActivityItem, ActivityPage, ActivityWanted, What,
};
pub use self::apply::{
    ApplyError, Changes, Chosen, Counts, Import, RefusalReason, Refusals, Refused, Step, StepKind, TooMuch, Undoable,
};
pub use self::changed::{MEMBERS, is_member};
pub use self::deleted::DeletedPage;
pub use self::edit::{Edited, Given};
pub use self::error::RegistryError;
pub use self::expected::{Expected, Unexpected};
pub use self::export::{ExportParts, Exported, Form, Moment};
pub use self::find::Found;
pub use self::history::{At, Change, Past, RevisionsPage, RevisionsWanted, time};
pub use self::load::LoadError;
pub use self::patch::patched;

/// The limits on the size of connectors.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The largest document, in bytes.
    pub document: usize,
    /// The largest connector, in bytes of JSON.
    pub connector: usize,
    /// The largest set of changes that is applied at once, in bytes.
    pub apply: usize,
}

/// The operations on the connectors of all tenants.
pub struct Registry {
    catalog: Arc<Catalog>,
    store: Store,
    work: Work,
    bounds: Bounds,
    queues: Queues,
}

impl Registry {
    /// Makes the registry on a catalog and on the store of this catalog.
    pub fn new(catalog: Arc<Catalog>, store: Store, work: Work, bounds: Bounds) -> Self {
        Self { catalog, store, work, bounds, queues: Queues::default() }
    }

    /// Prepares another attempt of a change, after the store refused one because of a newer revision: makes that revision
    /// visible, whichever process committed it.
    async fn refused(&self, tenant: &TenantCatalog) -> Result<(), StoreError> {
        self.catalog.note_refused_edit();
        self.catalog.fresh(tenant).await
    }
}
