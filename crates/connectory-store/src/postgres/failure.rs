//! What an error of the database means for the caller.

use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

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
            // The statements never change, so the tables have: for example while a restore creates them.
            code if is_of_tables(code) => {
                tracing::error!(%error, "a table, a function or a right is missing");
                Unavailable::Tables
            }
            _ => return Self::Engine(refused.to_string()),
        };
        tracing::debug!(%error, "the database refused");
        why.into()
    }
}

/// Whether a code is about a table, a function or a right that is missing: a syntax error or violation of access rules
/// (class 42), or a schema that does not exist (class 3F). Beside a restore, a row may lack the one that it names, and a
/// statement may find that a table was dropped after it was planned, which is an internal error.
pub(super) fn is_of_tables(code: &SqlState) -> bool {
    let others = [SqlState::INVALID_SCHEMA_NAME, SqlState::FOREIGN_KEY_VIOLATION, SqlState::INTERNAL_ERROR];
    code.code().starts_with("42") || others.contains(code)
}

/// Whether a statement was refused because another transaction took its key first.
pub(super) fn is_taken(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// Whether the database itself refused a statement. Then the transaction of the statement is not committed.
///
/// Only an error of the statement says so. Whatever ends the session does not: a database may stop after it wrote a commit,
/// and a pooler does not know what became of the one that it lost.
pub(super) fn is_refusal(error: &Error) -> bool {
    let Some(refused) = error.as_db_error() else { return false };
    // The other text of the severity is translated. A pooler may have no other.
    let is_error =
        refused.parsed_severity().map_or_else(|| refused.severity() == "ERROR", |severity| severity == Severity::Error);
    let is_unknown =
        *refused.code() == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN || refused.code().code().starts_with("08");
    is_error && !is_unknown
}
