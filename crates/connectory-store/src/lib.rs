//! Stores connectors. Every change is a revision, and every acknowledged revision is on disk.
//!
//! This page is the contract of every engine: `sqlite`, for one process on one file, and `postgres`, for many processes
//! on one server. The suite in `tests/contract` tests every promise of the contract with every engine.
//!
//! **Durability.** When a write returns `Ok`, it is on disk. It survives the end of the process, a crash of the system
//! and a loss of power. (Of a store without syncs, it survives the end of the process only. In PostgreSQL it is where the
//! server's settings say that a commit is, for example on a standby.) Acknowledged data never changes. It is removed only
//! together with its tenant, or by retention, which removes bodies of old revisions and nothing else ([`Store::retain`]).
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
//! ([`connectory_model::name_key`]). What counts is the state after the commit: one edit may take the name that
//! another one of the same commit frees, and connectors may exchange their names.
//!
//! **Requests done once.** A commit may have a key. In the same transaction, the store notes the key, the fingerprint of
//! the request, and the numbers of its revisions. For a day after that, a commit with the same key of the same tenant is
//! refused, before anything else is checked ([`Refusal::Done`]). So of concurrent commits with one key, one is made. A
//! refused commit leaves its key free. The store may forget a key earlier if its tenant had
//! [`ONCE_REVISIONS`](connectory_model::limits::ONCE_REVISIONS) revisions since then.
//!
//! **Quotas.** A commit with which its tenant would exceed a quota is refused, whatever other commits arrive at the same
//! time. Quotas that an operator sets hold from the next commit on.
//!
//! **Uncertain writes.** A write without a result may have been made or not. The same holds for a write that returned
//! [`StoreError::Uncertain`]. The caller must read before it repeats such a write, unless the write has a key. Every other error means that nothing
//! was written.
//!
//! **Several processes.** With PostgreSQL, all promises hold for the commits of all processes. The follower of a process
//! receives what others committed before what its own process commits later. [`Store::fresh`] waits for what others
//! acknowledged. If the database has another history than was followed, [`Follow::lost`] says so.
//!
//! **End of the process.** The process ends after a failed sync or after a panic of a thread that writes, because it
//! cannot know what is on disk. A full or read-only disk does not end the process: writes are refused with
//! [`Unavailable`] until the cause is gone, and reads continue.

mod access;
mod access_db;
mod access_event;
mod backup;
mod body;
mod changes;
mod clock;
mod edit;
mod error;
mod find;
mod lease;
mod measures;
mod once;
mod past;
mod permits;
mod postgres;
mod process;
mod retention;
mod revision;
mod session;
mod sqlite;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connectory_model::{Connector, ScriptName, Status, Summary};

pub use access::{
    ApiClient, NewClient, QuotaExceeded, Quotas, RemovedRows, SigningKey, Tenant, TenantId, hash_secret, new_id,
    new_secret,
};
pub use access_db::AccessDb;
pub use access_event::{AccessAction, AccessEvent, AccessOrigin, RefusedSignIns};
pub use backup::{
    Backup, BackupError, BackupSource, BackupTarget, Copied, CopyError, CopyStep, Counts, Finding, Header, Keys,
    Verified,
};
pub use body::{Found, Holders};
pub use changes::{Changed, Changes, Committed, Follow, Head};
use edit::Commit;
pub use edit::{Change, Edit};
pub use error::{Refusal, Result, StoreError, Unavailable};
pub use find::{AccessEvents, AccessFilter, RefusedFilter, RefusedPlace, RevisionFilter, Who};
pub use lease::{Lease, LeasedWork};
pub use measures::Measures;
pub use once::{Done, Once};
pub use past::{Deleted, DeletedAt, DeletedKind, Left, Moment};
pub use permits::{Granted, PermitLimit, PermitRequest};
use postgres::Postgres;
pub use postgres::{Address, AddressError, Schema};
use retention::{Link, Newest, Run};
pub use retention::{Removed, Retention, RetentionPass};
pub use revision::{Action, Author, AuthorKind, InvalidRevisionNumber, Origin, Revision, RevisionId, RevisionNumber};
pub use session::{Ended, NewSession, Session, SessionHash};
use sqlite::{Sqlite, Syncs};

