//! A connection, and the task that keeps it going.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{AsyncMessage, Client, NoTls, Row, RowStream};

use super::address::Address;
use super::connect::{ConnectError, Messages, Tls};
use super::failure;
use super::limits::CANCEL;
use super::value::{Value, typed};
use crate::error::{Result, StoreError, Unavailable};

/// A connection to the database.
pub(super) struct Connection {
    client: Client,
    tls: Tls,
    /// Whether the database warned since this was last asked.
    warned: Arc<AtomicBool>,
    /// The statements that are not answered. One whose caller does not wait any more stays one of them: its answer may
    /// come late or never, and what is asked after it would wait for it.
    open: AtomicUsize,
    /// When the database last answered, and when the statement was sent that it did not answer in time.
    heard: Mutex<(Instant, Option<Instant>)>,
    /// Whether a transaction was begun and not ended.
    in_transaction: AtomicBool,
    /// The task that reads what the database sends.
    driver: AbortHandle,
}

impl Drop for Connection {
    /// Closes the connection at once if it waits for an answer. Its task would wait for the answer before it closes the
    /// connection. If a part of what was sent is lost, the database waits for that part meanwhile, with the lock of its
    /// transaction, and no limit of a transaction ends this wait.
    fn drop(&mut self) {
        if self.open.load(Ordering::Relaxed) > 0 {
            self.driver.abort();
        }
    }
}

impl Connection {
    pub async fn open(address: &Address) -> Result<Self, ConnectError> {
        let (client, messages, tls) = address.connect().await?;
        let warned = Arc::<AtomicBool>::default();
        let driver = tokio::spawn(drive(messages, Arc::clone(&warned))).abort_handle();
        let (open, in_transaction) = (AtomicUsize::new(0), AtomicBool::new(false));
        let heard = Mutex::new((Instant::now(), None));
        Ok(Self { client, tls, warned, open, heard, in_transaction, driver })
    }

    /// When the database last answered.
    pub fn answered_at(&self) -> Instant {
        self.heard().0
    }

    /// When the statement was sent that the database did not answer in time. None if there is none.
    pub fn late_since(&self) -> Option<Instant> {
        self.heard().1
    }

    fn heard(&self) -> MutexGuard<'_, (Instant, Option<Instant>)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection can be used for another caller.
    pub fn is_clean(&self) -> bool {
        let is_idle = self.open.load(Ordering::Relaxed) == 0 && !self.in_transaction.load(Ordering::Relaxed);
        is_idle && !self.client.is_closed()
    }

    /// Closes a connection that cannot be used any more. If a statement of its own is not answered, the database is asked
    /// to end it: otherwise it would be there until it is done, for example while it waits for a table, and others would
    /// come after it. A transaction has limits of its own, and a commit is never cancelled.
    pub fn close(self) {
        let is_waiting = self.open.load(Ordering::Relaxed) > 0 && !self.in_transaction.load(Ordering::Relaxed);
        if let Ok(runtime) = Handle::try_current()
            && is_waiting
        {
            let (token, tls) = (self.client.cancel_token(), self.tls.clone());
            runtime.spawn(timeout(CANCEL, async move {
                let cancelled = match tls {
                    Some(tls) => token.cancel_query(tls).await,
                    None => token.cancel_query(NoTls).await,
                };
                if let Err(error) = cancelled {
                    tracing::debug!(%error, "a statement could not be cancelled");
                }
            }));
        }
    }

    /// Runs one statement. Statements whose futures are polled together travel together.
    pub async fn query(&self, sql: &str, values: &[&dyn Value], within: Duration) -> Result<Vec<Row>, Failed> {
        let values = typed(values);
        self.bounded(self.client.query_typed(sql, &values), within).await
    }

    /// Runs one statement whose rows are read one after the other.
    pub async fn stream(&self, sql: &str, values: &[&dyn Value], within: Duration) -> Result<RowStream, Failed> {
        let values = typed(values);
        self.bounded(self.client.query_typed_raw(sql, values), within).await
    }

