//! Group commit: a task for each tenant commits all waiting jobs of its tenant in one transaction.
//!
//! A transaction has two exchanges. The first begins it, takes the tenant's lock, and reads what others committed and
//! what the batch is about. The second writes and commits. Then the follower receives what others committed and the
//! batch, in the order of numbers, and the callers get their results.
//!
//! The task belongs to the store, not to a request: a request that is cancelled leaves no transaction behind.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join_all, join5};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout, timeout_at};

use super::batch::{self, Before, Plan};
use super::connection::{Connection, Failed, Lock};
use super::following::{ANOTHER_HISTORY, NOTHING, News, Published};
use super::limits::{
    ATTEMPTS, BATCH, BATCH_BYTES, BEGIN, COMMIT, COMMIT_BYTES_PER_SECOND, QUERY, QUEUE, QUEUED, SETTLE, SETTLE_AGAIN,
    STUCK,
};
use super::once;
use super::pool::Lease;
use super::reads::{self, Since};
use super::value::{column, count, number, quotas};
use super::{Engine, is_planted, schema};
use crate::access::TenantId;
use crate::changes::Head;
use crate::edit::{Commit, Edit};
use crate::error::{Refusal, Result, StoreError, Unavailable};
use crate::process::end_process;
use crate::revision::RevisionNumber;

/// A commit that waits, and the channel for its result.
pub(super) struct Job {
    commit: Commit,
    since: Instant,
    reply: oneshot::Sender<Result<Vec<RevisionNumber>, Refusal>>,
}

