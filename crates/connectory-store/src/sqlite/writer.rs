//! Group commit: one thread writes all waiting jobs in one transaction.
//!
//! A commit costs one `fsync` for any number of jobs. So throughput grows with load, and latency stays near one
//! `fsync`. A refused job has written nothing and does not affect the other jobs. If SQLite fails, nothing of the batch
//! is written. When the transaction is on disk, the follower receives all its commits in order. Then all callers get
//! their results.
//!
//! A second thread copies the log into the database ([`checkpoint`]). The writer itself copies the log only when it is
//! long, so that the log can restart from its beginning.

use std::cell::RefCell;
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
use super::usage::Usage;
use crate::changes::Follow;
use crate::error::{Result, StoreError, Unavailable};

/// The capacity of the job queue. Callers wait when the queue is full.
const QUEUE: usize = 1024;
/// The largest number of jobs in one transaction. It limits how long the first job waits.
const MAX_BATCH: usize = 256;
/// The number of pages after which the writer itself copies the log, so that the log restarts from its beginning: 32
/// MiB. A page that many transactions change is copied once, and a start after a crash still reads the log quickly.
const MOST_PAGES: i64 = 8192;
/// The time for which the result of a commit predicts the result of the next one.
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

/// The follower of commits, once it is set.
type Follower = Arc<OnceLock<Arc<dyn Follow>>>;

/// What the last commits say about the next one.
#[derive(Default)]
struct Last {
    /// The time of the last commit, successful or not, and the reason if the database was unavailable.
    commit: Option<(Instant, Option<Unavailable>)>,
    /// Whether the disk was full, and no check has found space for usual changes since then. A small change may succeed
    /// on a full disk.
    full: bool,
}

impl Drop for Handle {
    /// Lets the thread write the waiting jobs and end. The database is closed and unlocked when this returns.
    fn drop(&mut self) {
        drop(self.jobs.take());
        // If the writer thread drops the last handle, it must not join itself.
        if let Some(thread) = self.thread.take_if(|thread| thread.thread().id() != std::thread::current().id()) {
            let _panicked = thread.join();
        }
    }
}

impl Writer {
    /// Starts the writer thread and the checkpoint thread. They have the lock of the database until they end. The
    /// checkpoint thread copies the log through its own connection.
    pub fn start(connection: Connection, copying: Connection, mut lock: Lock, file: Arc<DatabaseFile>) -> Self {
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
                    spawn("checkpoints", move || {
                        checkpoint::run(&copying, &committed, &ended, &pages, &mut lock);
                        lock
                    })
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
                    usage: RefCell::default(),
                };
                run(&batches, receiver, committed);
                drop((commits, running));
                let lock = checkpoints.join();
                // Close the file after the last connection.
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

    /// The database that the writer writes.
    pub fn file(&self) -> &Arc<DatabaseFile> {
        &self.0.file
    }

