//! A few connections for reading, each on a thread where it may block.
//!
//! In WAL mode readers neither wait for the writer nor hold it up. There are no more than a few, because each takes a
//! thread and memory, and a read takes microseconds: whoever comes while all are busy waits for less than a thread costs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{Result, StoreError, schema};

/// How many there are (our decision).
const MOST: usize = 8;

pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default(), free: Arc::new(Semaphore::new(MOST)) }
    }

    /// Runs a query on a thread where it may block.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            // Kept until the read ends, even if nobody waits for it any more.
            let _permit = permit;
            let idle = readers.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => schema::open_reader(&readers.path)?,
            };
            let result = query(&connection);
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        })
        .await
        .map_err(|_| StoreError::Closed)?
    }
}