impl Engine {
    /// Commits with what else waits for the tenant.
    pub async fn commit(self: &Arc<Self>, commit: Commit) -> Result<Vec<RevisionNumber>, Refusal> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue(commit.tenant);
        queue.send(Job { commit, since: Instant::now(), reply }).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    fn queue(self: &Arc<Self>, tenant: TenantId) -> mpsc::Sender<Job> {
        let mut queues = self.queues();
        let queue = queues.entry(tenant).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            let work = AssertUnwindSafe(run(Arc::downgrade(self), tenant, receiver)).catch_unwind();
            tokio::spawn(async {
                if work.await.is_err() {
                    // The lists in memory may be half done.
                    end_process("the task of a tenant panicked; what was acknowledged is kept; start again");
                }
            });
            sender
        });
        queue.clone()
    }

    /// Commits a batch and answers its jobs.
    async fn write(&self, tenant: TenantId, jobs: Vec<Job>) {
        let (jobs, late): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.since.elapsed() < QUEUED);
        for job in late {
            let _gone = job.reply.send(Err(StoreError::from(Unavailable::Slow).into()));
        }
        if jobs.is_empty() {
            return;
        }
        let (commits, replies): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.commit, job.reply)).unzip();
        let began = Instant::now();
        let mut commits = Some(commits);
        let mut result = Err(StoreError::Unavailable(Unavailable::Busy));
        for _ in 0..ATTEMPTS {
            match self.attempt(tenant, &mut commits).await {
                Ok(ControlFlow::Break(results)) => {
                    result = Ok(results);
                    break;
                }
                // Another node took the numbers. Its commits are read in the next attempt.
                Ok(ControlFlow::Continue(())) => {}
                Err(error) => {
                    if matches!(error, StoreError::Unavailable(Unavailable::Locked)) {
                        self.end_stuck(tenant).await;
                    }
                    result = Err(error);
                    break;
                }
            }
        }
        self.note_write(result.as_ref().err());
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        self.measures.batch_commits.observe(replies.len() as f64);
        self.measures.batch_time.observe(began.elapsed().as_secs_f64());
        match result {
            Ok(results) => {
                for (reply, result) in replies.into_iter().zip(results) {
                    // The caller may no longer wait. The commit remains.
                    let _gone = reply.send(result);
                }
            }
            Err(error) => {
                let jobs = replies.len();
                match error {
                    // Refusals, which are no fault of the database. Each request that is refused is logged, within its limit.
                    StoreError::Suspended | StoreError::Unknown(_) | StoreError::Unavailable(Unavailable::Newer) => {
                        tracing::debug!(%error, jobs, "refused to commit");
                    }
                    _ => tracing::error!(%error, jobs, "could not commit"),
                }
                for reply in replies {
                    let _gone = reply.send(Err(error.of_batch().into()));
                }
            }
        }
    }

    /// Tries to commit a batch once. Takes the commits when their outcome is decided.
    async fn attempt(
        &self,
        tenant: TenantId,
        commits: &mut Option<Vec<Commit>>,
    ) -> Result<ControlFlow<Vec<Result<Vec<RevisionNumber>, Refusal>>>> {
        let known = self.following.head(tenant);
        let lease = self.commits.lease().await?;
        let batch: Vec<&Commit> = commits.iter().flatten().collect();
        let (since, before) = begin(&lease, tenant, known, &batch).await?;
        if since.is_rewound {
            lease.roll_back().await;
            self.following.lose(tenant, since.from, ANOTHER_HISTORY).await;
            return Err(Unavailable::Lost.into());
        }
        let missed = News::read(tenant, since.from, since.to, since.changed);
        let mut plan = Plan::new(tenant, &before, &batch);
        if !plan.writes() {
            lease.roll_back().await;
            drop(lease);
            let results = plan.results;
            if known.is_some() {
                self.publish(tenant, missed).await?;
            }
            return Ok(ControlFlow::Break(results));
        }
        let to = plan.head;
        let committing = self.following.commit(tenant, before.head);
        let bytes: u64 = batch.iter().flat_map(|commit| &commit.edits).map(Edit::stored_bytes).sum();
        let outcome = make(&lease, &mut plan, COMMIT + Duration::from_secs(bytes / COMMIT_BYTES_PER_SECOND)).await;
        let results = plan.results;
        drop(lease);
        match outcome {
            Outcome::Made => {}
            Outcome::Taken => return Ok(ControlFlow::Continue(())),
            Outcome::Refused(error) => return Err(error),
            Outcome::Unknown => self.settle(tenant, to).await?,
        }
        let commits = commits.take().unwrap_or_default();
        let made = commits.into_iter().zip(&results);
        let made = made.filter_map(|(commit, result)| Some((commit, result.as_ref().ok()?.clone()))).collect();
        let mut news = missed.then(batch::news(tenant, before.head, to, made));
        if is_planted("order") {
            // Without what others committed before.
            news.commits.retain(|commit| commit.changed.number > before.head.number);
        }
        committing.made();
        self.publish(tenant, news).await?;
        Ok(ControlFlow::Break(results))
    }

    /// Ends a transaction that holds the lock of a tenant, if its process has stopped in the middle of what it sends: the
    /// database has no limit of time for that. The next batch has the lock then.
    async fn end_stuck(&self, tenant: TenantId) {
        let end = "SELECT count(pg_terminate_backend(pid))::bigint FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE locktype = 'advisory' AND granted AND datname = current_database()
                             AND pg_locks.database = datid AND classid::bigint = $1 AND objid::bigint = $2
                             AND state = 'active' AND wait_event = 'ClientRead'
                             AND query_start < now() - $3::bigint * interval '1 second'";
        let (kind, tenant_id) = Lock::commits(tenant).key();
        let seconds = i64::try_from(STUCK.as_secs()).unwrap_or(i64::MAX);
        match self.access_reads.query(end, &[&kind, &tenant_id, &seconds]).await {
            Ok(rows) if rows.first().is_some_and(|row| column(row, 0).is_ok_and(|ended: i64| ended > 0)) => {
                tracing::warn!(
                    tenant = tenant.get(),
                    "ended a transaction whose process had stopped in the middle of it"
                );
            }
            Ok(_) => {}
            // Its role may not do that.
            Err(error) => tracing::debug!(%error, "could not look for a transaction that does not end"),
        }
    }

    /// Hands news to the follower, after what it must have before them.
    async fn publish(&self, tenant: TenantId, news: News) -> Result<()> {
        let to = news.to;
        if self.following.publish(tenant, news).await == Published::Gap {
            // The commit is made: its caller is told so only when it is published.
            let caught_up = self.catch_up(tenant, to).await;
            let _found = caught_up.map_err(|_| StoreError::Uncertain(Unavailable::Disconnected))?;
        }
        Ok(())
    }

    /// Finds out whether a batch was committed whose commit had no clear result.
    ///
    /// The lock is free only when the transaction has ended. If the batch was committed, another commit makes sure that
    /// it is where the database promises it to be, for example on a standby.
    async fn settle(&self, tenant: TenantId, head: Head) -> Result<()> {
        let deadline = Instant::now() + SETTLE;
        let is_found = AtomicBool::new(false);
        loop {
            self.commits.close();
            match timeout_at(deadline.into(), self.look_up(tenant, head, &is_found)).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => return Err(Unavailable::Disconnected.into()),
                Ok(Err(error)) if Instant::now() + SETTLE_AGAIN < deadline => {
                    tracing::debug!(%error, "the outcome of a commit is not known yet");
                    sleep(SETTLE_AGAIN).await;
                }
                Ok(Err(_)) | Err(_) if is_found.load(Ordering::Relaxed) => {
                    return Err(StoreError::Uncertain(Unavailable::Unconfirmed));
                }
                Ok(Err(_)) | Err(_) => return Err(StoreError::Uncertain(Unavailable::Disconnected)),
            }
        }
    }

    /// Looks up whether a commit is there, and makes it safe if it is.
    async fn look_up(&self, tenant: TenantId, head: Head, is_found: &AtomicBool) -> Result<bool> {
        let lease = self.commits.lease().await?;
        lease.begin(Lock::commits(tenant), BEGIN).await?;
        let find = "SELECT commit_id FROM revisions WHERE tenant_id = $1 AND number = $2";
        let row = lease.query(find, &[&tenant.get(), &head.number.get()], QUERY).await?.pop();
        let found = row.map(|row| column(&row, 0)).transpose()?;
        if found != head.commit {
            lease.roll_back().await;
            return Ok(false);
        }
        is_found.store(true, Ordering::Relaxed);
        touch(&lease, tenant).await?;
        lease.commit().await?;
        Ok(true)
    }

    /// Makes sure that what is committed for a tenant is where the database promises it to be, for example on a standby: a
    /// commit of this node after it says so.
    pub async fn confirm(&self, tenant: TenantId) -> Result<()> {
        let begun = async {
            let lease = self.commits.lease().await?;
            lease.begin(Lock::commits(tenant), BEGIN).await?;
            touch(&lease, tenant).await?;
            Ok(lease)
        };
        let begun: Result<Lease> = timeout(SETTLE, begun).await.unwrap_or(Err(Unavailable::Slow.into()));
        begun?.commit().await.map_err(|failed| match failed.of_commit() {
            // The commit that the caller answers with may be kept or not.
            StoreError::Unavailable(why) => StoreError::Uncertain(why),
            other => other,
        })
    }
}

