//! The operations on connectors: find, create, edit, delete, restore, and their history.
//!
//! Every write goes through here, whether the API or the console asks for it. Nothing here knows HTTP: an operation that
//! is refused returns a [`RegistryError`], which says what was refused and with which values.

mod changed;
mod create;
mod delete;
mod edit;
mod error;
mod find;
mod history;
mod patch;
mod restore;
mod upload;

use std::sync::Arc;

use connectory_store::Store;

use crate::catalog::Catalog;
use crate::work::Work;

pub use self::edit::{Edited, Given};
pub use self::error::RegistryError;
pub use self::find::Found;
pub use self::history::{Change, Past};
pub use self::patch::patched;

/// How large connectors may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How large a document may be, in bytes.
    pub document: usize,
    /// How large a whole connector may be, in bytes of JSON.
    pub connector: usize,
}

/// The connectors of every tenant, and what can be done with them.
pub struct Registry {
    catalog: Arc<Catalog>,
    store: Store,
    work: Work,
    bounds: Bounds,
}

impl Registry {
    /// The operations on a catalog and the store that it shows.
    pub fn new(catalog: Arc<Catalog>, store: Store, work: Work, bounds: Bounds) -> Self {
        Self { catalog, store, work, bounds }
    }
}
