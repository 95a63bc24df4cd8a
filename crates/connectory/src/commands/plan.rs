//! `connectory plan`: prints what `apply` would change.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::environment::EnvironmentArgument;
use crate::plan::compare::compare;
use crate::plan::record::Record;
use crate::plan::wanted;
use crate::terminal::{DIFFERENT, SAME};

#[derive(Args)]
pub struct PlanArguments {
    /// A folder of connector folders, or one connector folder
    pub dir: PathBuf,
    /// Delete custom connectors that have no folder
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    pub environment: EnvironmentArgument,
}

/// Prints what `apply` would do.
pub async fn run(arguments: PlanArguments) -> Result<ExitCode> {
    let wanted = wanted::read(&arguments.dir, arguments.prune)?;
    let client = arguments.environment.client()?;
    let record = Record::of(&arguments.dir, &client).await?;
    let plan = compare(&client, wanted, arguments.prune).await?;
    plan.print();
    if let Some(record) = record {
        record.warn_of_others(&plan);
    }
    plan.check()?;
    wanted::refuse_doubtful(&arguments.dir, &plan)?;
    Ok(if plan.steps.is_empty() { SAME } else { DIFFERENT }.into())
}
