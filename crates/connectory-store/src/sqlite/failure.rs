//! Failures of a disk: temporary failures, and failures that end the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use rusqlite::{ErrorCode, ffi};

use crate::error::{StoreError, Unavailable};
use crate::process::end_process;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Unavailable::Full.into(),
            Some(ErrorCode::ReadOnly) => Unavailable::ReadOnly.into(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Unavailable::Locked.into(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                tracing::error!(%error, "the database is damaged");
                Unavailable::Damaged.into()
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                tracing::error!(%error, "the disk with the database fails");
                Unavailable::Disk.into()
            }
            _ => Self::Engine(error.to_string()),
        }
    }
}

/// The reason why a batch is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The batch was rolled back. The callers may try again.
    #[error("{0}")]
    Unavailable(Unavailable),
    /// The batch was committed, but to a file that may no longer be at the database's path.
    #[error("committed, but {0}")]
    Uncertain(Unavailable),
    /// The batch was rolled back because of a bug in this program.
    #[error("{0}")]
    Fault(String),
}

impl From<&Failure> for StoreError {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Unavailable(why) => Self::Unavailable(*why),
            Failure::Uncertain(why) => Self::Uncertain(*why),
            Failure::Fault(why) => Self::Commit(why.clone()),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    /// Does not return after a failed sync: the process ends.
    fn from(error: rusqlite::Error) -> Self {
        expect_synced(&error);
        match StoreError::from(error) {
            StoreError::Unavailable(why) => Self::Unavailable(why),
            other => Self::Fault(other.to_string()),
        }
    }
}

/// Ends the process if a sync failed. The system may have dropped pages that are not on disk, and does not say which.
pub(super) fn expect_synced(error: &rusqlite::Error) {
    let sync = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
    if error.sqlite_error().is_some_and(|error| sync.contains(&error.extended_code)) {
        end_process(&format!(
            "a sync of the database failed ({error}), so it is not known what is on disk; look after the disk, then \
             start again: what was acknowledged before is kept"
        ));
    }
}

/// Starts a thread whose panic ends the process. Otherwise the thread's work would stop without any notice.
pub(super) fn spawn<T: Send + 'static>(name: &'static str, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let guarded = move || {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            end_process(&format!("the thread `{name}` panicked; what was acknowledged is kept; start again"))
        })
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(guarded).expect("the system can start a thread")
}
