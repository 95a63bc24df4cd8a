//! Requests that a client may repeat: the store knows for a day which of them it has committed.

use connectory_model::limits::ONCE_KEPT;

use crate::revision::RevisionNumber;

/// A request that is committed once, however often its client sends it. Both hashes are SHA-256, so that an engine
/// stores and compares values of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// The hash of the client and of the key that it chose for the request.
    pub key: [u8; 32],
    /// The hash of the request.
    pub fingerprint: [u8; 32],
    /// The time of the request, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
}

impl Once {
    /// The oldest time of a key that counts at the time of the request.
    pub(crate) fn oldest(&self) -> i64 {
        self.at.saturating_sub(ONCE_KEPT.as_millis().try_into().unwrap_or(i64::MAX))
    }
}

/// What was committed under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The hash of the request that was committed. Another hash means that the client used the key for two requests.
    pub fingerprint: [u8; 32],
    /// The numbers of the revisions, in the order of the edits.
    pub numbers: Vec<RevisionNumber>,
}

impl Done {
    /// Makes it of the first and the last number.
    pub(crate) fn new(fingerprint: [u8; 32], first: RevisionNumber, last: RevisionNumber) -> Self {
        Self { fingerprint, numbers: (first.get()..=last.get()).filter_map(RevisionNumber::new).collect() }
    }
}

/// The number of old keys that a new one may remove. More than one, so that what a busy day left is removed on a quiet
/// one.
pub(crate) const REMOVED: i64 = 4;
