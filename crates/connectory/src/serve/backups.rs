//! Backups that a server makes of its database from time to time, on a thread of its own: into a folder, named by time, of
//! which the newest are kept. Of several servers, the one with the lease makes them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use connectory_model::limits::{
    BACKUP_ABANDONED, BACKUP_AHEAD, BACKUP_CLOSE_TIMEOUT, BACKUP_LOOK, BACKUP_RETRY, LEASE,
};
use connectory_server::options::BackupMetrics;
use connectory_server::work::give_way;
use connectory_store::{BackupSource, Lease, LeasedWork, Store};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use tokio::runtime::Handle;

use super::leases::Leasing;
use crate::files::{self, PARTIAL};

/// How the name of a backup begins and ends.
const NAME: (&str, &str) = ("connectory-", ".backup");
/// The time in the name: the beginning of the backup, in UTC.
const TIME: &str = "%Y-%m-%dT%H-%M-%SZ";

/// Where backups are made, how often, and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The folder.
    pub to: PathBuf,
    /// The time from one backup to the next.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
}

/// The thread that makes backups. It ends when this is dropped.
pub struct Backups {
    is_stopping: Arc<AtomicBool>,
    wake: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl Drop for Backups {
    /// Ends the backup that is being made, so that nothing is left of it.
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.wake = None;
        let _late = self.ended.recv_timeout(BACKUP_CLOSE_TIMEOUT);
    }
}

/// Starts to make backups, if they are wanted. Fails if there is no such folder.
pub async fn start(wanted: Option<(Schedule, BackupMetrics)>, store: &Store) -> Result<Option<Backups>> {
    let Some((schedule, metrics)) = wanted else { return Ok(None) };
    let source = store.backup_source()?;
    // As the folder of a database, it is made if it is missing.
    fs::create_dir_all(&schedule.to)
        .with_context(|| format!("--backup-to: cannot create {}", schedule.to.display()))?;
    schedule.note_newest(&metrics).with_context(|| format!("--backup-to: cannot read {}", schedule.to.display()))?;
    let (leasing, runtime) = (Leasing::start(store, LeasedWork::Backups).await, Handle::current());
    let (wake, woken) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let is_stopping = Arc::<AtomicBool>::default();
    let stopping = Arc::clone(&is_stopping);
    let run = move || {
        // Dropped at the end, which `ended` notices.
        let _end = end;
        give_way();
        let lease = || runtime.block_on(leasing.confirmed());
        run(&schedule, &source, &metrics, &Turn { lease: &lease, is_stopping: &stopping }, &woken);
    };
    std::thread::Builder::new().name("backups".to_owned()).spawn(run).context("cannot start a thread")?;
    Ok(Some(Backups { is_stopping, wake: Some(wake), ended }))
}

/// Whether this server makes the next backup.
struct Turn<'a> {
    /// Returns the lease, if this server has it now.
    lease: &'a dyn Fn() -> Option<Lease>,
    is_stopping: &'a AtomicBool,
}

