//! Connector folders on a disk: finding and reading them.
//!
//! Everything else in this crate works on files in memory, so that all I/O is in one place.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use crate::description::CONNECTOR_FILE;
use crate::folder::Files;

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
    /// A path is a symbolic link, or neither a file nor a folder.
    #[error("{} is a link, or no ordinary file; connectory never writes through one", .0.display())]
    Link(PathBuf),
    /// The file with what the last pull wrote is something else.
    #[error(
        "{} is not the record of a pull: {reason}; remove it, and the next pull keeps every file that differs",
        .path.display()
    )]
    Record {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl DiskError {
    /// The error of an action on a path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