    /// Sets the follower, which receives every commit from now on.
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        assert!(self.0.follower.set(follower).is_ok(), "a store has one follower");
    }

    /// Checks whether a write succeeds. One check at a time writes; the others wait and use its result.
    pub async fn check(&self) -> Result<()> {
        let _one = self.0.checking.lock().await;
        self.0.file.in_place()?;
        let (last, full) = {
            let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
            (last.commit.filter(|(when, _)| when.elapsed() < FRESH), last.full)
        };
        match last {
            Some((_, Some(why))) => Err(why.into()),
            _ if full => self.write(Job::CheckSpace).await,
            Some((_, None)) => Ok(()),
            None => self.write(Job::Check).await,
        }
    }

    /// Sends a job to the writer, and returns its result when it is on disk and the follower has received it.
    pub async fn write<T, E: Refused>(&self, job: impl FnOnce(Reply<T, E>) -> Job) -> Result<T, E> {
        let (reply, answer) = Reply::new();
        let jobs = self.0.jobs.as_ref().expect("it is taken on drop only");
        jobs.send(job(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// The values that the writer needs to commit batches.
struct Batches<'a> {
    connection: &'a Connection,
    file: &'a DatabaseFile,
    /// The number of pages in the log after the last copy. 0 if all of them were copied.
    pages: &'a AtomicI64,
    last: &'a Mutex<Last>,
    follower: &'a Follower,
    usage: RefCell<Usage>,
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
        // Publish a commit even if the file was moved or removed, because the open database contains it.
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
            // Log the same failure once, because a full disk stays full for a while.
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
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.commit = Some((Instant::now(), why));
        match why {
            Some(Unavailable::Full) => last.full = true,
            None if batch.iter().any(|job| matches!(job, Job::CheckSpace(_))) => last.full = false,
            _ => {}
        }
        drop(last);
        committed
    }

    fn try_commit(&self, batch: &mut [Job]) -> Result<(), Failure> {
        // rusqlite's own transactions would compile their statements each time.
        let execute = |sql| -> Result<(), Failure> {
            self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]))?;
            Ok(())
        };
        // If an earlier rollback failed, it must succeed first.
        if !self.connection.is_autocommit() {
            execute("ROLLBACK")?;
        }
        self.file.in_place().map_err(Failure::Unavailable)?;
        if self.pages.load(Ordering::Relaxed) >= MOST_PAGES {
            self.pages.store(0, Ordering::Relaxed);
            // A failed copy is repeated later. Only a failed sync matters, and it ends the process.
            let _failed = checkpoint::copy(self.connection);
        }
        execute("BEGIN IMMEDIATE")?;
        let mut usage = self.usage.borrow_mut();
        let written = batch.iter_mut().try_for_each(|job| job.run(self.connection, &mut usage));
        let written = written.and_then(|()| execute("COMMIT"));
        if written.is_err() {
            usage.forget();
        }
        if written.is_err() && !self.connection.is_autocommit() {
            // SQLite may have rolled back by itself. If this rollback fails, it is repeated before the next batch.
            let _failed = execute("ROLLBACK");
        }
        written?;
        self.file.in_place().map_err(Failure::Uncertain)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tempfile::TempDir;

    use super::super::schema;
    use super::super::syncs::Syncs;
    use super::*;
    use crate::access::SigningKey;

    /// Starts a writer on a new database, whose connection was prepared first.
    fn writer(folder: &TempDir, prepare: impl FnOnce(&Connection)) -> Writer {
        let file = DatabaseFile::open(&folder.path().join("c.db")).unwrap();
        let lock = file.lock(Syncs::Full).unwrap();
        let mut connection = schema::open(&file, schema::SERVER_WAIT, Syncs::Full).unwrap();
        schema::migrate(&mut connection, file.path()).unwrap();
        prepare(&connection);
        let copying = schema::open(&file, schema::SERVER_WAIT, Syncs::Full).unwrap();
        Writer::start(connection, copying, lock, Arc::clone(&file))
    }

    #[tokio::test]
    async fn a_small_write_does_not_end_a_full_disk() {
        let folder = TempDir::new().unwrap();
        // A change that needs a new page fails as on a full disk.
        let writer = writer(&folder, |connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        });
        writer.check().await.unwrap();
        let key = SigningKey { id: "key".to_owned(), pem: "x".repeat(100_000), is_new: true };
        let full = |result| matches!(result, Err(StoreError::Unavailable(Unavailable::Full)));
        assert!(full(writer.write(|reply| Job::SigningKeys(key, reply)).await.map(drop)));
        for _ in 0..2 {
            writer.write(Job::Check).await.unwrap();
            assert!(full(writer.check().await));
            assert!(full(writer.check().await), "the last failure counts");
        }
        tokio::time::sleep(FRESH).await;
        assert!(full(writer.check().await));
    }

    #[tokio::test]
    async fn a_check_for_space_writes_to_the_log_and_leaves_nothing() {
        let folder = TempDir::new().unwrap();
        let writer = writer(&folder, |_| {});
        let log = || std::fs::metadata(folder.path().join("c.db-wal")).unwrap().len();
        writer.0.last.lock().unwrap().full = true;
        let before = log();
        writer.check().await.unwrap();
        assert!(log() >= before + 64 * 1024, "{before} {}", log());
        assert!(!writer.0.last.lock().unwrap().full);
        let connection = Connection::open(folder.path().join("c.db")).unwrap();
        assert_eq!(connection.query_row("SELECT count(*) FROM parts", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_job_that_wrote_before_it_refused_is_found_out_and_rolled_back() {
        let folder = TempDir::new().unwrap();
        let writer = writer(&folder, |_| {});
        for _ in 0..2 {
            // The second attempt fails in the same way, because the tenant of the first attempt was rolled back.
            let refused = writer.write(Job::Wrong).await.unwrap_err();
            assert!(refused.to_string().contains("a job wrote before it refused"), "{refused}");
        }
        writer.check().await.unwrap();
    }
}
