//! Group commit: one thread writes everything that waits in one transaction.
//!
//! A commit costs one `fsync`, whatever it holds, so throughput grows with load while latency stays near one
//! `fsync`. A job that refuses has written nothing, and takes nothing of the others with it; if SQLite fails, nothing
//! of them all is written. When their transaction is on disk, all jobs are published in the order of commits, then all
//! are shown, then all are answered.
//!
//! What was committed is copied from the log into the database by a second thread, so that nobody waits for it. The
//! writer only copies what is left when the log has grown long, and begins the log again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::lock::Lock;
use crate::{Result, StoreError};

/// How many jobs may wait before callers do.
const QUEUE: usize = 1024;
/// How many jobs one transaction takes, so that the first is not kept waiting for long.
const MAX_BATCH: usize = 256;
/// How long the log is left alone between two copies: a page that changes often is then copied once.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(200);

/// A write on the way.
trait Job: Send {
    /// Writes within the transaction, or refuses before it wrote anything. Fails as SQLite does.
    fn run(&mut self, connection: &Connection) -> Result<(), String>;
    /// Publishes what is on disk.
    fn publish(&mut self);
    /// Lets the caller have the result, given how the commit went.
    fn answer(self: Box<Self>, committed: Result<(), &String>);
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
    fn run(&mut self, connection: &Connection) -> Result<(), String> {
        if let Some(write) = self.write.take() {
            self.result = write(connection);
        }
        match &self.result {
            Err(StoreError::Sqlite(error)) => Err(error.to_string()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn publish(&mut self) {
        if let (Ok(result), Some(publish)) = (&self.result, self.publish.take()) {
            publish(result);
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), &String>) {
        let result = if let Err(error) = committed {
            Err(StoreError::Commit(error.clone()))
        } else {
            (self.show)();
            self.result
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
}

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
    pub fn start(connection: Connection, copying: Connection, lock: Lock) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = spawn("writer", move || {
            let (commits, committed) = sync_channel(1);
            let (running, ended) = channel();
            let checkpoints = spawn("checkpoints", move || checkpoint(&copying, &committed, &ended));
            let committed = || {
                let _one_waits_already = commits.try_send(());
            };
            run(&connection, receiver, committed);
            drop((commits, running));
            let _panicked = checkpoints.join();
            drop(connection);
            drop(lock);
        });
        Self(Arc::new(Handle { jobs: Some(sender), thread: Some(thread) }))
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

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("the system can start a thread")
}

/// Copies the log into the database after commits, until the writer has ended.
fn checkpoint(connection: &Connection, committed: &Receiver<()>, ended: &Receiver<Infallible>) {
    while committed.recv().is_ok() {
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "could not copy the log into the database");
        }
        if ended.recv_timeout(CHECKPOINT_PAUSE) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
}

fn run(connection: &Connection, mut jobs: mpsc::Receiver<Box<dyn Job>>, committed: impl Fn()) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        // Whoever is about to send a job may do it first: a commit costs the same for one more.
        std::thread::yield_now();
        while batch.len() < MAX_BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let result = commit(connection, &mut batch);
        match &result {
            Ok(()) => batch.iter_mut().for_each(|job| job.publish()),
            Err(error) => tracing::error!(%error, jobs = batch.len(), "could not commit"),
        }
        for job in batch.drain(..) {
            job.answer(result.as_ref().copied());
        }
        committed();
    }
}

fn commit(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), String> {
    // Not rusqlite's own transactions, which compile their statements each time.
    let execute = |sql| match connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    execute("BEGIN IMMEDIATE")?;
    let committed = batch.iter_mut().try_for_each(|job| job.run(connection)).and_then(|()| execute("COMMIT"));
    // SQLite may have rolled back by itself.
    if committed.is_err() && !connection.is_autocommit() {
        execute("ROLLBACK")?;
    }
    committed
}
