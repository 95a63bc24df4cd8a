//! Counting the memory of tenants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a tenant takes of the memory of all, until it is dropped.
pub(super) struct Counted {
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
}

impl Counted {
    pub(super) fn new(all: &Arc<AtomicUsize>, bytes: usize) -> Self {
        let counted = Self { all: Arc::clone(all), own: AtomicUsize::new(0) };
        counted.set(bytes);
        counted
    }

    /// Counts that the tenant takes so many bytes now.
    pub(super) fn set(&self, bytes: usize) {
        let before = self.own.swap(bytes, Ordering::Relaxed);
        // Wraps if it is less, as the counter does.
        self.all.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> usize {
        self.own.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}
