//! The engine that uses PostgreSQL, for many nodes with one database.
//!
//! The database is the log, and each node is a cache of it. A task for each tenant commits what waits ([`writer`]). The
//! follower of a node receives what all nodes commit, in the order of numbers ([`following`]). A fresh read waits for a
//! query of the newest revisions that was sent after the read arrived ([`heads`]).
//!
//! No connection has a state between two transactions: there are no named statements, settings or locks of a session. So
//! a pooler may stand between a node and the database.

mod access;
mod access_events;
mod address;
pub(crate) mod backup;
mod batch;
mod connect;
mod connection;
pub(crate) mod copy;
mod failure;
mod files;
mod following;
mod heads;
mod leases;
mod limits;
mod once;
mod password_file;
mod past;
mod pool;
mod rates;
mod reads;
pub(crate) mod restore;
mod retention;
mod schema;
mod sessions;
mod target;
mod tls;
mod transaction;
mod value;
mod who;
mod writer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectory_model::{Connector, ScriptName, Status, Summary};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use uuid::Uuid;

pub use self::address::Address;
pub use self::address::error::AddressError;
use self::connection::Lock;
use self::following::Following;
use self::heads::Heads;
use self::limits::{ACCESS_READERS, ACCESS_WRITERS, CHECKED, READERS, WRITERS};
use self::pool::{Pool, Reach};
pub use self::schema::Schema;
use self::transaction::Transaction;
use self::writer::Job;
use crate::access::{ApiClient, NewClient, Quotas, RemovedRows, SigningKey, Tenant, TenantId};
use crate::access_event::{AccessOrigin, RefusedSignIns};
use crate::body::{Found, Holders};
use crate::changes::{Changes, Follow, Head};
use crate::clock;
use crate::edit::Commit;
use crate::error::{Refusal, Result, StoreError, Unavailable};
use crate::find::{AccessEvents, AccessFilter, RefusedFilter, RefusedPlace, RevisionFilter};
use crate::lease::{Lease, LeasedWork};
use crate::measures::Measures;
use crate::once::{Done, Once};
use crate::past::{Deleted, DeletedAt, DeletedKind, Left, Moment};
use crate::permits::{Granted, PermitLimit, PermitRequest};
use crate::retention::{Link, Newest, Removed, Run};
use crate::revision::{Revision, RevisionId, RevisionNumber};
use crate::session::{Ended, NewSession, Session, SessionHash};

/// A database that other processes may use as well. The methods are the same as those of [`crate::Store`].
#[derive(Clone)]
pub(crate) struct Postgres(Arc<Engine>);

/// What all clones share.
struct Engine {
    address: Address,
    /// The name of this process among those that use the database, in leases.
    holder: Uuid,
    reads: Arc<Pool>,
    access_reads: Arc<Pool>,
    heads_reads: Arc<Pool>,
    rates: Arc<Pool>,
    commits: Arc<Pool>,
    access_writes: Arc<Pool>,
    following: Following,
    heads: Heads,
    /// The commits that wait, by tenant.
    queues: Mutex<HashMap<TenantId, mpsc::Sender<Job>>>,
    /// Whether every server of the database knows documents that are not UTF-8.
    knows_encodings: AtomicBool,
    /// The timeline of the server that answered last.
    timeline: Mutex<Option<String>>,
    /// The time of the last write, and why it failed.
    last_write: Mutex<Option<(Instant, Option<Unavailable>)>>,
    measures: Measures,
}

/// Whether a test wants to see that this fault is found: `wait`, `order` or `condition` in `CONNECTORY_PLANTED`; with `older`,
/// the program is one of the version before. Only builds for tests have this.
fn is_planted(fault: &str) -> bool {
    static PLANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("CONNECTORY_PLANTED").ok());
    cfg!(debug_assertions) && PLANTED.as_deref() == Some(fault)
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.heads.wanted().notify_one();
    }
}

impl Engine {
    fn queues(&self) -> MutexGuard<'_, HashMap<TenantId, mpsc::Sender<Job>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes all connections that are not in use, and those in use when they are given back.
    fn close_all(&self) {
        let reads = [&self.reads, &self.access_reads, &self.heads_reads];
        for pool in reads.into_iter().chain([&self.rates, &self.commits, &self.access_writes]) {
            pool.close();
        }
    }

