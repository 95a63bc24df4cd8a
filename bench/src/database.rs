//! The files of a database. SQLite and connectory create other files beside the database file, which must be removed
//! with it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The suffix of SQLite's log beside a database.
const LOG: &str = "-wal";

/// Removes a database, if there is one.
pub fn remove(path: &Path) {
    for end in ["", LOG, "-shm", ".lock"] {
        let _missing = std::fs::remove_file(beside(path, end));
    }
}

/// Copies a database over another one. No process may have either of them open.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    remove(to);
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Renames a new database. All its data must be in the database file, because the other files are not renamed.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    ensure!(!Path::new(&beside(from, LOG)).exists(), "{} was not closed: its log is still there", from.display());
    remove(to);
    Ok(std::fs::rename(from, to)?)
}

fn beside(path: &Path, end: &str) -> OsString {
    let mut file = path.as_os_str().to_owned();
    file.push(end);
    file
}
