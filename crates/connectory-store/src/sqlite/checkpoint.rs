//! Copies what is committed from the log into the database, on a thread of its own, so that no writer waits for it.
//!
//! SQLite's own automatic copying is off, because it keeps failed syncs to itself.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;

use super::failure::{Failure, end_process};
use crate::error::Unavailable;

/// How long the log is left alone between two copies: a page that changes often is then copied once.
const PAUSE: Duration = Duration::from_millis(200);

/// Copies the log into the database after commits, until the writer has ended.
pub(super) fn run(connection: &Connection, committed: &Receiver<()>, ended: &Receiver<Infallible>, pages: &AtomicI64) {
    let mut failed = None;
    while committed.recv().is_ok() {
        match copy(connection) {
            Ok(left) => {
                failed = None;
                pages.store(left, Ordering::Relaxed);
            }
            Err(Failure::Unavailable(Unavailable::Damaged)) => end_process(
                "the database is damaged, so that it cannot take what was acknowledged; keep its files, restore a backup, \
                 and start again",
            ),
            // A disk that is full stays full for a while: once is enough.
            Err(failure) if failed.as_ref() != Some(&failure) => {
                tracing::warn!(error = %failure, "could not copy the log into the database");
                failed = Some(failure);
            }
            Err(_) => {}
        }
        if ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
}

/// Copies what is committed from the log into the database. Returns how many pages the log has that others may still
/// read, so that it cannot begin again.
pub(super) fn copy(connection: &Connection) -> Result<i64, Failure> {
    let (pages, copied): (i64, i64) = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?))))?;
    Ok(if copied < pages { pages } else { 0 })
}
