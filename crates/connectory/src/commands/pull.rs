//! `connectory pull`: writes connectors to folders.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use connectory_client::{Filter, Status};
use connectory_folder::folder_name::folder_name;
use connectory_folder::pull::{Kept, Pull, Pulled};
use connectory_model::{ScriptName, visible};

use crate::environment::{EnvironmentArgument, details, folder_of};
use crate::terminal::{self, YELLOW, styled};

/// How many kept files are named.
const SHOWN: usize = 20;

#[derive(Args)]
pub struct PullArguments {
    /// The folder to write connector folders to
    dir: PathBuf,
    /// The script names of the connectors to write [default: every custom connector]
    names: Vec<ScriptName>,
    /// Only connectors that match a filter, such as 'name sw "HR"'
    #[arg(long, conflicts_with = "names")]
    filter: Option<Filter>,
    /// Built-in connectors too
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Overwrite files that were edited here since the last pull
    #[arg(long)]
    force: bool,
    /// Print nothing but warnings
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Writes connectors to folders.
pub async fn run(arguments: PullArguments) -> Result<()> {
    let client = arguments.environment.client()?;
    let pulled = if arguments.names.is_empty() {
        let mut list = client.list().statuses(&Status::ALL);
        if !arguments.all {
            list = list.custom(true);
        }
        if let Some(filter) = arguments.filter {
            list = list.filter(filter);
        }
        let names = list.all().await?.into_iter().map(|item| item.script_name);
        let mut pulled = details(&client, names).await?;
        // A service other than connectory ignores `custom` and lists built-in connectors too.
        pulled.retain(|detail| arguments.all || detail.is_custom());
        pulled
    } else {
        details(&client, arguments.names.into_iter()).await?
    };
    let mut pull = Pull::begin(&arguments.dir, arguments.force)?;
    for detail in &pulled {
        pull.write(&folder_name(&detail.script_name)?, &folder_of(detail)?)?;
    }
    let Pulled { changed, kept } = pull.finish()?;
    if !arguments.quiet {
        say!("pulled {}, {} changed", terminal::count(pulled.len(), "connector"), terminal::count(changed, "file"));
    }
    if !kept.is_empty() {
        warn_of(&kept);
    }
    Ok(())
}

/// Tells which files were not overwritten.
fn warn_of(kept: &[Kept]) {
    anstream::eprintln!(
        "{} {} changed here since the last pull, and kept; `connectory plan` shows the differences, `--force` overwrites:",
        styled(YELLOW, "warning:"),
        terminal::count(kept.len(), "file")
    );
    for kept in kept.iter().take(SHOWN) {
        anstream::eprintln!("  {}", visible(&kept.to_string()));
    }
    if let Some(more) = kept.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        anstream::eprintln!("  and {more} more");
    }
}
