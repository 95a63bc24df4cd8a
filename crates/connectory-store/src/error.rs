//! The errors of the store. No type of an engine appears in them, so callers handle them in the same way for every
//! engine.

use std::path::{Path, PathBuf};

use crate::access::QuotaExceeded;
use crate::revision::RevisionNumber;

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The reason why an operation is not possible at the moment. Operations succeed again as soon as the cause is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The disk is full.
    #[error("there is no space left for the database")]
    Full,
    /// The file or its file system became read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// Another program holds a transaction open.
    #[error("another program, or a change that is not finished, has locked the database")]
    Locked,
    /// Another file is at the path of the database, of its log or of the log's index.
    #[error(
        "the database's file, its log (`-wal`) or the log's index (`-shm`) was replaced; put it back, or start the server again"
    )]
    Replaced,
    /// No file is at the path of the database, of its log or of the log's index.
    #[error("the database's file, its log (`-wal`) or the log's index (`-shm`) is missing; put it back")]
    Missing,
    /// One of the files has a second name (a hard link). A program that opens the database under that name would create
    /// a second log.
    #[error(
        "the database's file, its log (`-wal`) or the log's index (`-shm`) has another name, a hard link; remove that"
    )]
    Linked,
    /// The folder cannot be read.
    #[error("the database's folder cannot be reached")]
    Unreachable,
    /// A read from the disk or a write to it failed.
    #[error("the database cannot be written or read: its disk fails")]
    Disk,
    /// The database file is damaged.
    #[error("the database is damaged; stop the server and restore a backup")]
    Damaged,
    /// The database did not answer in time.
    #[error("the database does not answer in time")]
    Slow,
    /// The connection to the database broke, or none could be made.
    #[error("the database cannot be reached")]
    Disconnected,
    /// The database answers, but does not say that a commit is kept as it should be.
    #[error("the database does not confirm that changes are kept; its synchronous standby may be missing")]
    Unconfirmed,
    /// The tables of the database are missing or not as this program made them.
    #[error("the tables of the database are missing or have changed; a restore may be under way")]
    Tables,
    /// The schema was changed for newer programs.
    #[error("the database was updated for a newer connectory; update this server")]
    Newer,
    /// Too much work is in progress.
    #[error("the server works on too much at the moment")]
    Busy,
    /// The database accepts no more connections.
    #[error("the database has no connection left for this server")]
    Connections,
    /// The tenant must be loaded anew ([`Follow::lost`](crate::Follow::lost)).
    #[error(
        "the connectors are read from the database anew: its newest changes were lost in a failover or a restore, or this \
         server missed very many"
    )]
    Lost,
}

