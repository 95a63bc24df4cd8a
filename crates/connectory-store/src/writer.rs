//! Group commit: one thread writes everything that waits in one transaction.
//!
//! A commit costs one `fsync`, whatever it holds, so throughput grows with load while latency stays near one
//! `fsync`. A job that refuses has written nothing, and takes nothing of the others with it; if SQLite fails, nothing
//! of them all is written. When their transaction is on disk, all jobs are published in the order of commits, then all
//! are shown, then all are answered.
//!
//! What was committed is copied from the log into the database by a second thread, so that nobody waits for it. The
//! writer only copies what is left when the log has grown long, and begins the log again. SQLite's own automatic copying
//! is off, because it keeps failed syncs to itself.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::failure::{Unavailable, end_process, expect_synced};
use crate::file::{DatabaseFile, Lock};
use crate::schema;
use crate::{Result, StoreError};

/// How many jobs may wait before callers do.
const QUEUE: usize = 1024;
/// How many jobs one transaction takes, so that the first is not kept waiting for long.
const MAX_BATCH: usize = 256;
/// How long the log is left alone between two copies: a page that changes often is then copied once.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(200);
/// After how many pages the writer copies the log itself and begins it again: 32 MiB. A page that many transactions
/// change is then copied once, and a start after a crash still reads the log in a moment.
const MOST_PAGES: i64 = 8192;
/// For how long what came of a commit says whether the next one would succeed.
const FRESH: Duration = Duration::from_secs(1);

/// A write on the way.
trait Job: Send {
    /// Writes within the transaction, or refuses before it wrote anything. Fails as SQLite does.
    fn run(&mut self, connection: &Connection) -> Result<(), Failure>;
    /// Publishes what is on disk.
    fn publish(&mut self);
    /// Lets the caller have the result, given how the commit went.
    fn answer(self: Box<Self>, committed: Result<(), &Failure>);
}

/// Why a batch is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failure {
    /// It was rolled back, and may be tried again.
    #[error("{0}")]
    Unavailable(Unavailable),
    /// It is committed, to a file that nobody may find again.
    #[error("committed, but {0}")]
    Uncertain(Unavailable),
    /// It was rolled back, because of a fault of ours.
    #[error("{0}")]
    Fault(String),
}

impl From<&Failure> for StoreError {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Unavailable(why) => Self::Unavailable(*why),
            Failure::Uncertain(why) => Self::Uncertain(*why),
            Failure::Fault(why) => Self::Commit(why.clone()),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    /// A failed sync does not come back from here.
    fn from(error: rusqlite::Error) -> Self {
        expect_synced(&error);
        match StoreError::from(error) {
            StoreError::Unavailable(why) => Self::Unavailable(why),
            other => Self::Fault(other.to_string()),
        }
    }
}

