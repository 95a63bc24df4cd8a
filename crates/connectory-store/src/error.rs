//! Why the store refuses or fails, without a type of an engine: callers handle these whatever keeps their connectors.

use std::path::{Path, PathBuf};

use crate::revision::RevisionNumber;

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

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

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process serves the database.
    #[error("the database {} is in use by another process{}; one process serves a database at a time", .path.display(), .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse {
        /// The database.
        path: PathBuf,
        /// The other process, where it left its id.
        pid: Option<u32>,
    },
    /// The database's file has several names.
    #[error("the database {} has {links} names (hard links); each would have a log of its own. Keep one name, or make the others symbolic links", .path.display())]
    Linked {
        /// The database.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// The database's file is mounted by itself.
    #[error("the database {} is mounted by itself, so its log would be outside of the mount and be lost with it; mount the folder that holds the database", .0.display())]
    Mounted(PathBuf),
    /// There is a log without the database that it belongs to.
    #[error("the database {} is gone or empty, but its log is still there and may hold acknowledged changes: {}; put the database back, or remove the log to begin anew", .path.display(), .log.display())]
    Orphaned {
        /// The database.
        path: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// The log beside the database was written for another one.
    #[error("the log {} was not written for the database {} that is there now, and would damage it; if you have restored a backup, remove the log and {} and start again; if you have brought the database and its log from elsewhere together, remove {} instead", .log.display(), .path.display(), .index.display(), .lock.display())]
    ForeignLog {
        /// The database.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// The log's index.
        index: PathBuf,
        /// The file that notes whose the log is.
        lock: PathBuf,
    },
    /// The database is on a file system of other machines.
    #[error("the database {} is on {kind}, a network file system, whose locks and shared memory SQLite cannot rely on; put it on a local disk", .path.display())]
    Network {
        /// The database.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// The database was written by a newer version, or by an older one that is running.
    #[error("the database {} has schema version {found}, this program needs {expected}; {advice}", .path.display())]
    Schema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The version of this program.
        expected: usize,
        /// What to do about it.
        advice: &'static str,
    },
    /// A tenant of this name, or a client of this id, exists.
    #[error("{0} exists already")]
    Exists(String),
    /// No such tenant or client.
    #[error("{0} does not exist")]
    Unknown(String),
    /// What was read is not what was written.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// The file or its folder.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It cannot be done for the moment; nothing was written.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// The database's file went away while the change was written.
    #[error("whether the change is kept is not known: while it was written, {0}; read before you repeat it")]
    Uncertain(Unavailable),
    /// There is no file.
    #[error("there is no database at {}; the server creates one when it starts", .0.display())]
    Absent(PathBuf),
    /// The file cannot be opened as a database.
    #[error("the database {} cannot be opened: {why}", .path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The engine refused what this program asked of it.
    #[error("the database engine: {0}")]
    Engine(String),
    /// The transaction of several changes could not be committed.
    #[error("the database engine could not commit: {0}")]
    Commit(String),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Names the file that could not be opened.
    pub(crate) fn of(self, path: &Path) -> Self {
        match self {
            Self::Engine(_) | Self::Unavailable(_) => Self::Open { path: path.to_owned(), why: self.to_string() },
            other => other,
        }
    }
}

/// Why a commit was refused. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The connector was changed, deleted or created since the caller read it.
    #[error("the connector of edit {edit} was changed by someone else meanwhile: {}", match .current { Some(number) => format!("it is at revision {number}"), None => "it does not exist".to_owned() })]
    Conflict {
        /// Which edit, counted from 0.
        edit: usize,
        /// The number of its newest revision, if it exists.
        current: Option<RevisionNumber>,
    },
    /// The name is taken in this tenant.
    #[error("a connector of the name of edit {edit} exists already")]
    NameTaken {
        /// Which edit, counted from 0.
        edit: usize,
    },
    /// The script name is taken in this tenant.
    #[error("a connector of the script name of edit {edit} exists already")]
    ScriptNameTaken {
        /// Which edit, counted from 0.
        edit: usize,
    },
    /// An earlier edit of the same commit changes the same connector.
    #[error("edit {edit} changes a connector that an earlier edit of the commit changes; make one edit of both")]
    Repeated {
        /// Which edit, counted from 0.
        edit: usize,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error for what was read and cannot be what was written.
pub(crate) fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable(error.to_string())
}
