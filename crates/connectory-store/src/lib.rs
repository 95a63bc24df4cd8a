//! Keeping connectors: every change is a revision, and an acknowledged one is on disk.
//!
//! This page is the contract. An engine keeps it; `sqlite` is the one there is. The suite in `tests/contract` checks
//! every promise against every engine.
//!
//! **What is durable.** When a write returns `Ok`, it is on disk and survives the process, the system and the power.
//! Nothing acknowledged is ever changed or removed, except with its tenant.
//!
//! **What is whole.** A commit is one or more edits of one tenant. Either all of them are made or none: the store checks
//! all edits by reading before it writes the first. A refusal says which edit was refused and why, and writes nothing.
//! Commits of other callers are not affected.
//!
//! **What is ordered.** The numbers of a tenant's revisions increase by one in the order of commits, without gaps, and
//! are never reused. The revisions of one commit have consecutive numbers. (Databases from before schema 5 have gaps.)
//! The follower takes all commits in this order, and takes a commit before its caller is answered.
//!
//! **What is separate.** A tenant sees its own connectors, revisions and numbers only. Every read names its tenant.
//!
//! **What is unique.** In a tenant, no two connectors have the same script name, or names with the same key
//! ([`connectory_model::name_key`]). An edit is compared with the state before its commit: a name that the same commit frees is still taken.
//!
//! **What may be lost.** A write that was not answered may have been made or not. So may one that was answered with
//! [`StoreError::Uncertain`]; the caller reads before it repeats the write. Every other error says that nothing was
//! written.
//!
//! **What ends the process.** After a failed sync, or a panic of a thread that writes, it is not known what is on disk, so
//! the process ends. A disk that is full, or read-only, does not: writes are refused with [`Unavailable`] until the cause
//! is gone, and reads go on.

mod access;
mod body;
mod changes;
mod edit;
mod error;
mod revision;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use connectory_model::{Connector, ScriptName, Summary};

pub use access::{ApiClient, NewClient, SigningKey, Tenant, TenantId, hash_secret, new_id, new_secret};
pub use body::{Found, Holders};
pub use changes::{Changed, Changes, Committed, Follow};
pub use edit::{Change, Edit};
pub use error::{Refusal, Result, StoreError, Unavailable};
pub use revision::{Action, Author, AuthorKind, InvalidRevisionNumber, Origin, Revision, RevisionId, RevisionNumber};
pub use sqlite::AccessDb;
use sqlite::Sqlite;

/// The connectors, clients and keys of every tenant. A clone is the same store.
#[derive(Clone)]
pub struct Store {
    engine: Sqlite,
}

impl Store {
    /// Opens a database for this process alone; creates the file and its folder where they are missing, and brings the
    /// schema up to date.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { engine: Sqlite::open(path)? })
    }

    /// Has someone follow what is committed from now on. A store has one follower; call this once.
    ///
    /// # Panics
    /// If the store has a follower already.
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        self.engine.follow(follower);
    }

    /// Commits edits of one tenant, whole or not at all. Returns their numbers, in the order of the edits, once they are on
    /// disk and the follower has taken them.
    pub async fn commit(
        &self,
        tenant: TenantId,
        edits: Vec<Edit>,
        origin: Origin,
    ) -> Result<Vec<RevisionNumber>, Refusal> {
        self.engine.commit(tenant, edits, origin).await
    }

    /// Reads the summaries of all connectors of a tenant, one at a time, ordered by name without case and then by script
    /// name. Returns the number as of which they were read, with the result of `read`.
    pub async fn load<T: Send + 'static>(
        &self,
        tenant: TenantId,
        read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T + Send + 'static,
    ) -> Result<(RevisionNumber, T)> {
        self.engine.load(tenant, read).await
    }

    /// The current state of every connector of a tenant that changed after a number. Whoever applies it to the state as of
    /// that number has the state as of [`Changes::as_of`].
    pub async fn changes(&self, tenant: TenantId, after: RevisionNumber) -> Result<Changes> {
        self.engine.changes(tenant, after).await
    }

    /// The connector as a revision left it, if there is such a revision. A connector of more than `most` bytes is not read.
    pub async fn find(&self, id: RevisionId, most: usize) -> Result<Option<Found>> {
        self.engine.find(id, most).await
    }

    /// The connector as a revision left it, however large it is.
    pub async fn connector(&self, id: RevisionId) -> Result<Option<Connector>> {
        self.engine.connector(id).await
    }

    /// Where the parts of a large connector are stored, as a revision left it.
    pub async fn holders(&self, id: RevisionId) -> Result<Holders> {
        self.engine.holders(id).await
    }

    /// A revision of a tenant's connector; none if the number belongs to another connector.
    pub async fn revision(
        &self,
        tenant: TenantId,
        script_name: ScriptName,
        number: RevisionNumber,
    ) -> Result<Option<Revision>> {
        self.engine.revision(RevisionId { tenant, number }, script_name).await
    }

    /// Up to `limit` revisions of a tenant, or of one of its connectors, with numbers below `before`: the newest first. A
    /// deleted connector keeps its history, and one that is created again continues it.
    pub async fn revisions(
        &self,
        tenant: TenantId,
        script_name: Option<ScriptName>,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>> {
        self.engine.revisions(tenant, script_name, before, limit).await
    }

    /// A client by its id.
    pub async fn client(&self, id: String) -> Result<Option<ApiClient>> {
        self.engine.client(id).await
    }

    /// A tenant's clients, by name.
    pub async fn clients(&self, tenant: String) -> Result<Vec<ApiClient>> {
        self.engine.clients(tenant).await
    }

    /// Creates a client of a tenant.
    pub async fn create_client(&self, tenant: String, client: NewClient) -> Result<()> {
        self.engine.create_client(tenant, client).await
    }

    /// Deletes a client of a tenant; its tokens and sessions end within seconds.
    pub async fn delete_client(&self, tenant: TenantId, id: String) -> Result<()> {
        self.engine.delete_client(tenant, id).await
    }

    /// Every tenant, the oldest first.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        self.engine.tenants().await
    }

    /// Creates the first tenant with its client, where there is no tenant yet. Returns whether it did.
    pub async fn bootstrap(&self, tenant: String, client: NewClient) -> Result<bool> {
        self.engine.bootstrap(tenant, client).await
    }

    /// The signing keys, the newest first. Where there is none, `generated` becomes the first.
    pub async fn signing_keys(&self, generated: SigningKey) -> Result<Vec<SigningKey>> {
        self.engine.signing_keys(generated).await
    }

    /// Whether a read would succeed.
    pub async fn check_reads(&self) -> Result<()> {
        self.engine.check_reads().await
    }

    /// Whether a write would succeed: by the outcome of the last one, if that was in the last second, or by writing.
    pub async fn check_writes(&self) -> Result<()> {
        self.engine.check_writes().await
    }
}

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
