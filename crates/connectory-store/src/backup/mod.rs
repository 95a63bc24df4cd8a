//! Backups: all of a database in one file, for either engine. And copies of databases into others.
//!
//! A backup is the rows of a database at one moment, as [`record`]s that both engines have, in a [`file`] with checksums.
//! So a backup of one engine is restored into either. A [`check`] finds out whether records are what they should be,
//! whether they come from a backup or from a database. Everything is read and written as a stream.

pub(crate) mod check;
mod copy;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod record;
pub(crate) mod unfinished;

use std::io::{Read, Write};
use std::path::Path;

pub use self::check::Finding;
use self::check::{Checker, RESTORE, Report};
pub use self::copy::{Copied, CopyStep};
pub use self::error::{BackupError, CopyError};
use self::file::{BackupReader, BackupWriter};
pub use self::record::{Counts, Header};
use self::record::{Record, Sink};
use crate::error::{Result, StoreError};
use crate::postgres::Address;
use crate::postgres::backup as postgres;
use crate::postgres::restore as postgres_restore;
use crate::sqlite::backup as sqlite;
use crate::sqlite::restore as sqlite_restore;

/// A database of which all is read: for a backup, to check it or to copy it. Methods block.
pub struct BackupSource(Engine);

enum Engine {
    Sqlite(sqlite::Source),
    Postgres(postgres::Source),
}

impl BackupSource {
    /// Opens a SQLite database, which must exist. A server may be running on it.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(Engine::Sqlite(sqlite::open(path)?)))
    }

    /// Connects to a PostgreSQL database.
    pub fn open_postgres(address: &Address) -> Result<Self> {
        Ok(Self(Engine::Postgres(postgres::Source::open(address)?)))
    }

    pub(crate) fn of_sqlite(source: sqlite::Source) -> Self {
        Self(Engine::Sqlite(source))
    }

    pub(crate) fn of_postgres(source: postgres::Source) -> Self {
        Self(Engine::Postgres(source))
    }

    /// Where the database is, as `--database` takes it, without secrets.
    pub fn location(&self) -> String {
        match &self.0 {
            Engine::Sqlite(source) => format!("sqlite:{}", source.path().display()),
            Engine::Postgres(source) => source.address().to_string(),
        }
    }

    /// Writes a backup of the database as it is now. The caller syncs what it is written to. `progress` gets about how
    /// many revisions there are, and what was written so far.
    pub fn write(&self, to: impl Write, progress: &mut dyn FnMut(u64, &Counts)) -> Result<Counts, BackupError> {
        match &self.0 {
            Engine::Sqlite(source) => {
                let moment = source.begin()?;
                let writer = BackupWriter::begin(to, "sqlite", sqlite::Moment::SCHEMA)?;
                write(moment.revisions()?, writer, progress, |sink| moment.read(sink))
            }
            Engine::Postgres(source) => {
                let moment = source.begin()?;
                let writer = BackupWriter::begin(to, "postgres", postgres::Moment::SCHEMA)?;
                write(moment.revisions()?, writer, progress, |sink| moment.read(sink))
            }
        }
    }

    /// Checks that everything in the database is what it should be. `report` gets what is not. Returns what there is, and
    /// what could not be checked.
    pub fn check(
        &self,
        progress: &mut dyn FnMut(u64, &Counts),
        report: &mut Report<'_>,
    ) -> Result<(Counts, Option<String>), BackupError> {
        match &self.0 {
            Engine::Sqlite(source) => {
                let moment = source.begin()?;
                moment.check_file(&mut |what| report(of_file(what)))?;
                let counts = check(moment.revisions()?, progress, report, |sink| moment.read(sink))?;
                Ok((counts, None))
            }
            Engine::Postgres(source) => {
                let moment = source.begin()?;
                moment.check_orphans(&mut |what| report(of_file(what)))?;
                let counts = check(moment.revisions()?, progress, report, |sink| moment.read(sink))?;
                let unchecked = moment.check_indexes(&mut |what| report(of_file(what)))?;
                Ok((counts, unchecked.map(|why| format!("the indexes were not checked: {why}"))))
            }
        }
    }
}

