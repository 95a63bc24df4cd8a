//! The database file: created once, locked for the process that serves it, and checked while it is served.
//!
//! POSIX releases *all* locks that a process has on a file when the process closes *any* descriptor of the file. SQLite
//! avoids this and closes no descriptor too early. Other code in the same process that opens and closes the file would
//! release SQLite's locks. The next program that opens the database would then treat itself as the only user, and would
//! remove the log that the server still uses. So this module opens the file once in a process, before any connection,
//! and keeps the descriptor open until the last connection is closed: everything that has connections also has a
//! [`DatabaseFile`].
//!
//! SQLite also uses any log that it finds beside a database. A log remains after a crash, and would damage a backup
//! that replaces the database. So each start of the server writes a mark into the database, and records the mark in a
//! file beside it. The server refuses a log beside a database with another mark. The new mark is in the log first. So
//! the file beside the database has two marks until the log is copied into the database: the one that the database has
//! and the new one.
//!
//! The lock is on the file itself (`flock`, which SQLite does not use), not on its path. So a database stays locked if
//! it is renamed, if it is mounted at another path, or if its lock file is removed. The lock file beside the database
//! contains the id of the process and the marks.
//!
//! Only the owner of the files has access to them, because the database contains the key that signs tokens.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write as _};
use std::ops::RangeInclusive;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

use rustix::fs::OFlags;

use super::content::{self, Content};
use super::syncs::Syncs;
use crate::error::{Result, StoreError, Unavailable};

/// The identity of a file, independent of its path: the device and the inode number.
type FileId = (u64, u64);

/// The databases that are open in this process.
static OPEN: LazyLock<Mutex<HashMap<FileId, Weak<DatabaseFile>>>> = LazyLock::new(Mutex::default);

/// An open database file.
pub(super) struct DatabaseFile {
    path: PathBuf,
    file: File,
    id: FileId,
    /// Whether this process has the lock.
    locked: AtomicBool,
    /// The log and the index of the log. Without them, the database loses writes.
    beside: OnceLock<[(PathBuf, FileId); 2]>,
}