    /// Begins a transaction and takes a lock until its end. The lock is alone in its statement: what is read in the same
    /// statement would be older than the wait.
    pub async fn begin(&self, lock: Lock, within: Duration) -> Result<(), Failed> {
        self.begin_with(&lock.statement(), within).await
    }

    /// Begins a transaction without a lock.
    pub async fn begin_without_lock(&self, within: Duration) -> Result<(), Failed> {
        self.begin_with("", within).await
    }

    /// Begins a transaction and runs one more statement.
    async fn begin_with(&self, statement: &str, within: Duration) -> Result<(), Failed> {
        self.in_transaction.store(true, Ordering::Relaxed);
        let (wait, idle, alive) = (super::limits::LOCK, super::limits::IDLE, super::limits::ALIVE);
        // A role or a database may have other defaults. A commit needs the warnings. The limit on the idle time does not
        // hold while the database waits for the rest of what was sent together, so it must notice that this host is gone.
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SELECT set_config('lock_timeout', '{wait}', true), \
                    set_config('idle_in_transaction_session_timeout', '{idle}', true), \
                    set_config('tcp_keepalives_idle', '{alive}', true), \
                    set_config('tcp_keepalives_interval', '{alive}', true), \
                    set_config('tcp_keepalives_count', '2', true), \
                    set_config('tcp_user_timeout', '{}', true), \
                    set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), \
                               true), \
                    set_config('client_min_messages', 'warning', true); \
             {}",
            3000 * alive,
            statement
        );
        self.run(&sql, within).await
    }

    /// Begins a transaction that reads all of the database at one moment. It may take long, and waits for whoever takes the
    /// rows.
    pub async fn begin_read(&self, within: Duration) -> Result<(), Failed> {
        self.in_transaction.store(true, Ordering::Relaxed);
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                   SELECT set_config('idle_in_transaction_session_timeout', '0', true), \
                          set_config('statement_timeout', '0', true)";
        self.run(sql, within).await
    }

    /// Runs statements without values.
    pub async fn run(&self, sql: &str, within: Duration) -> Result<(), Failed> {
        self.bounded(self.client.batch_execute(sql), within).await
    }

    /// Commits. A warning means that the database did not do all that it does for a commit, such as waiting for its
    /// standby.
    pub async fn commit(&self) -> Result<(), Failed> {
        self.commit_within(super::limits::COMMIT).await
    }

    /// Commits within a time.
    pub async fn commit_within(&self, time: Duration) -> Result<(), Failed> {
        self.warned.store(false, Ordering::Relaxed);
        self.run("COMMIT", time).await?;
        if self.warned.load(Ordering::Relaxed) {
            return Err(Failed::Warned);
        }
        self.in_transaction.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Ends a transaction without its writes. If that fails, the connection is closed, and so is the transaction.
    pub async fn roll_back(&self) {
        if self.run("ROLLBACK", super::limits::QUERY).await.is_ok() {
            self.in_transaction.store(false, Ordering::Relaxed);
        }
    }

    async fn bounded<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
        within: Duration,
    ) -> Result<T, Failed> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        let Ok(answer) = timeout(within, statement).await else {
            self.heard().1 = Some(sent);
            return Err(Failed::Late);
        };
        self.heard().0 = Instant::now();
        self.open.fetch_sub(1, Ordering::Relaxed);
        answer.map_err(Failed::Statement)
    }
}

/// The lock of a transaction.
#[derive(Clone, Copy)]
pub(super) struct Lock {
    kind: i32,
    tenant: i64,
}

impl Lock {
    /// The locks of this program, among those of others in the same database: the letters `cty` and a number.
    const PREFIX: i32 = i32::from_be_bytes([b'c', b't', b'y', 0]);
    /// The schema, and what belongs to no tenant.
    pub const INSTANCE: Self = Self { kind: Self::PREFIX, tenant: 0 };

    /// Whoever removes the rows of deleted tenants.
    pub const REMOVAL: Self = Self { kind: Self::PREFIX + 4, tenant: 0 };

    /// The statement that takes the lock until the end of the transaction.
    pub fn statement(self) -> String {
        format!("SELECT pg_advisory_xact_lock({}, {})", self.kind, self.tenant)
    }

