//! Group commit: one thread writes all jobs that wait in one transaction.
//!
//! A commit costs one `fsync`, however many jobs it holds, so throughput grows with load while latency stays near one
//! `fsync`. A job that refuses has written nothing, and does not affect the others; if SQLite fails, nothing of the batch
//! is written. When the transaction is on disk, the follower takes all of it in the order of commits; then all callers
//! are answered.
//!
//! A second thread copies the log into the database ([`checkpoint`]). The writer copies only when the log has grown long,
//! so that the log can begin again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::checkpoint;
use super::failure::{Failure, spawn};
use super::job::{Job, Refused, Reply};
use super::lock::{DatabaseFile, Lock};
use crate::changes::Follow;
use crate::error::{Result, StoreError, Unavailable};

/// How many jobs may wait before callers do.
const QUEUE: usize = 1024;
/// How many jobs one transaction takes, so that the first is not kept waiting for long.
const MAX_BATCH: usize = 256;
/// After how many pages the writer copies the log itself and begins it again: 32 MiB. A page that many transactions
/// change is then copied once, and a start after a crash still reads the log in a moment.
const MOST_PAGES: i64 = 8192;
/// For how long the outcome of a commit says whether the next one would succeed.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Writer(Arc<Handle>);

struct Handle {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    last: Arc<Mutex<Last>>,
    file: Arc<DatabaseFile>,
    checking: tokio::sync::Mutex<()>,
    follower: Follower,
}

/// Who follows what is committed, once there is someone.
type Follower = Arc<OnceLock<Arc<dyn Follow>>>;

/// When the last commit was made or failed, and why.
type Last = Option<(Instant, Option<Unavailable>)>;

impl Drop for Handle {
    /// Lets the thread write what waits and end, so that the database is closed and free when this returns.
    fn drop(&mut self) {
        drop(self.jobs.take());
        // A job that holds the last store would wait for itself.
        if let Some(thread) = self.thread.take_if(|thread| thread.thread().id() != std::thread::current().id()) {
            let _panicked = thread.join();
        }
    }
}

impl Writer {
    /// Starts the thread, which owns the lock of the database until it ends, and the one that copies the log through a
    /// connection of its own.
    pub fn start(connection: Connection, copying: Connection, lock: Lock, file: Arc<DatabaseFile>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (last, follower) = (Arc::<Mutex<Last>>::default(), Follower::default());
        let served = Arc::clone(&file);
        let thread = {
            let (last, followed_by) = (Arc::clone(&last), Arc::clone(&follower));
            spawn("writer", move || {
                let (commits, committed) = sync_channel(1);
                let (running, ended) = channel();
                let pages = Arc::new(AtomicI64::new(0));
                let checkpoints = {
                    let pages = Arc::clone(&pages);
                    spawn("checkpoints", move || checkpoint::run(&copying, &committed, &ended, &pages))
                };
                let committed = || {
                    let _one_waits_already = commits.try_send(());
                };
                let batches = Batches {
                    connection: &connection,
                    file: &file,
                    pages: &pages,
                    last: &last,
                    follower: &followed_by,
                };
                run(&batches, receiver, committed);
                drop((commits, running));
                let _panicked = checkpoints.join();
                // The file is closed after the last connection.
                drop(connection);
                drop(lock);
                drop(file);
            })
        };
        Self(Arc::new(Handle {
            jobs: Some(sender),
            thread: Some(thread),
            last,
            file: served,
            checking: tokio::sync::Mutex::default(),
            follower,
        }))
    }

