//! The state that the handlers of a server share.

use std::sync::Arc;

use axum::response::Response;
use connectory_model::limits;
use connectory_store::{Store, StoreError};
use http::Request;

use crate::auth::Auth;
use crate::auth::keys::KeysError;
use crate::budget::Budget;
use crate::catalog::builtin::{self, CatalogError};
use crate::catalog::{Catalog, Freshness};
use crate::clock::Clock;
use crate::http::body::Bodies;
use crate::http::metrics::{CatalogMetrics, Metrics, NodeMetrics};
use crate::http::telemetry::Telemetry;
use crate::options::Options;
use crate::registry::{Bounds, Registry};
use crate::share::Pool;
use crate::work::Work;

/// The reason why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A catalog of built-in connectors cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The signing keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The state of a server.
pub struct ServerState {
    /// The durable data.
    pub store: Store,
    /// The connectors of all tenants in memory, which requests read.
    pub catalog: Arc<Catalog>,
    /// The operations on connectors.
    pub registry: Registry,
    /// The authentication of callers.
    pub auth: Arc<Auth>,
    /// The reader of request bodies, with its limits.
    pub bodies: Bodies,
    /// The memory limit for responses to authenticated callers.
    pub answers: Budget,
    /// The log and the metrics of requests.
    pub telemetry: Telemetry,
    /// What the server measures of itself as one of several.
    node: NodeMetrics,
    /// What is measured of the tenants in memory.
    of_catalog: CatalogMetrics,
    /// The limits on long work.
    pub work: Work,
    /// The options that the server was started with.
    pub options: Options,
}

impl ServerState {
    /// Makes the state of a server on a store.
    pub async fn new(store: Store, options: Options) -> Result<Arc<Self>, StartError> {
        let built_in = builtin::load(options.embedded_catalog, &options.catalogs, options.folder_limits())?;
        for left_out in built_in.left_out {
            tracing::warn!("{left_out}");
        }
        let work = Work::default();
        let answers = Budget::new(Pool::Answers, options.max_answers);
        let anonymous_answers = Budget::new(Pool::Answers, options.max_answers / limits::ANONYMOUS_PART);
        let node = NodeMetrics::default();
        let freshness = Freshness::new(store.clone(), &options, node.clone());
        let measured = (options.backups.clone(), options.retention.clone());
        let of_catalog = CatalogMetrics::default();
        let metrics = Metrics::new((&node, &of_catalog), freshness.is_shared(), store.measures(), measured);
        let catalog = Arc::new(Catalog::new(
            store.clone(),
            built_in.connectors,
            work.clone(),
            answers.clone(),
            freshness,
            (options.catalog_memory, of_catalog.clone()),
        ));
        if options.preload {
            for tenant in store.tenants().await? {
                catalog.tenant(tenant.id).await?;
                if catalog.tenants_memory() > options.catalog_memory {
                    tracing::warn!("not all tenants are loaded, because they need more than `--catalog-memory`");
                    break;
                }
            }
        }
        let (limit, clock) = (options.rate_limit, options.clock.clone());
        follow_clock(&store, &clock, &node).await?;
        let auth = Arc::new(Auth::new(store.clone(), Arc::clone(&catalog), limit, clock, &node).await?);
        let bounds =
            Bounds { document: options.max_document, connector: options.max_connector, apply: options.max_apply };
        let registry = Registry::new(Arc::clone(&catalog), store.clone(), work.clone(), bounds);
        let bodies = Bodies {
            max_request: options.max_request,
            max_document: options.max_document,
            budget: Budget::new(Pool::Bodies, options.max_bodies),
            work: work.clone(),
        };
        let telemetry = Telemetry::new(metrics, answers.clone(), anonymous_answers);
        Ok(Arc::new(Self {
            store,
            catalog,
            registry,
            auth,
            bodies,
            answers,
            telemetry,
            node,
            of_catalog,
            work,
            options,
        }))
    }

    /// Responds to a collector of metrics. `dropped_lines` is the number of log lines that were dropped so far.
    pub fn answer_collector<B>(&self, request: &Request<B>, dropped_lines: u64) -> Response {
        self.of_catalog.memory.set(self.catalog.tenants_memory().try_into().unwrap_or(i64::MAX));
        self.node.lag.set(self.catalog.lag().unwrap_or_default().as_secs_f64());
        self.telemetry.metrics.answer(request, dropped_lines)
    }

    /// Compares the clock with that of the database, if other servers use it too, and follows that one.
    pub async fn follow_clock(&self) -> Result<(), StoreError> {
        follow_clock(&self.store, &self.options.clock, &self.node).await
    }

    /// The number of built-in connectors.
    pub fn builtin_count(&self) -> usize {
        self.catalog.builtin_count()
    }
}

/// Lets the clock follow that of a database that others use too. Warns when the difference becomes large.
async fn follow_clock(store: &Store, clock: &Clock, node: &NodeMetrics) -> Result<(), StoreError> {
    let Some(ahead) = store.clock_difference().await? else { return Ok(()) };
    clock.follow(ahead);
    let most = i64::try_from(limits::CLOCK_DIFFERENCE.as_millis()).unwrap_or(i64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "a difference of clocks has few digits")]
    let before = node.clock_difference.set(ahead as f64 / 1000.0);
    if ahead.abs() > most && before.abs() <= limits::CLOCK_DIFFERENCE.as_secs_f64() {
        let (database_ahead_ms, follows) = (ahead, "the database");
        tracing::warn!(database_ahead_ms, follows, "the clock of this machine is not that of the database; set it");
    }
    Ok(())
}
