//! Group commit: one thread writes everything that waits in one transaction.
//!
//! A commit costs one `fsync`, whatever it holds, so throughput grows with load while latency stays near one
//! `fsync`. Each job runs in a savepoint of its own: one that fails takes nothing of the others with it. Jobs are
//! answered after their transaction is on disk, and published before that in the order of commits.

use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::lock::Lock;
use crate::{Result, StoreError};

/// How many jobs may wait before callers do.
const QUEUE: usize = 1024;
/// How many jobs one transaction takes, so that the first is not kept waiting for long.
const MAX_BATCH: usize = 256;

/// Answers a job's caller, given how the commit went.
type Finish = Box<dyn FnOnce(Result<(), &rusqlite::Error>) + Send>;

/// A write on the way: runs in the savepoint, says whether to keep what it did, and leaves how to answer.
type Job = Box<dyn FnOnce(&Connection) -> (Outcome, Finish) + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Keep,
    RollBack,
}

#[derive(Clone)]
pub(crate) struct Writer(Arc<Handle>);

struct Handle {
    jobs: Option<mpsc::Sender<Job>>,
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
    /// Starts the thread, which owns the lock of the database until it ends.
    pub fn start(connection: Connection, lock: Lock) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                run(connection, receiver);
                drop(lock);
            })
            .expect("the system can start a thread");
        Self(Arc::new(Handle { jobs: Some(sender), thread: Some(thread) }))
    }

    /// Runs a write and returns its result once it is on disk.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
        publish: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = job(connection);
            let outcome = if result.is_ok() { Outcome::Keep } else { Outcome::RollBack };
            let finish: Finish = Box::new(move |committed| {
                let result = match committed {
                    Err(error) => Err(StoreError::Commit(error.to_string())),
                    Ok(()) => result.inspect(publish),
                };
                // The caller may have gone away; what is committed stays committed.
                let _gone = reply.send(result);
            });
            (outcome, finish)
        });
        let jobs = self.0.jobs.as_ref().expect("it is taken on drop only");
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn run(mut connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let mut finishes = Vec::with_capacity(batch.len());
        let committed = commit(&mut connection, batch.drain(..), &mut finishes);
        if let Err(error) = &committed {
            tracing::error!(%error, jobs = finishes.len(), "could not commit");
        }
        for finish in finishes {
            finish(committed.as_ref().copied());
        }
    }
}

fn commit(
    connection: &mut Connection,
    jobs: impl Iterator<Item = Job>,
    finishes: &mut Vec<Finish>,
) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in jobs {
        let savepoint = transaction.savepoint()?;
        let (outcome, finish) = job(&savepoint);
        finishes.push(finish);
        match outcome {
            Outcome::Keep => savepoint.commit()?,
            Outcome::RollBack => savepoint.finish()?,
        }
    }
    transaction.commit()
}
