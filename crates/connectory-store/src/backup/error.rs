//! Why a backup cannot be made, read or restored.

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
