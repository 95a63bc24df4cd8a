//! What the handlers of a server share.

use std::sync::Arc;

use connectory_model::limits;
use connectory_store::{Store, StoreError};

use crate::auth::Auth;
use crate::auth::keys::KeysError;
use crate::budget::Budget;
use crate::catalog::Catalog;
use crate::catalog::builtin::{self, CatalogError};
use crate::http::body::Bodies;
use crate::http::telemetry::Telemetry;
use crate::options::Options;
use crate::registry::{Bounds, Registry};
use crate::work::Work;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A catalog of built-in connectors.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The signing keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The state of a server.
pub struct ServerState {
    /// What is kept.
    pub store: Store,
    /// What is read: every tenant's connectors in memory.
    pub catalog: Arc<Catalog>,
    /// The operations.
    pub registry: Registry,
    /// Who calls.
    pub auth: Arc<Auth>,
    /// How request bodies are read.
    pub bodies: Bodies,
    /// The bytes of answers to callers who are known.
    pub answers: Budget,
    /// What is counted and logged.
    pub telemetry: Telemetry,
    /// Long work.
    pub work: Work,
    /// What the server was started with.
    pub options: Options,
}

impl ServerState {
    /// The state on a store.
    pub async fn new(store: Store, options: Options) -> Result<Arc<Self>, StartError> {
        let builtins = builtin::load(&options.catalogs)?;
        let work = Work::default();
        let answers = Budget::new(options.max_answers);
        let anonymous_answers = Budget::new(options.max_answers / limits::ANONYMOUS_PART);
        let catalog = Arc::new(Catalog::new(store.clone(), builtins, work.clone(), answers.clone()));
        // A tenant is loaded on first use; the first request should not be the one that waits for it.
        for tenant in store.tenants().await? {
            catalog.tenant(tenant.id).await?;
        }
        let auth =
            Arc::new(Auth::new(store.clone(), Arc::clone(&catalog), options.rate_limit, options.clock.clone()).await?);
        let bounds = Bounds { document: options.max_document, connector: options.max_connector };
        let registry = Registry::new(Arc::clone(&catalog), store.clone(), work.clone(), bounds);
        let bodies = Bodies {
            max_request: options.max_request,
            max_document: options.max_document,
            budget: Budget::new(options.max_bodies),
            work: work.clone(),
        };
        let telemetry = Telemetry::new(answers.clone(), anonymous_answers);
        Ok(Arc::new(Self { store, catalog, registry, auth, bodies, answers, telemetry, work, options }))
    }

    /// How many built-in connectors there are.
    pub fn builtin_count(&self) -> usize {
        self.catalog.builtin_count()
    }
}
