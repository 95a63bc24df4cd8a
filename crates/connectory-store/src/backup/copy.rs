//! Copies a database into another one, of either engine: the records of the source are written into the target as they are
//! read, with no file between.
//!
//! The target commits after some megabytes, each time with the [`Position`]: how many records it has, and their digest. A
//! copy that was interrupted reads the source from its beginning again, passes over what the target has, and goes on if the
//! digest of that is the same. At the end the target is read back, and its digest must be that of the source.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::check::Checker;
use super::error::{BackupError, CopyError};
use super::file::hex;
use super::record::{Counts, Record, Sink};
use super::unfinished::{Position, Unfinished};
use super::{BackupSource, BackupTarget, Engine};
use crate::error::{Result, StoreError};
use crate::postgres::backup as postgres;
use crate::postgres::copy as postgres_copy;
use crate::sqlite::backup as sqlite;
use crate::sqlite::copy as sqlite_copy;

/// Records of a transaction of the target.
const RECORDS: u64 = 1000;
/// Bytes of a transaction of the target, as lines of a backup, unless a single record has more.
const BYTES: usize = 4 << 20;

/// What a copy does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyStep {
    /// It passes over what an earlier run copied, and then copies.
    Copy,
    /// It reads the target back.
    Compare,
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What the source and the target have.
    pub counts: Counts,
    /// The SHA-256 of all records, in hexadecimal. A backup has them as its lines between the first and the last one.
    pub sha256: String,
    /// How many records an earlier run had copied.
    pub earlier: u64,
    /// How many things of the source are not right, as [`BackupSource::check`] reports them.
    pub findings: u64,
}

impl BackupSource {
    /// Opens a SQLite database that is copied. Nobody else uses it until this is dropped.
    pub fn open_alone(path: &Path) -> Result<Self, CopyError> {
        match sqlite::open_alone(path) {
            Ok(source) => Ok(Self(Engine::Sqlite(source))),
            Err(error @ StoreError::InUse { .. }) => Err(CopyError::InUse(error)),
            Err(error) => Err(CopyError::Source(error.into())),
        }
    }

    /// Copies all of the database into a new one, or goes on with a copy that was interrupted. With `restart`, a half copied
    /// target is emptied first. Returns when the target has been read back and is the same. `progress` gets about how many
    /// revisions there are, and what was read so far.
    pub fn copy(
        &self,
        to: BackupTarget<'_>,
        restart: bool,
        progress: &mut dyn FnMut(CopyStep, u64, &Counts),
    ) -> Result<Copied, CopyError> {
        if self.is(to) {
            return Err(CopyError::Same(self.location()));
        }
        let of_source = |error: StoreError| CopyError::Source(error.into());
        let moment = self.begin().map_err(of_source)?;
        let (state, incarnation) = (moment.state().map_err(of_source)?, moment.incarnation().map_err(of_source)?);
        let (mut target, unfinished) = Target::open(to)?;
        let places = Places { from: self.location(), target: to.location() };
        let earlier = match unfinished {
            Some(begun) if !restart => {
                if begun.state != state && begun.from == places.from {
                    return Err(places.changed());
                }
                if begun.state != state {
                    let Places { from: wanted, target } = places;
                    return Err(CopyError::Another { target, from: begun.from, wanted });
                }
                begun.position
            }
            _ => {
                let position = Records::default().position();
                let begun = Unfinished { from: places.from.clone(), state: state.clone(), position };
                target.begin(&begun)?;
                begun.position
            }
        };
        let all = moment.revisions().map_err(of_source)?;
        let (mut copying, mut failed) = (Copying::begin(target, places.clone(), earlier), None);
        let read = moment.read(&mut |record| {
            copying.take(record).map_err(|error| {
                failed = Some(error);
                // The reading ends with any error. The reason is in `failed`.
                BackupError::Store(StoreError::Closed)
            })?;
            progress(CopyStep::Copy, all, copying.checker.counts());
            Ok(())
        });
        if let Some(failed) = failed {
            return Err(failed);
        }
        read.map_err(CopyError::Source)?;
        let (mut target, copied) = copying.end()?;
        let Places { from, target: name } = places;
        let mut found = Records::default();
        let mut counts = Counts::default();
        let read = target.read_back(&mut |record| {
            found.add(&record);
            counts.add(&record);
            progress(CopyStep::Compare, all, &counts);
            Ok(())
        });
        if let Err(BackupError::Store(error)) = read {
            return Err(error.into());
        }
        let found = found.position().sha256;
        if found != copied.sha256 {
            return Err(CopyError::Different { target: name, read: copied.sha256, found });
        }
        drop(moment);
        if self.begin().and_then(|now| now.state()).map_err(of_source)? != state {
            return Err(CopyError::ChangedMeanwhile { target: name, from });
        }
        target.end(&incarnation)?;
        Ok(copied)
    }

