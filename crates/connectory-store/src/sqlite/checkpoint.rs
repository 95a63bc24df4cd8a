//! Copies committed pages from the log into the database, on a separate thread, so that no write waits for the copy.
//!
//! SQLite's automatic checkpoints are off, because they do not report failed syncs.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;

use super::failure::Failure;
use super::lock::Lock;
use crate::error::Unavailable;
use crate::process::end_process;

/// The pause between two copies. A page that changes several times in a pause is copied once.
const PAUSE: Duration = Duration::from_millis(200);

/// Copies the log into the database after commits, until the writer ends.
pub(super) fn run(
    connection: &Connection,
    committed: &Receiver<()>,
    ended: &Receiver<Infallible>,
    pages: &AtomicI64,
    lock: &mut Lock,
) {
    let mut failed = None;
    while committed.recv().is_ok() {
        match copy(connection) {
            Ok(left) => {
                failed = None;
                pages.store(left, Ordering::Relaxed);
                if left == 0 {
                    // If this fails, both marks remain, and it is repeated after the next copy.
                    let _failed = lock.settle();
                }
            }
            Err(Failure::Unavailable(Unavailable::Damaged)) => end_process(
                "the database is damaged, so that it cannot take what was acknowledged; keep its files, restore a backup, \
                 and start again",
            ),
            // Log the same failure once, because a full disk stays full for a while.
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

/// Copies committed pages from the log into the database. Returns the number of pages in the log if some of them could
/// not be copied, because readers may still need the old pages. The log cannot restart from its beginning then. Returns
/// 0 if every page was copied.
pub(super) fn copy(connection: &Connection) -> Result<i64, Failure> {
    let (pages, copied): (i64, i64) = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?))))?;
    Ok(if copied < pages { pages } else { 0 })
}