impl DatabaseFile {
    /// Opens the file. Creates the file and its folder if they are missing.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        let io = |error| StoreError::Io { path: path.to_owned(), error };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        Self::open_if(path, |_| Ok(()))
    }

    /// Opens the file of a database that a server has created. Creates nothing.
    pub fn open_existing(path: &Path) -> Result<Arc<Self>> {
        // A path that cannot be looked at, because of a folder's mode for example, is another error.
        if !path.try_exists().map_err(|error| StoreError::Io { path: path.to_owned(), error })? {
            return Err(StoreError::Absent(path.to_owned()));
        }
        let log = beside(path, "-wal");
        Self::open_if(path, |content| match content {
            // What a new database has may be in its log only.
            Content::Nothing if !has_bytes(&log) => Err(StoreError::Empty(path.to_owned())),
            _ => Ok(()),
        })
    }

    /// Opens the file, if this process has it open already or its content is accepted. Nothing changes before that.
    fn open_if(path: &Path, accept: impl FnOnce(Content) -> Result<()>) -> Result<Arc<Self>> {
        let io = |error| StoreError::Io { path: path.to_owned(), error };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, file| file.strong_count() > 0);
        let known = std::fs::metadata(path).ok().and_then(|metadata| open.get(&id(&metadata))?.upgrade());
        if let Some(known) = known {
            return Ok(known);
        }
        // SQLite would treat an empty file as a new database, and would remove the log of the previous database.
        let log = beside(path, "-wal");
        if !has_bytes(path) && has_bytes(&log) {
            return Err(StoreError::Orphaned { path: path.to_owned(), log });
        }
        accept(content::look_at(&std::path::absolute(path).map_err(io)?)?)?;
        let file = for_owner().read(true).append(true).open(path).map_err(io)?;
        if has_bytes(&log)
            && let Some(found) = header(&file).map_err(io)?
        {
            expect_own_log(path, log, found)?;
        }
        let metadata = file.metadata().map_err(io)?;
        // The log and the lock file are beside one path. Another path would have another log.
        let path = path.canonicalize().map_err(io)?;
        if links(&metadata) > 1 {
            return Err(StoreError::Linked { path, links: links(&metadata) });
        }
        if is_mount_point(&path) {
            return Err(StoreError::Mounted(path));
        }
        if let Some(kind) = network_file_system(&file) {
            return Err(StoreError::Network { path, kind });
        }
        narrow(&path);
        let id = id(&metadata);
        let opened = Arc::new(Self { path, file, id, locked: AtomicBool::default(), beside: OnceLock::new() });
        open.insert(id, Arc::downgrade(&opened));
        Ok(opened)
    }

    /// The canonical path, which every connection uses.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records the identities of the log and its index. Both files exist after the first read of a connection.
    pub fn has_log(&self) -> Result<()> {
        let found = |end: &str| -> Result<_> {
            let path = beside(&self.path, end);
            let metadata = std::fs::metadata(&path).map_err(|error| StoreError::Io { path: path.clone(), error })?;
            Ok((path, id(&metadata)))
        };
        let files = [found("-wal")?, found("-shm")?];
        self.beside.get_or_init(|| files);
        Ok(())
    }

    /// Checks whether the database, its log and the log's index are still at the paths where they were opened.
    /// Otherwise writes would go to files that no program can find again.
    pub fn in_place(&self) -> Result<(), Unavailable> {
        let is_at = |path: &Path, expected: FileId| match id_at(path) {
            Ok((found, 1)) if found == expected => Ok(()),
            Ok((found, _)) if found == expected => Err(Unavailable::Linked),
            Ok(_) => Err(Unavailable::Replaced),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unavailable::Missing),
            Err(_) => Err(Unavailable::Unreachable),
        };
        is_at(&self.path, self.id)?;
        self.beside.get().into_iter().flatten().try_for_each(|(path, id)| is_at(path, *id))
    }

    /// Takes the lock, or returns the process that has it. A new lock file is on disk when this returns, before the log
    /// exists: the log beside a lock file that a power failure emptied would be refused.
    pub fn lock(self: &Arc<Self>, syncs: Syncs) -> Result<Lock> {
        let in_use = |pid| StoreError::InUse { path: self.path.clone(), pid };
        if self.locked.swap(true, Ordering::AcqRel) {
            return Err(in_use(Some(std::process::id())));
        }
        let unlocked = |error| {
            let _not_locked = self.file.unlock();
            self.locked.store(false, Ordering::Release);
            error
        };
        let path = beside(&self.path, ".lock");
        let io = |error| StoreError::Io { path: path.clone(), error };
        // On other systems this lock would conflict with SQLite's own locks. There the lock on the lock file must
        // suffice.
        let on_file = if cfg!(target_os = "linux") { self.file.try_lock() } else { Ok(()) };
        // Only the process with this lock creates the lock file. An empty lock file would remain if another process
        // created it, and the log would be refused.
        let holder = on_file.and_then(|()| {
            let mut options = for_owner();
            // SQLite follows no symbolic link to its files beside the database either.
            options.read(true).write(true).truncate(false).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
            let holder = options.open(&path).map_err(TryLockError::Error)?;
            holder.try_lock().map(|()| holder)
        });
        let mut holder = match holder {
            Ok(holder) => holder,
            Err(TryLockError::WouldBlock) => {
                // The id only helps the reader of the error. Without it the lock is still refused.
                let pid = File::open(&path).and_then(|mut file| read(&mut file)).unwrap_or_default();
                return Err(unlocked(in_use(pid.lines().next().and_then(|pid| pid.trim().parse().ok()))));
            }
            Err(TryLockError::Error(error)) => return Err(unlocked(io(error))),
        };
        let noted = read(&mut holder).map_err(|error| unlocked(io(error)))?;
        let mut lock = Lock { database: Arc::clone(self), holder, marks: Vec::new() };
        let is_new = noted.is_empty();
        let noted = lock.note(marks(&noted)).and_then(|()| if is_new { lock.sync(syncs) } else { Ok(()) });
        noted.inspect_err(|_| {
            if is_new {
                // A new lock file must not remain empty.
                let _remains = std::fs::remove_file(&path);
            }
        })?;
        Ok(lock)
    }
}

