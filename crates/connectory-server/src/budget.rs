//! Bytes that may be in memory at a time, all requests together.
//!
//! Each request and each answer has a limit of its own; this is the one for all of them. The first bytes of each are
//! not counted, so that small ones pass while large ones are refused.

use std::sync::Arc;

use connectory_model::limits::UNCOUNTED_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
pub const UNIT: usize = 1024;

/// So many bytes at a time.
#[derive(Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    units: usize,
}

/// Bytes that are counted until this is dropped.
pub struct Charge {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    counted: usize,
    total: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(units)), units }
    }

    /// A charge of nothing yet.
    pub fn charge(&self) -> Charge {
        Charge { budget: self.clone(), permit: None, counted: 0, total: 0 }
    }
}

impl Charge {
    /// How many bytes were counted so far, those that are free included.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Leaves out the bytes that are free: the next one counts.
    pub fn count_from_first_byte(&mut self) {
        self.total = UNCOUNTED_BYTES;
    }

    /// Counts more bytes; says whether there was room.
    #[must_use]
    pub fn add(&mut self, bytes: usize) -> bool {
        self.total = self.total.saturating_add(bytes);
        // One that is larger than most of the budget leaves a quarter of it to others.
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
