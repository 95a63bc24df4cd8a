//! Keeping connectors on embedded SQLite: every change is a revision, and an acknowledged one is on disk.
//!
//! One process owns a database at a time ([`file`]), because the server keeps what it read in memory. Writes go
//! through one thread that commits all that waits in one transaction ([`writer`]); reads use a few connections of
//! their own ([`reader`]). Access management ([`access`]) works beside a running server.
//!
//! A write that cannot be done for the moment, because the disk is full, say, is rolled back and refused with
//! [`Unavailable`]; reads go on, and writes do as soon as the cause is gone. Where it is not known what is on disk, after
//! a failed sync or a panic of the writer, the process ends.
//!
//! There is no trait over engines: with one engine it would be a copy of this struct.

pub mod access;
mod body;
mod connectors;
mod failure;
mod file;
mod reader;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connectory_model::{Connector, ScriptName, Summary};
use rusqlite::Connection;
use uuid::Uuid;

pub use access::{Client, SigningKey, Tenant, TenantId};
pub use body::{Found, Holders};
pub use connectors::{Action, Author, AuthorKind, Change, Edit, Origin, Revision, RevisionId, RevisionNumber};
pub use failure::Unavailable;
use file::DatabaseFile;
use reader::Readers;
use writer::Writer;

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
    /// The connector was changed or deleted since it was read.
    #[error("the connector was changed by someone else meanwhile")]
    Conflict,
    /// The name is taken in this tenant.
    #[error("a connector of this name exists already")]
    NameTaken,
    /// The script name is taken in this tenant.
    #[error("a connector of this script name exists already")]
    ScriptNameTaken,
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
    /// SQLite refused.
    #[error("SQLite: {0}")]
    Sqlite(rusqlite::Error),
    /// The transaction of several changes could not be committed.
    #[error("SQLite could not commit: {0}")]
    Commit(String),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Says of which file SQLite speaks.
    pub(crate) fn of(self, path: &Path) -> Self {
        match self {
            Self::Sqlite(_) | Self::Unavailable(_) => Self::Open { path: path.to_owned(), why: self.to_string() },
            other => other,
        }
    }
}

/// How long a check of the database may take. It is longer than the writer waits for another program's transaction.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The connectors, clients and keys of every tenant.
#[derive(Clone)]
pub struct Store {
    readers: Arc<Readers>,
    writer: Writer,
}