/// The lock of a database. The system releases it when the process ends for any reason.
pub(super) struct Lock {
    database: Arc<DatabaseFile>,
    holder: File,
    /// The marks in the lock file: those that the log's database may have. If there are two, the second one is newer,
    /// and may be in the log only.
    marks: Vec<Mark>,
}

impl Lock {
    /// Writes a new mark into the database, which its log belongs to from now on. `set` gives the database the first of
    /// these cookies unless it has one of them. `log_is_copied` copies the log into the database, and returns whether
    /// all of it was copied.
    pub fn mark(
        &mut self,
        syncs: Syncs,
        set: impl FnOnce(&RangeInclusive<u32>) -> Result<()>,
        log_is_copied: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        let found = self.found()?.ok_or(Unavailable::Damaged)?;
        let [old, new] = match self.marks[..] {
            // The mark of an earlier start may not be in the database yet. That mark is used again, so that there are
            // never more than two.
            [old, new] if old.is_of(found) || new.is_of(found) => [old, new],
            _ => {
                let old = self.marks.iter().copied().find(|mark| mark.is_of(found)).unwrap_or(found);
                [old, Mark { cookie: Mark::random(), changes: found.changes.max(Mark::CHANGED) }]
            }
        };
        self.note(vec![old, new])?;
        self.sync(syncs)?;
        set(&new.cookies())?;
        if log_is_copied()? { self.settle() } else { Ok(()) }
    }

    /// Forgets the older mark if the database has the newer one. Call this after the whole log was copied into the
    /// database.
    pub fn settle(&mut self) -> Result<()> {
        if let [_, new] = self.marks[..]
            && let Some(now) = self.found()?
            && new.is_of(now)
        {
            // First replace the older mark, then remove the newer one: the file always contains one of them.
            self.note(vec![now, new])?;
            self.note(vec![now])?;
        }
        Ok(())
    }

    /// Writes the process id and the marks into the lock file.
    fn note(&mut self, marks: Vec<Mark>) -> Result<()> {
        let text = note(std::process::id(), &marks);
        // The lock file is written in place, because other processes lock the same file. It is never empty, because a
        // full disk could then prevent the write.
        (&self.holder)
            .rewind()
            .and_then(|()| (&self.holder).write_all(text.as_bytes()))
            .and_then(|()| self.holder.set_len(text.len() as u64))
            .map_err(|error| self.io(error))?;
        self.marks = marks;
        Ok(())
    }

    /// Waits until the lock file is on disk.
    fn sync(&self, syncs: Syncs) -> Result<()> {
        match syncs {
            Syncs::Full => self.holder.sync_all().map_err(|error| self.io(error)),
            Syncs::Off => Ok(()),
        }
    }

    /// Reads the mark that the database has at the moment, without its log.
    fn found(&self) -> Result<Option<Mark>> {
        header(&self.database.file).map_err(|error| StoreError::Io { path: self.database.path.clone(), error })
    }

    fn io(&self, error: io::Error) -> StoreError {
        StoreError::Io { path: beside(&self.database.path, ".lock"), error }
    }
}

/// The mark of a database: two numbers of its header (sqlite.org/fileformat2.html). They distinguish the database from
/// other databases and from its own copies. A backup restarts the change counter, and has another cookie or the cookie
/// of an earlier start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The schema cookie. SQLite only compares it with earlier values. Each start of the server sets a random one.
    cookie: u32,
    /// The smallest value that SQLite's change counter can have. The counter never becomes smaller, but a connection
    /// that changes the database several times may increase it only once.
    changes: u32,
}

