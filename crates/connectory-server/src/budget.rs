//! A limit on the bytes in memory of all requests together.
//!
//! Each request and each response has its own limit; the budget limits all of them together. The first bytes of each
//! are not counted, so small ones pass while large ones are refused. What counts also counts for the share of the client
//! and of the tenant.

use std::sync::Arc;

use connectory_model::limits::{BUDGET_SIXTEENTHS_WITH_SMALL, BUDGET_SMALL_PART, UNCOUNTED_BYTES};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::share::{Pool, Share};

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
        // A charge takes at most three quarters of the budget, so that a quarter remains for others.
        let most = (self.budget.units * 3 / 4).max(1);
        let due = self.total.saturating_sub(UNCOUNTED_BYTES).div_ceil(UNIT).min(most);
        let Some(more) = due.checked_sub(self.counted).filter(|more| *more > 0) else { return true };
        let permits = u32::try_from(more).unwrap_or(u32::MAX);
        let Budget { of, free, units } = &self.budget;
        if let Some(share) = &self.share {
            let left = free.available_permits().saturating_sub(more);
            let is_small = due <= units / BUDGET_SMALL_PART;
            let may_exceed = is_small && left >= units - units * BUDGET_SIXTEENTHS_WITH_SMALL / 16;
            if !share.take(*of, more, self.counted, *units, may_exceed) {
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
        let (mut small, mut large) = (budget.charge(None), budget.charge(None));
        assert!(large.add(UNCOUNTED_BYTES) && large.add(90 * UNIT), "alone it passes, however large");
        assert!(small.add(UNCOUNTED_BYTES + 3 * UNIT) && !small.add(1), "a quarter is left to others");
        drop(large);
        assert!(small.add(1));
    }

    #[test]
    fn a_client_holds_half_or_one_request_and_leaves_the_rest_to_others() {
        let budget = Budget::new(Pool::Answers, 64 * UNIT);
        let tenant = Arc::new(Share::of_tenant());
        let [first, second, other] = [Some(Arc::clone(&tenant)), Some(tenant), Some(Arc::new(Share::of_tenant()))]
            .map(|tenant| Arc::new(Share::of_client(tenant)));
        let charge = |share, units| {
            let mut charge = budget.charge(Some(share));
            charge.count_from_first_byte();
            charge.add(units * UNIT).then_some(charge)
        };
        let half = [charge(&first, 20), charge(&first, 12)].map(|charge| charge.expect("a half"));
        assert!(charge(&first, 2).is_none(), "a client has a half");
        let small = charge(&first, 1).expect("a small request passes");
        let more = charge(&second, 23).expect("another client of the tenant has the rest of the tenant's part");
        assert!(charge(&second, 1).is_none(), "a tenant leaves an eighth");
        let rest = charge(&other, 8).expect("an eighth is left to another tenant");
        drop((half, small, more, rest));

        let before = charge(&first, 1).expect("a small request");
        let large = charge(&first, 48).expect("one request has up to three quarters");
        let small: Vec<_> = (0..10).filter_map(|_| charge(&first, 1)).collect();
        assert_eq!(small.len(), 3, "small requests of the client pass beside it, and leave room");
        assert!(charge(&second, 4).is_some() && charge(&other, 12).is_some());
        drop((before, large, small));
        assert!([&first, &second, &other].iter().all(|share| charge(share, 48).is_some()), "nothing is left over");
    }
}