    /// Has someone follow what is committed from now on.
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        assert!(self.0.follower.set(follower).is_ok(), "a store has one follower");
    }

    /// Whether a write would succeed. One check at a time writes; the others wait for what comes of it.
    pub async fn check(&self) -> Result<()> {
        let _one = self.0.checking.lock().await;
        self.0.file.in_place()?;
        let last = *self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.filter(|(when, _)| when.elapsed() < FRESH) {
            Some((_, None)) => Ok(()),
            Some((_, Some(why))) => Err(why.into()),
            None => self.write(Job::Check).await,
        }
    }

    /// Has a job done, and returns its result once it is on disk and published.
    pub async fn write<T, E: Refused>(&self, job: impl FnOnce(Reply<T, E>) -> Job) -> Result<T, E> {
        let (reply, answer) = Reply::new();
        let jobs = self.0.jobs.as_ref().expect("it is taken on drop only");
        jobs.send(job(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// What batches are committed with.
struct Batches<'a> {
    connection: &'a Connection,
    file: &'a DatabaseFile,
    /// How many pages the log had when it was last copied.
    pages: &'a AtomicI64,
    last: &'a Mutex<Last>,
    follower: &'a Follower,
}

fn run(batches: &Batches<'_>, mut jobs: mpsc::Receiver<Job>, committed: impl Fn()) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut failed = None;
    while jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        // Yield once so that callers about to send join this batch: one more job does not make the commit slower.
        std::thread::yield_now();
        while batch.len() < MAX_BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let result = batches.commit(&mut batch);
        // What is committed is published even if the file went away: the database that is open has it.
        if let Ok(()) | Err(Failure::Uncertain(_)) = &result
            && let Some(follower) = batches.follower.get()
        {
            let mut published = Vec::with_capacity(batch.len());
            for job in &mut batch {
                job.committed(&mut published);
            }
            if !published.is_empty() {
                follower.committed(published);
            }
        }
        match &result {
            Ok(()) if failed.take().is_some() => tracing::info!("changes succeed again"),
            // The same failure is logged once, because a disk that is full stays full for a while.
            Err(failure) if failed.as_ref() != Some(failure) => {
                tracing::error!(error = %failure, jobs = batch.len(), "could not commit");
                failed = Some(failure.clone());
            }
            Ok(()) | Err(_) => {}
        }
        for job in batch.drain(..) {
            job.answer(result.as_ref().copied());
        }
        committed();
    }
}

impl Batches<'_> {
    fn commit(&self, batch: &mut [Job]) -> Result<(), Failure> {
        let committed = self.try_commit(batch);
        let why = match &committed {
            Err(Failure::Unavailable(why) | Failure::Uncertain(why)) => Some(*why),
            Ok(()) | Err(Failure::Fault(_)) => None,
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), why));
        committed
    }

    fn try_commit(&self, batch: &mut [Job]) -> Result<(), Failure> {
        // Not rusqlite's own transactions, which compile their statements each time.
        let execute = |sql| -> Result<(), Failure> {
            self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]))?;
            Ok(())
        };
        // Where an earlier rollback failed, this one has to succeed first.
        if !self.connection.is_autocommit() {
            execute("ROLLBACK")?;
        }
        self.file.in_place().map_err(Failure::Unavailable)?;
        if self.pages.load(Ordering::Relaxed) >= MOST_PAGES {
            self.pages.store(0, Ordering::Relaxed);
            // What is not copied now is copied later; only a failed sync matters.
            let _failed = checkpoint::copy(self.connection);
        }
        execute("BEGIN IMMEDIATE")?;
        let written = batch.iter_mut().try_for_each(|job| job.run(self.connection)).and_then(|()| execute("COMMIT"));
        if written.is_err() && !self.connection.is_autocommit() {
            // SQLite may have rolled back by itself. What cannot be rolled back now is before the next batch.
            let _failed = execute("ROLLBACK");
        }
        written?;
        self.file.in_place().map_err(Failure::Uncertain)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::schema;
    use super::*;

    #[tokio::test]
    async fn a_job_that_wrote_before_it_refused_is_found_out_and_rolled_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = DatabaseFile::open(&folder.path().join("c.db")).unwrap();
        let lock = file.lock().unwrap();
        let mut connection = schema::open(&file, schema::SERVER_WAIT).unwrap();
        schema::migrate(&mut connection, file.path()).unwrap();
        let copying = schema::open(&file, schema::SERVER_WAIT).unwrap();
        let writer = Writer::start(connection, copying, lock, Arc::clone(&file));
        for _ in 0..2 {
            // The second time, too: the tenant that it wrote the first time is gone.
            let refused = writer.write(Job::Wrong).await.unwrap_err();
            assert!(refused.to_string().contains("a job wrote before it refused"), "{refused}");
        }
        writer.check().await.unwrap();
    }
}