impl Mark {
    /// The largest increase of the cookie by other programs. `VACUUM` increases it by one.
    const RAISED: u32 = 1000;
    /// The range of random cookies. The cookies of backups are small, far below this range.
    const RANDOM: RangeInclusive<u32> = 1 << 20..=1 << 30;
    /// The smallest change counter of a database with a mark of a server. A copy that `VACUUM INTO` made has 1.
    const CHANGED: u32 = 2;

    fn random() -> u32 {
        let (random, ..) = uuid::Uuid::new_v4().as_fields();
        Self::RANDOM.start() + random % (Self::RANDOM.end() - Self::RANDOM.start())
    }

    /// The cookies that the marked database can have.
    fn cookies(self) -> RangeInclusive<u32> {
        self.cookie..=self.cookie.saturating_add(Self::RAISED)
    }

    /// Whether a database with these numbers can be the marked one.
    fn is_of(self, found: Self) -> bool {
        self.cookies().contains(&found.cookie) && found.changes >= self.changes
    }
}

/// Refuses a log that was not written for the database that has this mark.
fn expect_own_log(path: &Path, log: PathBuf, found: Mark) -> Result<()> {
    let lock = beside(path, ".lock");
    let noted = match File::open(&lock).and_then(|mut file| read(&mut file)) {
        Ok(noted) => noted,
        // The database and its log were brought here without the lock file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::Io { path: lock, error }),
    };
    let marks = marks(&noted);
    // The lock file contains a process id only if the server ended before it marked the database for the first time. So
    // do the lock files of early versions.
    let is_unmarked = noted.trim().parse::<u32>().is_ok();
    if is_unmarked || marks.iter().any(|mark| mark.is_of(found)) {
        return Ok(());
    }
    let (path, index) = (path.to_owned(), beside(path, "-shm"));
    Err(if marks.is_empty() {
        StoreError::UnknownLog { path, log, index, lock }
    } else {
        StoreError::ForeignLog { path, log, index, lock }
    })
}

/// Returns the text of the lock file: the process id, and a line for each mark. Every number has the same width and
/// there are at least two lines for marks. So the bytes of what does not change stay the same, and a write that does
/// not end damages only what it changes.
fn note(pid: u32, marks: &[Mark]) -> String {
    let mut text = format!("{pid:<10}");
    for at in 0..marks.len().max(2) {
        let _infallible = match marks.get(at) {
            Some(Mark { cookie, changes }) => write!(text, "\n{cookie:010} {changes:010}"),
            None => write!(text, "\n{:21}", ""),
        };
    }
    text
}

/// Reads the marks from the text of the lock file.
fn marks(noted: &str) -> Vec<Mark> {
    let mark = |line: &str| {
        let (cookie, changes) = line.split_once(' ')?;
        let mark = Mark { cookie: cookie.parse().ok()?, changes: changes.parse().ok()? };
        // Earlier versions wrote 0 until the mark was in the database.
        Some(if mark.changes == 0 { Mark { changes: Mark::CHANGED, ..mark } } else { mark })
    };
    noted.lines().skip(1).filter_map(mark).collect()
}

/// Reads the text of the lock file. A lock file that was damaged may contain any bytes.
fn read(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads the numbers from the header of a database. Returns none if the file has no header.
fn header(mut file: &File) -> io::Result<Option<Mark>> {
    let mut header = [0; 44];
    file.rewind()?;
    match file.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Ok(Some(Mark { cookie: number(40), changes: number(24) }))
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _closed_anyway = self.holder.unlock();
        let _closed_anyway = self.database.file.unlock();
        self.database.locked.store(false, Ordering::Release);
    }
}

/// The mode of the database and of the files beside it. SQLite gives the log and its index the mode of the database.
const OWNER_ONLY: u32 = 0o600;