/// A job made of closures.
struct Closures<W, P, S, T> {
    write: Option<W>,
    publish: Option<P>,
    show: S,
    result: Result<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<W, P, S, T> Job for Closures<W, P, S, T>
where
    W: FnOnce(&Connection) -> Result<T> + Send,
    P: FnOnce(&T) + Send,
    S: FnOnce() + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Failure> {
        let before = connection.total_changes();
        if let Some(write) = self.write.take() {
            self.result = write(connection);
        }
        match &self.result {
            Err(StoreError::Unavailable(why)) => Err(Failure::Unavailable(*why)),
            Err(StoreError::Sqlite(error)) => Err(Failure::Fault(error.to_string())),
            Err(refusal) if connection.total_changes() != before => {
                Err(Failure::Fault(format!("a job wrote before it refused: {refusal}")))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn publish(&mut self) {
        if let (Ok(result), Some(publish)) = (&self.result, self.publish.take()) {
            publish(result);
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        // What is committed is shown even if the file went away: the database that is open has it.
        if let Ok(()) | Err(Failure::Uncertain(_)) = committed {
            (self.show)();
        }
        let result = match committed {
            Ok(()) => self.result,
            Err(failure) => Err(failure.into()),
        };
        // The caller may have gone away; what is committed stays committed.
        let _gone = self.reply.send(result);
    }
}

#[derive(Clone)]
pub(crate) struct Writer(Arc<Handle>);

struct Handle {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    last: Arc<Mutex<Last>>,
    file: Arc<DatabaseFile>,
    checking: tokio::sync::Mutex<()>,
}

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
        let last = Arc::<Mutex<Last>>::default();
        let served = Arc::clone(&file);
        let thread = {
            let last = Arc::clone(&last);
            spawn("writer", move || {
                let (commits, committed) = sync_channel(1);
                let (running, ended) = channel();
                let pages = Arc::new(AtomicI64::new(0));
                let checkpoints = {
                    let pages = Arc::clone(&pages);
                    spawn("checkpoints", move || checkpoint(&copying, &committed, &ended, &pages))
                };
                let committed = || {
                    let _one_waits_already = commits.try_send(());
                };
                run(&Batches { connection: &connection, file: &file, pages: &pages, last: &last }, receiver, committed);
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
        }))
    }

    /// Whether a write would succeed. One check at a time writes; the others wait for what comes of it.
    pub async fn check(&self) -> Result<()> {
        let _one = self.0.checking.lock().await;
        self.0.file.in_place()?;
        let last = *self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.filter(|(when, _)| when.elapsed() < FRESH) {
            Some((_, None)) => Ok(()),
            Some((_, Some(why))) => Err(why.into()),
            None => {
                // The same version again is a page that is written like any other.
                let write = |connection: &Connection| {
                    let version = schema::version(connection)?;
                    Ok(connection.pragma_update(None, "user_version", i64::try_from(version).unwrap_or_default())?)
                };
                self.write(write, |()| (), || ()).await
            }
        }
    }

    /// Runs a write and returns its result once it is on disk. Of what is committed together everything is published
    /// before anything is shown: showing may do for many what publishing only prepares.
    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
        publish: impl FnOnce(&T) + Send + 'static,
        show: impl FnOnce() + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let result = Err(StoreError::Closed);
        let job = Box::new(Closures { write: Some(write), publish: Some(publish), show, result, reply });
        let jobs = self.0.jobs.as_ref().expect("it is taken on drop only");
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Starts a thread whose panic ends the process: what it was about to do would never be done, and nobody would be told.
fn spawn(name: &'static str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            end_process(&format!("the thread `{name}` panicked; what was acknowledged is kept; start again"));
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(guarded).expect("the system can start a thread")
}

/// Copies the log into the database after commits, until the writer has ended.
fn checkpoint(connection: &Connection, committed: &Receiver<()>, ended: &Receiver<Infallible>, pages: &AtomicI64) {
    let mut failed = None;
    while committed.recv().is_ok() {
        match copy(connection) {
            Ok(left) => {
                failed = None;
                pages.store(left, Ordering::Relaxed);
            }
            Err(Failure::Unavailable(Unavailable::Damaged)) => end_process(
                "the database is damaged, so that it cannot take what was acknowledged; keep its files, restore a backup, \
                 and start again",
            ),
            // A disk that is full stays full for a while: once is enough.
            Err(failure) if failed.as_ref() != Some(&failure) => {
                tracing::warn!(error = %failure, "could not copy the log into the database");
                failed = Some(failure);
            }
            Err(_) => {}
        }
        if ended.recv_timeout(CHECKPOINT_PAUSE) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
}

/// Copies what is committed from the log into the database. Returns how many pages the log has that others may still
/// read, so that it cannot begin again.
fn copy(connection: &Connection) -> Result<i64, Failure> {
    let (pages, copied): (i64, i64) = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?))))?;
    Ok(if copied < pages { pages } else { 0 })
}

/// What batches are committed with.
struct Batches<'a> {
    connection: &'a Connection,
    file: &'a DatabaseFile,
    /// How many pages the log had when it was last copied.
    pages: &'a AtomicI64,
    last: &'a Mutex<Last>,
}

fn run(batches: &Batches<'_>, mut jobs: mpsc::Receiver<Box<dyn Job>>, committed: impl Fn()) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut failed = None;
    while jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        // Whoever is about to send a job may do it first: a commit costs the same for one more.
        std::thread::yield_now();
        while batch.len() < MAX_BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let result = batches.commit(&mut batch);
        if let Ok(()) | Err(Failure::Uncertain(_)) = &result {
            for job in &mut batch {
                job.publish();
            }
        }
        match &result {
            Ok(()) if failed.take().is_some() => tracing::info!("changes succeed again"),
            // The same again is said once, because a disk that is full stays full for a while.
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
    fn commit(&self, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let committed = self.try_commit(batch);
        let why = match &committed {
            Err(Failure::Unavailable(why) | Failure::Uncertain(why)) => Some(*why),
            Ok(()) | Err(Failure::Fault(_)) => None,
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), why));
        committed
    }

    fn try_commit(&self, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
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
            let _failed = copy(self.connection);
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
        let insert = |connection: &Connection| {
            connection.execute("INSERT INTO tenants (uuid, name, created_at) VALUES ('u', 'n', 0)", [])?;
            Ok(())
        };
        let wrong = move |connection: &Connection| insert(connection).and(Err::<(), _>(StoreError::Conflict));
        let refused = writer.write(wrong, |()| (), || ()).await.unwrap_err();
        assert!(refused.to_string().contains("a job wrote before it refused"), "{refused}");
        writer.write(insert, |()| (), || ()).await.unwrap();
        writer.check().await.unwrap();
    }
}