    /// Notes the timeline of the server. Returns whether another one was known before.
    fn is_another(&self, timeline: Option<String>) -> bool {
        let mut known = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, timeline);
        before.is_some() && before != *known
    }

    /// Notes what a commit says about the database. A tenant that is held by someone else says nothing about it.
    fn note_write(&self, error: Option<&StoreError>) {
        let why = match error {
            Some(StoreError::Unavailable(Unavailable::Locked | Unavailable::Busy | Unavailable::Lost)) => return,
            Some(StoreError::Unavailable(why) | StoreError::Uncertain(why)) => Some(*why),
            Some(_) | None => None,
        };
        *self.last_write() = Some((Instant::now(), why));
    }

    fn last_write(&self) -> MutexGuard<'_, Option<(Instant, Option<Unavailable>)>> {
        self.last_write.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of access.
type Change<'a, T> = BoxFuture<'a, Result<T>>;

impl Postgres {
    /// Connects, and updates the schema.
    pub async fn open(address: &Address) -> Result<Self> {
        drop(schema::connect(address).await?);
        let measures = Measures::default();
        let reach = Arc::<Reach>::default();
        let pool = |name, most| Pool::new((address, &reach), most, name, &measures);
        let engine = Arc::new(Engine {
            reads: pool("reads", READERS),
            access_reads: pool("access_reads", ACCESS_READERS),
            heads_reads: pool("heads", 1),
            rates: pool("rate_limits", 1),
            commits: pool("commits", WRITERS),
            access_writes: pool("access_writes", ACCESS_WRITERS),
            address: address.clone(),
            holder: Uuid::new_v4(),
            following: Following::default(),
            heads: Heads::default(),
            queues: Mutex::default(),
            knows_encodings: AtomicBool::default(),
            timeline: Mutex::default(),
            last_write: Mutex::default(),
            measures,
        });
        tokio::spawn(heads::run(Arc::downgrade(&engine), engine.heads.wanted()));
        Ok(Self(engine))
    }

    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Reads what the database has of the schema, or finishes it. Returns it as it was, and as it is.
    pub async fn schema(&self, finish: bool) -> Result<(Schema, Schema)> {
        let (address, name) = (self.address(), self.address().to_string());
        let connection = schema::open(address).await?;
        if finish {
            return schema::finish(&connection, &name).await;
        }
        let schema = schema::migrate(&connection, &name).await?;
        Ok((schema, schema))
    }

