//! `connectory database …`: checking a database and updating its schema beside running servers, and copying one into another.

use std::cell::{Cell, RefCell};

use anyhow::{Error, Result, anyhow};
use clap::Subcommand;
use connectory_model::visible;
use connectory_store::{BackupSource, BackupTarget, Copied, CopyError, CopyStep};

use crate::access::{self, database_option, named};
use crate::backups::{self, Found, shown};
use crate::progress::Progress;
use crate::serve::settings::DatabaseArgument;
use crate::serve::values::Database;
use crate::terminal;

#[derive(Subcommand)]
pub enum DatabaseCommand {
    /// Check that everything in a database is what it should be. A running server goes on.
    Check {
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Prepare a database for this version, and say what it has; servers of the version before go on. Every start does the
    /// same.
    Migrate {
        /// End the time of older servers: run this when all servers on the database have this version. Older ones refuse
        /// requests from then on.
        #[arg(long)]
        finish: bool,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Copy all of a database into a new one, of either engine, to move to it. Stop every server that uses the source first. Tokens
    /// stay valid. If the copy is interrupted, the same command goes on where it stopped.
    Copy {
        /// The database to copy
        #[arg(long, value_name = "sqlite:PATH|postgres://…")]
        from: Database,
        /// The database to make of it. It must be new or empty, or half copied by an earlier run
        #[arg(long, value_name = "sqlite:PATH|postgres://…")]
        to: Database,
        /// Empty a half copied target, and copy from the beginning
        #[arg(long)]
        restart: bool,
    },
}

/// Runs a `database` command.
pub fn run(command: DatabaseCommand) -> Result<()> {
    terminal::print_warnings();
    match command {
        DatabaseCommand::Check { database } => check(database),
        DatabaseCommand::Migrate { finish, database } => migrate(finish, database),
        DatabaseCommand::Copy { from, to, restart } => copy(&from, &to, restart),
    }
}

fn migrate(finish: bool, database: DatabaseArgument) -> Result<()> {
    let access = access::open(database)?;
    let Some((before, now)) = access.schema(finish)? else {
        say!(
            "The database is of this version. One program at a time uses a SQLite database, so there is nothing to finish."
        );
        return Ok(());
    };
    match (before.version < now.version, now.version < now.expanded) {
        (true, _) => say!("Finished the schema {}: servers that do not know it refuse requests now.", now.version),
        (false, true) => {
            say!("The schema is prepared for {}. Servers that know {} go on.", now.expanded, now.version);
            say!(
                "When all servers are updated: `connectory database migrate --finish {}`.",
                database_option(&access.location())
            );
        }
        (false, false) => say!("The schema is {}, and there is nothing to finish.", now.version),
    }
    Ok(())
}

fn check(database: DatabaseArgument) -> Result<()> {
    let source = backups::source(database)?;
    let progress = Progress::of("checked", "revisions", 0);
    let mut found = Found::default();
    let checked = source.check(&mut |all, counts| progress.reach_of(counts.revisions, all), &mut |finding| {
        progress.aside(|| found.add(&finding));
    });
    drop(progress);
    let (counts, unchecked) = checked?;
    say!("Checked {}.", shown(&counts));
    if let Some(unchecked) = unchecked {
        say!("{}", visible(&unchecked));
    }
    found.end("the database")?;
    say!("Everything is what it should be.");
    Ok(())
}

fn copy(from: &Database, to: &Database, restart: bool) -> Result<()> {
    let source = match from {
        Database::Sqlite(path) => BackupSource::open_alone(path)?,
        Database::Postgres(address) => named(BackupSource::open_postgres(address))?,
    };
    let target = match to {
        Database::Sqlite(path) => BackupTarget::Sqlite(path),
        Database::Postgres(address) => BackupTarget::Postgres(address),
    };
    let (from_location, to_location) = (source.location(), target.location());
    report!("from: {}", visible(&from_location));
    report!("to: {}", visible(&to_location));
    if let Database::Postgres(_) = from {
        report!(
            "note: no server may use the source from now on. What one changes there meanwhile is not copied, and then the \
             target stays unfinished"
        );
    }
    let progress = RefCell::new((CopyStep::Copy, Progress::of("copied", "revisions", 0)));
    let has_begun = Cell::new(false);
    let copied = source.copy(target, restart, &mut |step, all, counts| {
        has_begun.set(true);
        let mut progress = progress.borrow_mut();
        if progress.0 != step {
            *progress = (step, Progress::of("compared", "revisions", all));
        }
        progress.1.reach_of(counts.revisions, all);
    });
    drop(progress);
    let Copied { counts, sha256, earlier, findings } = copied.map_err(|error| explained(error, has_begun.get()))?;
    say!("Copied {}.", shown(&counts));
    if earlier > 0 {
        say!("An earlier run had copied the first {earlier} records, which were not sent again.");
    }
    say!("The target was read back and is the same. The SHA-256 of all records is {sha256} in both.");
    say!(
        "Tokens stay valid, and clients that follow changes go on where they were. Sessions of the console have ended. Start: \
         `connectory serve {}`.",
        visible(&database_option(&to_location))
    );
    say!(
        "Start no server on the source again: both would accept the same tokens, and each would have its own changes."
    );
    if findings > 0 {
        report!("warning: {findings} things are not right in both databases; `connectory database check` lists them");
    }
    Ok(())
}

/// Adds what to do after an error that may have interrupted a copy.
fn explained(error: CopyError, has_begun: bool) -> Error {
    match error {
        CopyError::Source(_) | CopyError::Target(_) if has_begun => {
            anyhow!("{error}. What was copied already stays; the same command goes on from there")
        }
        error => error.into(),
    }
}
