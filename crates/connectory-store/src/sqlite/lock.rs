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
//! file beside it. The server refuses a log beside a database with another mark.
//!
//! The lock is on the file itself (`flock`, which SQLite does not use), not on its path. So a database stays locked if
//! it is renamed, if it is mounted at another path, or if its lock file is removed. The lock file beside the database
//! contains the id of the process.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

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
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, file| file.strong_count() > 0);
        let known = std::fs::metadata(path).ok().and_then(|metadata| open.get(&id(&metadata))?.upgrade());
        if let Some(known) = known {
            return Ok(known);
        }
        // SQLite would treat an empty file as a new database, and would remove the log of the previous database.
        let log = beside(path, "-wal");
        let is_empty = |path: &Path| std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0);
        if (!path.exists() || is_empty(path)) && log.exists() && !is_empty(&log) {
            return Err(StoreError::Orphaned { path: path.to_owned(), log });
        }
        let file = open_private(path).map_err(io)?;
        let marks = marks(&std::fs::read_to_string(beside(path, ".lock")).unwrap_or_default());
        if !marks.is_empty()
            && log.exists()
            && !is_empty(&log)
            && let Some(found) = header(&file).map_err(io)?
            && !marks.iter().any(|mark| mark.is_of(found))
        {
            let (path, index, lock) = (path.to_owned(), beside(path, "-shm"), beside(path, ".lock"));
            return Err(StoreError::ForeignLog { path, log, index, lock });
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
        let id = id(&metadata);
        let opened = Arc::new(Self { path, file, id, locked: AtomicBool::default(), beside: OnceLock::new() });
        open.insert(id, Arc::downgrade(&opened));
        Ok(opened)
    }

    /// The canonical path, which every connection uses.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new mark into the database, which its log belongs to from now on. `log_is_copied` copies the log into
    /// the database and empties it, and returns whether the log is empty.
    pub fn mark(
        &self,
        lock: &Lock,
        set: impl FnOnce(u32) -> Result<()>,
        log_is_copied: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        let io = |error| StoreError::Io { path: beside(&self.path, ".lock"), error };
        let new = Mark { cookie: Mark::random(), changes: 0 };
        // Until the new mark is in the database, the log may also belong to the previous mark.
        let both: Vec<_> = lock.marks.iter().copied().chain([new]).collect();
        lock.note(&both).and_then(|()| lock.holder.sync_all()).map_err(io)?;
        set(new.cookie)?;
        if log_is_copied()?
            && let Some(now) = header(&self.file).map_err(io)?
        {
            lock.note(&[now]).map_err(io)?;
        }
        Ok(())
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

    /// Takes the lock, or returns the process that has it.
    pub fn lock(self: &Arc<Self>) -> Result<Lock> {
        let in_use = |pid| StoreError::InUse { path: self.path.clone(), pid };
        if self.locked.swap(true, Ordering::AcqRel) {
            return Err(in_use(Some(std::process::id())));
        }
        let unlocked = |error| {
            self.locked.store(false, Ordering::Release);
            error
        };
        let path = beside(&self.path, ".lock");
        let io = |error| StoreError::Io { path: path.clone(), error };
        let mut holder = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| unlocked(io(error)))?;
        // On other systems this lock would conflict with SQLite's own locks. There the lock on the lock file must
        // suffice.
        let on_file = if cfg!(target_os = "linux") { self.file.try_lock() } else { Ok(()) };
        match on_file.and_then(|()| holder.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The id only helps the reader of the error. Without it the lock is still refused.
                let _unreadable = holder.read_to_string(&mut pid);
                let _not_locked = self.file.unlock();
                return Err(unlocked(in_use(pid.lines().next().and_then(|pid| pid.trim().parse().ok()))));
            }
            Err(TryLockError::Error(error)) => return Err(unlocked(io(error))),
        }
        let mut noted = String::new();
        holder.read_to_string(&mut noted).map_err(|error| unlocked(io(error)))?;
        let lock = Lock { database: Arc::clone(self), holder, marks: marks(&noted) };
        lock.note(&lock.marks).map_err(io)?;
        Ok(lock)
    }
}

/// The lock of a database. The system releases it when the process ends for any reason.
pub(super) struct Lock {
    database: Arc<DatabaseFile>,
    holder: File,
    /// The marks that the lock file had before.
    marks: Vec<Mark>,
}

impl Lock {
    /// Writes the process id and the marks that the log's database may have into the lock file.
    fn note(&self, marks: &[Mark]) -> io::Result<()> {
        use std::fmt::Write as _;
        let mut text = std::process::id().to_string();
        for Mark { cookie, changes } in marks {
            let _infallible = write!(text, "\n{cookie} {changes}");
        }
        (&self.holder).rewind()?;
        self.holder.set_len(0)?;
        (&self.holder).write_all(text.as_bytes())
    }
}

/// The mark of a database: two numbers of its header (sqlite.org/fileformat2.html). They distinguish the database from
/// other databases and from its own copies. A backup restarts the change counter, and has another cookie or the cookie
/// of an earlier start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The schema cookie. SQLite only compares it with earlier values. Each start of the server sets a random one.
    cookie: u32,
    /// The smallest value that SQLite's change counter can have.
    changes: u32,
}

impl Mark {
    /// The largest increase of the cookie by other programs. `VACUUM` increases it by one.
    const RAISED: u32 = 1000;
    /// The range of random cookies. The cookies of backups are small, far below this range.
    const COOKIES: RangeInclusive<u32> = 1 << 20..=1 << 30;

    fn random() -> u32 {
        let (random, ..) = uuid::Uuid::new_v4().as_fields();
        Self::COOKIES.start() + random % (Self::COOKIES.end() - Self::COOKIES.start())
    }

    /// Whether a database with these numbers can be the marked one.
    fn is_of(self, found: Self) -> bool {
        (self.cookie..=self.cookie + Self::RAISED).contains(&found.cookie) && found.changes >= self.changes
    }
}

/// Reads the marks, which follow the process id in the lock file.
fn marks(noted: &str) -> Vec<Mark> {
    let mark = |line: &str| {
        let (cookie, changes) = line.split_once(' ')?;
        let mark = Mark { cookie: cookie.parse().ok()?, changes: changes.parse().ok()? };
        Mark::COOKIES.contains(&mark.cookie).then_some(mark)
    };
    noted.lines().skip(1).filter_map(mark).collect()
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

/// Opens the file. Creates a missing file with access for its owner only, because it contains the key that signs
/// tokens. SQLite gives the files beside it the same permissions.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

#[cfg(unix)]
fn id(metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
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

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
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
