//! What a file contains: nothing, or a database of this program. Everything else is refused before it changes.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Result, StoreError};

/// What a file contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// No bytes, or a database without tables. A new database of this program is made of it.
    Nothing,
    /// A database of this program.
    Own,
}

/// Looks at a file without its log, and changes nothing: no lock, no log, no mode. The path must be absolute.
///
/// Closing a descriptor drops the locks of the process on the file. So this is called only if this process does not
/// have the file open.
pub(super) fn look_at(path: &Path) -> Result<Content> {
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(Content::Nothing) };
    if metadata.is_dir() {
        return Err(StoreError::Folder(path.to_owned()));
    }
    if metadata.len() == 0 {
        return Ok(Content::Nothing);
    }
    // `immutable` means: the file does not change. If a server changes it nevertheless, the tables stay the same.
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        let _infallible = match byte {
            b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(address, "{}", char::from(*byte)),
            other => write!(address, "%{other:02X}"),
        };
    }
    address.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let tables = Connection::open_with_flags(OsString::from(address), flags).and_then(|connection| tables(&connection));
    match tables {
        Ok(tables) => tables.content(path),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(StoreError::NotADatabase(path.to_owned()))
        }
        // Whoever opens the database gets the same error, and says what it means.
        Err(_) => Ok(Content::Own),
    }
}

/// What an open database contains, with its log.
pub(super) fn content_of(connection: &Connection, path: &Path) -> Result<Content> {
    tables(connection)?.content(path)
}

/// The numbers of tables and other objects in a database.
struct Tables {
    all: u64,
    /// Those that every database of this program has.
    own: u64,
}

impl Tables {
    fn content(&self, path: &Path) -> Result<Content> {
        match self {
            Self { all: 0, .. } => Ok(Content::Nothing),
            Self { own: 3, .. } => Ok(Content::Own),
            Self { .. } => Err(StoreError::Foreign(path.to_owned())),
        }
    }
}

fn tables(connection: &Connection) -> rusqlite::Result<Tables> {
    let query = "SELECT count(*), count(*) FILTER (WHERE name IN ('tenants', 'connectors', 'signing_keys'))
                     FROM sqlite_schema";
    connection.query_row(query, [], |row| Ok(Tables { all: row.get(0)?, own: row.get(1)? }))
}
