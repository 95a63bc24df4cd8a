//! Reading connectors that someone sends: a zip file, files with relative paths, or an export.
//!
//! Nothing of it touches a disk, and all of it may be made to do harm. So names, entries and bytes have bounds, and what a
//! file says of its own size counts for nothing. What the files are is then judged as on a disk ([`crate::local`]).

mod unzipped;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connectory_model::import::{ImportError, whole_from_json, whole_from_lines};
use connectory_model::limits::{IMPORT_BYTES, IMPORT_CONNECTORS, IMPORT_FILES, IMPORT_VALUES, QUOTED_CHARS};
use connectory_model::{Connector, ScriptName, json, shown};

use self::unzipped::Unzipped;
use crate::description::{CONNECTOR_FILE, Description};
use crate::disk::DiskError;
use crate::folder::Folder;
use crate::folder_name::{folder_name, script_name};
use crate::lint::Limits;
use crate::local::{Entry, Kind, LocalFolder, LocalFolders, Tree};

/// How many names of a path are looked at. What is deeper is in no connector folder.
const DEPTH: usize = 8;

/// A file that someone sends.
#[derive(Debug, Clone, Copy)]
pub struct SentFile<'a> {
    /// Its name, or its path with `/` between parts.
    pub path: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Why what someone sends is not read.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is nothing.
    #[error("there is no file, or an empty one")]
    Nothing,
    /// The file is not a zip file, or a damaged one.
    #[error("the zip file cannot be read: {0}")]
    Zip(String),
    /// Something in the zip file is encrypted.
    #[error("`{0}` is encrypted; make a zip file without a password")]
    Encrypted(String),
    /// There are too many files.
    #[error("there are more than {IMPORT_FILES} files and folders; send a part of them at a time")]
    TooMany,
    /// All files together are too large.
    #[error("the files have more than {IMPORT_BYTES} bytes together; send a part of them at a time")]
    TooLarge,
    /// A name leads out of the folder, or is none on some disks.
    #[error(
        "`{0}` is not a path in the folder: it begins with `/`, or has a part `..`, a `\\`, or nothing between two `/`"
    )]
    Path(String),
    /// Two files have one path.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// No folder is a connector folder.
    #[error("there is no connector folder, which is one with a {CONNECTOR_FILE} in it{}", .0.as_ref().map(|path| format!("; `{path}` has some")).unwrap_or_default())]
    Empty(Option<String>),
    /// The export cannot be read.
    #[error(transparent)]
    Export(#[from] ImportError),
}

impl From<DiskError> for UploadError {
    /// No disk is read, so only the absence of connector folders is an error of its rules.
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Empty(_, nested) => Self::Empty(nested.map(|path| quoted(&path.to_string_lossy()))),
            DiskError::Io { error, .. } => Self::Zip(error.to_string()),
        }
    }
}

/// The beginning of a name, for a message.
fn quoted(name: &str) -> String {
    shown(name, QUOTED_CHARS).to_owned()
}

