//! The limits of this engine, with their reasons. Nothing waits for a database without an end.

use std::time::Duration;

/// Connections for the reads of connectors and their history.
pub(super) const READERS: usize = 6;
/// Connections that only authentication uses, so that reads of connectors, however many, do not delay it.
pub(super) const ACCESS_READERS: usize = 2;
/// Connections for commits: so many tenants commit at the same time.
pub(super) const WRITERS: usize = 6;
/// Connections for changes of access.
pub(super) const ACCESS_WRITERS: usize = 2;

/// How long a caller waits for a free connection.
pub(super) const ACQUIRE: Duration = Duration::from_secs(2);
/// How long it may take to connect, whatever the address says for each of its hosts.
pub(super) const CONNECT: Duration = Duration::from_secs(15);
/// The time after which a connection is tried again that could not be opened, twice as long after each failure, and at most
/// the second. Requests that need one get 503 meanwhile.
pub(super) const RECONNECT: Duration = Duration::from_millis(20);
pub(super) const RECONNECT_MOST: Duration = Duration::from_millis(500);
/// How long it may take to cancel a statement that is late.
pub(super) const CANCEL: Duration = Duration::from_secs(5);
/// How long a statement may take, or the statements that are sent together.
pub(super) const QUERY: Duration = Duration::from_secs(5);
/// How long the first statements of a transaction may take. They wait for a lock, for [`LOCK`] at most.
pub(super) const BEGIN: Duration = Duration::from_secs(8);
/// How long a transaction waits for its lock, as the database reads it.
pub(super) const LOCK: &str = "5s";
/// How long a transaction may wait for the next statement. After that the database ends it, and its lock is free.
pub(super) const IDLE: &str = "4s";
/// In a transaction, the seconds after which the database asks whether this host is there. It asks twice, as often, and
/// then ends the transaction.
pub(super) const ALIVE: u32 = 3;
/// How long a commit may take, with what it writes. Then its outcome is not known, and is looked up.
pub(super) const COMMIT: Duration = Duration::from_secs(10);
/// How many bytes of a batch add a second to that: those of 256 MiB, the largest, 16 seconds.
pub(super) const COMMIT_BYTES_PER_SECOND: u64 = 16 << 20;
/// How long a transaction with a lock may wait for the rest of what its process sends. A process that runs gives up before.
pub(super) const STUCK: Duration = Duration::from_secs(30);
/// How long an outcome that is not known is looked up.
pub(super) const SETTLE: Duration = Duration::from_secs(10);
/// The time between two attempts to look it up.
pub(super) const SETTLE_AGAIN: Duration = Duration::from_millis(200);
/// How long a fresh read waits.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// The time for which the result of a write predicts the result of the next one.
pub(super) const CHECKED: Duration = Duration::from_secs(1);
/// How often a batch starts again when another one took its numbers. The lock prevents that, so this happens only where
/// an engine does not have it.
pub(super) const ATTEMPTS: u32 = 20;

/// How long a migration waits for a table, as the database reads it: meanwhile, all others wait who need the table.
pub(super) const MIGRATE_LOCK: &str = "1s";
/// The time between two attempts to migrate, and the time after which a start gives up.
pub(super) const MIGRATE_AGAIN: Duration = Duration::from_secs(2);
pub(super) const MIGRATE: Duration = Duration::from_mins(10);
/// How long a statement may take that reads whole tables, when an operator checks a database.
pub(super) const WHOLE: Duration = Duration::from_hours(24);
/// How long a restore may wait between two statements, while it reads the backup, as the database reads it.
pub(super) const RESTORE_IDLE: &str = "5min";
/// How long the statements of a restore may take. Each writes some megabytes.
pub(super) const RESTORE: Duration = Duration::from_mins(5);

/// The jobs of a tenant that wait. Callers wait when there are more.
pub(super) const QUEUE: usize = 1024;
/// How long a job may wait for the batches before it. After that it is refused, because its caller may be gone.
pub(super) const QUEUED: Duration = Duration::from_secs(10);
/// The largest number of jobs in one transaction. It limits how long the first job waits.
pub(super) const BATCH: usize = 256;
/// The largest number of bytes in one transaction, unless a single job has more.
pub(super) const BATCH_BYTES: u64 = 32 << 20;
/// How many revisions of others a node reads one by one. If there are more, it reads what changed.
pub(super) const RECENT: usize = 1000;
/// How many revisions of others a node reads at most, because it has all of them in memory. If there are more, it loads the
/// tenant anew, which reads every connector, but one after the other, and has no limit of time as a whole.
pub(super) const FAR: i64 = 5_000;
/// How many changes are parsed, or handed to the follower, on the thread of the one who read them. More have a thread where
/// that may take long.
pub(super) const INLINE: usize = 64;
/// How many rows of a load wait for the one that reads them.
pub(super) const LOADED_ROWS: usize = 1024;
