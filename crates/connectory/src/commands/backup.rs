//! `connectory backup …`: makes, verifies and restores backups. The commands open the database themselves, beside a running
//! server or without one.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf, absolute};
use std::rc::Rc;

use anyhow::{Context, Error, Result, anyhow, bail};
use clap::{Subcommand, ValueEnum};
use connectory_model::visible;
use connectory_store::{Backup, BackupError, BackupTarget, Header, Keys, StoreError};
use jiff::Timestamp;

use crate::access::database_option;
use crate::backups::{self, Found, shown};
use crate::files;
use crate::progress::Progress;
use crate::serve::settings::DatabaseArgument;
use crate::serve::values::Database;
use crate::terminal;

#[derive(Subcommand)]
pub enum BackupCommand {
    /// Write all of a database to one new file, as it is at this moment. A running server goes on. The file has the keys
    /// that sign tokens and the hashes of secrets.
    Create {
        /// The file. It must not exist.
        file: PathBuf,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Read all of a backup, and check that it is whole and that every revision in it is right.
    Verify {
        /// The file.
        file: PathBuf,
    },
    /// Make a database of a backup, of either engine. The database must be new or empty. Sessions of the console end.
    Restore {
        /// The file.
        file: PathBuf,
        /// Whether the signing keys and the issuer come along. With `keep`, tokens stay valid. With `new`, no token that was
        /// issued before is valid [default: asks]
        #[arg(long, value_enum)]
        keys: Option<KeysArgument>,
        #[command(flatten)]
        database: DatabaseArgument,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeysArgument {
    /// Restore them: the database replaces the one that is lost
    Keep,
    /// Make new ones: the database is another one beside the first
    New,
}

/// Runs a `backup` command.
pub fn run(command: BackupCommand) -> Result<()> {
    terminal::print_warnings();
    match command {
        BackupCommand::Create { file, database } => create(&file, database),
        BackupCommand::Verify { file } => verify(&file),
        BackupCommand::Restore { file, keys, database } => restore(&file, keys, database),
    }
}

fn create(file: &Path, database: DatabaseArgument) -> Result<()> {
    // Before anything is read: making the backup may take long.
    files::expect_new(file)?;
    let source = backups::source(database)?;
    let progress = Progress::of("wrote", "revisions", 0);
    let write = |to: &File| Ok(source.write(to, &mut |all, counts| progress.reach_of(counts.revisions, all))?);
    let counts = files::write_new_by(file, write)?;
    drop(progress);
    let bytes = file.metadata().map(|file| file.len()).unwrap_or_default();
    say!("Wrote {}, {bytes} bytes: {}.", visible(&file.display().to_string()), shown(&counts));
    say!(
        "It has the keys that sign tokens and the hashes of secrets. Whoever can read it can act as every client, so keep it \
         as you keep the database."
    );
    Ok(())
}

fn verify(file: &Path) -> Result<()> {
    let (backup, done) = open(file)?;
    say!("{}", shown_header(backup.header()));
    let mut found = Found::default();
    let verified = backup.verify(&mut |_| done.show(), &mut |finding| done.progress.aside(|| found.add(&finding)));
    drop(done);
    let verified = verified.map_err(|error| of(file, error))?;
    say!("It has {}.", shown(&verified.counts));
    found.end("the backup is whole, but the database that it is of")?;
    say!("It is whole, and every revision is right.");
    Ok(())
}

fn restore(file: &Path, keys: Option<KeysArgument>, database: DatabaseArgument) -> Result<()> {
    let (backup, done) = open(file)?;
    let database = database.database()?;
    let target = match &database {
        Database::Sqlite(path) => BackupTarget::Sqlite(path),
        Database::Postgres(address) => BackupTarget::Postgres(address),
    };
    let location = match &database {
        Database::Sqlite(path) => format!("sqlite:{}", absolute(path).unwrap_or(path.clone()).display()),
        Database::Postgres(address) => address.to_string(),
    };
    report!("database: {}", visible(&location));
    say!("{}", shown_header(backup.header()));
    let keys = match keys {
        Some(keys) => keys,
        None => ask()?,
    };
    let wanted = match keys {
        KeysArgument::Keep => Keys::Keep,
        KeysArgument::New => Keys::New,
    };
    let restored = backup.restore(target, wanted, &mut |_| done.show());
    drop(done);
    let (verified, findings) = restored.map_err(|error| match error {
        BackupError::Store(_) | BackupError::NotEmpty(_) => Error::from(error),
        error => of(file, error),
    })?;
    say!("Restored {}.", shown(&verified.counts));
    match keys {
        KeysArgument::Keep => say!(
            "Tokens that were issued before stay valid. If a server still uses the first database, stop it: each would accept \
             the tokens of the other."
        ),
        KeysArgument::New => {
            say!("No token that was issued before is valid. Clients keep their secrets, and get new tokens with them.");
        }
    }
    say!("Sessions of the console have ended. Start: `connectory serve {}`.", database_option(&location));
    if findings > 0 {
        report!(
            "warning: the database that the backup is of had {findings} things that are not right; `connectory database \
             check` lists them"
        );
    }
    Ok(())
}

/// Asks whether the keys come along.
fn ask() -> Result<KeysArgument> {
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to ask on; give --keys keep, so that tokens stay valid, or --keys new");
    }
    let question = "Restore the signing keys too, so that tokens that were issued before stay valid?";
    Ok(if terminal::confirm(question)? { KeysArgument::Keep } else { KeysArgument::New })
}

/// Where a backup is from.
fn shown_header(header: &Header) -> String {
    let Header { program, created_at, engine, schema, .. } = header;
    let time =
        Timestamp::from_millisecond(*created_at).map_or_else(|_| created_at.to_string(), |time| time.to_string());
    let engine = if engine == "postgres" { "PostgreSQL" } else { "SQLite" };
    visible(&format!("A backup of {time}, by connectory {program}, of {engine} with schema {schema}.")).into_owned()
}

/// An error that is about the file.
fn of(file: &Path, error: BackupError) -> Error {
    match error {
        BackupError::Store(StoreError::Unreadable(why)) => anyhow!("{}: {why}", file.display()),
        error => Error::from(error).context(file.display().to_string()),
    }
}

/// How much of a file is read.
struct Done {
    progress: Progress,
    bytes: Rc<Cell<u64>>,
}

impl Done {
    fn show(&self) {
        self.progress.reach(self.bytes.get());
    }
}

/// A file of which is known how much is read.
struct Reading {
    file: File,
    bytes: Rc<Cell<u64>>,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bytes.set(self.bytes.get() + read as u64);
        Ok(read)
    }
}

fn open(path: &Path) -> Result<(Backup<Reading>, Done)> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let all = file.metadata().map(|file| file.len()).unwrap_or_default();
    let bytes = Rc::<Cell<u64>>::default();
    let backup = Backup::open(Reading { file, bytes: Rc::clone(&bytes) }).map_err(|error| of(path, error))?;
    Ok((backup, Done { progress: Progress::of("read", "bytes", all), bytes }))
}