/// Options that create a missing file with access for its owner only.
pub(super) fn for_owner() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(OWNER_ONLY);
    options
}

/// Takes the access of other users from the database and the files beside it, and logs that. Uses the paths only: no
/// descriptor of the database may be closed here. If the mode cannot be changed, the database is used as it is.
fn narrow(database: &Path) {
    for end in ["", "-wal", "-shm", ".lock"] {
        let path = beside(database, end);
        // A symbolic link may name any file, whose mode must stay.
        let Some(found) = std::fs::symlink_metadata(&path).ok().filter(Metadata::is_file) else { continue };
        let mode = found.mode() & 0o7777;
        if mode & 0o700 == mode {
            continue;
        }
        let (file, old) = (path.display(), format!("{mode:04o}"));
        match std::fs::set_permissions(&path, Permissions::from_mode(OWNER_ONLY)) {
            Ok(()) => {
                let new = format!("{OWNER_ONLY:04o}");
                tracing::warn!(%file, old, new, "other users had access to a file of the database; now only its owner has");
            }
            Err(error) => {
                tracing::warn!(%file, mode = old, %error, "other users have access to a file of the database, and its mode cannot be changed");
            }
        }
    }
}

pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn has_bytes(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

fn id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Returns the identity of the file at a path, and its number of names. Does not request the file's times: after such a
/// request the system records the exact time of the next write, and the next sync must write the time as well, which
/// takes a third longer.
#[cfg(target_os = "linux")]
fn id_at(path: &Path) -> io::Result<(FileId, u64)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::INO | StatxFlags::NLINK)?;
    Ok(((makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino), found.stx_nlink.into()))
}

#[cfg(not(target_os = "linux"))]
fn id_at(path: &Path) -> io::Result<(FileId, u64)> {
    std::fs::metadata(path).map(|metadata| (id(&metadata), links(&metadata)))
}

fn links(metadata: &Metadata) -> u64 {
    metadata.nlink()
}

/// Whether a file is mounted by itself. Container runtimes can mount single files.
fn is_mount_point(path: &Path) -> bool {
    // The fifth field of a line is the mount point, with octal escapes (proc_pid_mountinfo(5)).
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let escaped = path.to_string_lossy().replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(&escaped))
}

