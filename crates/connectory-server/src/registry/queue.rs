//! The changes of a connector in this process, one after the other.
//!
//! The store refuses a change that was made from an older revision. Changes that queue here are not refused, except for
//! changes by other processes. So the queue saves attempts. It does not make changes right: the store's check does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectory_model::ScriptName;
use connectory_model::limits::{EDIT_TIMEOUT, EDITS_WAITING};
use connectory_store::{TenantId, Unavailable};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::work::has_turn;

/// The connectors that are being changed.
#[derive(Default)]
pub struct Queues(Mutex<HashMap<Connector, Queue>>);

/// A connector of a tenant.
type Connector = (TenantId, ScriptName);

/// The queue for one connector.
struct Queue {
    /// Has one permit, for the change that is made now.
    gate: Arc<Semaphore>,
    /// The changes that are made or wait. The last of them removes the queue.
    changes: usize,
}

/// A change's turn. The next change has its turn when this is dropped.
pub struct Turn<'a> {
    _permit: OwnedSemaphorePermit,
    _place: Place<'a>,
}

/// A place in a queue, also of a change that waits. A cancelled request gives it back.
struct Place<'a> {
    queues: &'a Queues,
    connector: Connector,
}

impl Queues {
    /// Waits until the changes before this one are made. Returns none, and waits for nothing, if the request works on
    /// something large: a change before it may wait for the turn that the request has.
    pub async fn turn(&self, tenant: TenantId, script_name: &ScriptName) -> Result<Option<Turn<'_>>, Unavailable> {
        if has_turn() {
            return Ok(None);
        }
        let connector = (tenant, script_name.clone());
        let (place, gate) = self.enter(connector).ok_or(Unavailable::Busy)?;
        let permit = tokio::time::timeout(EDIT_TIMEOUT, gate.acquire_owned()).await.map_err(|_| Unavailable::Busy)?;
        Ok(Some(Turn { _permit: permit.expect("the gate is never closed"), _place: place }))
    }

    /// Takes a place in a queue, if it has one.
    fn enter(&self, connector: Connector) -> Option<(Place<'_>, Arc<Semaphore>)> {
        let mut queues = self.queues();
        let new = || Queue { gate: Arc::new(Semaphore::new(1)), changes: 0 };
        let queue = queues.entry(connector.clone()).or_insert_with(new);
        if queue.changes > EDITS_WAITING {
            return None;
        }
        queue.changes += 1;
        let gate = Arc::clone(&queue.gate);
        Some((Place { queues: self, connector }, gate))
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Connector, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut queue) = self.queues.queues().entry(self.connector.clone()) {
            queue.get_mut().changes -= 1;
            if queue.get().changes == 0 {
                queue.remove();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn changes_of_one_connector_queue_and_leave_no_trace() {
        let queues = Queues::default();
        let [a, b] = ["a", "b"].map(|name| name.parse().unwrap());
        let turn = queues.turn(tenant(1), &a).await.unwrap();
        assert!(turn.is_some());
        for (tenant, script_name) in [(tenant(1), &b), (tenant(2), &a)] {
            assert!(queues.turn(tenant, script_name).now_or_never().is_some(), "another connector does not wait");
        }
        let mut waits = Box::pin(queues.turn(tenant(1), &a));
        let mut cancelled = Box::pin(queues.turn(tenant(1), &a));
        assert!(waits.as_mut().now_or_never().is_none() && cancelled.as_mut().now_or_never().is_none());
        drop(cancelled);
        drop(turn);
        drop(waits.await.unwrap());
        assert!(queues.queues().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_is_bounded_in_length_and_in_time() {
        let queues = Queues::default();
        let a = "a".parse().unwrap();
        let turn = queues.turn(tenant(1), &a).await.unwrap();
        let mut waiting: Vec<_> = (0..EDITS_WAITING).map(|_| Box::pin(queues.turn(tenant(1), &a))).collect();
        assert!(waiting.iter_mut().all(|turn| turn.as_mut().now_or_never().is_none()));
        let more = queues.turn(tenant(1), &a).now_or_never().unwrap();
        assert_eq!(more.err(), Some(Unavailable::Busy));
        let began = tokio::time::Instant::now();
        assert!(join_all(waiting).await.iter().all(|turn| matches!(turn, Err(Unavailable::Busy))));
        assert!(began.elapsed() < EDIT_TIMEOUT + Duration::from_millis(10));
        drop(turn);
        assert!(queues.queues().is_empty());
    }
}
