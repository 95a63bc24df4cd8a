//! Files that are written whole or not at all: into a temporary file beside them, which then takes their place.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use connectory_folder::write_whole;
use tempfile::{Builder, NamedTempFile};

/// How the name of a file begins and ends that is written piece by piece, until it is whole.
pub const PARTIAL: (&str, &str) = (".connectory-", ".partial");

/// Who can read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner, whatever the mode of the file that it replaces.
    Owner,
    /// Those who could read the file that it replaces. A new file has the mode that the system gives to new files.
    AsBefore,
}

/// Writes a file. A failure leaves the file as it was. A link stays: the file that it leads to is replaced or made.
pub fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<()> {
    replace(path, bytes, readers).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a new file that only its owner can read. Fails if there is one of this name.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        private(path, bytes)?.persist_noclobber(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Fails if there is a file at a path, so that it is known before a long work.
pub fn expect_new(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => bail!("{} exists, and is not replaced; give the name of a new file", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// Writes a new file that only its owner can read, piece by piece. It has its name when all of it is on disk. Fails if there
/// is one of this name.
pub fn write_new_by<T>(path: &Path, write: impl FnOnce(&File) -> Result<T>) -> Result<T> {
    let cannot = || format!("cannot write {}", path.display());
    let new = Builder::new().prefix(PARTIAL.0).suffix(PARTIAL.1).tempfile_in(folder(path)).with_context(cannot)?;
    let written = write(new.as_file())?;
    new.as_file().sync_all().with_context(cannot)?;
    new.persist_noclobber(path).with_context(cannot)?;
    // So that the name is on disk too.
    File::open(folder(path)).and_then(|folder| folder.sync_all()).with_context(cannot)?;
    Ok(written)
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    // The folder of `file.json` is the empty path.
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A complete temporary file beside a path, which only its owner can read.
fn private(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut new = NamedTempFile::new_in(folder(path))?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    Ok(new)
}

fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let is_old = match fs::metadata(path) {
        // A device or a pipe, such as /dev/stdout, cannot be replaced.
        Ok(old) if !old.is_file() => return File::options().write(true).open(path)?.write_all(bytes),
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    let path = if is_old { path.canonicalize()? } else { end_of_links(path) };
    if readers == Readers::AsBefore {
        return write_whole(&path, bytes);
    }
    private(&path, bytes)?.persist(path)?;
    Ok(())
}

/// The path that links lead to, where there is no file yet. Links in a circle have another error before.
fn end_of_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    while let Ok(target) = fs::read_link(&path) {
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// The files of a folder that others can read, and their text.
    fn readable_by_others(folder: &Path) -> Vec<String> {
        // A file may be gone by now.
        let files = fs::read_dir(folder).unwrap().filter_map(|file| File::open(file.unwrap().path()).ok());
        let readable = files.filter(|file| file.metadata().unwrap().permissions().mode() & 0o077 != 0);
        readable.map(|file| io::read_to_string(file).unwrap()).collect()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn others_can_never_read_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        // What an older version, or an editor, may have left.
        for old in ["config.yaml", "config.yaml.new"] {
            fs::write(folder.path().join(old), "old: true").unwrap();
            fs::set_permissions(folder.path().join(old), Permissions::from_mode(0o644)).unwrap();
        }
        let is_written = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_written.load(Ordering::Relaxed) {
                    assert!(readable_by_others(folder.path()).iter().all(|text| !text.contains("s3cret")));
                }
            });
            let written: Result<()> = (0..50).try_for_each(|_| write(&path, b"clientsecret: s3cret", Readers::Owner));
            is_written.store(true, Ordering::Relaxed);
            written.unwrap();
        });
        assert_eq!(mode(&path), 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains("s3cret"));
        assert_eq!(readable_by_others(folder.path()), ["old: true"], "the file of another program stays");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_link_and_a_failure_leaves_it_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        write(&link, b"new", Readers::AsBefore).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read(&file).unwrap().as_slice(), mode(&file)), (b"new".as_slice(), 0o640));
        // Another program that reads the old file reads it to its end.
        let mut reader = File::open(&file).unwrap();
        write(&file, b"newer", Readers::AsBefore).unwrap();
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "new");

        let fresh = folder.path().join("fresh");
        write(&fresh, b"", Readers::AsBefore).unwrap();
        fs::write(folder.path().join("plain"), "").unwrap();
        assert_eq!(mode(&fresh), mode(&folder.path().join("plain")));
        write(Path::new("/dev/null"), b"nothing", Readers::AsBefore).unwrap();

        let error = write(&folder.path().join("none/file"), b"", Readers::AsBefore).unwrap_err();
        assert!(format!("{error:#}").starts_with(&format!("cannot write {}", folder.path().display())), "{error:#}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "no temporary file is left");
    }

    #[test]
    fn the_missing_file_that_a_link_leads_to_is_made() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("kept")).unwrap();
        let (link, second) = (folder.path().join("link"), folder.path().join("kept/second"));
        symlink("kept/second", &link).unwrap();
        for readers in [Readers::Owner, Readers::AsBefore] {
            symlink("file", &second).unwrap();
            write(&link, b"new", readers).unwrap();
            assert!([&link, &second].iter().all(|path| fs::symlink_metadata(path).unwrap().is_symlink()));
            assert_eq!(fs::read(folder.path().join("kept/file")).unwrap(), b"new");
            fs::remove_file(folder.path().join("kept/file")).unwrap();
            fs::remove_file(&second).unwrap();
        }
        symlink("../link", &second).unwrap();
        assert!(write(&link, b"new", Readers::Owner).is_err(), "a circle");
    }
}
