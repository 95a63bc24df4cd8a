//! `connectory pull`: writes connectors to folders.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use connectory_client::{Filter, Status};
use connectory_folder::disk;
use connectory_model::ScriptName;

use crate::environment::{EnvironmentArgument, details, folder_of};
use crate::terminal;

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
    /// Print nothing
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
    let mut files = 0;
    for detail in &pulled {
        // A name that a server gave must not lead out of the folder.
        let name = ScriptName::strict(detail.script_name.as_str())?;
        files += disk::write(&arguments.dir.join(name.as_str()), &folder_of(detail)?)?;
    }
    if !arguments.quiet {
        say!("pulled {}, {} changed", terminal::count(pulled.len(), "connector"), terminal::count(files, "file"));
    }
    Ok(())
}