/// Reads the connectors of files that someone sends. One file may be a zip file, or an export; several are those of folders.
pub fn read(files: &[SentFile<'_>], limits: Limits) -> Result<LocalFolders, UploadError> {
    let [SentFile { path, bytes }] = files else { return read_files(files, limits) };
    match json::without_mark(bytes).trim_ascii_start().first() {
        None => Err(UploadError::Nothing),
        _ if path.contains('/') => read_files(files, limits),
        Some(b'P') if bytes.starts_with(b"PK") => read_zip(path, bytes, limits),
        Some(b'[') => of_export(whole_from_json(bytes, IMPORT_VALUES)?),
        Some(b'{') => of_export(whole_from_lines(bytes, IMPORT_CONNECTORS)?),
        // Only a file of a connector folder is left.
        _ if *path == CONNECTOR_FILE => read_files(files, limits),
        _ => Err(UploadError::Empty(None)),
    }
}

/// Reads the connector folders of a zip file with this name.
pub fn read_zip(name: &str, bytes: &[u8], limits: Limits) -> Result<LocalFolders, UploadError> {
    let (unzipped, names) = Unzipped::new(bytes)?;
    let read = |at: usize, max: usize| unzipped.read(at, max);
    Sent { names, read, left: Cell::new(IMPORT_BYTES), name: name.strip_suffix(".zip").unwrap_or(name) }.folders(limits)
}

/// Reads the connector folders of files with relative paths.
fn read_files(files: &[SentFile<'_>], limits: Limits) -> Result<LocalFolders, UploadError> {
    let mut names = Names::default();
    for (at, file) in files.iter().enumerate() {
        names.add(file.path, Node::File(at))?;
    }
    let read = |at: usize, max: usize| Ok(Some(files[at].bytes).filter(|bytes| bytes.len() <= max).map(<[u8]>::to_vec));
    Sent { names, read, left: Cell::new(IMPORT_BYTES), name: "" }.folders(limits)
}

/// Connectors of an export, as folders, if they are no larger than folders may be.
fn of_export(connectors: Vec<Connector>) -> Result<LocalFolders, UploadError> {
    let folders = of_connectors(connectors);
    let files = folders.folders.iter().flat_map(|folder| folder.files.values());
    if files.map(|bytes| bytes.len()).sum::<usize>() > IMPORT_BYTES { Err(UploadError::TooLarge) } else { Ok(folders) }
}

/// Connectors of an export, as folders.
pub fn of_connectors(connectors: Vec<Connector>) -> LocalFolders {
    let folder = |connector: Connector| {
        let own = connector.script_name.to_string();
        // A name that is too long for a disk stays, and the linter tells.
        let name = folder_name(&connector.script_name).unwrap_or(own);
        let files = Folder::from(connector).files();
        let files = files.into_iter().map(|(path, bytes)| (path, Cow::Owned(bytes))).collect();
        LocalFolder { path: PathBuf::from(&name), name, files, findings: Vec::new() }
    };
    let folders = connectors.into_iter().map(folder).collect();
    LocalFolders { dir: PathBuf::new(), is_connector: false, folders, findings: Vec::new() }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    /// A file, by its number.
    File(usize),
    Link,
}

/// The names in each folder, by the folder's path.
#[derive(Debug, Default)]
struct Names {
    folders: BTreeMap<PathBuf, BTreeMap<String, Node>>,
    count: usize,
}

impl Names {
    /// Adds what is at a path, with the folders that it is in. What systems and editors leave behind is not added.
    fn add(&mut self, path: &str, node: Node) -> Result<(), UploadError> {
        self.count += 1;
        if self.count > IMPORT_FILES {
            return Err(UploadError::TooMany);
        }
        let path = if node == Node::Folder { path.strip_suffix('/').unwrap_or(path) } else { path };
        let has_drive = path.get(1..2) == Some(":");
        let parts: Vec<_> = path.split('/').collect();
        if has_drive || parts.iter().any(|part| matches!(*part, "" | "." | "..") || part.contains(['\\', '\0'])) {
            return Err(UploadError::Path(quoted(path)));
        }
        if parts[0] == "__MACOSX" || parts.iter().any(|part| part.starts_with('.')) {
            return Ok(());
        }
        let mut folder = PathBuf::new();
        for (depth, part) in parts.iter().take(DEPTH).enumerate() {
            let here = if depth + 1 == parts.len() { node } else { Node::Folder };
            let names = self.folders.entry(folder.clone()).or_default();
            let before = names.insert((*part).to_owned(), here);
            if before.is_some_and(|before| before != Node::Folder || here != Node::Folder) {
                return Err(UploadError::Twice(quoted(path)));
            }
            folder.push(part);
        }
        Ok(())
    }

    /// The only folder in a folder, if it has one.
    fn only_folder(&self, path: &Path) -> Option<PathBuf> {
        let names = self.folders.get(path)?;
        let mut folders = names.iter().filter(|(_, node)| **node == Node::Folder).map(|(name, _)| path.join(name));
        let only = folders.next()?;
        folders.next().is_none().then_some(only)
    }
}

/// What was sent, as a tree of files.
struct Sent<'a, R> {
    names: Names,
    /// Reads a file by its number. None if it has more bytes than it may have.
    read: R,
    /// The bytes that may still be read.
    left: Cell<usize>,
    /// The name of the whole.
    name: &'a str,
}

impl<R: Fn(usize, usize) -> Result<Option<Vec<u8>>, UploadError>> Sent<'_, R> {
    /// Reads the connector folders: of the root, or of the only folder in it.
    fn folders(&self, limits: Limits) -> Result<LocalFolders, UploadError> {
        if self.names.folders.is_empty() {
            return Err(UploadError::Empty(None));
        }
        let mut dir = PathBuf::new();
        loop {
            let read = LocalFolders::read_in(self, &dir, limits);
            match (read, self.names.only_folder(&dir)) {
                (Err(UploadError::Empty(_)), Some(only)) => dir = only,
                (read, _) => return read,
            }
        }
    }
}

impl<R: Fn(usize, usize) -> Result<Option<Vec<u8>>, UploadError>> Tree for Sent<'_, R> {
    type Error = UploadError;

    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, UploadError> {
        let names = self.names.folders.get(folder).into_iter().flatten();
        let entry = |(name, node): (&String, &Node)| {
            let kind = match node {
                Node::Folder => Kind::Folder,
                Node::File(_) => Kind::File,
                Node::Link => Kind::Link,
            };
            Entry { name: name.clone(), path: folder.join(name), kind }
        };
        Ok(names.map(entry).collect())
    }

    fn file(&self, path: &Path, max: usize) -> Result<Option<Vec<u8>>, UploadError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        let node = self.names.folders.get(folder).and_then(|names| names.get(name));
        let Some(Node::File(at)) = node else { return Ok(None) };
        let left = self.left.get();
        let read = (self.read)(*at, max.min(left))?;
        if read.is_none() && left < max {
            return Err(UploadError::TooLarge);
        }
        // A file that is too large was read up to its limit.
        self.left.set(left - read.as_ref().map_or(max, Vec::len));
        Ok(read)
    }

    fn has(&self, path: &Path) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return false;
        };
        self.names.folders.get(folder).is_some_and(|names| names.contains_key(name))
    }

    /// The folder's own name, or that of the whole, or the one that a server would derive from the connector's name.
    fn name_of(&self, folder: &Path) -> Result<String, UploadError> {
        if let Some(name) = folder.file_name() {
            return Ok(name.to_string_lossy().into_owned());
        }
        if script_name(self.name).is_ok() {
            return Ok(self.name.to_owned());
        }
        let description = self.file(Path::new(CONNECTOR_FILE), IMPORT_BYTES)?;
        let description = description.and_then(|bytes| Description::parse(&bytes).ok());
        let derived = description.map(|description| ScriptName::derive(&description.members.name));
        Ok(derived.and_then(|derived| folder_name(&derived).ok()).unwrap_or_else(|| self.name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
