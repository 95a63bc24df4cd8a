//! Bytes that may be in memory at a time, all requests together.
//!
//! Each request and each answer has a limit of its own; this is the one for all of them. The first bytes of each are
//! not counted, so that small ones pass while large ones are refused.

use std::sync::Arc;

use axum::response::Response;
use connectory_model::limits::UNCOUNTED_BYTES;
use http_body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::holding::holding;

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

    /// Counts an answer until its bytes are handed to the system, or refuses it, unless it is counted already. Where
    /// others wait on its connection, it counts from its first byte.
    pub fn count(&self, response: Response, counted: Option<Charge>, others_wait: bool) -> Result<Response, ApiError> {
        let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
        if bytes <= UNCOUNTED_BYTES && !(others_wait && bytes > 0) {
            return Ok(response);
        }
        let is_counted = counted.is_some();
        let mut charge = counted.unwrap_or_else(|| self.charge());
        let more = bytes.saturating_sub(charge.total);
        if others_wait && !is_counted {
            charge.total = UNCOUNTED_BYTES;
        }
        if !charge.add(more) && !is_counted {
            return Err(ApiError::unavailable("too many large answers are on the way at the moment; try again"));
        }
        Ok(response.map(|body| holding(body, charge)))
    }
}

impl Charge {
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
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn an_answer_counts_until_its_bytes_are_gone() {
        let budget = Budget::new(100 * UNIT);
        let large = || vec![0_u8; 80 * UNIT].into_response();
        let mut first = budget.count(large(), None, false).unwrap();
        assert_eq!(budget.count(large(), None, false).unwrap_err().retry_after, Some(2));
        assert!(budget.count(vec![0_u8; UNIT].into_response(), None, false).is_ok(), "small ones pass");
        let bytes = first.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        drop(first);
        assert!(budget.count(large(), None, false).is_err(), "the connection still holds the bytes");
        drop(bytes);
        assert!(budget.count(large(), None, false).is_ok());
        assert!(
            budget.count(vec![0_u8; 200 * UNIT].into_response(), None, false).is_ok(),
            "one that is larger passes alone"
        );
    }

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