    fn begin(&self) -> Result<Moment<'_>> {
        Ok(match &self.0 {
            Engine::Sqlite(source) => Moment::Sqlite(source.begin()?),
            Engine::Postgres(source) => Moment::Postgres(Box::new(source.begin()?)),
        })
    }

    /// Whether this is the database into which it would be copied.
    fn is(&self, target: BackupTarget<'_>) -> bool {
        match (&self.0, target) {
            (Engine::Sqlite(source), BackupTarget::Sqlite(path)) => source.has(path),
            (Engine::Postgres(source), BackupTarget::Postgres(address)) => {
                source.address().to_string() == address.to_string()
            }
            _ => false,
        }
    }
}

/// The source at one moment.
enum Moment<'a> {
    Sqlite(sqlite::Moment<'a>),
    Postgres(Box<postgres::Moment<'a>>),
}

/// Calls a method that both engines have.
macro_rules! both {
    ($enum:ident, $this:ident.$method:ident($($value:expr),*)) => {
        match $this {
            $enum::Sqlite(engine) => engine.$method($($value),*),
            $enum::Postgres(engine) => engine.$method($($value),*),
        }
    };
}

impl Moment<'_> {
    fn state(&self) -> Result<String> {
        both!(Self, self.state())
    }

    fn incarnation(&self) -> Result<String> {
        both!(Self, self.incarnation())
    }

    fn revisions(&self) -> Result<u64> {
        both!(Self, self.revisions())
    }

    fn read(&self, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        both!(Self, self.read(sink))
    }
}

/// The database into which is copied.
enum Target {
    Sqlite(Box<sqlite_copy::CopyTarget>),
    Postgres(Box<postgres_copy::CopyTarget>),
}

impl Target {
    fn open(to: BackupTarget<'_>) -> Result<(Self, Option<Unfinished>), CopyError> {
        Ok(match to {
            BackupTarget::Sqlite(path) => {
                let (target, unfinished) = sqlite_copy::CopyTarget::open(path)?;
                (Self::Sqlite(Box::new(target)), unfinished)
            }
            BackupTarget::Postgres(address) => {
                let (target, unfinished) = postgres_copy::CopyTarget::open(address)?;
                (Self::Postgres(Box::new(target)), unfinished)
            }
        })
    }

    fn begin(&mut self, begun: &Unfinished) -> Result<(), CopyError> {
        match self {
            Self::Sqlite(target) => Ok(target.begin(begun)?),
            Self::Postgres(target) => target.begin(begun),
        }
    }

    /// Begins the transaction of the records after a position.
    fn go_on(&mut self, position: &Position) -> Result<(), CopyError> {
        match self {
            Self::Sqlite(target) => Ok(target.go_on()?),
            Self::Postgres(target) => target.go_on(position),
        }
    }

    /// Passes over a record that is there already.
    fn skip(&mut self, record: &Record) -> Result<()> {
        match self {
            Self::Sqlite(target) => target.skip(record),
            Self::Postgres(target) => {
                target.skip(record);
                Ok(())
            }
        }
    }

    fn write(&mut self, record: Record, ended: Option<(i64, i64)>) -> Result<()> {
        match self {
            Self::Sqlite(target) => target.write(record),
            Self::Postgres(target) => target.write(record, ended),
        }
    }

    fn commit(&mut self, position: &Position, ended: Option<(i64, i64)>) -> Result<(), CopyError> {
        match self {
            Self::Sqlite(target) => Ok(target.commit(position)?),
            Self::Postgres(target) => target.commit(position, ended),
        }
    }

