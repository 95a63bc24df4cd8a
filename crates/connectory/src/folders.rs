//! Connector folders on disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use connectory_model::folder::{CONNECTOR_FILE, Files, Folder, locale_tag};
use connectory_server::catalog::builtin::{files_of, folders_in};

/// A connector folder.
pub struct LocalFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: Files<'static>,
}

/// The connector folders in a folder, by name; or the folder itself, if it is one.
pub fn local_folders(dir: &Path) -> Result<Vec<LocalFolder>> {
    if dir.join(CONNECTOR_FILE).is_file() {
        return Ok(vec![local_folder(dir)?]);
    }
    let paths = folders_in(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    if paths.is_empty() {
        bail!("{} has no connector folder, which is one with a {CONNECTOR_FILE} in it", dir.display());
    }
    paths.iter().map(|path| local_folder(path)).collect()
}

fn local_folder(path: &Path) -> Result<LocalFolder> {
    let files = files_of(path).with_context(|| format!("cannot read {}", path.display()))?;
    // `.` has no name; its absolute path has.
    let named = if path.file_name().is_some() { path.to_owned() } else { path.canonicalize()? };
    let name = named.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(LocalFolder { path: path.to_owned(), name, files })
}

/// Writes a connector to a folder on disk, and returns the number of changed files. Deletes the files of locales that
/// the connector does not have. Leaves files alone that do not belong in a connector folder.
pub fn write(path: &Path, folder: &Folder) -> Result<usize> {
    let before = if path.is_dir() { files_of(path)? } else { Files::new() };
    let files = folder.files();
    let mut changed = 0;
    for (file, bytes) in &files {
        if before.get(file).is_some_and(|old| **old == **bytes) {
            continue;
        }
        let target = path.join(file);
        let parent = target.parent().context("a file is in a folder")?;
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        std::fs::write(&target, bytes).with_context(|| format!("cannot write {}", target.display()))?;
        changed += 1;
    }
    for file in before.keys().filter(|file| locale_tag(file).is_some() && !files.contains_key(*file)) {
        let stale = path.join(file);
        std::fs::remove_file(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
        changed += 1;
    }
    Ok(changed)
}