fn run(schedule: &Schedule, source: &BackupSource, metrics: &BackupMetrics, turn: &Turn<'_>, woken: &Receiver<()>) {
    loop {
        // Another server may have made it. That the folder cannot be read is noticed below.
        let _unread = schedule.note_newest(metrics);
        let wait = match schedule.wait() {
            // The time may be set, and a machine may sleep, so that a long wait would not be right.
            Ok(wait) if !wait.is_zero() => wait.min(BACKUP_LOOK),
            due => match due.and_then(|_| make(schedule, source, turn)) {
                // Another server makes it, in this folder or in one of its own.
                Ok(None) => LEASE / 3,
                Ok(Some((time, bytes))) => {
                    note(metrics, time, bytes);
                    if let Err(error) = schedule.remove_old() {
                        tracing::error!(error = format!("{error:#}"), "old backups could not be removed");
                    }
                    Duration::ZERO
                }
                Err(_) if turn.is_stopping.load(Ordering::Relaxed) => return,
                Err(error) => {
                    metrics.failures.inc();
                    let again = BACKUP_RETRY.min(schedule.every);
                    tracing::error!(
                        error = format!("{error:#}"),
                        again_in = format!("{again:?}"),
                        "a backup could not be made"
                    );
                    again
                }
            },
        };
        if woken.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Shows the newest backup in the metrics.
fn note(metrics: &BackupMetrics, time: Timestamp, bytes: u64) {
    metrics.last_success.set(time.as_second());
    metrics.last_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
}

/// Makes a backup. Returns its time and its bytes, or none if another server makes backups. The file gets its name only if this
/// server still has the lease with which it began.
fn make(schedule: &Schedule, source: &BackupSource, turn: &Turn<'_>) -> Result<Option<(Timestamp, u64)>> {
    let Some(lease) = (turn.lease)() else { return Ok(None) };
    let time = Timestamp::now();
    let path = schedule.to.join(format!("{}{}{}", NAME.0, time.strftime(TIME), NAME.1));
    let (revisions, bytes) = files::write_new_by(&path, |file| {
        let mut to = Stoppable { file, is_stopping: turn.is_stopping, bytes: 0 };
        let counts = source.write(&mut to, &mut |_, _| {})?;
        if (turn.lease)() != Some(lease) {
            bail!("another server makes backups now, so this one is not kept");
        }
        Ok((counts.revisions, to.bytes))
    })?;
    let took_ms = u64::try_from(Timestamp::now().duration_since(time).as_millis()).unwrap_or_default();
    tracing::info!(path = %path.display(), revisions, bytes, took_ms, "a backup was made");
    Ok(Some((time, bytes)))
}

/// A file whose writer ends with the server.
struct Stoppable<'a> {
    file: &'a File,
    is_stopping: &'a AtomicBool,
    bytes: u64,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(io::Error::other("the server stops"));
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Schedule {
    /// Shows the newest backup in the metrics, if there is one.
    fn note_newest(&self, metrics: &BackupMetrics) -> io::Result<()> {
        if let Some((time, path)) = self.made()?.pop() {
            note(metrics, time, fs::metadata(path).map_or(0, |file| file.len()));
        }
        Ok(())
    }

    /// The time until the next backup is due.
    fn wait(&self) -> Result<Duration> {
        let made = self.made().with_context(|| format!("cannot read {}", self.to.display()))?;
        let Some((newest, _)) = made.last() else { return Ok(Duration::ZERO) };
        let age = Duration::try_from(Timestamp::now().duration_since(*newest)).unwrap_or_default();
        Ok(self.every.saturating_sub(age))
    }

    /// The backups in the folder, the oldest first. Other files are left out, and so are backups of the future, which were
    /// made when the clock was wrong: they would be the newest ones, whatever is made.
    fn made(&self) -> io::Result<Vec<(Timestamp, PathBuf)>> {
        let mut made = Vec::new();
        for file in fs::read_dir(&self.to)? {
            let file = file?;
            if let Some(time) = file.file_name().to_str().and_then(time_of)
                && file.file_type()?.is_file()
            {
                made.push((time, file.path()));
            }
        }
        let now = Timestamp::now() + BACKUP_AHEAD;
        made.retain(|(time, _)| *time <= now);
        made.sort();
        Ok(made)
    }

    /// Removes the oldest backups, and what processes left that ended while they made one.
    fn remove_old(&self) -> Result<()> {
        let made = self.made().with_context(|| format!("cannot read {}", self.to.display()))?;
        let old = &made[..made.len().saturating_sub(self.keep)];
        let abandoned = abandoned(&self.to)?;
        for path in old.iter().map(|(_, path)| path).chain(&abandoned) {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// The parts of backups to which nothing was written for some time.
fn abandoned(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut abandoned = Vec::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let file = file?;
        let is_partial =
            file.file_name().to_str().is_some_and(|name| name.starts_with(PARTIAL.0) && name.ends_with(PARTIAL.1));
        // It may be gone by now.
        let Some(metadata) = file.metadata().ok().filter(|metadata| is_partial && metadata.is_file()) else { continue };
        let age = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        if age.is_some_and(|age| age > BACKUP_ABANDONED) {
            abandoned.push(file.path());
        }
    }
    Ok(abandoned)
}

/// The time in the name of a backup, if it is the name of one.
fn time_of(name: &str) -> Option<Timestamp> {
    let time = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    let parsed = Offset::UTC.to_timestamp(DateTime::strptime(TIME, time).ok()?).ok()?;
    // Not another way to write it.
    (parsed.strftime(TIME).to_string() == time).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn schedule(folder: &Path, keep: usize) -> Schedule {
        Schedule { to: folder.to_owned(), every: Duration::from_hours(24), keep }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_backup_of_the_future_is_neither_the_newest_nor_removed() {
        let folder = TempDir::new().unwrap();
        let schedule = schedule(folder.path(), 1);
        for year in ["2001", "2002", "2999"] {
            fs::write(folder.path().join(format!("{}{year}-01-02T03-04-05Z{}", NAME.0, NAME.1)), "").unwrap();
        }
        assert_eq!(schedule.wait().unwrap(), Duration::ZERO, "the newest is of 2002");
        schedule.remove_old().unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        assert!(!names(folder.path())[0].contains("2001"));
        let now = Timestamp::now().strftime(TIME).to_string();
        fs::write(folder.path().join(format!("{}{now}{}", NAME.0, NAME.1)), "").unwrap();
        assert!(schedule.wait().unwrap() > Duration::from_hours(23));
    }

    #[test]
    fn only_files_of_the_naming_are_counted_and_removed() {
        let folder = TempDir::new().unwrap();
        let backup = |day| format!("connectory-2026-11-{day}T01-02-03Z.backup");
        let others = [
            "connectory-2026-11-01.backup",
            "connectory-2026-11-31T01-02-03Z.backup",
            "connectory-2026-1-01T01-02-03Z.backup",
            "connectory-2026-11-01T01-02-03Z.backup.gz",
            "connectory.db",
            "mine.backup",
            ".connectory-a.partial",
        ];
        for name in others.into_iter().map(str::to_owned).chain(["04", "02", "03", "05"].map(backup)) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        // A folder, and a link that leads elsewhere.
        fs::create_dir(folder.path().join(backup("01"))).unwrap();
        std::os::unix::fs::symlink("connectory.db", folder.path().join(backup("06"))).unwrap();
        let mut expected: Vec<_> = others.into_iter().map(str::to_owned).collect();
        expected.extend(["01", "04", "05", "06"].map(backup));
        expected.sort();
        schedule(folder.path(), 2).remove_old().unwrap();
        assert_eq!(names(folder.path()), expected);
        let partial = File::options().write(true).open(folder.path().join(".connectory-a.partial")).unwrap();
        partial.set_modified(SystemTime::now() - 2 * BACKUP_ABANDONED).unwrap();
        schedule(folder.path(), 2).remove_old().unwrap();
        expected.retain(|name| name != ".connectory-a.partial");
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn a_backup_is_due_when_the_newest_is_older_than_the_time_between_two() {
        let folder = TempDir::new().unwrap();
        let schedule = schedule(folder.path(), 2);
        assert_eq!(schedule.wait().unwrap(), Duration::ZERO);
        let make = |hours: i64| {
            let time = Timestamp::now() - jiff::SignedDuration::from_hours(hours);
            let path = folder.path().join(format!("connectory-{}.backup", time.strftime(TIME)));
            fs::write(&path, "").unwrap();
            path
        };
        make(25);
        assert_eq!(schedule.wait().unwrap(), Duration::ZERO);
        make(23);
        let wait = schedule.wait().unwrap();
        assert!(wait > Duration::from_mins(59) && wait <= Duration::from_hours(1), "{wait:?}");
        let future = make(-2);
        assert!(schedule.wait().unwrap() > Duration::from_mins(59), "the clock was wrong when that was made");
        fs::remove_file(future).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(schedule.wait().is_err());
    }

    #[test]
    fn a_failure_is_counted_and_tried_again_later() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("c.db");
        drop(Store::open(&path).unwrap());
        let source = BackupSource::open(&path).unwrap();
        let (metrics, schedule) = (BackupMetrics::default(), schedule(&folder.path().join("none"), 2));
        let (wake, woken) = mpsc::channel();
        let measured = metrics.clone();
        let running = std::thread::spawn(move || {
            let turn = Turn { lease: &of_sqlite, is_stopping: &AtomicBool::new(false) };
            run(&schedule, &source, &measured, &turn, &woken);
        });
        while metrics.failures.get() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        // What wakes the thread up makes it try again.
        fs::create_dir(folder.path().join("none")).unwrap();
        wake.send(()).unwrap();
        while metrics.last_success.get() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(wake);
        running.join().unwrap();
        assert_eq!((names(&folder.path().join("none")).len(), metrics.failures.get()), (1, 1));
    }

    /// The lease of a process that alone uses its database.
    fn of_sqlite() -> Option<Lease> {
        let folder = TempDir::new().unwrap();
        let store = Store::open_without_syncs(&folder.path().join("c.db")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(store.lease(LeasedWork::Backups, LEASE)).unwrap()
    }

    #[test]
    fn a_backup_of_a_server_that_lost_its_lease_is_not_kept() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("c.db");
        drop(Store::open(&path).unwrap());
        let source = BackupSource::open(&path).unwrap();
        let to = folder.path().join("backups");
        fs::create_dir(&to).unwrap();
        let (goes_on, asked) = (AtomicBool::new(false), AtomicBool::new(false));
        let lost = || if asked.swap(true, Ordering::Relaxed) { None } else { of_sqlite() };
        let turn = Turn { lease: &lost, is_stopping: &goes_on };
        let refused = make(&schedule(&to, 2), &source, &turn).unwrap_err();
        assert!(format!("{refused:#}").contains("another server makes backups now"), "{refused:#}");
        assert!(make(&schedule(&to, 2), &source, &turn).unwrap().is_none(), "another server has the lease");
        assert_eq!(names(&to), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_left_of_a_backup_that_is_stopped() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("c.db");
        drop(Store::open(&path).unwrap());
        let source = BackupSource::open(&path).unwrap();
        let to = folder.path().join("backups");
        fs::create_dir(&to).unwrap();
        let (stops, goes_on) = (AtomicBool::new(true), AtomicBool::new(false));
        let turn = Turn { lease: &of_sqlite, is_stopping: &stops };
        let stopped = make(&schedule(&to, 2), &source, &turn).unwrap_err();
        assert!(format!("{stopped:#}").contains("the server stops"), "{stopped:#}");
        assert_eq!(names(&to), Vec::<String>::new());
        let turn = Turn { lease: &of_sqlite, is_stopping: &goes_on };
        let (_, bytes) = make(&schedule(&to, 2), &source, &turn).unwrap().unwrap();
        let made = names(&to);
        assert_eq!((made.len(), fs::metadata(to.join(&made[0])).unwrap().len()), (1, bytes));
    }
}