/// The connectors, clients and keys of every tenant. A clone refers to the same store.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Calls a method that both engines have.
macro_rules! both {
    ($store:ident.$method:ident($($value:expr),*)) => {
        match &$store.engine {
            Engine::Sqlite(engine) => engine.$method($($value),*),
            Engine::Postgres(engine) => engine.$method($($value),*),
        }
    };
    ($store:ident.$method:ident($($value:expr),*).await) => {
        match &$store.engine {
            Engine::Sqlite(engine) => engine.$method($($value),*).await,
            // In a box, so that the futures of SQLite have no room for it.
            Engine::Postgres(engine) => Box::pin(engine.$method($($value),*)).await,
        }
    };
}

impl Store {
    /// Opens a database for this process alone. Creates the file and its folder if they are missing, and updates the
    /// schema.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { engine: Engine::Sqlite(Sqlite::open(path, Syncs::Full)?) })
    }

    /// Opens a database as [`Self::open`] does, whose writes do not wait for the disk: a crash of the system may damage
    /// it. This is for data that is removed at the end of the process. What was written before may be lost, so each open is
    /// another incarnation.
    pub fn open_without_syncs(path: &Path) -> Result<Self> {
        Ok(Self { engine: Engine::Sqlite(Sqlite::open(path, Syncs::Off)?) })
    }

    /// Connects to a PostgreSQL database that other processes may use as well. Updates its schema.
    pub async fn open_postgres(address: &Address) -> Result<Self> {
        Ok(Self { engine: Engine::Postgres(Postgres::open(address).await?) })
    }

    /// Where the database is, as `--database` takes it, without secrets.
    pub fn location(&self) -> String {
        match &self.engine {
            Engine::Sqlite(engine) => format!("sqlite:{}", engine.path().display()),
            Engine::Postgres(engine) => engine.address().to_string(),
        }
    }

    /// Writes a copy of the database, as it is now, into a new file. The copy may not be on disk yet. A database that
    /// other processes use is not copied.
    pub async fn copy_to(&self, copy: PathBuf) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.copy_to(copy).await,
            Engine::Postgres(_) => {
                Err(StoreError::Engine("a PostgreSQL database is not copied into a file".to_owned()))
            }
        }
    }

    /// All of the database, for a backup beside what the store does. Its methods block. Call this in the runtime of the
    /// store, and use it on a thread that may block.
    pub fn backup_source(&self) -> Result<BackupSource> {
        Ok(match &self.engine {
            Engine::Sqlite(engine) => BackupSource::of_sqlite(engine.source()?),
            Engine::Postgres(engine) => BackupSource::of_postgres(engine.source()),
        })
    }

    /// Sets the follower, which receives every commit from now on. A store has one follower; call this once.
    ///
    /// # Panics
    /// Panics if the store has a follower already.
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        both!(self.follow(follower));
    }

    /// Commits all edits of one tenant or none. Returns their revision numbers, in the order of the edits, when they
    /// are on disk and the follower has received them.
    pub async fn commit(
        &self,
        tenant: TenantId,
        edits: Vec<Edit>,
        origin: Origin,
    ) -> Result<Vec<RevisionNumber>, Refusal> {
        self.commit_whole(Commit::new(tenant, edits, origin, None)).await
    }

    /// Commits as [`Self::commit`] does, unless a commit with the same key was made before ([`Refusal::Done`]). A commit
    /// of no edits leaves its key free.
    pub async fn commit_once(
        &self,
        tenant: TenantId,
        edits: Vec<Edit>,
        origin: Origin,
        once: Once,
    ) -> Result<Vec<RevisionNumber>, Refusal> {
        self.commit_whole(Commit::new(tenant, edits, origin, Some(once))).await
    }

    async fn commit_whole(&self, commit: Commit) -> Result<Vec<RevisionNumber>, Refusal> {
        if commit.edits.is_empty() {
            return Ok(Vec::new());
        }
        both!(self.commit(commit).await)
    }

    /// Reads what was committed under the key of a request, by whichever process, in the day before the request. The
    /// fingerprint may be another one.
    pub async fn done(&self, tenant: TenantId, once: Once) -> Result<Option<Done>> {
        both!(self.done(tenant, once).await)
    }

    /// Returns when everything that was committed for a tenant before this call, by whichever process, is where an
    /// acknowledged commit is. A process that answers with the result of a commit that it did not make itself calls this
    /// first: that commit may have no clear result yet. Returns at once if nobody else commits to the database.
    pub async fn confirm(&self, tenant: TenantId) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(engine) => Box::pin(engine.confirm(tenant)).await,
        }
    }

    /// Reads the summaries of all connectors of a tenant, one at a time, ordered by name without case and then by
    /// script name. Returns the tenant's newest revision at that moment, and the result of `read`.
    pub async fn load<T: Send + 'static>(
        &self,
        tenant: TenantId,
        read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T + Send + 'static,
    ) -> Result<(Head, T)> {
        both!(self.load(tenant, read).await)
    }

    /// Makes the follower receive the commits of a tenant after this head, which [`Self::load`] returned. The caller
    /// calls this once for each load, when its follower can receive them. If nobody else commits to the database, the
    /// follower receives all commits anyway.
    pub async fn follow_from(&self, tenant: TenantId, head: Head) {
        match &self.engine {
            // One process owns the database, so its writer gives the follower everything.
            Engine::Sqlite(_) => {}
            Engine::Postgres(engine) => engine.follow_from(tenant, head).await,
        }
    }

    /// Returns when the follower has received every commit of a tenant that was acknowledged before this call, by
    /// whichever process. Returns at once if nobody else commits to the database.
    pub async fn fresh(&self, tenant: TenantId) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(engine) => Box::pin(engine.fresh(tenant)).await,
        }
    }

    /// The time since the newest revisions of the database were last known. None if no other process commits to it, or
    /// before they are known for the first time.
    pub fn lag(&self) -> Option<Duration> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => engine.lag(),
        }
    }

    /// How many tenants miss commits of other processes that this one reads at the moment. None if no other process
    /// commits to the database.
    pub fn behind(&self) -> Option<usize> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.behind()),
        }
    }

    /// What the engine measures of itself. None for SQLite.
    pub fn measures(&self) -> Option<Measures> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.measures()),
        }
    }

    /// Takes permits for requests in the current window of the rate limit, which all processes share. The database numbers
    /// the windows by its own clock. A process that alone uses its database counts by itself.
    pub async fn take_permits(&self, limit: PermitLimit, requests: Vec<PermitRequest>) -> Result<Vec<Granted>> {
        match &self.engine {
            Engine::Sqlite(_) => Err(StoreError::Engine("one process counts by itself".to_owned())),
            Engine::Postgres(engine) => Box::pin(engine.take_permits(limit, requests)).await,
        }
    }

    /// Whether other processes may commit to the database.
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Reads the current state of every connector of a tenant that changed after a revision number. A caller that
    /// applies the changes to the state at that number gets the state at [`Changes::as_of`].
    pub async fn changes(&self, tenant: TenantId, after: RevisionNumber) -> Result<Changes> {
        both!(self.changes(tenant, after).await)
    }

    /// Reads the connector at a revision, if the revision exists. A connector of more than `most` bytes is not read.
    pub async fn find(&self, id: RevisionId, most: usize) -> Result<Option<Found>> {
        both!(self.find(id, most).await)
    }

    /// Reads the connector at a revision, of any size.
    pub async fn connector(&self, id: RevisionId) -> Result<Option<Connector>> {
        both!(self.connector(id).await)
    }

    /// Reads where the parts of a large connector are stored at a revision.
    pub async fn holders(&self, id: RevisionId) -> Result<Holders> {
        both!(self.holders(id).await)
    }

    /// Reads a revision of a tenant's connector. Returns none if the number belongs to another connector.
    pub async fn revision(
        &self,
        tenant: TenantId,
        script_name: ScriptName,
        number: RevisionNumber,
    ) -> Result<Option<Revision>> {
        both!(self.revision(RevisionId { tenant, number }, script_name).await)
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
        both!(self.revisions(tenant, script_name, before, limit).await)
    }

    /// Finds up to `limit` revisions of a tenant that have something, the newest first, among those with numbers above
    /// `after` and below `before`. It looks at all of these, so the caller bounds their number.
    pub async fn find_revisions(
        &self,
        tenant: TenantId,
        filter: RevisionFilter,
        (after, before): (RevisionNumber, RevisionNumber),
        limit: u32,
    ) -> Result<Vec<Revision>> {
        both!(self.find_revisions(tenant, filter, (after, before), limit).await)
    }

    /// Finds the numbers of the first revisions of changes. A change is given by the number of its last revision.
    pub async fn first_of_changes(
        &self,
        tenant: TenantId,
        changes: Vec<RevisionNumber>,
    ) -> Result<Vec<RevisionNumber>> {
        both!(self.first_of_changes(tenant, changes).await)
    }

    /// Reads up to `limit` revisions of a tenant with numbers after one, the oldest first.
    pub async fn revisions_after(&self, after: RevisionId, limit: u32) -> Result<Vec<Revision>> {
        both!(self.revisions_after(after, limit).await)
    }

    /// Reads the revisions of a tenant with these numbers, in any order. Numbers that the tenant does not have are left out.
    pub async fn revisions_at(&self, tenant: TenantId, numbers: Vec<RevisionNumber>) -> Result<Vec<Revision>> {
        both!(self.revisions_at(tenant, numbers).await)
    }

    /// Finds up to `limit` connectors of a tenant that were deleted and not restored, with numbers of their deletions below
    /// `before`, the last deleted first.
    pub async fn deleted_at(
        &self,
        tenant: TenantId,
        kind: DeletedKind,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<DeletedAt>> {
        both!(self.deleted_at(tenant, kind, before, limit).await)
    }

    /// Reads deleted connectors of a tenant, in the given order. Those that are not there are left out.
    pub async fn deleted(&self, tenant: TenantId, at: Vec<DeletedAt>) -> Result<Vec<Deleted>> {
        both!(self.deleted(tenant, at).await)
    }

    /// Counts the connectors of a tenant that were deleted and not restored, of all kinds, up to `most`.
    pub async fn deleted_count(&self, tenant: TenantId, most: u32) -> Result<u64> {
        both!(self.deleted_count(tenant, most).await)
    }

    /// Reads the statuses that the connectors of a tenant have at these revisions. Revisions without a body are left out.
    pub async fn statuses(
        &self,
        tenant: TenantId,
        numbers: Vec<RevisionNumber>,
    ) -> Result<HashMap<RevisionNumber, Status>> {
        both!(self.statuses(tenant, numbers).await)
    }

    /// Finds the newest revision of a tenant up to a number.
    pub async fn moment_of(&self, id: RevisionId) -> Result<Option<Moment>> {
        both!(self.moment_of(id).await)
    }

    /// Finds the newest revision of a tenant that was committed at a time or before it, in milliseconds since 1970-01-01
    /// UTC. The times of a tenant grow with its numbers, as far as the clock of the database does not go back.
    pub async fn moment_at(&self, tenant: TenantId, time: i64) -> Result<Option<Moment>> {
        both!(self.moment_at(tenant, time).await)
    }

    /// Reads which revision each connector of a tenant had at a number, of those that changed after it. What is not here is
    /// now as it was then.
    pub async fn left_at(&self, id: RevisionId) -> Result<Vec<Left>> {
        both!(self.left_at(id).await)
    }

    /// Makes one step of a pass of retention under a lease, at a time in milliseconds since 1970-01-01 UTC. After an error the
    /// pass may go on: it leaves out the connector that it was at.
    pub async fn retain(&self, pass: &mut RetentionPass, lease: &Lease, now: i64) -> Result<Removed> {
        pass.step(self, lease, now).await
    }

    /// Takes the lease of some work for a time, or renews it. Returns none if another process has it. A process that alone
    /// uses its database always has it.
    pub async fn lease(&self, work: LeasedWork, time: Duration) -> Result<Option<Lease>> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(Some(Lease::alone(work))),
            Engine::Postgres(engine) => Box::pin(engine.lease(work, time)).await,
        }
    }

    /// Whether a lease is held: this process took it, it has not ended, and nobody took it since.
    pub async fn holds(&self, lease: &Lease) -> Result<bool> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(true),
            Engine::Postgres(engine) => Box::pin(engine.holds(lease)).await,
        }
    }

    /// Removes rows that nothing needs any more: sessions that have ended, and counts of the rate limit of deleted clients.
    /// Returns how many, or none if the lease is not held any more.
    pub async fn clean_up(&self, lease: &Lease, ended: Ended) -> Result<Option<u64>> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.clean_up(ended).await.map(Some),
            Engine::Postgres(engine) => Box::pin(engine.clean_up(lease.clone(), ended)).await,
        }
    }

    /// Reads the newest revisions of up to `limit` connectors of a tenant, deleted ones too, with script names after one.
    async fn newest(&self, tenant: TenantId, after: String, limit: u32) -> Result<Vec<Newest>> {
        both!(self.newest(tenant, after, limit).await)
    }

    /// Reads up to `limit` revisions of a connector, from one of them to older ones, up to the first without a body.
    async fn links(&self, from: RevisionId, limit: u32) -> Result<Vec<Link>> {
        both!(self.links(from, limit).await)
    }

    /// Removes bodies. Returns none if the lease is not held any more.
    async fn remove_bodies(&self, tenant: TenantId, run: Run, lease: &Lease) -> Result<Option<Removed>> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.remove_bodies(tenant, run).await.map(Some),
            Engine::Postgres(engine) => Box::pin(engine.remove_bodies(tenant, run, lease.clone())).await,
        }
    }

    /// Finds a client by its id.
    pub async fn client(&self, id: String) -> Result<Option<ApiClient>> {
        both!(self.client(id).await)
    }

    /// Reads the names of the clients of a tenant that have these ids, by id.
    pub async fn client_names(&self, tenant: TenantId, ids: Vec<String>) -> Result<HashMap<String, String>> {
        both!(self.client_names(tenant, ids).await)
    }

    /// Reads up to `limit` clients of a tenant, ordered by name and then by id: those after a name and an id.
    pub async fn clients(
        &self,
        tenant: TenantId,
        after: Option<(String, String)>,
        limit: u32,
    ) -> Result<Vec<ApiClient>> {
        both!(self.clients(tenant, after, limit).await)
    }

    /// Creates a client of the tenant with this name, and records who created it.
    pub async fn create_client(&self, tenant: String, client: NewClient, by: AccessOrigin) -> Result<()> {
        both!(self.create_client(tenant, client, by).await)
    }

    /// Deletes a client of a tenant with its sessions, and records who deleted it. Its tokens end within seconds.
    pub async fn delete_client(&self, tenant: TenantId, id: String, by: AccessOrigin) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.delete_client(tenant, id, by).await,
            Engine::Postgres(engine) => Box::pin(engine.delete_client(Some(tenant), id, by)).await,
        }
    }

    /// Begins a session of an author and records the sign-in. Deletes the session that it replaces, sessions that have
    /// ended, and the least recently used sessions of the same author and of the tenant if there are too many. The
    /// sessions of other tenants stay.
    pub async fn begin_session(&self, new: NewSession, ended: Ended, by: AccessOrigin) -> Result<()> {
        both!(self.begin_session(new, ended, by).await)
    }

    /// Finds the session with this hash, if it has not ended.
    pub async fn session(&self, hash: SessionHash, ended: Ended) -> Result<Option<Session>> {
        both!(self.session(hash, ended).await)
    }

    /// Sets the time of the last use of a session, in milliseconds since 1970-01-01 UTC.
    pub async fn touch_session(&self, hash: SessionHash, used_at: i64) -> Result<()> {
        both!(self.touch_session(hash, used_at).await)
    }

    /// Ends a session, if there is one with this hash, and records the sign-out.
    pub async fn end_session(&self, hash: SessionHash, by: AccessOrigin) -> Result<()> {
        both!(self.end_session(hash, by).await)
    }

    /// Finds up to `limit` access events of a tenant, the newest first, among those with numbers up to `up_to`. Changes of
    /// access stay; of the sign-ins and sign-outs of a tenant, at least the newest
    /// [`SIGN_INS`](connectory_model::limits::SIGN_INS). It looks at
    /// [`ACTIVITY_SCANNED`](connectory_model::limits::ACTIVITY_SCANNED) events at most, unless more
    /// are wanted.
    pub async fn access_events(
        &self,
        tenant: TenantId,
        filter: AccessFilter,
        up_to: Option<i64>,
        limit: u32,
    ) -> Result<AccessEvents> {
        both!(self.access_events(tenant, filter, up_to, limit).await)
    }

    /// Adds refused sign-ins to those of the same tenant, minute, client and address. Of those of a tenant, the newest
    /// [`REFUSED_SIGN_INS`](connectory_model::limits::REFUSED_SIGN_INS) stay.
    pub async fn add_refused_sign_ins(&self, refused: Vec<RefusedSignIns>) -> Result<()> {
        both!(self.add_refused_sign_ins(refused).await)
    }

    /// Finds up to `limit` refused sign-ins of a tenant, the newest first, from a place on.
    pub async fn refused_sign_ins(
        &self,
        tenant: TenantId,
        filter: RefusedFilter,
        from: Option<RefusedPlace>,
        limit: u32,
    ) -> Result<Vec<RefusedSignIns>> {
        both!(self.refused_sign_ins(tenant, filter, from, limit).await)
    }

    /// Lists all tenants, the oldest first.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        both!(self.tenants().await)
    }

    /// Finds the tenant with a name; without a name, the oldest tenant.
    pub async fn tenant(&self, name: Option<String>) -> Result<Option<Tenant>> {
        both!(self.tenant(name).await)
    }

    /// Removes some rows of a deleted tenant, as [`AccessDb::remove_deleted`] does. None if no deleted tenant has any.
    pub async fn remove_deleted(&self) -> Result<Option<RemovedRows>> {
        both!(self.remove_deleted().await)
    }

    /// Reads the issuer of the tokens of this database. It never changes, and no other database has the same one.
    pub async fn issuer(&self) -> Result<String> {
        both!(self.issuer().await)
    }

    /// Reads the incarnation of this database: a random id that another database, and the same data after a restore of a
    /// backup, does not have.
    pub async fn incarnation(&self) -> Result<String> {
        both!(self.incarnation().await)
    }

    /// Notes the address at which clients reach the server, which [`AccessDb::address`] reads.
    pub async fn note_address(&self, address: String) -> Result<()> {
        both!(self.note_address(address).await)
    }

    /// Creates the first tenant and its client, if there was never a tenant. Returns whether it created them.
    pub async fn bootstrap(&self, tenant: String, client: NewClient, by: AccessOrigin) -> Result<bool> {
        both!(self.bootstrap(tenant, client, by).await)
    }

    /// Reads the signing keys, the newest first. If there is no key yet, `generated` becomes the first. Of processes that do so
    /// at the same time, one makes the key.
    pub async fn signing_keys(&self, generated: SigningKey) -> Result<Vec<SigningKey>> {
        both!(self.signing_keys(generated).await)
    }

    /// Reads the signing keys, the newest first.
    pub async fn known_signing_keys(&self) -> Result<Vec<SigningKey>> {
        both!(self.known_signing_keys().await)
    }

    /// Reads by how many milliseconds the clock of the database is ahead of this machine's, or behind it, give or take half the
    /// time of a query. None if the database has no clock of its own.
    pub async fn clock_difference(&self) -> Result<Option<i64>> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(engine) => Box::pin(engine.clock_difference()).await.map(Some),
        }
    }

    /// Checks whether a read succeeds.
    pub async fn check_reads(&self) -> Result<()> {
        both!(self.check_reads().await)
    }

    /// Checks whether a write succeeds. Uses the result of the last write if it was in the last second; otherwise
    /// writes.
    pub async fn check_writes(&self) -> Result<()> {
        both!(self.check_writes().await)
    }
}

/// The README, whose example must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
