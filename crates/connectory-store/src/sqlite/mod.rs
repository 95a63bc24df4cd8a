//! The engine that uses embedded SQLite.
//!
//! One process owns a database at a time ([`lock`]). One thread makes all writes, and commits all waiting jobs in one
//! transaction ([`writer`]). Reads use a few separate connections ([`reader`]).

mod access;
mod access_events;
pub(crate) mod backup;
mod checkpoint;
mod connectors;
mod content;
pub(crate) mod copy;
mod failure;
mod job;
mod key;
mod lock;
mod once;
mod past;
mod reader;
pub(crate) mod restore;
mod retention;
mod row_writer;
mod rows;
mod schema;
mod sessions;
mod syncs;
mod usage;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectory_model::{Connector, ScriptName, Status, Summary};

pub(crate) use self::access::AccessDb;
use self::job::Job;
use self::lock::{DatabaseFile, Lock};
use self::reader::Readers;
pub(crate) use self::syncs::Syncs;
use self::writer::Writer;
use crate::access::{ApiClient, NewClient, RemovedRows, SigningKey, Tenant, TenantId};
use crate::access_event::{AccessOrigin, RefusedSignIns};
use crate::body::{Found, Holders};
use crate::changes::{Changes, Follow, Head};
use crate::edit::Commit;
use crate::error::{Refusal, Result, StoreError, Unavailable};
use crate::find::{AccessEvents, AccessFilter, RefusedFilter, RefusedPlace, RevisionFilter};
use crate::once::{Done, Once};
use crate::past::{Deleted, DeletedAt, DeletedKind, Left, Moment};
use crate::retention::{Link, Newest, Removed, Run};
use crate::revision::{Revision, RevisionId, RevisionNumber};
use crate::session::{Ended, NewSession, Session, SessionHash};

/// The time limit of a check. It is longer than the writer waits for the transaction of another program.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);

/// The time that a server waits for the lock at its start. Commands have it while they open or change a database that no
/// server serves.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// The pause between two attempts to take the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The number of connections for reads (D35).
const READERS: usize = 8;
/// The number of connections for the reads of authentication (D35).
const ACCESS_READERS: usize = 2;

/// A database that this process owns. The methods are the same as those of [`crate::Store`].
#[derive(Clone)]
pub(crate) struct Sqlite {
    readers: Arc<Readers>,
    /// Connections that only authentication uses. So reads of connectors, however many, do not delay it.
    access_readers: Arc<Readers>,
    writer: Writer,
}

impl Sqlite {
    pub fn open(path: &Path, syncs: Syncs) -> Result<Self> {
        Self::open_or_refuse(path, syncs).map_err(|error| error.of(path))
    }

    fn open_or_refuse(path: &Path, syncs: Syncs) -> Result<Self> {
        let file = DatabaseFile::open(path)?;
        let mut lock = lock_when_free(&file, syncs)?;
        let mut connection = schema::open(&file, schema::SERVER_WAIT, syncs)?;
        schema::migrate(&mut connection, file.path())?;
        schema::expect_whole(&connection, file.path())?;
        if syncs == Syncs::Off {
            access::renew_incarnation(&connection)?;
        }
        connectors::expect_readable(&connection)?;
        let copying = schema::open(&file, schema::SERVER_WAIT, syncs)?;
        let readers = Arc::new(Readers::open(&file, READERS)?);
        let access_readers = Arc::new(Readers::open(&file, ACCESS_READERS)?);
        file.has_log()?;
        lock.mark(syncs, |cookies| schema::mark(&connection, cookies), || schema::begin_log(&connection))?;
        Ok(Self { readers, access_readers, writer: Writer::start(connection, copying, lock, file) })
    }

    pub fn path(&self) -> &Path {
        self.writer.file().path()
    }

    pub async fn copy_to(&self, copy: PathBuf) -> Result<()> {
        let file = Arc::clone(self.writer.file());
        tokio::task::spawn_blocking(move || schema::copy_to(&file, &copy)).await.map_err(|_| StoreError::Closed)?
    }

    pub fn follow(&self, follower: Arc<dyn Follow>) {
        self.writer.follow(follower);
    }

    pub async fn commit(&self, commit: Commit) -> Result<Vec<RevisionNumber>, Refusal> {
        self.writer.write(|reply| Job::Commit(commit, reply)).await
    }

    pub async fn done(&self, tenant: TenantId, once: Once) -> Result<Option<Done>> {
        self.readers.read(move |connection| once::done(connection, tenant, &once)).await
    }

