//! Making a SQLite database of records, wholly or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::row_writer::RowWriter;
use super::syncs::Syncs;
use super::{lock, schema};
use crate::backup::error::BackupError;
use crate::backup::record::Record;
use crate::error::{Result, StoreError};

/// A database that is made of records. It has a temporary name until it is whole.
pub(crate) struct Restore {
    rows: RowWriter,
    /// The file is removed with this.
    temporary: TempPath,
    path: PathBuf,
}

impl Restore {
    /// Begins. Refuses a path at which there is a file.
    pub fn begin(path: &Path) -> Result<Self, BackupError> {
        let io = |error| StoreError::Io { path: path.to_owned(), error };
        let path = &std::path::absolute(path).map_err(io)?;
        // What a database lost may be in its log.
        for end in ["", "-wal", "-journal"] {
            let found = lock::beside(path, end);
            if std::fs::symlink_metadata(&found).is_ok() {
                return Err(BackupError::NotEmpty(format!("there is a file at {}", found.display())));
            }
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(io)?;
        let temporary = tempfile::Builder::new().prefix(".connectory-restore-").tempfile_in(folder).map_err(io)?;
        Self::begin_at(temporary.into_temp_path(), path.clone())
    }

    fn begin_at(temporary: TempPath, path: PathBuf) -> Result<Self, BackupError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&temporary, flags)?;
        // A database that is not whole is removed, so nothing is rolled back, and the file is synced at the end.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", Syncs::Off.as_str())?;
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::migrate(&mut connection, &path)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch("BEGIN")?;
        Ok(Self { rows: RowWriter::new(connection), temporary, path })
    }

    /// Writes a record. Settings and keys are those that the caller wants to keep.
    pub fn write(&mut self, record: Record) -> Result<()> {
        self.rows.write(record)
    }

    /// Syncs the database and gives it its name.
    pub fn end(self) -> Result<(), BackupError> {
        let Self { rows: RowWriter { connection, .. }, temporary, path } = self;
        connection.execute_batch("COMMIT")?;
        connection.close().map_err(|(_, error)| error)?;
        let io = |error| StoreError::Io { path: path.clone(), error };
        // No connection has the file open any more, so closing it drops no lock.
        File::open(&temporary).and_then(|file| file.sync_all()).map_err(io)?;
        temporary.persist_noclobber(&path).map_err(|error| io(error.error))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(())
    }
}