/// The reason why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process serves the database.
    #[error("the database {} is in use by another process{}; one process serves a database at a time", .path.display(), .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse {
        /// The path of the database.
        path: PathBuf,
        /// The id of the other process, if its lock file has one.
        pid: Option<u32>,
    },
    /// The database file has several names (hard links).
    #[error("the database {} has {links} names (hard links); each would have a log of its own. Keep one name, or make the others symbolic links", .path.display())]
    Linked {
        /// The path of the database.
        path: PathBuf,
        /// The number of names.
        links: u64,
    },
    /// The database file is mounted by itself, without its folder.
    #[error("the database {} is mounted by itself, so its log would be outside of the mount and be lost with it; mount the folder that holds the database", .0.display())]
    Mounted(PathBuf),
    /// A log exists, but the database that it belongs to is missing or empty.
    #[error("the database {} is gone or empty, but its log is still there and may hold acknowledged changes: {}; put the database back, or remove the log to begin anew", .path.display(), .log.display())]
    Orphaned {
        /// The path of the database.
        path: PathBuf,
        /// The path of the log.
        log: PathBuf,
    },
    /// The log beside the database belongs to another database.
    #[error("the log {} was not written for the database {} that is there now, and would damage it; if you have restored a backup, remove the log and {} and start again; if you have brought the database and its log from elsewhere together, remove {} instead", .log.display(), .path.display(), .index.display(), .lock.display())]
    ForeignLog {
        /// The path of the database.
        path: PathBuf,
        /// The path of the log.
        log: PathBuf,
        /// The path of the log's index.
        index: PathBuf,
        /// The path of the lock file, which records the database that the log belongs to.
        lock: PathBuf,
    },
    /// The lock file does not say which database the log belongs to.
    #[error("the lock file {} does not say whether the log {} was written for the database {}; if you have restored a backup, remove the log and {} and start again; if you know that the database and the log belong together, remove the lock file instead", .lock.display(), .log.display(), .path.display(), .index.display())]
    UnknownLog {
        /// The path of the database.
        path: PathBuf,
        /// The path of the log.
        log: PathBuf,
        /// The path of the log's index.
        index: PathBuf,
        /// The path of the lock file.
        lock: PathBuf,
    },
    /// The database is on a network file system.
    #[error("the database {} is on {kind}, a network file system, whose locks and shared memory SQLite cannot rely on; put it on a local disk", .path.display())]
    Network {
        /// The path of the database.
        path: PathBuf,
        /// The kind of file system, such as NFS.
        kind: &'static str,
    },
    /// A newer version of the program wrote the database, or a running server has another version.
    #[error("the database {} has schema version {found}, this program needs {expected}; {advice}", .path.display())]
    Schema {
        /// The path of the database.
        path: PathBuf,
        /// The schema version of the database.
        found: usize,
        /// The schema version that this program needs.
        expected: usize,
        /// The advice to the operator.
        advice: &'static str,
    },
    /// A tenant with this name, or a client with this id, exists already.
    #[error("{0} exists already")]
    Exists(String),
    /// The tenant has as many clients as a tenant may have.
    #[error("the tenant has {0} clients, as many as a tenant may have; delete one that is not used")]
    ClientLimit(usize),
    /// The tenant or client does not exist.
    #[error("{0} does not exist")]
    Unknown(String),
    /// The database contains data that this program cannot have written.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// The tenant can do nothing until an operator resumes it.
    #[error("the tenant is suspended; the operator of this server can resume it")]
    Suspended,
    /// Servers that do not know this may still use the database.
    #[error(
        "servers of the version before may still use this database, and would not know of this; when all servers are updated, run `connectory database migrate --finish`, and then this again"
    )]
    Unfinished,
    /// The retention of the server removed the connector at this revision.
    #[error("the connector at revision {0} was removed by the retention of this server")]
    BodyRemoved(RevisionNumber),
    /// The file or its folder cannot be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// The operation is not possible at the moment. Nothing was written.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// The database was moved or removed, or could not be reached any more, while the change was written.
    #[error("whether the change is kept is not known: while it was written, {0}; read before you repeat it")]
    Uncertain(Unavailable),
    /// The database file does not exist.
    #[error("there is no database at {}; the server creates one when it starts", .0.display())]
    Absent(PathBuf),
    /// The database file is empty.
    #[error("{} is empty: it is not a database yet; the server makes one of it when it starts", .0.display())]
    Empty(PathBuf),
    /// The path of the database is that of a folder.
    #[error("{} is a folder; give the path of a file, such as {}", .0.display(), .0.join("connectory.db").display())]
    Folder(PathBuf),
    /// The file is not a SQLite database.
    #[error("{} is not a SQLite database: it is another kind of file, or its beginning is damaged; nothing was changed", .0.display())]
    NotADatabase(PathBuf),
    /// The file is a SQLite database of another program.
    #[error("{} is the database of another program: it has tables, but not those of connectory; nothing was changed", .0.display())]
    Foreign(PathBuf),
    /// The file cannot be opened as a database.
    #[error("the database {} cannot be opened: {why}", .path.display())]
    Open {
        /// The path of the database.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// A copy into the database is not finished.
    #[error(
        "the database {database} is half copied from {from}, and cannot be used before all is there; run the same `connectory database copy` again, which goes on where it stopped, or give it --restart, or remove the database"
    )]
    HalfCopied {
        /// The database, as `--database` takes it, without secrets.
        database: String,
        /// The database that is copied.
        from: String,
    },
    /// The server of the database, or the database, cannot be used.
    #[error("the database {database} cannot be used: {why}")]
    Server {
        /// The address of the database.
        database: String,
        /// The reason, and what to do.
        why: String,
    },
    /// The engine returned an error that none of the other variants describes.
    #[error("the database engine: {0}")]
    Engine(String),
    /// The transaction could not be committed.
    #[error("the database engine could not commit: {0}")]
    Commit(String),
    /// The writer thread has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Adds the path of the database to an error that occurred while it was opened.
    pub(crate) fn of(self, path: &Path) -> Self {
        match self {
            Self::Engine(_) | Self::Unavailable(_) => Self::Open { path: path.to_owned(), why: self.to_string() },
            other => other,
        }
    }
}

impl StoreError {
    /// The same failure for another caller whose job was in the same batch.
    pub(crate) fn of_batch(&self) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(*why),
            Self::Uncertain(why) => Self::Uncertain(*why),
            Self::Unknown(what) => Self::Unknown(what.clone()),
            Self::Suspended => Self::Suspended,
            other => Self::Commit(other.to_string()),
        }
    }
}

/// The reason why a commit was refused. Nothing of the commit was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The connector is not at the revision that the caller read.
    #[error("the connector of edit {edit} was changed by someone else meanwhile: {}", match .current { Some(number) => format!("it is at revision {number}"), None => "it does not exist".to_owned() })]
    Conflict {
        /// The position of the edit in the commit, counted from 0.
        edit: usize,
        /// The number of the connector's newest revision. None if the connector does not exist.
        current: Option<RevisionNumber>,
    },
    /// Another connector of the tenant has the name.
    #[error("a connector of the name of edit {edit} exists already")]
    NameTaken {
        /// The position of the edit in the commit, counted from 0.
        edit: usize,
    },
    /// Another connector of the tenant has the script name.
    #[error("a connector of the script name of edit {edit} exists already")]
    ScriptNameTaken {
        /// The position of the edit in the commit, counted from 0.
        edit: usize,
    },
    /// An earlier edit of the same commit changes the same connector.
    #[error("edit {edit} changes a connector that an earlier edit of the commit changes; make one edit of both")]
    Repeated {
        /// The position of the edit in the commit, counted from 0.
        edit: usize,
    },
    /// A commit with the same key was made before. [`Store::done`](crate::Store::done) reads what it was.
    #[error("a commit with this key was made already")]
    Done,
    /// The tenant would exceed one of its quotas.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes an error for data that this program cannot have written.
pub(crate) fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable(error.to_string())
}