    pub async fn load<T: Send + 'static>(
        &self,
        tenant: TenantId,
        read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T + Send + 'static,
    ) -> Result<(Head, T)> {
        self.readers.read(move |connection| connectors::load(connection, tenant, read)).await
    }

    pub async fn changes(&self, tenant: TenantId, after: RevisionNumber) -> Result<Changes> {
        self.readers.read(move |connection| connectors::changes(connection, tenant, after)).await
    }

    pub async fn find(&self, id: RevisionId, most: usize) -> Result<Option<Found>> {
        self.readers.read(move |connection| connectors::at(connection, id, most)).await
    }

    pub async fn connector(&self, id: RevisionId) -> Result<Option<Connector>> {
        match self.readers.read_large(move |connection| connectors::at(connection, id, usize::MAX)).await? {
            Some(Found::Connector(connector)) => Ok(Some(*connector)),
            Some(Found::Large(bytes)) => Err(StoreError::Unreadable(format!("a connector of {bytes} bytes"))),
            None => Ok(None),
        }
    }

    pub async fn holders(&self, id: RevisionId) -> Result<Holders> {
        self.readers.read(move |connection| connectors::holders(connection, id)).await
    }

    pub async fn revision(&self, id: RevisionId, script_name: ScriptName) -> Result<Option<Revision>> {
        self.readers.read(move |connection| connectors::one(connection, id, &script_name)).await
    }

    pub async fn revisions(
        &self,
        tenant: TenantId,
        script_name: Option<ScriptName>,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>> {
        self.readers
            .read(move |connection| connectors::revisions(connection, tenant, script_name.as_ref(), before, limit))
            .await
    }

    pub async fn find_revisions(
        &self,
        tenant: TenantId,
        filter: RevisionFilter,
        between: (RevisionNumber, RevisionNumber),
        limit: u32,
    ) -> Result<Vec<Revision>> {
        self.readers.read(move |connection| past::find(connection, tenant, &filter, between, limit)).await
    }

    pub async fn first_of_changes(
        &self,
        tenant: TenantId,
        changes: Vec<RevisionNumber>,
    ) -> Result<Vec<RevisionNumber>> {
        self.readers.read(move |connection| past::first_of_changes(connection, tenant, &changes)).await
    }

    pub async fn revisions_after(&self, after: RevisionId, limit: u32) -> Result<Vec<Revision>> {
        self.readers.read(move |connection| past::revisions_after(connection, after, limit)).await
    }

    pub async fn revisions_at(&self, tenant: TenantId, numbers: Vec<RevisionNumber>) -> Result<Vec<Revision>> {
        self.readers.read(move |connection| past::revisions_at(connection, tenant, &numbers)).await
    }

    pub async fn deleted_at(
        &self,
        tenant: TenantId,
        kind: DeletedKind,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<DeletedAt>> {
        self.readers.read(move |connection| past::deleted_at(connection, tenant, kind, before, limit)).await
    }

    pub async fn deleted(&self, tenant: TenantId, at: Vec<DeletedAt>) -> Result<Vec<Deleted>> {
        self.readers.read(move |connection| past::deleted(connection, tenant, &at)).await
    }

    pub async fn deleted_count(&self, tenant: TenantId, most: u32) -> Result<u64> {
        self.readers.read(move |connection| past::deleted_count(connection, tenant, most)).await
    }

    pub async fn statuses(
        &self,
        tenant: TenantId,
        numbers: Vec<RevisionNumber>,
    ) -> Result<HashMap<RevisionNumber, Status>> {
        self.readers.read(move |connection| past::statuses(connection, tenant, &numbers)).await
    }

    pub async fn moment_of(&self, id: RevisionId) -> Result<Option<Moment>> {
        self.readers.read(move |connection| past::moment_of(connection, id)).await
    }

    pub async fn moment_at(&self, tenant: TenantId, time: i64) -> Result<Option<Moment>> {
        self.readers.read(move |connection| past::moment_at(connection, tenant, time)).await
    }

    pub async fn left_at(&self, id: RevisionId) -> Result<Vec<Left>> {
        self.readers.read(move |connection| past::left_at(connection, id)).await
    }

    pub async fn newest(&self, tenant: TenantId, after: String, limit: u32) -> Result<Vec<Newest>> {
        self.readers.read(move |connection| retention::newest(connection, tenant, &after, limit)).await
    }

    pub async fn links(&self, from: RevisionId, limit: u32) -> Result<Vec<Link>> {
        self.readers.read(move |connection| retention::links(connection, from, limit)).await
    }

    pub async fn remove_bodies(&self, tenant: TenantId, run: Run) -> Result<Removed> {
        self.writer.write(|reply| Job::RemoveBodies(tenant, run, reply)).await
    }

    pub async fn clean_up(&self, ended: Ended) -> Result<u64> {
        self.writer.write(|reply| Job::CleanUp(ended, reply)).await
    }

    pub async fn client(&self, id: String) -> Result<Option<ApiClient>> {
        self.access_readers.read(move |connection| access::client(connection, &id)).await
    }

    pub async fn client_names(&self, tenant: TenantId, ids: Vec<String>) -> Result<HashMap<String, String>> {
        self.readers.read(move |connection| access::client_names(connection, tenant, &ids)).await
    }

    pub async fn clients(
        &self,
        tenant: TenantId,
        after: Option<(String, String)>,
        limit: u32,
    ) -> Result<Vec<ApiClient>> {
        self.readers.read(move |connection| access::clients(connection, tenant, after.as_ref(), limit)).await
    }

    pub async fn create_client(&self, tenant: String, client: NewClient, by: AccessOrigin) -> Result<()> {
        self.writer.write(|reply| Job::CreateClient(tenant, client, by, reply)).await
    }

    pub async fn delete_client(&self, tenant: TenantId, id: String, by: AccessOrigin) -> Result<()> {
        self.writer.write(|reply| Job::DeleteClient(tenant, id, by, reply)).await
    }

    pub async fn begin_session(&self, new: NewSession, ended: Ended, by: AccessOrigin) -> Result<()> {
        self.writer.write(|reply| Job::BeginSession(new, ended, by, reply)).await
    }

    pub async fn session(&self, hash: SessionHash, ended: Ended) -> Result<Option<Session>> {
        self.access_readers.read(move |connection| sessions::session(connection, &hash, ended)).await
    }

    pub async fn touch_session(&self, hash: SessionHash, used_at: i64) -> Result<()> {
        self.writer.write(|reply| Job::TouchSession(hash, used_at, reply)).await
    }

    pub async fn end_session(&self, hash: SessionHash, by: AccessOrigin) -> Result<()> {
        self.writer.write(|reply| Job::EndSession(hash, by, reply)).await
    }

    pub async fn access_events(
        &self,
        tenant: TenantId,
        filter: AccessFilter,
        up_to: Option<i64>,
        limit: u32,
    ) -> Result<AccessEvents> {
        self.readers.read(move |connection| access_events::events(connection, tenant, &filter, up_to, limit)).await
    }

    pub async fn add_refused_sign_ins(&self, refused: Vec<RefusedSignIns>) -> Result<()> {
        self.writer.write(|reply| Job::AddRefused(refused, reply)).await
    }

    pub async fn refused_sign_ins(
        &self,
        tenant: TenantId,
        filter: RefusedFilter,
        from: Option<RefusedPlace>,
        limit: u32,
    ) -> Result<Vec<RefusedSignIns>> {
        self.readers.read(move |connection| access_events::refused(connection, tenant, &filter, from, limit)).await
    }

    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        self.readers.read(access::tenants).await
    }

    pub async fn tenant(&self, name: Option<String>) -> Result<Option<Tenant>> {
        self.access_readers.read(move |connection| access::tenant(connection, name.as_deref())).await
    }

    pub async fn issuer(&self) -> Result<String> {
        self.access_readers.read(access::issuer).await
    }

    pub async fn incarnation(&self) -> Result<String> {
        self.access_readers.read(access::incarnation).await
    }

    /// One more connection, which reads all of the database.
    pub fn source(&self) -> Result<backup::Source> {
        backup::Source::of(self.writer.file())
    }

    pub async fn note_address(&self, address: String) -> Result<()> {
        self.writer.write(|reply| Job::NoteAddress(address, reply)).await
    }

    pub async fn remove_deleted(&self) -> Result<Option<RemovedRows>> {
        self.writer.write(Job::RemoveDeleted).await
    }

    pub async fn bootstrap(&self, tenant: String, client: NewClient, by: AccessOrigin) -> Result<bool> {
        self.writer.write(|reply| Job::Bootstrap(tenant, client, by, reply)).await
    }

    pub async fn signing_keys(&self, generated: SigningKey) -> Result<Vec<SigningKey>> {
        self.writer.write(|reply| Job::SigningKeys(generated, reply)).await
    }

    pub async fn known_signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.access_readers.read(access::known_signing_keys).await
    }

    pub async fn check_reads(&self) -> Result<()> {
        let read = self.readers.read(|connection| access::tenant(connection, None).map(drop));
        tokio::time::timeout(CHECK_TIMEOUT, read).await.unwrap_or(Err(Unavailable::Slow.into()))
    }

    pub async fn check_writes(&self) -> Result<()> {
        tokio::time::timeout(CHECK_TIMEOUT, self.writer.check()).await.unwrap_or(Err(Unavailable::Slow.into()))
    }
}

/// Takes the lock of a database, or returns the process that has it for longer than a command.
fn lock_when_free(file: &Arc<DatabaseFile>, syncs: Syncs) -> Result<Lock> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.lock(syncs) {
            Err(StoreError::InUse { .. }) if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
            taken => return taken,
        }
    }
}
