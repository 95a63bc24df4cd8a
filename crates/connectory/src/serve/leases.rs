//! Leases of this server: a task takes the lease of some work and renews it, as long as the work is wanted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use connectory_model::limits::LEASE;
use connectory_store::{Lease, LeasedWork, Store};
use tokio::task::JoinHandle;

/// A lease that is taken when it is free, and renewed. It ends some time after this is dropped.
pub struct Leasing {
    store: Store,
    current: Arc<Mutex<Option<Taken>>>,
    task: JoinHandle<()>,
}

/// A lease, and when it was last taken or renewed.
#[derive(Clone)]
struct Taken {
    lease: Lease,
    at: Instant,
}

impl Drop for Leasing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Leasing {
    /// Takes a lease if it is free, and goes on to take and renew it.
    pub async fn start(store: &Store, work: LeasedWork) -> Self {
        let current = Arc::<Mutex<Option<Taken>>>::default();
        renew(store, work, &current).await;
        let (renewed, to_renew) = (Arc::clone(&current), store.clone());
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LEASE / 3).await;
                renew(&to_renew, work, &renewed).await;
            }
        });
        Self { store: store.clone(), current, task }
    }

    /// The lease, if this server has it as far as it knows.
    pub fn lease(&self) -> Option<Lease> {
        locked(&self.current).as_ref().filter(|taken| taken.at.elapsed() < LEASE).map(|taken| taken.lease.clone())
    }

    /// The lease, if the database says that this server has it.
    pub async fn confirmed(&self) -> Option<Lease> {
        let lease = self.lease()?;
        self.store
            .holds(&lease)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(%error, work = lease.work().as_str(), "it is not known which server does this work");
                false
            })
            .then_some(lease)
    }
}

fn locked(current: &Mutex<Option<Taken>>) -> MutexGuard<'_, Option<Taken>> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn renew(store: &Store, work: LeasedWork, current: &Mutex<Option<Taken>>) {
    let at = Instant::now();
    let taken = match store.lease(work, LEASE).await {
        Ok(lease) => lease.map(|lease| Taken { lease, at }),
        Err(error) => {
            // The lease may still be there. It is renewed in time, or it ends.
            tracing::warn!(%error, work = work.as_str(), "a lease could not be taken or renewed");
            return;
        }
    };
    let mut current = locked(current);
    if store.is_shared() && taken.is_some() != current.is_some() {
        let does = if taken.is_some() { "this server" } else { "another server" };
        tracing::info!(work = work.as_str(), does, "one server does this work");
    }
    *current = taken;
}
