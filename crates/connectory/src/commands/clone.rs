//! `connectory clone`: makes a connector that has all that another one has, wholly or not at all.
//!
//! It is a plan with one connector, so a failure in the middle leaves nothing, as `apply` does.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::Args;
use connectory_client::Client;
use connectory_model::{ScriptName, name_key, visible};

use crate::commands::init::new_connector;
use crate::environment::{EnvironmentArgument, details, find, folder_of};
use crate::plan::apply::{ApplyOptions, plan_and_apply};
use crate::plan::wanted::Wanted;

#[derive(Args)]
pub struct CloneArguments {
    /// The script name of the connector to copy, a built-in one too
    script_name: ScriptName,
    /// The name of the new connector
    new_name: String,
    /// Print nothing
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Makes the connector.
pub async fn run(CloneArguments { script_name, new_name, quiet, environment }: CloneArguments) -> Result<()> {
    let name = new_connector(&new_name)?.name;
    let client = environment.client()?;
    let folder = folder_of(&details(&client, vec![script_name]).await?[0])?.renamed(&name);
    let script_name = free_script_name(&client, &name).await?;
    let wanted = vec![Wanted { script_name: script_name.clone(), folder }];
    plan_and_apply(&environment, wanted.into(), None, None, &ApplyOptions::SILENT).await?;
    if !quiet {
        say!("Created `{}`: its script name is {script_name}.", visible(&name));
    }
    Ok(())
}

/// The script name that the server gives to a new connector of this name.
async fn free_script_name(client: &Client, name: &str) -> Result<ScriptName> {
    let mut taken = BTreeSet::new();
    loop {
        let free = ScriptName::derive(name).avoiding(|candidate| taken.contains(candidate));
        match find(client, free.as_str()).await? {
            None => return Ok(free),
            Some(other) if name_key(&other.name) == name_key(name) => {
                bail!("`{}` is the name of the connector {free} already; give another name", other.name)
            }
            Some(_) => taken.insert(free),
        };
    }
}