/// Writes something that changes nothing, so that the commit is one.
async fn touch(lease: &Lease, tenant: TenantId) -> Result<()> {
    let touch = "UPDATE tenants SET created_at = created_at WHERE id = $1";
    lease.query(touch, &[&tenant.get()], QUERY).await?;
    Ok(())
}

/// Commits what waits for a tenant, until the store is closed.
async fn run(engine: Weak<Engine>, tenant: TenantId, mut jobs: mpsc::Receiver<Job>) {
    let mut next = None;
    while let Some(first) = next.take().or(jobs.recv().await) {
        // Yield once so that callers about to send join this batch.
        tokio::task::yield_now().await;
        let mut bytes = size(&first);
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            bytes += size(&job);
            if bytes > BATCH_BYTES {
                next = Some(job);
                break;
            }
            batch.push(job);
        }
        let Some(engine) = engine.upgrade() else { return };
        engine.write(tenant, batch).await;
    }
}

fn size(job: &Job) -> u64 {
    job.commit.edits.iter().map(Edit::stored_bytes).sum()
}

/// The first exchange. Returns what others committed since a head, and what the batch needs to be decided.
async fn begin(
    connection: &Connection,
    tenant: TenantId,
    known: Option<Head>,
    commits: &[&Commit],
) -> Result<(Since, Before)> {
    let (script_names, name_keys) = batch::keys(commits);
    let id = tenant.get();
    let recent = reads::recent_values(tenant, known);
    let (once_keys, oldest) = batch::once_keys(commits);
    let (begun, recent, about, names, done) = join5(
        connection.begin(Lock::commits(tenant), BEGIN),
        connection.query(reads::RECENT_ROWS, &[&recent.0, &recent.1, &recent.2], BEGIN),
        connection.query(
            "SELECT max_connectors, max_bytes, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, removed_bytes,
                    (SELECT version FROM connectory_schema), suspended_at
                 FROM tenants WHERE id = $1 AND deleted_at IS NULL",
            &[&id],
            BEGIN,
        ),
        connection.query(
            "SELECT script_name, name_key, number FROM named($1, $2, $3)",
            &[&id, &script_names, &name_keys],
            BEGIN,
        ),
        async {
            if once_keys.is_empty() {
                return Ok(Vec::new());
            }
            connection.query(once::COMMITTED, &[&id, &once_keys, &oldest], BEGIN).await
        },
    )
    .await;
    begun?;
    let since = match reads::recent(known, recent?).await? {
        Some(since) => since,
        None => reads::left_since(connection, tenant, known.unwrap_or(NOTHING)).await?,
    };
    let about = about?.pop().ok_or_else(|| StoreError::Unknown("the tenant".to_owned()))?;
    schema::expect_known(column(&about, 4)?)?;
    if column::<Option<i64>>(&about, 5)?.is_some() {
        return Err(StoreError::Suspended);
    }
    let (connectors, written) = since.totals;
    let mut before = Before {
        head: since.to,
        connectors,
        written,
        removed: count(&about, 3)?,
        time: column(&about, 2)?,
        ..Before::empty(quotas(&about, 0)?)
    };
    for row in names? {
        let (script_name, number) = (column(&row, 0)?, number(&row, 2)?);
        match column(&row, 1)? {
            Some(name_key) => before.existing.push((script_name, name_key, number)),
            None => before.deleted.push((script_name, number)),
        }
    }
    before.done = done?.iter().map(|row| column(row, 0)).collect::<Result<_>>()?;
    Ok((since, before))
}

