//! A limit on the bytes in memory of all requests together.
//!
//! Each request and each response has its own limit; the budget limits all of them together. The first bytes of each
//! are not counted, so small ones pass while large ones are refused. What counts also counts for the share of the client
//! and of the tenant.

use std::sync::Arc;

use connectory_model::limits::{BUDGET_PART, BUDGET_SMALL_PART, UNCOUNTED_BYTES};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::share::{Pool, Share, Wanted};

/// The number of bytes that one permit stands for.
pub const UNIT: usize = 1024;

/// A number of bytes that may be in memory at a time.
#[derive(Clone)]
pub struct Budget {
    of: Pool,
    free: Arc<Semaphore>,
    units: usize,
}

/// Counted bytes. They are counted until this is dropped.
pub struct Charge {
    budget: Budget,
    share: Option<Arc<Share>>,
    permit: Option<OwnedSemaphorePermit>,
    counted: usize,
    total: usize,
}

impl Budget {
    /// Makes a budget of so many bytes.
    pub fn new(of: Pool, bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { of, free: Arc::new(Semaphore::new(units)), units }
    }

    /// Makes a charge that counts no bytes yet. Its bytes count for this share too.
    pub fn charge(&self, share: Option<&Arc<Share>>) -> Charge {
        Charge { budget: self.clone(), share: share.cloned(), permit: None, counted: 0, total: 0 }
    }
}

impl Charge {
    /// The number of bytes so far, including the free ones.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Uses up the free bytes, so that the next byte counts.
    pub fn count_from_first_byte(&mut self) {
        self.total = UNCOUNTED_BYTES;
    }

    /// Counts more bytes. Returns whether the budget and the share had room for them.
    #[must_use]
    pub fn add(&mut self, bytes: usize) -> bool {
        self.total = self.total.saturating_add(bytes);
        let most = (self.budget.units / 2).max(1);
        let due = self.total.saturating_sub(UNCOUNTED_BYTES).div_ceil(UNIT).min(most);
        let Some(more) = due.checked_sub(self.counted).filter(|more| *more > 0) else { return true };
        let permits = u32::try_from(more).unwrap_or(u32::MAX);
        let Budget { of, free, units } = &self.budget;
        if let Some(share) = &self.share {
            let part = units.div_ceil(BUDGET_PART);
            let wanted = Wanted {
                more,
                own: self.counted,
                part,
                is_small: due <= units / BUDGET_SMALL_PART,
                leaves_a_part: free.available_permits() >= more + part,
            };
            if !share.take(*of, &wanted) {
                return false;
            }
        }
        let Ok(permit) = Arc::clone(free).try_acquire_many_owned(permits) else {
            self.give_back(more);
            return false;
        };
        match &mut self.permit {
            Some(taken) => taken.merge(permit),
            none => *none = Some(permit),
        }
        self.counted = due;
        true
    }

    /// Takes back units from the share.
    fn give_back(&self, units: usize) {
        if let Some(share) = &self.share {
            share.give_back(self.budget.of, units);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.give_back(self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_grows_with_what_is_read_and_the_first_bytes_are_free() {
        let budget = Budget::new(Pool::Bodies, 10 * UNIT);
        let [mut large, mut small, mut more] = [(); 3].map(|()| budget.charge(None));
        assert!(large.add(UNCOUNTED_BYTES) && large.add(90 * UNIT), "alone it passes, however large");
        assert!(small.add(UNCOUNTED_BYTES + 5 * UNIT), "a half is left to others");
        assert!(more.add(UNCOUNTED_BYTES) && !more.add(1));
        drop(large);
        assert!(more.add(1));
    }

    #[test]
    fn a_client_has_a_quarter_and_more_only_if_that_leaves_a_quarter_to_others() {
        let budget = Budget::new(Pool::Answers, 64 * UNIT);
        let tenants = [(); 2].map(|()| Arc::new(Share::of_tenant()));
        let client = |tenant: usize| Arc::new(Share::of_client(Some(Arc::clone(&tenants[tenant]))));
        let (hostile, other, hostile_tenant) = (client(0), client(0), client(1));
        let charge = |share, units| {
            let mut charge = budget.charge(Some(share));
            charge.count_from_first_byte();
            charge.add(units * UNIT).then_some(charge)
        };
        let quarter = [charge(&hostile, 10), charge(&hostile, 6)].map(|charge| charge.expect("a quarter"));
        assert!(charge(&hostile, 2).is_none(), "a client has a quarter");
        let small = charge(&hostile, 1).expect("a small request passes");
        drop((quarter, small));

        // Each has the largest answer that it may have. What is left is enough for someone else's.
        let largest = charge(&hostile_tenant, 64).expect("a client's only request may have a half");
        assert!(charge(&hostile, 64).is_none(), "two of them would leave nothing");
        let hostile_too = charge(&hostile, 16).expect("a quarter");
        let small: Vec<_> = (0..10).filter_map(|_| charge(&hostile_tenant, 1)).collect();
        assert_eq!(small.len(), 0, "small ones beside it would leave less than a quarter");
        let document = charge(&other, 11).expect("a document of another client");
        drop((largest, hostile_too, small, document));

        // A tenant of many clients has a half, and more only if that leaves a quarter.
        let clients: Vec<_> = (0..5).map(|_| client(1)).collect();
        let held: Vec<_> = clients.iter().filter_map(|client| charge(client, 16)).collect();
        assert_eq!(held.len(), 3, "the last leaves a quarter");
        assert!(charge(&other, 16).is_some());
        drop(held);
        assert!(
            [&hostile, &other, &hostile_tenant].iter().all(|share| charge(share, 64).is_some()),
            "nothing is left over"
        );
    }
}