/// Writes what is read.
fn write(
    revisions: u64,
    mut writer: BackupWriter<impl Write>,
    progress: &mut dyn FnMut(u64, &Counts),
    read: impl FnOnce(&mut Sink<'_>) -> Result<(), BackupError>,
) -> Result<Counts, BackupError> {
    read(&mut |record| {
        progress(revisions, writer.write(&record)?);
        Ok(())
    })?;
    writer.end()
}

/// Checks what is read.
fn check(
    revisions: u64,
    progress: &mut dyn FnMut(u64, &Counts),
    report: &mut Report<'_>,
    read: impl FnOnce(&mut Sink<'_>) -> Result<(), BackupError>,
) -> Result<Counts, BackupError> {
    let mut checker = Checker::default();
    read(&mut |record| {
        checker.check(&record, report);
        progress(revisions, checker.counts());
        Ok(())
    })?;
    Ok(checker.end(report))
}

/// Something that the engine found.
fn of_file(what: String) -> Finding {
    Finding { tenant: None, connector: None, revision: None, what, advice: RESTORE }
}

/// What is known of a backup that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Where the backup is from.
    pub header: Header,
    /// What it has.
    pub counts: Counts,
}

/// A backup to read.
pub struct Backup<R: Read>(BackupReader<R>);

impl<R: Read> Backup<R> {
    /// Reads the beginning. Refuses another file than a backup, and one that a newer program wrote in another format.
    pub fn open(from: R) -> Result<Self, BackupError> {
        Ok(Self(BackupReader::begin(from)?))
    }

    /// Where the backup is from.
    pub fn header(&self) -> &Header {
        self.0.header()
    }

    /// Reads all of it, and checks that it is whole and that every record is what it should be. `report` gets what is not:
    /// a backup of a database with wrong rows has the same rows.
    pub fn verify(
        mut self,
        progress: &mut dyn FnMut(&Counts),
        report: &mut Report<'_>,
    ) -> Result<Verified, BackupError> {
        let mut checker = Checker::default();
        while let Some(record) = self.0.read()? {
            checker.check(&record, report);
            progress(self.0.counts());
        }
        Ok(Verified { header: self.0.header().clone(), counts: checker.end(report) })
    }

    /// Makes a database of it, or nothing. Returns what the database has of it, and how many findings
    /// [`Self::verify`] has.
    pub fn restore(
        mut self,
        target: BackupTarget<'_>,
        keys: Keys,
        progress: &mut dyn FnMut(&Counts),
    ) -> Result<(Verified, u64), BackupError> {
        let mut restore = match target {
            BackupTarget::Sqlite(path) => Restore::Sqlite(Box::new(sqlite_restore::Restore::begin(path)?)),
            BackupTarget::Postgres(address) => Restore::Postgres(Box::new(postgres_restore::Restore::begin(address)?)),
        };
        let (mut checker, mut findings) = (Checker::default(), 0);
        while let Some(record) = self.0.read()? {
            checker.check(&record, &mut |_| findings += 1);
            if keys == Keys::Keep || !matches!(record, Record::Setting(_) | Record::SigningKey(_)) {
                let written = match &mut restore {
                    Restore::Sqlite(restore) => restore.write(record),
                    Restore::Postgres(restore) => restore.write(record, checker.ended()),
                };
                // What the database refuses is not what one had.
                written.map_err(|error| match error {
                    StoreError::Engine(why) | StoreError::Unreadable(why) => {
                        self.0.damaged(format_args!("the database refuses the next record: {why}"))
                    }
                    error => error.into(),
                })?;
            }
            progress(self.0.counts());
        }
        let mut counts = checker.end(&mut |_| findings += 1);
        if keys == Keys::New {
            (counts.settings, counts.signing_keys) = (0, 0);
        }
        match restore {
            Restore::Sqlite(restore) => restore.end()?,
            Restore::Postgres(restore) => restore.end(checker.ended())?,
        }
        Ok((Verified { header: self.0.header().clone(), counts }, findings))
    }
}

/// A database that is made of records.
enum Restore {
    Sqlite(Box<sqlite_restore::Restore>),
    Postgres(Box<postgres_restore::Restore>),
}

/// Where a backup is restored, or a database is copied.
#[derive(Clone, Copy)]
pub enum BackupTarget<'a> {
    /// A file: a new one for a backup, and for a copy also that of a half copied database.
    Sqlite(&'a Path),
    /// A database without tenants.
    Postgres(&'a Address),
}

impl BackupTarget<'_> {
    /// Where the database is, as `--database` takes it, without secrets.
    pub fn location(&self) -> String {
        match self {
            Self::Sqlite(path) => {
                format!("sqlite:{}", std::path::absolute(path).unwrap_or(path.to_path_buf()).display())
            }
            Self::Postgres(address) => address.to_string(),
        }
    }
}

/// Whether the signing keys of a backup are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They are, with the issuer: tokens that were issued before stay valid.
    Keep,
    /// The next start makes a new one. There is a new issuer, and no token that was issued before is valid.
    New,
}