/// What became of the second exchange.
enum Outcome {
    /// It is committed.
    Made,
    /// Another transaction has the numbers. Nothing is committed.
    Taken,
    /// The database refused. Nothing is committed.
    Refused(StoreError),
    /// It may be committed or not.
    Unknown,
}

/// The second exchange: writes and commits.
async fn make(lease: &Lease, plan: &mut Plan<'_>, within: Duration) -> Outcome {
    let statements = plan.statements();
    let values: Vec<(_, Vec<_>)> = statements
        .iter()
        .map(|(sql, values)| (*sql, values.iter().map(|value| value.as_ref() as &dyn super::value::Value).collect()))
        .collect();
    let writes = join_all(values.iter().map(|(sql, values)| lease.query(sql, values, within)));
    let (writes, committed) = join(writes, lease.commit_within(within)).await;
    // After a refused statement, the commit is answered like one, but it rolls back.
    let refused = |failed: &Failed| if failed.is_taken() { Outcome::Taken } else { Outcome::Refused(failed.into()) };
    if let Some(failed) = writes.iter().filter_map(|write| write.as_ref().err()).find(|failed| failed.is_refusal()) {
        return refused(failed);
    }
    match (writes.iter().all(Result::is_ok), committed) {
        (true, Ok(())) => Outcome::Made,
        (_, Err(failed)) if failed.is_refusal() => refused(&failed),
        (_, Ok(()) | Err(_)) => Outcome::Unknown,
    }
}
