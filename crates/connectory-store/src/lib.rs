//! Stores connectors. Every change is a revision, and every acknowledged revision is on disk.
//!
//! This page is the contract of every engine. `sqlite` is the only engine today. The suite in `tests/contract` tests
//! every promise of the contract with every engine.
//!
//! **Durability.** When a write returns `Ok`, it is on disk. It survives the end of the process, a crash of the system
//! and a loss of power. Acknowledged data never changes. It is removed only together with its tenant.
//!
//! **Atomicity.** A commit is one or more edits of one tenant. The store makes all edits or none: it checks every edit
//! by reading before it writes the first. A refused commit writes nothing, and its error says which edit was refused
//! and why. Commits of other callers are not affected.
//!
//! **Order.** The revision numbers of a tenant increase by one in the order of commits, without gaps, and are never
//! reused. The revisions of one commit have consecutive numbers. (Databases from before schema 5 have gaps.) The
//! follower receives all commits in this order, and receives each commit before its caller gets a result.
//!
//! **Separation.** A tenant sees only its own connectors, revisions and numbers. Every read names its tenant.
//!
//! **Uniqueness.** In a tenant, no two connectors have the same script name, or names with the same key
//! ([`connectory_model::name_key`]). The store compares an edit with the state before its commit: a name that the same
//! commit frees is still taken.
//!
//! **Uncertain writes.** A write without a result may have been made or not. The same holds for a write that returned
//! [`StoreError::Uncertain`]. The caller must read before it repeats such a write. Every other error means that nothing
//! was written.
//!
//! **End of the process.** The process ends after a failed sync or after a panic of a thread that writes, because it
//! cannot know what is on disk. A full or read-only disk does not end the process: writes are refused with
//! [`Unavailable`] until the cause is gone, and reads continue.

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

/// The connectors, clients and keys of every tenant. A clone refers to the same store.
#[derive(Clone)]
pub struct Store {
    engine: Sqlite,
}

impl Store {
    /// Opens a database for this process alone. Creates the file and its folder if they are missing, and updates the
    /// schema.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { engine: Sqlite::open(path)? })
    }

    /// Sets the follower, which receives every commit from now on. A store has one follower; call this once.
    ///
    /// # Panics
    /// Panics if the store has a follower already.
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        self.engine.follow(follower);
    }

    /// Commits all edits of one tenant or none. Returns their revision numbers, in the order of the edits, when they
    /// are on disk and the follower has received them.
    pub async fn commit(
        &self,
        tenant: TenantId,
        edits: Vec<Edit>,
        origin: Origin,
    ) -> Result<Vec<RevisionNumber>, Refusal> {
        self.engine.commit(tenant, edits, origin).await
    }

    /// Reads the summaries of all connectors of a tenant, one at a time, ordered by name without case and then by
    /// script name. Returns the tenant's newest revision number at that moment, and the result of `read`.
    pub async fn load<T: Send + 'static>(
        &self,
        tenant: TenantId,
        read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T + Send + 'static,
    ) -> Result<(RevisionNumber, T)> {
        self.engine.load(tenant, read).await
    }

    /// Reads the current state of every connector of a tenant that changed after a revision number. A caller that
    /// applies the changes to the state at that number gets the state at [`Changes::as_of`].
    pub async fn changes(&self, tenant: TenantId, after: RevisionNumber) -> Result<Changes> {
        self.engine.changes(tenant, after).await
    }

    /// Reads the connector at a revision, if the revision exists. A connector of more than `most` bytes is not read.
    pub async fn find(&self, id: RevisionId, most: usize) -> Result<Option<Found>> {
        self.engine.find(id, most).await
    }

    /// Reads the connector at a revision, of any size.
    pub async fn connector(&self, id: RevisionId) -> Result<Option<Connector>> {
        self.engine.connector(id).await
    }

    /// Reads where the parts of a large connector are stored at a revision.
    pub async fn holders(&self, id: RevisionId) -> Result<Holders> {
        self.engine.holders(id).await
    }

    /// Reads a revision of a tenant's connector. Returns none if the number belongs to another connector.
    pub async fn revision(
        &self,
        tenant: TenantId,
        script_name: ScriptName,
        number: RevisionNumber,
    ) -> Result<Option<Revision>> {
        self.engine.revision(RevisionId { tenant, number }, script_name).await
    }

    /// Reads up to `limit` revisions of a tenant, or of one of its connectors, with numbers below `before`, the newest
    /// first. A deleted connector keeps its history. A connector that is created again continues the history.
    pub async fn revisions(
        &self,
        tenant: TenantId,
        script_name: Option<ScriptName>,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>> {
        self.engine.revisions(tenant, script_name, before, limit).await
    }

    /// Finds a client by its id.
    pub async fn client(&self, id: String) -> Result<Option<ApiClient>> {
        self.engine.client(id).await
    }

    /// Lists the clients of a tenant, ordered by name.
    pub async fn clients(&self, tenant: String) -> Result<Vec<ApiClient>> {
        self.engine.clients(tenant).await
    }

    /// Creates a client of a tenant.
    pub async fn create_client(&self, tenant: String, client: NewClient) -> Result<()> {
        self.engine.create_client(tenant, client).await
    }

    /// Deletes a client of a tenant. Its tokens and sessions end within seconds.
    pub async fn delete_client(&self, tenant: TenantId, id: String) -> Result<()> {
        self.engine.delete_client(tenant, id).await
    }

    /// Lists all tenants, the oldest first.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        self.engine.tenants().await
    }

    /// Creates the first tenant and its client, if there is no tenant yet. Returns whether it created them.
    pub async fn bootstrap(&self, tenant: String, client: NewClient) -> Result<bool> {
        self.engine.bootstrap(tenant, client).await
    }

    /// Reads the signing keys, the newest first. If there is no key yet, `generated` becomes the first.
    pub async fn signing_keys(&self, generated: SigningKey) -> Result<Vec<SigningKey>> {
        self.engine.signing_keys(generated).await
    }

    /// Checks whether a read succeeds.
    pub async fn check_reads(&self) -> Result<()> {
        self.engine.check_reads().await
    }

    /// Checks whether a write succeeds. Uses the result of the last write if it was in the last second; otherwise
    /// writes.
    pub async fn check_writes(&self) -> Result<()> {
        self.engine.check_writes().await
    }
}

/// The README, whose example must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
