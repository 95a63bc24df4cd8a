//! What every handler shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use connectory_model::limits;
use connectory_store::{Store, StoreError};

use crate::auth::Auth;
use crate::auth::rate_limit::RateLimit;
use crate::budget::Budget;
use crate::catalog::Catalog;
use crate::catalog::builtin::{self, CatalogError};
use crate::console::oidc::{Oidc, OidcOptions};
use crate::console::session::Sessions;
use crate::listen::TrustedProxies;
use crate::metrics::Metrics;
use crate::telemetry::Refusals;
use crate::work::Work;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Further catalogues of built-in connectors.
    pub catalogs: Vec<PathBuf>,
    /// How often a client may call, if there is a limit.
    pub rate_limit: Option<RateLimit>,
    /// How long a token is valid.
    pub token_lifetime: Duration,
    /// How large a request's body may be, in bytes.
    pub max_request: usize,
    /// How large a document may be, in bytes.
    pub max_document: usize,
    /// How large a whole connector may be, in bytes of JSON.
    pub max_connector: usize,
    /// How many bytes request bodies may have together.
    pub max_bodies: usize,
    /// How many bytes answers on the way may have together.
    pub max_answers: usize,
    /// The proxies that are believed when they say whom they speak for.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The address under which clients reach the server, without a slash at its end.
    pub public_url: String,
    /// The OpenID provider at which administrators may sign in to the console.
    pub oidc: Option<OidcOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            catalogs: Vec::new(),
            rate_limit: Some(RateLimit::STANDARD),
            token_lifetime: Duration::from_mins(12),
            max_request: limits::REQUEST_BYTES,
            max_document: limits::DOCUMENT_BYTES,
            max_connector: limits::CONNECTOR_BYTES,
            max_bodies: limits::BODIES_BYTES,
            max_answers: limits::ANSWERS_BYTES,
            trusted_proxies: Arc::default(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            oidc: None,
        }
    }
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The signing keys.
    #[error("the signing key in the database cannot be read: {0}")]
    Key(String),
}

/// The state of a server.
pub struct App {
    pub(crate) store: Store,
    pub(crate) catalog: Catalog,
    pub(crate) auth: Auth,
    pub(crate) sessions: Sessions,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) options: Options,
    pub(crate) work: Work,
    /// The bytes of request bodies.
    pub(crate) bodies: Budget,
    /// The bytes of answers to callers who are known, and to others.
    pub(crate) answers: Budget,
    pub(crate) anonymous_answers: Budget,
    pub(crate) refusals: Refusals,
    /// What it counts.
    pub metrics: Metrics,
}

impl App {
    /// The state on a store.
    pub async fn new(store: Store, options: Options) -> Result<Arc<Self>, StartError> {
        let builtins = builtin::load(&options.catalogs)?;
        let auth = Auth::new(&store, options.rate_limit).await?;
        let (bodies, answers) = (Budget::new(options.max_bodies), Budget::new(options.max_answers));
        let work = Work::default();
        let anonymous_answers = Budget::new(options.max_answers / limits::ANONYMOUS_PART);
        let catalog = Catalog::new(store.clone(), builtins, work.clone(), answers.clone());
        // A tenant is loaded on first use; the first request should not be the one that waits for it.
        for tenant in store.tenants().await? {
            catalog.tenant(tenant.id).await?;
        }
        let oidc = options.oidc.clone().map(Oidc::new);
        let (sessions, metrics, refusals) = Default::default();
        Ok(Arc::new(Self {
            store,
            catalog,
            auth,
            sessions,
            oidc,
            options,
            work,
            bodies,
            answers,
            anonymous_answers,
            refusals,
            metrics,
        }))
    }

    /// How many built-in connectors there are.
    pub fn builtin_count(&self) -> usize {
        self.catalog.builtin_count()
    }
}
