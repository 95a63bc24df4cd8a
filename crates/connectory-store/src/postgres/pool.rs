//! A bounded number of connections, which callers take turns with.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::Row;

use super::address::Address;
use super::connection::Connection;
use super::limits::{ACQUIRE, CONNECT, QUERY, RECONNECT, RECONNECT_MOST};
use super::value::Value;
use crate::error::{Result, StoreError, Unavailable};
use crate::measures::{self, Measures};

/// What all pools of a node know of the way to the database.
#[derive(Default)]
pub(super) struct Reach(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// When the newest statement was sent that has no answer in time. Connections that answered nothing since then may be
    /// silent too.
    late: Option<Instant>,
    /// How many connections in a row could not be opened, and when the next one may be tried.
    failures: u32,
    next: Option<Instant>,
}

impl Reach {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a statement that was sent at this time is late.
    fn note_late(&self, sent: Instant) {
        let mut known = self.known();
        known.late = known.late.max(Some(sent));
    }

    /// Whether a connection has answered since the newest statement was sent that is late.
    fn is_heard(&self, connection: &Connection) -> bool {
        self.known().late.is_none_or(|late| connection.answered_at() > late)
    }

    /// Whether a connection may be tried now. After failures, the times between attempts grow, and differ between nodes: a
    /// database that comes back is not asked by all at once.
    fn may_try(&self) -> bool {
        self.known().next.is_none_or(|next| Instant::now() >= next)
    }

    /// Notes whether a connection could be opened.
    fn note(&self, is_opened: bool) {
        let mut known = self.known();
        if is_opened {
            (known.failures, known.next) = (0, None);
            return;
        }
        let pause = RECONNECT.saturating_mul(1 << known.failures.min(10)).min(RECONNECT_MOST);
        known.failures += 1;
        known.next = Some(Instant::now() + pause.mul_f64(rand::random_range(0.5..1.5)));
    }
}

/// Connections for one kind of work. They are opened when they are needed.
pub(super) struct Pool {
    address: Address,
    reach: Arc<Reach>,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
    in_use: Gauge,
    /// Increased when all connections must be closed, for example because they lead to a server that lost its place.
    generation: AtomicU64,
    /// Whether the last connection could be opened.
    is_reached: AtomicBool,
}

impl Pool {
    pub fn new(
        (address, reach): (&Address, &Arc<Reach>),
        most: usize,
        name: &'static str,
        measures: &Measures,
    ) -> Arc<Self> {
        let label = measures::Pool { pool: name };
        measures.max_connections.get_or_create(&label).set(i64::try_from(most).unwrap_or(i64::MAX));
        Arc::new(Self {
            address: address.clone(),
            reach: Arc::clone(reach),
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
        let idle = std::iter::from_fn(|| self.idle().pop())
            .find(|connection| connection.is_clean() && self.reach.is_heard(connection));
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
        if !self.reach.may_try() {
            return Err(Unavailable::Disconnected.into());
        }
        let opened = match timeout(CONNECT, Connection::open(&self.address)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                Err((error.to_string(), error.driver().map_or(Unavailable::Disconnected.into(), StoreError::from)))
            }
            Err(_) => Err(("it does not answer".to_owned(), Unavailable::Disconnected.into())),
        };
        // A database that refuses because it has no connection left is reached.
        self.reach.note(!matches!(opened, Err((_, StoreError::Unavailable(Unavailable::Disconnected)))));
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
        if let Some(sent) = connection.late_since() {
            self.pool.reach.note_late(sent);
        }
        if is_current && connection.is_clean() {
            idle.push(connection);
        } else {
            drop(idle);
            connection.close();
        }
    }
}
