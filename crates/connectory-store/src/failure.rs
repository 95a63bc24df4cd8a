//! What can go wrong with a disk: what passes, and what ends the process.

use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

use rusqlite::{ErrorCode, ffi};

use crate::StoreError;

/// Why something cannot be done for the moment. It is done again as soon as the cause is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no space.
    #[error("there is no space left for the database")]
    Full,
    /// The file or its file system became read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// Another program holds a transaction open.
    #[error("another program has locked the database")]
    Locked,
    /// There is another file at the database's path, or at that of its log.
    #[error(
        "the database's file, its log (`-wal`) or the log's index (`-shm`) was replaced; put it back, or start the server again"
    )]
    Replaced,
    /// There is no file at the database's path, or none at that of its log.
    #[error("the database's file, its log (`-wal`) or the log's index (`-shm`) is missing; put it back")]
    Missing,
    /// The file has a second name, under which another program would make another log.
    #[error(
        "the database's file, its log (`-wal`) or the log's index (`-shm`) has another name, a hard link; remove that"
    )]
    Linked,
    /// The folder cannot be read.
    #[error("the database's folder cannot be reached")]
    Unreachable,
    /// The disk fails.
    #[error("the database cannot be written or read: its disk fails")]
    Disk,
    /// The file is damaged.
    #[error("the database is damaged; stop the server and restore a backup")]
    Damaged,
    /// It did not answer in time.
    #[error("the database does not answer in time")]
    Slow,
    /// There are too many at a time.
    #[error("the server works on too much at the moment")]
    Busy,
}

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
            _ => Self::Sqlite(error),
        }
    }
}

/// Ends the process if a sync has failed: what the system has dropped by then is neither on disk nor known.
pub(crate) fn expect_synced(error: &rusqlite::Error) {
    let sync = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
    if error.sqlite_error().is_some_and(|error| sync.contains(&error.extended_code)) {
        end_process(&format!(
            "a sync of the database failed ({error}), so it is not known what is on disk; look after the disk, then \
             start again: what was acknowledged before is kept"
        ));
    }
}

/// Ends the process with a last line. The line may not be read by anyone, so it is not waited for forever. Nothing is
/// closed, because closing the database would write to it.
pub(crate) fn end_process(why: &str) -> ! {
    let line = format!("connectory: {why}\n");
    let (written, wait) = channel();
    let writing = std::thread::Builder::new().spawn(move || {
        let _nobody_reads = std::io::stderr().write_all(line.as_bytes());
        let _waits = written.send(());
    });
    if writing.is_ok() {
        let _late = wait.recv_timeout(Duration::from_secs(2));
    }
    std::process::abort()
}