/// Returns the name of the network file system that the file is on, if it is on one. Locks and shared memory are not
/// reliable there.
#[cfg(target_os = "linux")]
fn network_file_system(file: &File) -> Option<&'static str> {
    const NETWORK: [(u32, &str); 9] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFE53_4D42, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0x0102_1997, "9P"),
        (0x5346_414F, "AFS"),
        (0x00C3_6400, "Ceph"),
        (0x0BD0_0BD0, "Lustre"),
        (0x7461_636F, "OCFS2"),
    ];
    let found = rustix::fs::fstatfs(file).ok()?.f_type;
    NETWORK.iter().find(|(number, _)| i128::from(found) & 0xFFFF_FFFF == i128::from(*number)).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_: &File) -> Option<&'static str> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::super::schema;
    use super::*;

    /// A database that is locked, as at the start of a server.
    struct Started {
        folder: TempDir,
        connection: Connection,
        lock: Lock,
    }

    fn started() -> Started {
        let folder = TempDir::new().unwrap();
        let file = DatabaseFile::open(&folder.path().join("c.db")).unwrap();
        let lock = file.lock(Syncs::Full).unwrap();
        let mut connection = schema::open(&file, schema::SERVER_WAIT, Syncs::Full).unwrap();
        schema::migrate(&mut connection, file.path()).unwrap();
        Started { folder, connection, lock }
    }

    impl Started {
        fn mark(&mut self, log_is_copied: bool) {
            let copied = || if log_is_copied { schema::begin_log(&self.connection) } else { Ok(false) };
            self.lock.mark(Syncs::Full, |cookies| schema::mark(&self.connection, cookies), copied).unwrap();
        }

        fn noted(&self) -> String {
            std::fs::read_to_string(self.folder.path().join("c.db.lock")).unwrap()
        }

        /// Adds a transaction to the log, and returns what a kill leaves: copies of the database, its log, and a lock file
        /// with this text.
        fn killed(&self, noted: Option<&str>) -> TempDir {
            schema::write_version(&self.connection).unwrap();
            let copy = TempDir::new().unwrap();
            for name in ["c.db", "c.db-wal"] {
                std::fs::copy(self.folder.path().join(name), copy.path().join(name)).unwrap();
            }
            if let Some(noted) = noted {
                std::fs::write(copy.path().join("c.db.lock"), noted).unwrap();
            }
            copy
        }
    }

    fn opened(folder: &TempDir) -> Result<Arc<DatabaseFile>> {
        DatabaseFile::open(&folder.path().join("c.db"))
    }

    #[test]
    fn the_log_belongs_to_its_database_after_every_step_of_a_start() {
        let mut started = started();
        opened(&started.killed(Some(&started.noted()))).unwrap();
        for copied in [false, true, false, false, true, true] {
            started.mark(copied);
            assert_eq!(marks(&started.noted()).len(), if copied { 1 } else { 2 });
            opened(&started.killed(Some(&started.noted()))).unwrap();
        }
    }

    #[test]
    fn starts_that_fail_add_no_marks() {
        let mut started = started();
        started.mark(true);
        let [marked] = marks(&started.noted())[..] else { panic!("{}", started.noted()) };
        let length = started.noted().len();
        for _ in 0..5 {
            started.lock.mark(Syncs::Full, |_| Err(Unavailable::Full.into()), || Ok(true)).unwrap_err();
            let [old, new] = marks(&started.noted())[..] else { panic!("{}", started.noted()) };
            assert_eq!(old, marked);
            assert!(new.changes >= marked.changes);
            assert_eq!(started.noted().len(), length);
        }
        started.mark(true);
        let [next] = marks(&started.noted())[..] else { panic!("{}", started.noted()) };
        assert!(next.cookie != marked.cookie && next.changes >= marked.changes);
    }

    #[test]
    fn a_note_that_is_written_in_part_contains_the_mark_of_the_database() {
        let (old, new) = (Mark { cookie: 5_000_000, changes: 70 }, Mark { cookie: 900_000_000, changes: 71 });
        let copied = Mark { changes: 75, ..new };
        let steps = [
            (old, note(123_456, &[old]), note(7, &[old])),
            (old, note(7, &[old]), note(7, &[old, new])),
            (copied, note(7, &[old, new]), note(7, &[copied, new])),
            (copied, note(7, &[copied, new]), note(7, &[copied])),
        ];
        for (found, before, after) in steps {
            assert_eq!(before.len(), after.len());
            for at in 0..=after.len() {
                let torn = format!("{}{}", &after[..at], &before[at..]);
                assert!(marks(&torn).iter().any(|mark| mark.is_of(found)), "{torn:?}");
            }
        }
    }

    #[test]
    fn a_log_is_refused_if_its_lock_file_lost_the_marks() {
        let mut started = started();
        started.mark(true);
        for lost in ["", "\0\0\0", "12\n34"] {
            let error = opened(&started.killed(Some(lost))).err().unwrap();
            assert!(matches!(error, StoreError::UnknownLog { .. }), "{lost:?}: {error}");
        }
        // Early versions wrote the process id only. The lock file may also be left out when the files are copied.
        for unmarked in [Some("4711"), None] {
            opened(&started.killed(unmarked)).unwrap();
        }
    }

    #[test]
    fn a_mark_of_an_earlier_version_does_not_accept_a_compacted_copy() {
        let [mark] = marks("4711\n5000000 0")[..] else { panic!() };
        assert!(!mark.is_of(Mark { cookie: 5_000_001, changes: 1 }));
        assert!(mark.is_of(Mark { cookie: 5_000_000, changes: 2 }));
    }
}
