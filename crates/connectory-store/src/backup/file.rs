//! The file of a backup: JSON lines in one zstd frame. The last line has the counts and a checksum of all lines before.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use connectory_model::limits::{
    BACKUP_HEADER_BYTES, BACKUP_LINE_BYTES, BACKUP_TEXT_BYTES, BACKUP_WINDOW_LOG, FOUND_SCRIPT_NAME_BYTES,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::record::{ConnectorRow, Counts, DeletedRow, End, Header, Record, RevisionRow};
use crate::clock::now;

/// The word by which a backup is recognized.
const FORMAT: &str = "connectory-backup";
/// The version of the format that is written, and the newest that is read. It is another one whenever a reader has to know
/// something new: a kind of record, a member, or a format of bodies.
const VERSION: u64 = 1;
/// The level of zstd. Most bytes are compressed already, so a higher one takes longer and saves little.
const LEVEL: i32 = 3;

/// Bytes of the buffer that is kept from one line to the next. Few lines are longer.
const USUAL_LINE_BYTES: usize = 1 << 20;

/// Writes a backup.
pub(crate) struct BackupWriter<W: Write> {
    encoder: zstd::Encoder<'static, BufWriter<W>>,
    line: Vec<u8>,
    sum: Sha256,
    counts: Counts,
}

impl<W: Write> BackupWriter<W> {
    /// Begins the backup of an engine with this version of its schema.
    pub fn begin(to: W, engine: &str, schema: usize) -> Result<Self, BackupError> {
        let mut encoder = zstd::Encoder::new(BufWriter::new(to), LEVEL).map_err(BackupError::Write)?;
        encoder.include_checksum(true).map_err(BackupError::Write)?;
        let mut this = Self { encoder, line: Vec::new(), sum: Sha256::new(), counts: Counts::default() };
        this.line(&Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: now(),
            engine: engine.to_owned(),
            schema: schema as u64,
        })?;
        Ok(this)
    }

    /// Writes a record.
    pub fn write(&mut self, record: &Record) -> Result<&Counts, BackupError> {
        self.line(record)?;
        self.counts.add(record);
        Ok(&self.counts)
    }

    /// Writes the end. Nothing is lost if this returns `Ok` and what it wrote to is synced.
    pub fn end(mut self) -> Result<Counts, BackupError> {
        let sha256 = hex(&self.sum.clone().finalize());
        let counts = self.counts;
        self.line(&Record::End(End { counts, sha256 }))?;
        let mut rest = self.encoder.finish().map_err(BackupError::Write)?;
        rest.flush().map_err(BackupError::Write)?;
        Ok(counts)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), BackupError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value).expect("a record is JSON");
        self.line.push(b'\n');
        if self.line.len() > BACKUP_LINE_BYTES {
            let why = format!("a record has {} bytes, and {BACKUP_LINE_BYTES} are possible", self.line.len());
            return Err(BackupError::Write(io::Error::new(io::ErrorKind::FileTooLarge, why)));
        }
        self.sum.update(&self.line);
        self.encoder.write_all(&self.line).map_err(BackupError::Write)?;
        // The buffer of a very large record is not kept.
        self.line.shrink_to(USUAL_LINE_BYTES);
        Ok(())
    }
}

/// What every version of the format begins with.
#[derive(Default, Deserialize)]
struct First {
    format: String,
    version: u64,
    #[serde(default)]
    program: String,
}

/// Reads a backup, and checks it against its checksums and counts.
pub(crate) struct BackupReader<R: Read> {
    lines: BufReader<zstd::Decoder<'static, BufReader<R>>>,
    header: Header,
    line: Vec<u8>,
    sum: Sha256,
    counts: Counts,
    records: u64,
}

