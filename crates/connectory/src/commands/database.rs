//! `connectory database check`: whether everything in a database is what it should be. It works beside a running server.

use anyhow::Result;
use clap::Subcommand;
use connectory_model::visible;

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
}

/// Runs a `database` command.
pub fn run(command: DatabaseCommand) -> Result<()> {
    terminal::print_warnings();
    match command {
        DatabaseCommand::Check { database } => check(database),
    }
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