    fn read_back(&mut self, sink: &mut Sink<'_>) -> Result<(), BackupError> {
        both!(Self, self.read_back(sink))
    }

    fn end(self, incarnation: &str) -> Result<(), CopyError> {
        match self {
            Self::Sqlite(target) => Ok(target.end(incarnation)?),
            Self::Postgres(target) => target.end(incarnation),
        }
    }
}

/// Counts records and computes their digest.
#[derive(Default)]
struct Records {
    sum: Sha256,
    count: i64,
    line: Vec<u8>,
}

impl Records {
    /// Adds a record. Returns how many bytes it has as a line of a backup.
    fn add(&mut self, record: &Record) -> usize {
        self.line.clear();
        serde_json::to_writer(&mut self.line, record).expect("a record is JSON");
        self.line.push(b'\n');
        self.sum.update(&self.line);
        self.count += 1;
        let bytes = self.line.len();
        // The buffer of a very large record is not kept.
        self.line.clear();
        self.line.shrink_to(1 << 20);
        bytes
    }

    fn position(&self) -> Position {
        Position { records: self.count, sha256: hex(&self.sum.clone().finalize()) }
    }
}

/// A copy under way.
struct Copying {
    target: Target,
    /// Where the source and the target are.
    places: Places,
    /// How far earlier runs came.
    earlier: Position,
    checker: Checker,
    findings: u64,
    records: Records,
    /// The records and bytes since the last commit.
    waiting: (u64, usize),
}

/// Where the source and the target of a copy are, for errors.
#[derive(Clone)]
struct Places {
    from: String,
    target: String,
}

impl Places {
    fn changed(&self) -> CopyError {
        CopyError::Changed { target: self.target.clone(), from: self.from.clone() }
    }
}

impl Copying {
    fn begin(target: Target, places: Places, earlier: Position) -> Self {
        let (checker, records) = (Checker::default(), Records::default());
        Self { target, places, earlier, checker, findings: 0, records, waiting: (0, 0) }
    }

    /// Takes the next record.
    fn take(&mut self, mut record: Record) -> Result<(), CopyError> {
        // What follows from other records is made anew, as in a restored backup.
        match &mut record {
            Record::Tenant(tenant) => tenant.removed_bytes = None,
            Record::Revision(revision) => revision.totals = None,
            _ => {}
        }
        let findings = &mut self.findings;
        self.checker.check(&record, &mut |_| *findings += 1);
        let mut ended = self.checker.ended();
        if self.records.count < self.earlier.records {
            self.target.skip(&record)?;
            self.records.add(&record);
            return Ok(());
        }
        if self.records.count == self.earlier.records {
            self.go_on()?;
            // The target has the revision that ended.
            ended = None;
        }
        // A revision is written when all its parts are known, so its parts are in the same transaction.
        let is_full = self.waiting.0 >= RECORDS || self.waiting.1 >= BYTES;
        if is_full && !matches!(record, Record::Part(_)) {
            self.target.commit(&self.records.position(), ended.take())?;
            self.waiting = (0, 0);
        }
        let bytes = self.records.add(&record);
        self.waiting = (self.waiting.0 + 1, self.waiting.1 + bytes);
        Ok(self.target.write(record, ended)?)
    }

    /// Begins to write where earlier runs stopped. Refuses a source of which the target has other records. No transaction of the
    /// target waits while the records before are passed over, which may take long.
    fn go_on(&mut self) -> Result<(), CopyError> {
        if self.records.position() != self.earlier {
            return Err(self.places.changed());
        }
        self.target.go_on(&self.earlier)
    }

    /// Commits the last records.
    fn end(mut self) -> Result<(Target, Copied), CopyError> {
        if self.records.count < self.earlier.records {
            return Err(self.places.changed());
        }
        let findings = &mut self.findings;
        let counts = self.checker.end(&mut |_| *findings += 1);
        let mut ended = self.checker.ended();
        if self.records.count == self.earlier.records {
            self.go_on()?;
            ended = None;
        }
        let position = self.records.position();
        self.target.commit(&position, ended)?;
        let earlier = u64::try_from(self.earlier.records).unwrap_or_default();
        Ok((self.target, Copied { counts, sha256: position.sha256, earlier, findings: self.findings }))
    }
}
