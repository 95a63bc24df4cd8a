//! `connectory database …`: checking a database, and updating its schema. Both work beside running servers.

use anyhow::Result;
use clap::Subcommand;
use connectory_model::visible;

use crate::access;
use crate::backups::{self, Found, shown};
use crate::progress::Progress;
use crate::serve::settings::DatabaseArgument;
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
}

/// Runs a `database` command.
pub fn run(command: DatabaseCommand) -> Result<()> {
    terminal::print_warnings();
    match command {
        DatabaseCommand::Check { database } => check(database),
        DatabaseCommand::Migrate { finish, database } => migrate(finish, database),
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
                access::database_option(&access.location())
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
