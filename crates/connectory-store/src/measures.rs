//! What an engine that shares its database did so far.

use std::time::Duration;

/// Counts since the store was opened.
#[derive(Debug, Clone)]
pub struct Measures {
    /// Transactions with commits of connectors, including those that failed.
    pub batches: u64,
    /// The commits in them.
    pub commits: u64,
    /// The time that all batches took together.
    pub commit_time: Duration,
    /// The connections, by the work that they are for.
    pub connections: Vec<PoolMeasure>,
}

/// The connections for one kind of work.
#[derive(Debug, Clone, Copy)]
pub struct PoolMeasure {
    /// The kind of work.
    pub name: &'static str,
    /// The number of connections that are in use.
    pub in_use: usize,
    /// The largest number of connections.
    pub most: usize,
}