impl Store {
    /// Opens a database for this process alone; creates the file and its folder where they are missing, and brings
    /// the schema up to date.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_or_refuse(path).map_err(|error| error.of(path))
    }

    fn open_or_refuse(path: &Path) -> Result<Self> {
        let file = DatabaseFile::open(path)?;
        let lock = file.lock()?;
        let mut connection = schema::open(&file, schema::SERVER_WAIT)?;
        schema::migrate(&mut connection, file.path())?;
        connectors::expect_readable(&connection)?;
        let copying = schema::open(&file, schema::SERVER_WAIT)?;
        let readers = Arc::new(Readers::open(&file)?);
        file.has_log()?;
        file.mark(&lock, |cookie| schema::mark(&connection, cookie), || schema::begin_log(&connection))?;
        Ok(Self { readers, writer: Writer::start(connection, copying, lock, file) })
    }

    /// Commits a change. When it is on disk, `publish` is called with its revision's number, in the order of commits; a
    /// refused change is not published. Before this returns, and after all that was committed together is published,
    /// `show` is called.
    pub async fn commit(
        &self,
        tenant: TenantId,
        edit: Edit,
        origin: Origin,
        publish: impl FnOnce(RevisionNumber) + Send + 'static,
        show: impl FnOnce() + Send + 'static,
    ) -> Result<RevisionNumber> {
        // Not `Uuid::new_v4`, which asks the system for each.
        let commit_id = Uuid::from_u128(rand::random());
        let write = move |connection: &Connection| connectors::write(connection, tenant, &edit, &origin, commit_id);
        self.writer.write(write, move |number: &RevisionNumber| publish(*number), show).await
    }

    /// Reads every connector of a tenant as lists show it, ordered by name without case, one at a time.
    pub async fn summaries<T: Send + 'static>(
        &self,
        tenant: TenantId,
        read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T + Send + 'static,
    ) -> Result<T> {
        self.readers.read(move |connection| connectors::summaries(connection, tenant, read)).await
    }

    /// The connector as a revision left it, if there is such a revision and the connector has at most so many bytes.
    pub async fn find(&self, id: RevisionId, most: usize) -> Result<Option<Found>> {
        self.readers.read(move |connection| connectors::at(connection, id, most)).await
    }

    /// The connector as a revision left it, however large it is.
    pub async fn connector(&self, id: RevisionId) -> Result<Option<Connector>> {
        match self.readers.read_large(move |connection| connectors::at(connection, id, usize::MAX)).await? {
            Some(Found::Connector(connector)) => Ok(Some(*connector)),
            Some(Found::Large(bytes)) => Err(StoreError::Unreadable(format!("a connector of {bytes} bytes"))),
            None => Ok(None),
        }
    }

    /// Where the parts of a large connector are stored, as a revision left it.
    pub async fn holders(&self, id: RevisionId) -> Result<Holders> {
        self.readers.read(move |connection| connectors::holders(connection, id)).await
    }

    /// Up to `limit` revisions of a tenant, or of one of its connectors, that were made before one: the newest first. A
    /// deleted connector keeps its own.
    pub async fn revisions(
        &self,
        tenant: TenantId,
        script_name: Option<ScriptName>,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>> {
        let read = move |connection: &Connection| {
            connectors::revisions(connection, tenant, script_name.as_ref(), before, limit)
        };
        self.readers.read(read).await
    }

    /// A client by its id.
    pub async fn client(&self, id: String) -> Result<Option<Client>> {
        self.readers.read(move |connection| access::client(connection, &id)).await
    }

    /// A tenant's clients, by name.
    pub async fn clients(&self, tenant: String) -> Result<Vec<Client>> {
        self.readers.read(move |connection| access::clients(connection, Some(&tenant))).await
    }

    /// Creates a client of a tenant.
    pub async fn create_client(&self, tenant: String, client: access::NewClient) -> Result<()> {
        self.writer.write(move |connection| access::create_client(connection, &tenant, &client), |()| (), || ()).await
    }

    /// Deletes a client of a tenant; its tokens and sessions end within seconds.
    pub async fn delete_client(&self, tenant: TenantId, id: String) -> Result<()> {
        self.writer.write(move |connection| access::delete_client(connection, Some(tenant), &id), |()| (), || ()).await
    }

    /// Every tenant, the oldest first.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        self.readers.read(access::tenants).await
    }

    /// Creates the first tenant with its client, where there is no tenant yet. Says whether it did.
    pub async fn bootstrap(&self, tenant: String, client: access::NewClient) -> Result<bool> {
        let job = move |connection: &Connection| {
            if !access::tenants(connection)?.is_empty() {
                return Ok(false);
            }
            access::create_tenant(connection, &tenant)?;
            access::create_client(connection, &tenant, &client)?;
            Ok(true)
        };
        self.writer.write(job, |_| (), || ()).await
    }

    /// The signing keys, the newest first; where there is none, `generated` becomes the first.
    pub async fn signing_keys(&self, generated: SigningKey) -> Result<Vec<SigningKey>> {
        self.writer.write(move |connection| access::signing_keys(connection, &generated), |_| (), || ()).await
    }

    /// Whether a read would succeed.
    pub async fn check_reads(&self) -> Result<()> {
        let read = self.readers.read(|connection| access::tenants(connection).map(drop));
        tokio::time::timeout(CHECK_TIMEOUT, read).await.unwrap_or(Err(Unavailable::Slow.into()))
    }

    /// Whether a write would succeed: by what came of the last one, if that was in the last second, or by writing.
    pub async fn check_writes(&self) -> Result<()> {
        let check = self.writer.check();
        tokio::time::timeout(CHECK_TIMEOUT, check).await.unwrap_or(Err(Unavailable::Slow.into()))
    }
}
