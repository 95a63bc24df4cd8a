//! What an engine that shares its database measures of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// The measures of a store. Clones share the values.
#[derive(Debug, Clone)]
pub struct Measures {
    /// How many commits of connectors were made in one transaction.
    pub batch_commits: Histogram,
    /// How long such a transaction took, from its first statement to the result of its commit, in seconds.
    pub batch_time: Histogram,
    /// The connections in use, by the work that they are for.
    pub connections: Family<Pool, Gauge>,
    /// The largest number of connections, by the work that they are for.
    pub max_connections: Family<Pool, Gauge>,
}

/// The work that connections are for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Pool {
    /// The name of the work.
    pub pool: &'static str,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            batch_commits: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            batch_time: Histogram::new([0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 10.0]),
            connections: Family::default(),
            max_connections: Family::default(),
        }
    }
}
