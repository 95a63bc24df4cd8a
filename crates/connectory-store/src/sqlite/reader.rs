//! A few connections for reads. Each query runs on a thread where it may block.
//!
//! In WAL mode, readers do not wait for the writer, and the writer does not wait for readers. A few connections are
//! enough: each needs a thread and memory, and a read takes microseconds. A caller that waits while all are busy waits
//! for less time than a new thread costs.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::lock::DatabaseFile;
use super::schema;
use crate::error::{Result, StoreError, Unavailable};

/// The connections for reads. All of them are opened at the start, because the path may later point to another file.
pub(super) struct Readers {
    // The fields have this order so that the file is closed after the connections.
    idle: Mutex<Vec<Connection>>,
    _file: Arc<DatabaseFile>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens this many connections.
    pub fn open(file: &Arc<DatabaseFile>, most: usize) -> Result<Self> {
        let connections = (0..most).map(|_| schema::open_reader(file)).collect::<Result<_>>()?;
        Ok(Self { idle: Mutex::new(connections), _file: Arc::clone(file), free: Arc::new(Semaphore::new(most)) })
    }

    /// Runs a query on a thread where it may block.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let query = self.lend(query).await?;
        tokio::task::spawn_blocking(query).await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a query for a large connector on its own thread, which ends with the query. A pooled thread would keep the
    /// memory of the query, and may be unused for a long time.
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

    /// Waits for a free connection, and returns a closure that runs the query with it.
    async fn lend<T>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<impl FnOnce() -> Result<T> + Send + 'static> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        Ok(move || {
            // The permit is held until the read ends, even if no caller waits for the result any more.
            let _permit = permit;
            let connection = Lent { connection: readers.take(), readers: &readers };
            query(connection.connection.as_ref().expect("there are as many connections as permits"))
        })
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// A borrowed connection. It is returned however the query ends.
struct Lent<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}
