//! The share of one client, and of one tenant, in what all requests have together: the turns of large work, the searches,
//! and the bytes of bodies and answers.
//!
//! What a request takes counts for its client and for its tenant. So however much one of them asks for, a part is left to
//! others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use connectory_model::limits::{
    APPLIES_PER_TENANT, EVENT_STREAMS_PER_CLIENT, EVENT_STREAMS_PER_TENANT, EXPORTS_PER_CLIENT, EXPORTS_PER_TENANT,
    SEARCHES_PER_CLIENT, SEARCHES_PER_TENANT, TURNS_PER_CLIENT, TURNS_PER_TENANT,
};
use enum_map::{Enum, EnumMap, enum_map};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queues for long work.
#[derive(Debug, Clone, Copy, Enum)]
pub enum Queue {
    /// Work on large connectors and bodies.
    Large,
    /// Searches in lists.
    Searches,
    /// Exports of whole connectors.
    Exports,
    /// Changes to several connectors at once.
    Applies,
    /// Streams of events.
    Events,
    /// Dry runs of these. Who may only read does not hold up who changes.
    Checks,
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, Enum)]
pub enum Pool {
    /// The bytes of request bodies.
    Bodies,
    /// The bytes of responses.
    Answers,
}

/// The share of a client or of a tenant.
#[derive(Debug)]
pub struct Share {
    /// The gates in front of the queues. Only requests that passed them are in a queue or have its turn.
    gates: EnumMap<Queue, Arc<Semaphore>>,
    /// The units that are held of each budget.
    held: EnumMap<Pool, AtomicUsize>,
    /// Whether this is the share of a tenant.
    is_tenant: bool,
    /// The share of the client's tenant.
    tenant: Option<Arc<Share>>,
}

/// What a request wants of a budget, in units.
pub struct Wanted {
    /// The units that it wants now.
    pub more: usize,
    /// The units that it holds already.
    pub own: usize,
    /// The part of a client.
    pub part: usize,
    /// Whether it is small with all that it wants.
    pub is_small: bool,
    /// Whether so much is free that others keep a part.
    pub leaves_a_part: bool,
}

/// Places in front of a queue. They are free again when this is dropped.
pub type Places = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// Makes gates with so many places.
fn gates(places: EnumMap<Queue, usize>) -> EnumMap<Queue, Arc<Semaphore>> {
    places.map(|_, places| Arc::new(Semaphore::new(places)))
}

impl Share {
    /// Makes the share of a tenant.
    pub fn of_tenant() -> Self {
        let places = enum_map! {
            Queue::Large => TURNS_PER_TENANT,
            Queue::Searches => SEARCHES_PER_TENANT,
            Queue::Exports => EXPORTS_PER_TENANT,
            Queue::Events => EVENT_STREAMS_PER_TENANT,
            Queue::Applies => APPLIES_PER_TENANT,
            Queue::Checks => APPLIES_PER_TENANT,
        };
        Self { gates: gates(places), held: EnumMap::default(), is_tenant: true, tenant: None }
    }

    /// Makes the share of a client, or of all requests without a caller together, which have no tenant.
    pub fn of_client(tenant: Option<Arc<Share>>) -> Self {
        let places = enum_map! {
            Queue::Large => TURNS_PER_CLIENT,
            Queue::Searches => SEARCHES_PER_CLIENT,
            Queue::Exports => EXPORTS_PER_CLIENT,
            Queue::Events => EVENT_STREAMS_PER_CLIENT,
            Queue::Applies => APPLIES_PER_TENANT,
            Queue::Checks => APPLIES_PER_TENANT,
        };
        Self { gates: gates(places), held: EnumMap::default(), is_tenant: false, tenant }
    }

    /// Waits until a request may enter a queue: first for a place of the client, then for one of the tenant. So the
    /// requests of one client do not wait in front of those of another.
    pub async fn enter(&self, queue: Queue) -> Places {
        let place = self.place(queue).await;
        let of_tenant = match &self.tenant {
            Some(tenant) => Some(tenant.place(queue).await),
            None => None,
        };
        (place, of_tenant)
    }

    async fn place(&self, queue: Queue) -> OwnedSemaphorePermit {
        Arc::clone(&self.gates[queue]).acquire_owned().await.expect("the gate is never closed")
    }

    /// Counts more units of a budget. Returns false, and counts nothing, if the client or the tenant would hold too many.
    pub fn take(&self, of: Pool, wanted: &Wanted) -> bool {
        let counted = self.held[of].fetch_update(Relaxed, Relaxed, |held| {
            let next = held + wanted.more;
            self.may_hold(held, next, wanted).then_some(next)
        });
        let is_counted = counted.is_ok();
        let has_room = is_counted && self.tenant.as_ref().is_none_or(|tenant| tenant.take(of, wanted));
        if is_counted && !has_room {
            self.held[of].fetch_sub(wanted.more, Relaxed);
        }
        has_room
    }

    /// Whether a client may hold so many units: its part, or if others keep theirs, one request or small ones. A tenant may
    /// hold two parts, or more if others keep theirs.
    fn may_hold(&self, held: usize, next: usize, wanted: &Wanted) -> bool {
        let Wanted { own, part, is_small, leaves_a_part, .. } = *wanted;
        if self.is_tenant {
            return next <= 2 * part || leaves_a_part;
        }
        next <= part || leaves_a_part && (is_small || held - own <= part / 4)
    }

    /// Takes back units that were counted.
    pub fn give_back(&self, of: Pool, units: usize) {
        self.held[of].fetch_sub(units, Relaxed);
        if let Some(tenant) = &self.tenant {
            tenant.give_back(of, units);
        }
    }
}
