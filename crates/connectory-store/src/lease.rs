//! Leases: which of several processes does the work that one does.
//!
//! A process takes a lease for a time, by the clock of the database, and renews it before the time is over. A lease that was
//! not renewed in time ends. Then another process may take it, with the next epoch. What is done under a lease is written in a
//! transaction that finds the lease as it was taken. So a process that was stopped past its lease changes nothing when it goes
//! on, even if it was in the middle of the work.

use uuid::Uuid;

/// Work that one process does for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeasedWork {
    /// Removing bodies of old revisions.
    Retention,
    /// Making backups.
    Backups,
    /// Removing rows that nothing needs any more.
    CleanUp,
}

impl LeasedWork {
    /// The name, which the database keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Backups => "backups",
            Self::CleanUp => "clean-up",
        }
    }
}

/// A lease as it was taken. A renewed one is equal to it. A later one of the same work is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub(crate) work: LeasedWork,
    /// Who has it, and its epoch. None if one process alone uses the database.
    pub(crate) claim: Option<Claim>,
}

/// Who has a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The process.
    pub holder: Uuid,
    /// The number of the lease.
    pub epoch: i64,
}

impl Lease {
    /// A lease of a process that alone uses the database.
    pub(crate) fn alone(work: LeasedWork) -> Self {
        Self { work, claim: None }
    }

    /// The work.
    pub fn work(&self) -> LeasedWork {
        self.work
    }
}
