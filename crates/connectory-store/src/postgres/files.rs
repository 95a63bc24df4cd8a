//! The files that an address names.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::address::error::AddressError;
use super::address::options::Name;

/// The most bytes that a file may have.
const BYTES: u64 = 1 << 20;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Everyone.
    Public,
    /// Its owner. libpq has this rule for the password file.
    Owner,
    /// Its owner, and the group of a file of root. libpq has this rule for keys.
    OwnerOrRootsGroup,
}

/// Reads a file, if it exists.
pub(super) fn read(setting: Name, path: &Path, privacy: Privacy) -> Result<Option<Vec<u8>>, AddressError> {
    let refuse = |why: String| AddressError::File { setting, path: path.to_owned(), why };
    let unreadable = |error: std::io::Error| refuse(format!("which cannot be read: {error}"));
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        // Opening a pipe would wait for its writer.
        Ok(metadata) if !metadata.is_file() => return Err(refuse("which is not a file".to_owned())),
        Ok(_) => {}
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !is_private(&metadata, privacy) {
        return Err(refuse("which others than its owner can read; run chmod 600 on it".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES {
        return Err(refuse(format!("which has more than {BYTES} bytes")));
    }
    Ok(Some(bytes))
}

/// Reads a file that must exist.
pub(super) fn read_existing(setting: Name, path: &Path, privacy: Privacy) -> Result<Vec<u8>, AddressError> {
    read(setting, path, privacy)?.ok_or_else(|| AddressError::File {
        setting,
        path: path.to_owned(),
        why: "which does not exist".to_owned(),
    })
}

fn is_private(metadata: &Metadata, privacy: Privacy) -> bool {
    let forbidden = match privacy {
        Privacy::Public => 0,
        Privacy::OwnerOrRootsGroup if metadata.uid() == 0 => 0o037,
        Privacy::Owner | Privacy::OwnerOrRootsGroup => 0o077,
    };
    metadata.mode() & forbidden == 0
}
