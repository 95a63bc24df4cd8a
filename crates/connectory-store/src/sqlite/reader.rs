//! A few connections for reading, each on a thread where it may block.
//!
//! In WAL mode readers neither wait for the writer nor hold it up. There are no more than a few, because each takes a
//! thread and memory, and a read takes microseconds: whoever comes while all are busy waits for less than a thread costs.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::lock::DatabaseFile;
use super::schema;
use crate::error::{Result, StoreError, Unavailable};

/// How many there are (our decision).
const MOST: usize = 8;

/// They are all opened at the start, because the path may lead to another file later.
pub(super) struct Readers {
    // In this order: the file is closed after the connections.
    idle: Mutex<Vec<Connection>>,
    _file: Arc<DatabaseFile>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub fn open(file: &Arc<DatabaseFile>) -> Result<Self> {
        let connections = (0..MOST).map(|_| schema::open_reader(file)).collect::<Result<_>>()?;
        Ok(Self { idle: Mutex::new(connections), _file: Arc::clone(file), free: Arc::new(Semaphore::new(MOST)) })
    }

    /// Runs a query on a thread where it may block.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let query = self.lend(query).await?;
        tokio::task::spawn_blocking(query).await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a query for something large on a thread that ends with it, so that nothing of what it needed stays with a
    /// thread that may not be used again for long.
    pub async fn read_large<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let query = self.lend(query).await?;
        let (result, done) = oneshot::channel();
        let read = move || {
            let _nobody_waits = result.send(query());
        };
        std::thread::Builder::new().name("large read".to_owned()).spawn(read).map_err(|_| Unavailable::Busy)?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// A query with a connection, which it waits for.
    async fn lend<T>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<impl FnOnce() -> Result<T> + Send + 'static> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        Ok(move || {
            // Kept until the read ends, even if nobody waits for it any more.
            let _permit = permit;
            let connection = Lent { connection: readers.take(), readers: &readers };
            query(connection.connection.as_ref().expect("there are as many connections as permits"))
        })
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// A connection that is given back however its query ends.
struct Lent<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}
