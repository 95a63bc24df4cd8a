//! A bounded number of connections, which callers take turns with.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::Row;

use super::address::Address;
use super::connection::Connection;
use super::limits::{ACQUIRE, CONNECT, QUERY};
use super::value::Value;
use crate::error::{Result, StoreError, Unavailable};
use crate::measures::{self, Measures};

/// Connections for one kind of work. They are opened when they are needed.
pub(super) struct Pool {
    address: Address,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
    in_use: Gauge,
    /// Increased when all connections must be closed, for example because they lead to a server that lost its place.
    generation: AtomicU64,
    /// Whether the last connection could be opened.
    is_reached: AtomicBool,
}

impl Pool {
    pub fn new(address: &Address, most: usize, name: &'static str, measures: &Measures) -> Arc<Self> {
        let label = measures::Pool { pool: name };
        measures.max_connections.get_or_create(&label).set(i64::try_from(most).unwrap_or(i64::MAX));
        Arc::new(Self {
            address: address.clone(),
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(most)),
            in_use: measures.connections.get_or_create_owned(&label),
            generation: AtomicU64::new(0),
            is_reached: AtomicBool::new(true),
        })
    }

    /// Takes a connection. It is given back when it is dropped.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let permit = timeout(ACQUIRE, Arc::clone(&self.free).acquire_owned()).await;
        let permit = permit.map_err(|_| Unavailable::Busy)?.map_err(|_| StoreError::Closed)?;
        let generation = self.generation.load(Ordering::Acquire);
        let idle = std::iter::from_fn(|| self.idle().pop()).find(Connection::is_clean);
        let connection = match idle {
            Some(connection) => connection,
            // In a box, because most leases need no room for it.
            None => Box::pin(self.open()).await?,
        };
        self.in_use.inc();
        Ok(Lease { connection: Some(connection), pool: Arc::clone(self), generation, _permit: permit })
    }

    /// Opens a connection. The first failure is logged, until one succeeds.
    async fn open(&self) -> Result<Connection> {
        let opened = match timeout(CONNECT, Connection::open(&self.address)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                Err((error.to_string(), error.driver().map_or(Unavailable::Disconnected.into(), StoreError::from)))
            }
            Err(_) => Err(("it does not answer".to_owned(), Unavailable::Disconnected.into())),
        };
        let was_reached = self.is_reached.swap(opened.is_ok(), Ordering::AcqRel);
        match &opened {
            Ok(_) if !was_reached => tracing::info!("the database is reached again"),
            Err((why, _)) if was_reached => tracing::error!(why, "the database cannot be reached"),
            Ok(_) | Err(_) => {}
        }
        opened.map_err(|(_, error)| match error {
            // Such as a password that is not valid any more. The log has it.
            StoreError::Engine(_) => Unavailable::Disconnected.into(),
            other => other,
        })
    }

    /// Runs one statement that reads. If its connection turns out to be broken, it is run with another one.
    pub async fn query(self: &Arc<Self>, sql: &str, values: &[&dyn Value]) -> Result<Vec<Row>> {
        let first = self.lease().await?.query(sql, values, QUERY).await.map_err(StoreError::from);
        match first {
            Err(StoreError::Unavailable(Unavailable::Disconnected)) => {
                self.close();
                Ok(self.lease().await?.query(sql, values, QUERY).await?)
            }
            other => other,
        }
    }

    /// Runs one statement that reads at most one row.
    pub async fn query_one(self: &Arc<Self>, sql: &str, values: &[&dyn Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, values).await?.pop())
    }

    /// Closes all connections: those that are in use when they are given back.
    pub fn close(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that a caller has for itself.
pub(super) struct Lease {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    generation: u64,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// The database, without secrets.
    pub fn database(&self) -> String {
        self.pool.address.to_string()
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is taken on drop only")
    }
}

impl Drop for Lease {
    /// A connection that broke, is late or has a transaction is closed: the database then ends its transaction.
    fn drop(&mut self) {
        self.pool.in_use.dec();
        let mut idle = self.pool.idle();
        let is_current = self.generation == self.pool.generation.load(Ordering::Acquire);
        let Some(connection) = self.connection.take() else { return };
        if is_current && connection.is_clean() {
            idle.push(connection);
        } else {
            drop(idle);
            connection.close();
        }
    }
}
