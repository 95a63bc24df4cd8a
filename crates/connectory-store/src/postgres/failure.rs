//! What an error of the database means for the caller.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::error::{StoreError, Unavailable};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for StoreError {
    fn from(error: &Error) -> Self {
        let Some(refused) = error.as_db_error() else {
            tracing::debug!(%error, "a connection to the database broke");
            return Unavailable::Disconnected.into();
        };
        let why = match refused.code() {
            &SqlState::DISK_FULL => Unavailable::Full,
            // A standby has no transactions that write, and says so with the second code.
            &SqlState::READ_ONLY_SQL_TRANSACTION | &SqlState::FEATURE_NOT_SUPPORTED => Unavailable::ReadOnly,
            &SqlState::LOCK_NOT_AVAILABLE => Unavailable::Locked,
            &SqlState::QUERY_CANCELED => Unavailable::Slow,
            &SqlState::TOO_MANY_CONNECTIONS => Unavailable::Connections,
            &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE => Unavailable::Busy,
            &SqlState::IO_ERROR => Unavailable::Disk,
            &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => Unavailable::Damaged,
            &SqlState::ADMIN_SHUTDOWN
            | &SqlState::CRASH_SHUTDOWN
            | &SqlState::CANNOT_CONNECT_NOW
            | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | &SqlState::OUT_OF_MEMORY => Unavailable::Disconnected,
            code if code.code().starts_with("08") => Unavailable::Disconnected,
            _ => return Self::Engine(refused.to_string()),
        };
        tracing::debug!(%error, "the database refused");
        why.into()
    }
}

/// Whether a statement was refused because another transaction took its key first.
pub(super) fn is_taken(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// Whether the database itself refused a statement. Then the transaction of the statement is not committed.
pub(super) fn is_refusal(error: &Error) -> bool {
    // A database that ends a session says so, but not what became of the transaction.
    let ends = [&SqlState::ADMIN_SHUTDOWN, &SqlState::CRASH_SHUTDOWN, &SqlState::IDLE_SESSION_TIMEOUT];
    error.code().is_some_and(|code| !ends.contains(&code))
}