impl<R: Read> BackupReader<R> {
    /// Reads the header. Refuses another file than a backup, and a format that is newer than this program.
    pub fn begin(from: R) -> Result<Self, BackupError> {
        let mut from = BufReader::new(from);
        if from.fill_buf().map_err(BackupError::Read)?.is_empty() {
            return Err(BackupError::Foreign("it is empty"));
        }
        let mut decoder = zstd::Decoder::with_buffer(from).map_err(BackupError::Read)?;
        decoder.window_log_max(BACKUP_WINDOW_LOG).map_err(BackupError::Read)?;
        let mut lines = BufReader::new(decoder);
        if let Err(error) = lines.fill_buf()
            && !is_end(&error)
            && !is_of_system(&error)
        {
            return Err(BackupError::Foreign("it is not compressed with zstd, or its beginning is damaged"));
        }
        let header = Header {
            format: String::new(),
            version: 0,
            program: String::new(),
            created_at: 0,
            engine: String::new(),
            schema: 0,
        };
        let (sum, counts) = (Sha256::new(), Counts::default());
        let mut this = Self { lines, header, line: Vec::new(), sum, counts, records: 0 };
        let foreign = BackupError::Foreign("its first line is not that of a backup");
        match this.read_line(BACKUP_HEADER_BYTES) {
            Err(_) if this.line.len() > BACKUP_HEADER_BYTES => return Err(foreign),
            read => read?,
        }
        let first: First = serde_json::from_slice(&this.line).unwrap_or_default();
        if first.format != FORMAT {
            return Err(foreign);
        }
        if first.version > VERSION {
            return Err(BackupError::Newer { found: first.version, known: VERSION, program: first.program });
        }
        this.header = serde_json::from_slice(&this.line).map_err(|error| this.damaged(error))?;
        this.sum.update(&this.line);
        Ok(this)
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The records so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Reads the next record. Returns none after the end, when all checksums and counts are right.
    pub fn read(&mut self) -> Result<Option<Record>, BackupError> {
        self.read_line(BACKUP_LINE_BYTES)?;
        let others = beside_body(&self.line);
        if others > BACKUP_TEXT_BYTES {
            return Err(self.damaged(format_args!(
                "its next record has {others} bytes beside its body, and {BACKUP_TEXT_BYTES} are possible"
            )));
        }
        let record = serde_json::from_slice(&self.line).map_err(|error| self.damaged(error))?;
        let Record::End(End { counts, sha256 }) = record else {
            self.sum.update(&self.line);
            if let Record::Revision(RevisionRow { script_name, .. })
            | Record::Connector(ConnectorRow { script_name, .. })
            | Record::Deleted(DeletedRow { script_name, .. }) = &record
                && script_name.len() > FOUND_SCRIPT_NAME_BYTES
            {
                let bytes = script_name.len();
                return Err(self.damaged(format_args!(
                    "its next record has a script name of {bytes} bytes, and {FOUND_SCRIPT_NAME_BYTES} are possible"
                )));
            }
            self.counts.add(&record);
            self.records += 1;
            // The line of a very large record is not kept beside the record.
            self.line.clear();
            self.line.shrink_to(USUAL_LINE_BYTES);
            return Ok(Some(record));
        };
        if sha256 != hex(&self.sum.clone().finalize()) {
            return Err(self.damaged("its checksum is another one than its end says"));
        }
        if counts != self.counts {
            return Err(self.damaged("its records are not as many as its end says"));
        }
        // This also reads the checksum of zstd.
        let after = match self.lines.fill_buf() {
            Ok(after) => after.len(),
            Err(error) => return Err(self.failed(error)),
        };
        if after > 0 {
            return Err(self.damaged("there is something after its end"));
        }
        Ok(None)
    }

    /// Reads a line of `most` bytes at most.
    fn read_line(&mut self, most: usize) -> Result<(), BackupError> {
        self.line.clear();
        let mut read = (&mut self.lines).take(most as u64 + 1);
        // A buffer that grows is there twice while it is moved, so a long line gets one that is large enough.
        let rest = read.limit().saturating_sub(USUAL_LINE_BYTES as u64);
        read.set_limit(read.limit() - rest);
        let mut found = read.read_until(b'\n', &mut self.line);
        if found.is_ok() && read.limit() == 0 && self.line.last() != Some(&b'\n') {
            self.line.reserve_exact(most + 1 - self.line.len());
            read.set_limit(rest);
            found = read.read_until(b'\n', &mut self.line);
        }
        if let Err(error) = found {
            return Err(self.failed(error));
        }
        if self.line.len() > most {
            return Err(self.damaged(format_args!("its next line has more than {most} bytes, which no backup has")));
        }
        if self.line.last() != Some(&b'\n') {
            return Err(BackupError::Truncated { records: self.records });
        }
        Ok(())
    }

    /// What an error while reading means.
    fn failed(&self, error: io::Error) -> BackupError {
        if is_end(&error) {
            BackupError::Truncated { records: self.records }
        } else if is_of_system(&error) {
            BackupError::Read(error)
        } else {
            self.damaged(error)
        }
    }

    /// An error for what no backup has.
    pub fn damaged<T: Display>(&self, why: T) -> BackupError {
        BackupError::Damaged { records: self.records, why: why.to_string() }
    }
}

/// The length of a line without the body of its record. A check has some of that in memory for each connector.
fn beside_body(line: &[u8]) -> usize {
    // Inside of a text, these marks would have a backslash before them. Base64 has none.
    let body = memchr::memmem::find(line, b"\"body\"").and_then(|name| {
        let rest = &line[name + b"\"body\"".len()..];
        let start = memchr::memchr(b'"', rest)? + 1;
        memchr::memchr(b'"', &rest[start..])
    });
    line.len() - body.unwrap_or_default()
}

/// Whether zstd found the end of the file too early.
fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// Whether the system could not read the file. All others are errors of zstd.
fn is_of_system(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