    /// Changes access in a transaction of its own, under a lock. It goes on if its caller does not wait any more.
    async fn change<T: Send + 'static>(
        &self,
        lock: Lock,
        change: impl for<'a> FnOnce(&'a Transaction) -> Change<'a, T> + Send + 'static,
    ) -> Result<T> {
        let engine = Arc::clone(&self.0);
        let work = async move {
            let transaction = Transaction::begin(engine.access_writes.lease().await?, lock).await?;
            let changed = change(&transaction).await;
            transaction.end(changed).await
        };
        tokio::spawn(work).await.map_err(|_| StoreError::Closed)?
    }

    pub fn follow(&self, follower: Arc<dyn Follow>) {
        self.0.following.follow(follower);
    }

    pub async fn follow_from(&self, tenant: TenantId, head: Head) {
        self.0.following.begin(tenant, head).await;
    }

    pub async fn fresh(&self, tenant: TenantId) -> Result<()> {
        self.0.fresh(tenant).await
    }

    pub fn lag(&self) -> Option<Duration> {
        self.0.lag()
    }

    pub fn behind(&self) -> usize {
        self.0.following.behind()
    }

    pub fn measures(&self) -> Measures {
        self.0.measures.clone()
    }

    pub async fn take_permits(&self, limit: PermitLimit, requests: Vec<PermitRequest>) -> Result<Vec<Granted>> {
        rates::take(&self.0.rates, limit, requests).await
    }

    pub async fn commit(&self, commit: Commit) -> Result<Vec<RevisionNumber>, Refusal> {
        if commit.edits.iter().any(|edit| edit.is_encoded) && !self.0.knows_encodings.load(Ordering::Relaxed) {
            access::expect_encodings(&self.0.reads).await?;
            // The update is never taken back.
            self.0.knows_encodings.store(true, Ordering::Relaxed);
        }
        self.0.commit(commit).await
    }

    pub async fn confirm(&self, tenant: TenantId) -> Result<()> {
        self.0.confirm(tenant).await
    }

    pub async fn done(&self, tenant: TenantId, once: Once) -> Result<Option<Done>> {
        once::done(&self.0.access_reads, tenant, &once).await
    }

    pub async fn load<T: Send + 'static>(
        &self,
        tenant: TenantId,
        read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T + Send + 'static,
    ) -> Result<(Head, T)> {
        reads::load(&self.0.reads, tenant, read).await
    }

    pub async fn changes(&self, tenant: TenantId, after: RevisionNumber) -> Result<Changes> {
        let known = Head { number: after, commit: None };
        let since = reads::left_since(&*self.0.reads.lease().await?, tenant, known).await?;
        Ok(Changes { as_of: since.to.number, changed: since.changed })
    }

    pub async fn find(&self, id: RevisionId, most: usize) -> Result<Option<Found>> {
        reads::at(&self.0.reads, id, most).await
    }

    pub async fn connector(&self, id: RevisionId) -> Result<Option<Connector>> {
        match reads::at(&self.0.reads, id, usize::MAX).await? {
            Some(Found::Connector(connector)) => Ok(Some(*connector)),
            Some(Found::Large(bytes)) => Err(StoreError::Unreadable(format!("a connector of {bytes} bytes"))),
            None => Ok(None),
        }
    }

    pub async fn holders(&self, id: RevisionId) -> Result<Holders> {
        reads::holders(&self.0.reads, id).await
    }

    pub async fn revision(&self, id: RevisionId, script_name: ScriptName) -> Result<Option<Revision>> {
        reads::one(&self.0.reads, id, &script_name).await
    }

    pub async fn revisions(
        &self,
        tenant: TenantId,
        script_name: Option<ScriptName>,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<Revision>> {
        reads::revisions(&self.0.reads, tenant, script_name.as_ref(), before, limit).await
    }

    pub async fn find_revisions(
        &self,
        tenant: TenantId,
        filter: RevisionFilter,
        between: (RevisionNumber, RevisionNumber),
        limit: u32,
    ) -> Result<Vec<Revision>> {
        past::find(&self.0.reads, tenant, &filter, between, limit).await
    }

    pub async fn first_of_changes(
        &self,
        tenant: TenantId,
        changes: Vec<RevisionNumber>,
    ) -> Result<Vec<RevisionNumber>> {
        past::first_of_changes(&self.0.reads, tenant, &changes).await
    }

    pub async fn revisions_after(&self, after: RevisionId, limit: u32) -> Result<Vec<Revision>> {
        past::revisions_after(&self.0.reads, after, limit).await
    }

    pub async fn revisions_at(&self, tenant: TenantId, numbers: Vec<RevisionNumber>) -> Result<Vec<Revision>> {
        past::revisions_at(&self.0.reads, tenant, &numbers).await
    }

    pub async fn deleted_at(
        &self,
        tenant: TenantId,
        kind: DeletedKind,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<DeletedAt>> {
        past::deleted_at(&self.0.reads, tenant, kind, before, limit).await
    }

    pub async fn deleted(&self, tenant: TenantId, at: Vec<DeletedAt>) -> Result<Vec<Deleted>> {
        past::deleted(&self.0.reads, tenant, &at).await
    }

    pub async fn deleted_count(&self, tenant: TenantId, most: u32) -> Result<u64> {
        past::deleted_count(&self.0.reads, tenant, most).await
    }

    pub async fn statuses(
        &self,
        tenant: TenantId,
        numbers: Vec<RevisionNumber>,
    ) -> Result<HashMap<RevisionNumber, Status>> {
        past::statuses(&self.0.reads, tenant, &numbers).await
    }

    pub async fn moment_of(&self, id: RevisionId) -> Result<Option<Moment>> {
        past::moment_of(&self.0.reads, id).await
    }

    pub async fn moment_at(&self, tenant: TenantId, time: i64) -> Result<Option<Moment>> {
        past::moment_at(&self.0.reads, tenant, time).await
    }

    pub async fn left_at(&self, id: RevisionId) -> Result<Vec<Left>> {
        past::left_at(&self.0.reads, id).await
    }

    pub async fn newest(&self, tenant: TenantId, after: String, limit: u32) -> Result<Vec<Newest>> {
        retention::newest(&self.0.reads, tenant, &after, limit).await
    }

    pub async fn links(&self, from: RevisionId, limit: u32) -> Result<Vec<Link>> {
        retention::links(&self.0.reads, from, limit).await
    }

    /// Removes bodies. It goes on if its caller does not wait any more.
    pub async fn remove_bodies(&self, tenant: TenantId, run: Run, lease: Lease) -> Result<Option<Removed>> {
        let pool = Arc::clone(&self.0.access_writes);
        let work = async move { retention::remove(&pool, tenant, &run, &lease).await };
        tokio::spawn(work).await.map_err(|_| StoreError::Closed)?
    }

    pub async fn lease(&self, work: LeasedWork, time: Duration) -> Result<Option<Lease>> {
        leases::take(&self.0.access_writes, self.0.holder, work, time).await
    }

    pub async fn holds(&self, lease: &Lease) -> Result<bool> {
        leases::holds(&self.0.access_reads, lease).await
    }

    /// Removes rows. It goes on if its caller does not wait any more.
    pub async fn clean_up(&self, lease: Lease, ended: Ended) -> Result<Option<u64>> {
        let pool = Arc::clone(&self.0.access_writes);
        let work = async move { leases::clean_up(&pool, &lease, ended).await };
        tokio::spawn(work).await.map_err(|_| StoreError::Closed)?
    }

    pub async fn client(&self, id: String) -> Result<Option<ApiClient>> {
        access::client(&self.0.access_reads, &id).await
    }

    pub async fn client_names(&self, tenant: TenantId, ids: Vec<String>) -> Result<HashMap<String, String>> {
        access::client_names(&self.0.reads, tenant, &ids).await
    }

    pub async fn clients(
        &self,
        tenant: TenantId,
        after: Option<(String, String)>,
        limit: u32,
    ) -> Result<Vec<ApiClient>> {
        access::clients(&self.0.reads, tenant, after.as_ref(), limit).await
    }

    /// Lists all clients or the clients of one tenant, ordered by name.
    pub async fn all_clients(&self, tenant: Option<&str>) -> Result<Vec<ApiClient>> {
        access::all_clients(&self.0.reads, tenant).await
    }

    pub async fn create_client(&self, tenant: String, client: NewClient, by: AccessOrigin) -> Result<()> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::create_client(transaction, &tenant, &client, &by).await }.boxed()
        })
        .await
    }

    /// Deletes a client, of one tenant if it is given.
    pub async fn delete_client(&self, tenant: Option<TenantId>, id: String, by: AccessOrigin) -> Result<()> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::delete_client(transaction, tenant, &id, &by).await }.boxed()
        })
        .await
    }

    pub async fn begin_session(&self, new: NewSession, ended: Ended, by: AccessOrigin) -> Result<()> {
        self.change(Lock::access(new.tenant), move |transaction| {
            async move { sessions::begin(transaction, &new, ended, &by).await }.boxed()
        })
        .await
    }

    pub async fn session(&self, hash: SessionHash, ended: Ended) -> Result<Option<Session>> {
        sessions::session(&self.0.access_reads, &hash, ended).await
    }

    pub async fn touch_session(&self, hash: SessionHash, used_at: i64) -> Result<()> {
        sessions::touch(&self.0.access_writes, &hash, used_at).await
    }

    pub async fn end_session(&self, hash: SessionHash, by: AccessOrigin) -> Result<()> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { sessions::end(transaction, &hash, &by).await }.boxed()
        })
        .await
    }

    pub async fn access_events(
        &self,
        tenant: TenantId,
        filter: AccessFilter,
        up_to: Option<i64>,
        limit: u32,
    ) -> Result<AccessEvents> {
        access_events::events(&self.0.reads, tenant, &filter, up_to, limit).await
    }

    /// Each tenant has a transaction of its own.
    pub async fn add_refused_sign_ins(&self, refused: Vec<RefusedSignIns>) -> Result<()> {
        let mut of_tenants: HashMap<_, Vec<_>> = HashMap::new();
        for refused in refused {
            of_tenants.entry(refused.tenant).or_default().push(refused);
        }
        for (tenant, refused) in of_tenants {
            self.change(Lock::access(tenant), move |transaction| {
                async move { access_events::add_refused(transaction, tenant, &refused).await }.boxed()
            })
            .await?;
        }
        Ok(())
    }

    pub async fn refused_sign_ins(
        &self,
        tenant: TenantId,
        filter: RefusedFilter,
        from: Option<RefusedPlace>,
        limit: u32,
    ) -> Result<Vec<RefusedSignIns>> {
        access_events::refused(&self.0.reads, tenant, &filter, from, limit).await
    }

    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        access::tenants(&self.0.reads).await
    }

    pub async fn tenant(&self, name: Option<String>) -> Result<Option<Tenant>> {
        access::tenant(&self.0.access_reads, name.as_deref()).await
    }

    pub async fn create_tenant(&self, name: String, by: AccessOrigin) -> Result<Tenant> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::create_tenant(transaction, &name, &by).await }.boxed()
        })
        .await
    }

    pub async fn set_quotas(&self, name: String, quotas: Quotas, by: AccessOrigin) -> Result<()> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::set_quotas(transaction, &name, quotas, &by).await }.boxed()
        })
        .await
    }

    pub async fn rename_tenant(&self, name: String, to: String, by: AccessOrigin) -> Result<()> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::rename_tenant(transaction, &name, &to, &by).await }.boxed()
        })
        .await
    }

    pub async fn suspend_tenant(&self, name: String, suspend: bool, by: AccessOrigin) -> Result<()> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::suspend_tenant(transaction, &name, suspend, &by).await }.boxed()
        })
        .await
    }

    pub async fn delete_tenant(&self, name: String) -> Result<TenantId> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::delete_tenant(transaction, &name).await }.boxed()
        })
        .await
    }

    pub async fn remove_deleted(&self) -> Result<Option<RemovedRows>> {
        self.change(Lock::REMOVAL, move |transaction| access::remove_deleted(transaction).boxed()).await
    }

    /// Counts the connectors of a tenant, and the bytes of all its revisions.
    pub async fn usage(&self, tenant: TenantId) -> Result<(u64, u64)> {
        access::usage(&self.0.reads, tenant).await
    }

    pub async fn issuer(&self) -> Result<String> {
        let issuer = access::setting(&self.0.access_reads, "issuer").await?;
        issuer.ok_or_else(|| StoreError::Unreadable("there is no issuer".to_owned()))
    }

    pub async fn incarnation(&self) -> Result<String> {
        let incarnation = access::setting(&self.0.access_reads, "incarnation").await?;
        incarnation.ok_or_else(|| StoreError::Unreadable("there is no incarnation".to_owned()))
    }

    /// All of the database, for the runtime of the caller.
    pub fn source(&self) -> backup::Source {
        backup::Source::of(&self.0.address)
    }

    /// The address at which clients reach the server, as the newest start noted it.
    pub async fn noted_address(&self) -> Result<Option<String>> {
        access::setting(&self.0.access_reads, "address").await
    }

    pub async fn note_address(&self, address: String) -> Result<()> {
        self.set("address", address).await
    }

    async fn set(&self, name: &'static str, value: String) -> Result<()> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move { access::set(transaction, name, &value).await }.boxed()
        })
        .await
    }

    pub async fn bootstrap(&self, tenant: String, client: NewClient, by: AccessOrigin) -> Result<bool> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move {
                // A copy into the database may have begun since it was opened, and its tenants are not for us.
                transaction.expect_whole().await?;
                access::bootstrap(transaction, &tenant, &client, &by).await
            }
            .boxed()
        })
        .await
    }

    pub async fn signing_keys(&self, generated: SigningKey) -> Result<Vec<SigningKey>> {
        self.change(Lock::INSTANCE, move |transaction| {
            async move {
                transaction.expect_whole().await?;
                access::signing_keys(transaction, &generated).await
            }
            .boxed()
        })
        .await
    }

    pub async fn known_signing_keys(&self) -> Result<Vec<SigningKey>> {
        access::known_signing_keys(&self.0.access_reads).await
    }

    pub async fn clock_difference(&self) -> Result<i64> {
        access::clock_difference(&self.0.access_reads).await
    }

    pub async fn check_reads(&self) -> Result<()> {
        let query = "SELECT version, EXISTS (SELECT FROM tenants) FROM connectory_schema";
        let row = self.0.access_reads.query_one(query, &[]).await?.ok_or(StoreError::Closed)?;
        schema::expect_known(value::column(&row, 0)?)
    }

    pub async fn check_writes(&self) -> Result<()> {
        let last = *self.0.last_write();
        match last.filter(|(when, _)| when.elapsed() < CHECKED) {
            Some((_, Some(why))) => Err(why.into()),
            Some((_, None)) => Ok(()),
            None => {
                // Servers that do not know the schema write nothing.
                self.check_reads().await?;
                let checked = self.set("checked", clock::now().to_string()).await;
                self.0.note_write(checked.as_ref().err());
                checked
            }
        }
    }
}
