//! The database's file: created once, locked for the process that serves it, and looked after while it is served.
//!
//! POSIX drops *all* locks that a process has on a file when the process closes *any* descriptor of it. SQLite knows
//! this and closes none too early; whoever else opens the file in the same process takes SQLite's locks away, and the
//! next program that opens the database believes itself alone and removes the log under the server. So this module
//! opens the file once in a process, before any connection, and keeps that descriptor until the last connection is
//! closed: everything that holds connections holds a [`DatabaseFile`] beside them.
//!
//! SQLite also takes whatever log lies beside a database for its own. After a crash the log stays, and would damage a
//! backup that is put in the database's place. So each start of the server marks the database, and notes the mark beside
//! it; a log is refused beside a database that has another one.
//!
//! The lock is one of the file itself (`flock`, which SQLite does not use), not of its path: a renamed database, one that
//! is mounted elsewhere, and one whose lock file was removed are still locked. A file beside it holds the process's id.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

use crate::error::{Result, StoreError, Unavailable};

/// A file, whatever its path: the device and the number on it.
type FileId = (u64, u64);

/// The databases that this process has open.
static OPEN: LazyLock<Mutex<HashMap<FileId, Weak<DatabaseFile>>>> = LazyLock::new(Mutex::default);

/// A database's file, open.
pub(super) struct DatabaseFile {
    path: PathBuf,
    file: File,
    id: FileId,
    /// Whether something in this process has the lock.
    locked: AtomicBool,
    /// The files beside the database without which it loses writes: its log, and the index of the log.
    beside: OnceLock<[(PathBuf, FileId); 2]>,
}

impl DatabaseFile {
    /// Opens the file; creates it and its folder where they are missing.
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
        // SQLite would take an empty database for new, and remove the log of the one that was there.
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
        // The log and the lock are beside one path. Under another one, there would be another log.
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

    /// The one path under which the database is opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Marks the database as the one that its log belongs to from now on. `log_is_copied` begins the log again, and says
    /// whether nothing is left in it.
    pub fn mark(
        &self,
        lock: &Lock,
        set: impl FnOnce(u32) -> Result<()>,
        log_is_copied: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        let io = |error| StoreError::Io { path: beside(&self.path, ".lock"), error };
        let new = Mark { cookie: Mark::random(), changes: 0 };
        // Until it is in the database, the log may belong to the one of before as well.
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

    /// Remembers the log and its index, which exist as soon as a connection has read.
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

    /// Whether the database, its log and the log's index are still where they were opened. Otherwise what is written
    /// goes to a file that nobody finds again.
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

    /// Takes the lock, or says who has it.
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
        // On other systems SQLite's own locks would collide with this one; there the lock beside the path has to do.
        let on_file = if cfg!(target_os = "linux") { self.file.try_lock() } else { Ok(()) };
        match on_file.and_then(|()| holder.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The id is a courtesy; without it the refusal still stands.
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

/// The lock of a database. The system drops it when the process ends, however it ends.
pub(super) struct Lock {
    database: Arc<DatabaseFile>,
    holder: File,
    /// What was noted before.
    marks: Vec<Mark>,
}

impl Lock {
    /// Notes who has the lock, and the marks that the log's database may have.
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

/// What tells a database from others, copies of it included: two numbers of its header (sqlite.org/fileformat2.html). A
/// backup begins to count the changes anew, and gets another cookie or keeps the one of an earlier start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The schema cookie, which SQLite only compares. Each start sets a random one.
    cookie: u32,
    /// How many changes SQLite has counted at least.
    changes: u32,
}

impl Mark {
    /// By how much programs from outside may raise the cookie: `VACUUM` does so by one.
    const RAISED: u32 = 1000;
    /// Far from the cookies of backups, which are small.
    const COOKIES: RangeInclusive<u32> = 1 << 20..=1 << 30;

    fn random() -> u32 {
        let (random, ..) = uuid::Uuid::new_v4().as_fields();
        Self::COOKIES.start() + random % (Self::COOKIES.end() - Self::COOKIES.start())
    }

    /// Whether a database with these numbers may be the one that was marked.
    fn is_of(self, found: Self) -> bool {
        (self.cookie..=self.cookie + Self::RAISED).contains(&found.cookie) && found.changes >= self.changes
    }
}

/// The marks that are noted after the process's id.
fn marks(noted: &str) -> Vec<Mark> {
    let mark = |line: &str| {
        let (cookie, changes) = line.split_once(' ')?;
        let mark = Mark { cookie: cookie.parse().ok()?, changes: changes.parse().ok()? };
        Mark::COOKIES.contains(&mark.cookie).then_some(mark)
    };
    noted.lines().skip(1).filter_map(mark).collect()
}

/// The numbers of a database that has a header.
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

/// Opens the file, and creates it for its owner alone where it is missing, because it holds the key that tokens are
/// signed with. SQLite gives the files beside it the same permissions.
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

/// The file of a path, and how many names it has. It does not ask for the file's times: after a look at them the system notes the exact time of the
/// next write, and a sync then has to write that as well, which takes a third longer.
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

/// Whether a file is mounted by itself, as container runtimes do with single files.
fn is_mount_point(path: &Path) -> bool {
    // The fifth field of a line is where it is mounted, with octal escapes (proc_pid_mountinfo(5)).
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let escaped = path.to_string_lossy().replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(&escaped))
}

/// The name of a file system of other machines, on which neither locks nor shared memory can be relied on.
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
