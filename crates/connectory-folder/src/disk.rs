//! Connector folders on a disk: finding, reading and writing them.
//!
//! Everything else in this crate works on files in memory, so that all I/O is in one place.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use connectory_model::file_names::locale_tag;

use crate::description::CONNECTOR_FILE;
use crate::folder::{Files, Folder};

/// A connector folder on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFolder {
    /// The folder's path.
    pub path: PathBuf,
    /// The folder's name.
    pub name: String,
    /// The folder's files.
    pub files: Files<'static>,
}

/// Why folders cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system could not do something with a path.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried: `read`, `create`, `write` or `remove`.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// There is no connector folder.
    #[error("{} has no connector folder, which is one with a {CONNECTOR_FILE} in it", .0.display())]
    Empty(PathBuf),
}

impl DiskError {
    /// The error of an action on a path.
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { action, path: path.to_owned(), error }
    }
}

/// Reads the connector folders in a folder, ordered by name. If the folder is itself a connector folder, reads only it.
pub fn local_folders(dir: &Path) -> Result<Vec<LocalFolder>, DiskError> {
    if dir.join(CONNECTOR_FILE).is_file() {
        return Ok(vec![local_folder(dir)?]);
    }
    let paths = folders_in(dir).map_err(DiskError::io("read", dir))?;
    if paths.is_empty() {
        return Err(DiskError::Empty(dir.to_owned()));
    }
    paths.iter().map(|path| local_folder(path)).collect()
}

fn local_folder(path: &Path) -> Result<LocalFolder, DiskError> {
    let files = files_of(path).map_err(DiskError::io("read", path))?;
    // `.` has no name of its own.
    let named = if path.file_name().is_some() {
        path.to_owned()
    } else {
        path.canonicalize().map_err(DiskError::io("read", path))?
    };
    let name = named.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(LocalFolder { path: path.to_owned(), name, files })
}

/// The paths of the connector folders in a folder, ordered by name.
pub fn folders_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let folder = entry?.path();
        if folder.join(CONNECTOR_FILE).is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Reads the files of a connector folder: those directly in it, and its translations.
pub fn files_of(path: &Path) -> io::Result<Files<'static>> {
    let mut files = Files::new();
    for (folder, prefix) in [(path.to_owned(), ""), (path.join("translations"), "translations/")] {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let file = entry?.path();
            if file.is_file() {
                let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                files.insert(format!("{prefix}{name}"), Cow::Owned(std::fs::read(&file)?));
            }
        }
    }
    Ok(files)
}

/// Writes a folder to a disk, and returns how many files it changed. A file that has the same bytes already is not
/// touched. The file of a locale that the connector does not have is removed. All other files stay.
pub fn write(path: &Path, folder: &Folder) -> Result<usize, DiskError> {
    let before = if path.is_dir() { files_of(path).map_err(DiskError::io("read", path))? } else { Files::new() };
    let files = folder.files();
    let mut changed = 0;
    for (file, bytes) in &files {
        if before.get(file).is_some_and(|old| **old == **bytes) {
            continue;
        }
        let target = path.join(file);
        let parent = target.parent().unwrap_or(path);
        std::fs::create_dir_all(parent).map_err(DiskError::io("create", parent))?;
        std::fs::write(&target, bytes).map_err(DiskError::io("write", &target))?;
        changed += 1;
    }
    for file in before.keys().filter(|file| locale_tag(file).is_some() && !files.contains_key(*file)) {
        let stale = path.join(file);
        std::fs::remove_file(&stale).map_err(DiskError::io("remove", &stale))?;
        changed += 1;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(german: &str) -> Folder {
        let mut files: Files<'_> = [(CONNECTOR_FILE.to_owned(), Cow::from(&b"name: HR\nclassName: x.Y\n"[..]))].into();
        if !german.is_empty() {
            files.insert("translations/de.properties".to_owned(), german.as_bytes().into());
        }
        Folder::read(&files).expect("valid")
    }

    #[test]
    fn a_folder_is_read_as_it_was_written_and_only_differences_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hr");
        assert_eq!(write(&path, &folder("a=b\n")).unwrap(), 2);
        fs::write(path.join("README.md"), "notes").unwrap();
        let [read] = <[_; 1]>::try_from(local_folders(dir.path()).unwrap()).expect("one folder");
        assert_eq!((read.name.as_str(), &read.path), ("hr", &path));
        assert_eq!(Folder::read(&read.files).unwrap(), folder("a=b\n"));
        assert_eq!(local_folders(&path).unwrap(), [read]);
        assert_eq!(write(&path, &folder("a=b\n")).unwrap(), 0);
        assert_eq!(write(&path, &folder("")).unwrap(), 1, "the locale is removed");
        assert!(!path.join("translations/de.properties").exists() && path.join("README.md").exists());
    }

    #[test]
    fn an_error_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let error = local_folders(dir.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{} has no connector folder, which is one with a connector.yaml in it", dir.path().display())
        );
        let missing = dir.path().join("missing");
        let error = local_folders(&missing).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read {}", missing.display()));
        fs::write(&missing, "a file").unwrap();
        let error = write(&missing, &folder("")).unwrap_err().to_string();
        assert_eq!(error, format!("cannot create {}", missing.display()));
    }
}
