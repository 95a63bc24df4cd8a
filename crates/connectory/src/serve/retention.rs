//! Retention: a task of the server that removes the bodies of old revisions, in small steps beside requests. A pass goes
//! through all connectors. The next one begins an hour later. Of several servers, one makes the passes.

use std::time::Duration;

use connectory_model::limits::{LEASE, RETENTION_EVERY, RETENTION_PAUSE, RETENTION_RETRY};
use connectory_server::clock::Clock;
use connectory_server::options::RetentionMetrics;
use connectory_store::{LeasedWork, Retention, RetentionPass, Store, StoreError};
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::leases::Leasing;

/// The task. It ends when this is dropped. A step that is being made is made whole or not at all.
pub struct Retaining(JoinHandle<()>);

impl Drop for Retaining {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to remove bodies, if that is wanted.
pub async fn start(wanted: Option<(Retention, RetentionMetrics)>, store: &Store, clock: Clock) -> Option<Retaining> {
    let (retention, metrics) = wanted?;
    let leasing = Leasing::start(store, LeasedWork::Retention).await;
    let store = store.clone();
    Some(Retaining(tokio::spawn(async move {
        let mut pass = None;
        loop {
            let stepped = step(retention, &mut pass, (&store, &leasing, &clock), &metrics).await;
            let wait = stepped.unwrap_or_else(|error| {
                metrics.failures.inc();
                failed(&error)
            });
            tokio::time::sleep(wait).await;
        }
    })))
}

/// Logs why a step failed. Returns the time until the next attempt.
fn failed(error: &StoreError) -> Duration {
    let message = "bodies of old revisions could not be removed";
    if matches!(error, StoreError::Unavailable(_)) {
        // The database comes back, or this server was stopped in the middle of a step.
        let wait = LEASE / 3;
        tracing::warn!(%error, again_in = format!("{wait:?}"), "{message}");
        return wait;
    }
    tracing::error!(%error, again_in = format!("{RETENTION_RETRY:?}"), "{message}");
    RETENTION_RETRY
}

/// Makes a step, if this server has the lease. Returns the time until the next one.
async fn step(
    retention: Retention,
    pass: &mut Option<RetentionPass>,
    (store, leasing, clock): (&Store, &Leasing, &Clock),
    metrics: &RetentionMetrics,
) -> Result<Duration, StoreError> {
    let Some(lease) = leasing.lease() else {
        // When it comes back, another server has gone on.
        *pass = None;
        return Ok(LEASE / 3);
    };
    let current = match pass {
        Some(current) => current,
        None => pass.insert(retention.begin(store).await?),
    };
    let removed = store.retain(current, &lease, i64::try_from(clock.unix_milliseconds()).unwrap_or(i64::MAX)).await?;
    metrics.bodies.inc_by(removed.bodies);
    metrics.bytes.inc_by(removed.bytes);
    if removed.is_elsewhere {
        return Ok(LEASE / 3);
    }
    if !current.is_done() {
        return Ok(RETENTION_PAUSE);
    }
    *pass = None;
    metrics.last_pass.set(Timestamp::now().as_second());
    Ok(RETENTION_EVERY)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_pass_is_noted_and_the_next_one_is_an_hour_later() {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("c.db")).unwrap();
        let retention = Retention { age: Duration::from_hours(1), min: 1 };
        let (metrics, mut pass) = (RetentionMetrics::default(), None);
        let leasing = Leasing::start(&store, LeasedWork::Retention).await;
        let around = (&store, &leasing, &Clock::default());
        let wait = step(retention, &mut pass, around, &metrics).await.unwrap();
        assert_eq!((wait, pass.is_none()), (RETENTION_EVERY, true));
        assert!(metrics.last_pass.get() > 0);
        assert_eq!((metrics.bodies.get(), metrics.failures.get()), (0, 0));
    }
}
