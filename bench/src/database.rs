//! A database is more than its file: SQLite and connectory keep others beside it, which must not outlive it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// What SQLite calls the log beside a database.
const LOG: &str = "-wal";

/// Removes a database, if there is one.
pub fn remove(path: &Path) {
    for end in ["", LOG, "-shm", ".lock"] {
        let _missing = std::fs::remove_file(beside(path, end));
    }
}

/// Copies a database that no process has open, over another.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    remove(to);
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Gives a database that was just made its name. All of it must be in its file, because nothing else is taken along.
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
