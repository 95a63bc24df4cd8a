//! Why a backup cannot be made, read or restored, and why a database cannot be copied.

use std::io;

use crate::error::StoreError;

/// Why a backup cannot be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database failed, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of the backup cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(io::Error),
    /// The file of the backup cannot be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// The file is not a backup.
    #[error("it is not a backup of connectory: {0}")]
    Foreign(&'static str),
    /// A newer program wrote the backup.
    #[error(
        "connectory {program} wrote it in format {found}, and this program reads format {known} at most; use that connectory or a newer one"
    )]
    Newer {
        /// The version of the format.
        found: u64,
        /// The newest version that this program reads.
        known: u64,
        /// The version of the program that wrote it.
        program: String,
    },
    /// The end of the file is missing.
    #[error("it is truncated after {records} records: its end is missing; copy it again, or use another backup")]
    Truncated {
        /// The number of whole records.
        records: u64,
    },
    /// The file is another one than was written.
    #[error("it is damaged after {records} records: {why}; copy it again, or use another backup")]
    Damaged {
        /// The number of records that could be read.
        records: u64,
        /// What is wrong.
        why: String,
    },
    /// A backup is restored into an empty database only.
    #[error("{0}; a backup is restored into a new or empty database only, and nothing was changed")]
    NotEmpty(String),
}

/// Why a database cannot be copied into another one.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source failed, or refused.
    #[error("the source cannot be copied: {0}")]
    Source(BackupError),
    /// A server uses the source.
    #[error("{0}. Stop the server before you copy its database")]
    InUse(StoreError),
    /// The target failed, or refused. What was committed before stays.
    #[error("the target cannot be written: {0}")]
    Target(#[from] StoreError),
    /// The source and the target are one database.
    #[error("the source and the target are the same database, {0}")]
    Same(String),
    /// The target is in use as a database of its own.
    #[error("the database {0} has or had tenants; only a new or empty database takes a copy, and nothing was changed")]
    NotEmpty(String),
    /// The target has a part of another database.
    #[error("the database {target} is half copied from {from}, not from {wanted}; {RESTART}")]
    Another {
        /// The target.
        target: String,
        /// The database of which the target has a part.
        from: String,
        /// The source that was given.
        wanted: String,
    },
    /// The source is not what it was when the copy began.
    #[error("the database {from} has changed since the copy into {target} began, so the copy cannot go on; {RESTART}")]
    Changed {
        /// The target.
        target: String,
        /// The source.
        from: String,
    },
    /// The source changed while it was copied.
    #[error(
        "the database {from} was changed while it was copied, and the target {target} lacks these changes, so it stays half copied; stop every server that uses the source, and then: {RESTART}"
    )]
    ChangedMeanwhile {
        /// The target.
        target: String,
        /// The source.
        from: String,
    },
    /// Another process copies into the target.
    #[error("another `connectory database copy` into {0} is running; wait until it has ended")]
    Taken(String),
    /// The target does not have what was written.
    #[error(
        "the target {target} does not have what was read from the source: the SHA-256 of what was read is {read}, and of what is there {found}. Something else changes the target, or its disk or memory is damaged. It stays half copied; {RESTART}"
    )]
    Different {
        /// The target.
        target: String,
        /// The digest of what was read from the source.
        read: String,
        /// The digest of what was read back from the target.
        found: String,
    },
}

/// What to do about a half copied target of which the rest cannot be copied.
const RESTART: &str = "give --restart to empty the target and copy anew";
