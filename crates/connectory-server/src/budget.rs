//! A limit on the bytes in memory of all requests together.
//!
//! Each request and each response has its own limit; the budget limits all of them together. The first bytes of each
//! are not counted, so small ones pass while large ones are refused.

use std::sync::Arc;

use connectory_model::limits::UNCOUNTED_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The number of bytes that one permit stands for.
pub const UNIT: usize = 1024;

/// A number of bytes that may be in memory at a time.
#[derive(Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    units: usize,
}

/// Counted bytes. They are counted until this is dropped.
pub struct Charge {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    counted: usize,
    total: usize,
}

impl Budget {
    /// Makes a budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(units)), units }
    }

    /// Makes a charge that counts no bytes yet.
    pub fn charge(&self) -> Charge {
        Charge { budget: self.clone(), permit: None, counted: 0, total: 0 }
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

    /// Counts more bytes. Returns whether the budget had room for them.
    #[must_use]
    pub fn add(&mut self, bytes: usize) -> bool {
        self.total = self.total.saturating_add(bytes);
        // A charge takes at most three quarters of the budget, so that a quarter remains for others.
        let most = (self.budget.units * 3 / 4).max(1);
        let due = self.total.saturating_sub(UNCOUNTED_BYTES).div_ceil(UNIT).min(most);
        let Some(more) = due.checked_sub(self.counted).filter(|more| *more > 0) else { return true };
        let permits = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.budget.free).try_acquire_many_owned(permits) else { return false };
        match &mut self.permit {
            Some(taken) => taken.merge(permit),
            none => *none = Some(permit),
        }
        self.counted = due;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_grows_with_what_is_read_and_the_first_bytes_are_free() {
        let budget = Budget::new(10 * UNIT);
        let (mut small, mut large) = (budget.charge(), budget.charge());
        assert!(large.add(UNCOUNTED_BYTES) && large.add(90 * UNIT), "alone it passes, however large");
        assert!(small.add(UNCOUNTED_BYTES + 3 * UNIT) && !small.add(1), "a quarter is left to others");
        drop(large);
        assert!(small.add(1));
    }
}
