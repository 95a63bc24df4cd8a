//! `connectory import`: creates and changes connectors from an exported file or from folders.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use connectory_folder::Folder;
use connectory_model::import;

use crate::environment::EnvironmentArgument;
use crate::plan::apply::{ApplyOptions, plan_and_apply};
use crate::plan::wanted::{self, Wanted};

#[derive(Args)]
pub struct ImportArguments {
    /// A file that `connectory export` wrote, or a folder of connector folders
    #[arg(value_name = "FILE|DIR")]
    from: PathBuf,
    #[command(flatten)]
    options: ApplyOptions,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Creates and changes connectors from a file or a folder.
pub async fn run(arguments: ImportArguments) -> Result<()> {
    let from = &arguments.from;
    let goal = if from.is_dir() {
        wanted::goal(from, false)?
    } else {
        let text = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        let connectors =
            import::whole_from_json(&text, usize::MAX).with_context(|| format!("cannot import {}", from.display()))?;
        let wanted = connectors
            .into_iter()
            .map(|connector| Wanted { script_name: connector.script_name.clone(), folder: Folder::from(connector) });
        wanted.collect::<Vec<_>>().into()
    };
    plan_and_apply(&arguments.environment, goal, from.is_dir().then_some(from), None, &arguments.options).await
}