    /// The two numbers of the lock.
    pub fn key(self) -> (i64, i64) {
        (self.kind.into(), self.tenant)
    }

    /// Orders the commits of a tenant.
    pub const fn commits(tenant: crate::access::TenantId) -> Self {
        Self { kind: Self::PREFIX + 1, tenant: tenant.get() }
    }

    /// Orders the changes of access of a tenant.
    pub const fn access(tenant: crate::access::TenantId) -> Self {
        Self { kind: Self::PREFIX + 2, tenant: tenant.get() }
    }
}

/// Why a statement has no result.
#[derive(Debug)]
pub(super) enum Failed {
    /// The database refused it, or the connection broke.
    Statement(tokio_postgres::Error),
    /// There was no answer in time.
    Late,
    /// The transaction is committed, but the database warned.
    Warned,
}

impl Failed {
    /// Whether another transaction took the key of a row first.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Statement(error) if failure::is_taken(error))
    }

    /// What the database said, if a table, a function or a right is missing.
    pub fn of_tables(&self) -> Option<&str> {
        let Self::Statement(error) = self else { return None };
        let refused = error.as_db_error()?;
        failure::is_of_tables(refused.code()).then(|| refused.message())
    }

    /// What a pooler said, if the database did not get the statement. The database does not use this code for a statement
    /// that it can read.
    pub fn of_pooler(&self) -> Option<&str> {
        let Self::Statement(error) = self else { return None };
        let refused = error.as_db_error()?;
        (*refused.code() == SqlState::PROTOCOL_VIOLATION).then(|| refused.message())
    }

    /// What a commit that failed in this way means for its caller.
    pub fn of_commit(&self) -> StoreError {
        match self {
            Self::Late | Self::Warned => StoreError::Uncertain(Unavailable::Unconfirmed),
            Self::Statement(_) if self.is_refusal() => self.into(),
            Self::Statement(_) => StoreError::Uncertain(Unavailable::Disconnected),
        }
    }

    /// Whether a commit that failed in this way was certainly not made.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Statement(error) if failure::is_refusal(error))
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        Self::from(&failed)
    }
}

impl From<&Failed> for StoreError {
    fn from(failed: &Failed) -> Self {
        match failed {
            Failed::Statement(error) => error.into(),
            Failed::Late => Unavailable::Slow.into(),
            Failed::Warned => Self::Uncertain(Unavailable::Unconfirmed),
        }
    }
}

/// Reads what the database sends, until the connection ends.
async fn drive(mut messages: Messages, warned: Arc<AtomicBool>) {
    while let Some(message) = messages.next().await {
        match message {
            // The text of the severity is translated.
            Ok(AsyncMessage::Notice(notice)) if notice.parsed_severity() == Some(Severity::Warning) => {
                warned.store(true, Ordering::Relaxed);
                tracing::warn!(message = notice.message(), code = notice.code().code(), "the database warns");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a connection to the database broke");
                // Dropping the messages ends the statements that wait for an answer.
                return;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::connect::tls_cluster::{Authority, Cluster, is_asked_for};
    use super::*;

    #[tokio::test]
    async fn the_database_notices_in_a_transaction_that_this_host_is_gone() {
        if !is_asked_for() {
            return;
        }
        let cluster = Cluster::start(&Authority::new("ours"), "host all all 127.0.0.1/32 trust\nlocal all all trust\n");
        let text = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", cluster.port);
        let connection = Connection::open(&Address::parse(&text, |_| None).unwrap()).await.unwrap();
        // PostgreSQL shows what the socket has.
        let shown = async |setting: &str| {
            let rows = connection.query(&format!("SHOW {setting}"), &[], CANCEL).await.unwrap();
            rows[0].get::<_, String>(0)
        };
        let settings = ["tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"];
        let defaults = futures_util::future::join_all(settings.map(shown)).await;
        connection.begin(Lock::INSTANCE, CANCEL).await.unwrap();
        assert_eq!(futures_util::future::join_all(settings.map(shown)).await, ["3", "3", "2", "9000"]);
        connection.roll_back().await;
        assert_eq!(futures_util::future::join_all(settings.map(shown)).await, defaults);
    }
}
