//! The metrics of the server, for a collector that reads `OpenMetrics`, such as Prometheus.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use connectory_store::Measures;
use http::{Method, Request, StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::options::{BackupMetrics, RetentionMetrics};

/// The upper limits of the histogram's buckets, in seconds: from a cached response to a slow disk.
const BUCKETS: [f64; 12] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 10.0];

/// The labels of the request metric.
#[expect(clippy::struct_field_names, reason = "the names are those of OpenTelemetry's conventions for HTTP")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    http_request_method: &'static str,
    /// The route as the router defines it, or empty if no route matched. Clients must not be able to add label values.
    http_route: Cow<'static, str>,
    http_response_status_code: u16,
}

/// What a server measures of itself as one of several processes that commit to a database. Clones share the values.
#[derive(Debug, Clone)]
pub struct NodeMetrics {
    /// How long requests waited for what other processes committed.
    pub fresh_waits: Histogram,
    /// The attempts to change a connector that were refused because another change was committed first.
    pub refused_edits: Counter,
    /// The seconds since all commits of the followed tenants were known.
    pub lag: Gauge<f64, AtomicU64>,
    /// The attempts to take permits of the rate limit that failed, so that this process counted by itself.
    pub permit_failures: Counter,
    /// The seconds by which the clock of the database is ahead of this process's.
    pub clock_difference: Gauge<f64, AtomicU64>,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            fresh_waits: Histogram::new(BUCKETS),
            refused_edits: Counter::default(),
            lag: Gauge::default(),
            permit_failures: Counter::default(),
            clock_difference: Gauge::default(),
        }
    }
}

/// What is measured of the tenants in memory. Clones share the values.
#[derive(Debug, Clone, Default)]
pub struct CatalogMetrics {
    /// The bytes that they take, as they are counted.
    pub memory: Gauge,
    /// How often a tenant was loaded.
    pub loaded: Counter,
    /// How many were evicted.
    pub evicted: Counter,
}

/// The metrics of a server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Kind, Histogram, fn() -> Histogram>,
    dropped_lines: Counter,
}

impl Metrics {
    /// Starts to measure. What only one of several processes has is shown if there are several.
    pub fn new(
        (node, catalog): (&NodeMetrics, &CatalogMetrics),
        is_shared: bool,
        store: Option<Measures>,
        (backups, retention): (Option<BackupMetrics>, Option<RetentionMetrics>),
    ) -> Self {
        let mut registry = Registry::default();
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("connectory_build", "The version that is running", version);
        let requests = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let help = "How long requests took, from their head to their answer";
        registry.register_with_unit("http_server_request_duration", help, Unit::Seconds, requests.clone());
        let dropped_lines = Counter::default();
        let help = "Lines of the log that were dropped because nobody read them in time";
        registry.register("connectory_log_lines_dropped", help, dropped_lines.clone());
        let help = "Attempts to change a connector that were refused, because another change of it was committed first";
        registry.register("connectory_edits_refused", help, node.refused_edits.clone());
        let help = "The memory that tenants take, as it is counted for --catalog-memory";
        registry.register_with_unit("connectory_catalog_memory", help, Unit::Bytes, catalog.memory.clone());
        let help = "Tenants that were loaded from the database";
        registry.register("connectory_tenants_loaded", help, catalog.loaded.clone());
        let help = "Tenants that were dropped from memory because others needed the room";
        registry.register("connectory_tenants_evicted", help, catalog.evicted.clone());
        if let Some(Measures { batch_commits, batch_time, connections, max_connections }) = store {
            let help = "Commits of connectors in one transaction of the database";
            registry.register("connectory_batch_commits", help, batch_commits);
            let help = "How long transactions with commits of connectors took, retries included";
            registry.register_with_unit("connectory_batch_duration", help, Unit::Seconds, batch_time);
            let help = "Connections to the database that are in use, by what they are for";
            registry.register("connectory_database_connections", help, connections);
            let help = "The largest number of connections to the database, by what they are for";
            registry.register("connectory_database_max_connections", help, max_connections);
        }
        if let Some(BackupMetrics { last_success, last_bytes, failures }) = backups {
            let help = "The time of the newest backup of the database, since 1970-01-01 UTC, and 0 if there is none";
            registry.register_with_unit("connectory_backup_last_success_timestamp", help, Unit::Seconds, last_success);
            let help = "The size of the newest backup of the database";
            registry.register_with_unit("connectory_backup_last_size", help, Unit::Bytes, last_bytes);
            let help = "Backups of the database that could not be made";
            registry.register("connectory_backup_failures", help, failures);
        }
        if let Some(RetentionMetrics { bodies, bytes, last_pass, failures }) = retention {
            let help = "Revisions whose bodies this server removed because they were old";
            registry.register("connectory_retention_bodies_removed", help, bodies);
            let help = "The size of what this server removed of them";
            registry.register_with_unit("connectory_retention_removed", help, Unit::Bytes, bytes);
            let help = "The time at which this server had last looked at all revisions, and 0 if it has not yet";
            registry.register_with_unit("connectory_retention_last_pass_timestamp", help, Unit::Seconds, last_pass);
            let help = "Steps of retention that failed";
            registry.register("connectory_retention_failures", help, failures);
        }
        if is_shared {
            let help = "How long requests waited for what other servers committed";
            registry.register_with_unit("connectory_fresh_read_wait", help, Unit::Seconds, node.fresh_waits.clone());
            let help = "Time since this server knew all commits of the tenants that it follows";
            registry.register_with_unit("connectory_follower_lag", help, Unit::Seconds, node.lag.clone());
            let help = "Failures to count requests together with other servers, so that this server counted alone";
            registry.register("connectory_shared_rate_limit_failures", help, node.permit_failures.clone());
            let help = "Time by which the clock of the database is ahead of this server's, or behind it if negative";
            let difference = node.clock_difference.clone();
            registry.register_with_unit("connectory_clock_difference", help, Unit::Seconds, difference);
        }
        Self { registry, requests, dropped_lines }
    }

    /// Counts a request when its response is complete.
    pub(crate) fn count(&self, method: &Method, route: Cow<'static, str>, status: StatusCode, took: Duration) {
        let kind =
            Kind { http_request_method: word(method), http_route: route, http_response_status_code: status.as_u16() };
        self.requests.get_or_create(&kind).observe(took.as_secs_f64());
    }

    /// Responds to a collector. `dropped_lines` is the number of log lines that were dropped so far.
    pub fn answer<B>(&self, request: &Request<B>, dropped_lines: u64) -> Response {
        self.dropped_lines.inner().store(dropped_lines, Ordering::Relaxed);
        if (request.method(), request.uri().path()) != (&Method::GET, "/metrics") {
            return (StatusCode::NOT_FOUND, "the metrics are at GET /metrics\n").into_response();
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
    }
}

/// Returns the method if it is a known one, otherwise `_OTHER`, because clients may send any word.
fn word(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] =
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
    const WORDS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).map_or("_OTHER", |at| WORDS[at])
}
