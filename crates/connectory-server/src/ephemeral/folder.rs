//! The private temporary folder of a server for tests.
//!
//! A killed process cannot remove its folder. So each folder is locked by its process, and each start removes the folders
//! of the same user that are not locked.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::{Builder, TempDir};

/// The start of the folder's name.
const PREFIX: &str = "connectory-ephemeral-";
/// The file that says that a folder was made here. The folder of a person may have a name that begins in the same way.
const MARK: &str = ".connectory-ephemeral";
/// The age from which an unlocked folder belongs to a process that has ended. A new folder is locked in less time.
const AGE: Duration = Duration::from_mins(1);

/// A private temporary folder, which is removed when this is dropped.
pub struct Folder {
    folder: TempDir,
    /// Locked as long as this process lives.
    _lock: File,
}

impl Folder {
    /// Makes a folder in the system's folder for temporary files, which only its owner can read. Removes those that killed
    /// processes left.
    pub fn new() -> io::Result<Self> {
        let folder = Builder::new().prefix(PREFIX).permissions(private()).tempdir()?;
        fs::write(folder.path().join(MARK), "")?;
        let lock = File::open(folder.path())?;
        lock.try_lock()?;
        if let (Ok(own), Some(parent)) = (lock.metadata(), folder.path().parent()) {
            remove_abandoned(parent, &own);
        }
        Ok(Self { folder, _lock: lock })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the folder of a new database, because of the files beside it. It is removed when the last owner is dropped.
    pub(super) fn new_database(&self) -> io::Result<Arc<TempDir>> {
        Builder::new().prefix("database-").permissions(private()).tempdir_in(self.path()).map(Arc::new)
    }

    /// The path of the database that is served. It is a link, which a reset changes.
    pub fn database(&self) -> PathBuf {
        path_in(&self.folder)
    }

    /// Makes the link to the database that is served from now on.
    pub(super) fn point_to(&self, database: &Path) -> io::Result<()> {
        let new = self.path().join("new-link");
        symlink(database, &new)?;
        fs::rename(new, self.database())
    }

    /// The path of the database as it was at the start.
    pub(super) fn loaded(&self) -> PathBuf {
        self.path().join("loaded.db")
    }
}

/// The path of the database in its folder.
pub(super) fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("connectory.db")
}

/// The mode of a folder that only its owner can read.
fn private() -> Permissions {
    Permissions::from_mode(0o700)
}

/// Removes the folders beside this one that belong to the same user, and to no process that lives.
fn remove_abandoned(parent: &Path, own: &Metadata) {
    for folder in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = folder.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours && is_abandoned(&folder.path(), own).unwrap_or(false) {
            let _stays = fs::remove_dir_all(folder.path());
        }
    }
}

fn is_abandoned(folder: &Path, own: &Metadata) -> io::Result<bool> {
    let found = fs::symlink_metadata(folder)?;
    let is_old = found.modified()?.elapsed().is_ok_and(|age| age > AGE);
    let has_mark = fs::symlink_metadata(folder.join(MARK)).is_ok_and(|mark| mark.is_file());
    let is_ours = found.is_dir() && found.uid() == own.uid() && has_mark;
    Ok(is_ours && is_old && File::open(folder)?.try_lock().is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_folder_is_private_and_the_folder_of_a_killed_process_goes() {
        let parent = TempDir::new().unwrap();
        let make = |name: &str, age: u64| {
            let path = parent.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join(MARK), "").unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            path
        };
        let [killed, new, lives] = [make("killed", 90), make("new", 30), make("lives", 90)];
        let lock = File::open(&lives).unwrap();
        lock.try_lock().unwrap();
        let notes = make("notes", 90);
        fs::rename(notes.join(MARK), notes.join("thesis.txt")).unwrap();
        let elsewhere = TempDir::new().unwrap();
        let link = parent.path().join(format!("{PREFIX}link"));
        symlink(elsewhere.path(), &link).unwrap();

        let folder = Folder::new().unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let own = fs::metadata(folder.path()).unwrap();
        assert!(File::open(folder.path()).unwrap().try_lock().is_err(), "it is locked");
        remove_abandoned(parent.path(), &own);
        assert!(notes.join("thesis.txt").exists(), "it is not ours");
        assert!(!killed.exists() && new.exists() && lives.exists() && link.exists() && elsewhere.path().exists());

        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
