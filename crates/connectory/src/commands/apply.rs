//! `connectory apply`: changes a server so that it has the connectors of a folder, or carries out a saved plan.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::environment::EnvironmentArgument;
use crate::plan::apply::{ApplyOptions, plan_and_apply};
use crate::plan::saved::Saved;
use crate::plan::wanted;

#[derive(Args)]
pub struct ApplyArguments {
    /// A folder of connector folders, one connector folder, or a file that `connectory plan --out` saved
    #[arg(value_name = "DIR|FILE")]
    from: PathBuf,
    /// Delete custom connectors that have no folder
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    options: ApplyOptions,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Plans, asks, and applies.
pub async fn run(ApplyArguments { from, prune, options, environment }: ApplyArguments) -> Result<()> {
    if !from.is_file() {
        return plan_and_apply(&environment, wanted::goal(&from, prune)?, Some(&from), None, &options).await;
    }
    if prune {
        bail!("{} is a saved plan, which says itself what is deleted; leave out --prune", from.display());
    }
    let saved = Saved::read(&from)?;
    plan_and_apply(&environment, saved.goal()?, None, Some(&saved), &options).await
}
