//! `connectory plan`: prints what `apply` would change.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::environment::EnvironmentArgument;
use crate::plan::compare::compare;
use crate::plan::record::Record;
use crate::plan::report;
use crate::plan::saved::Saved;
use crate::plan::show::Shown;
use crate::plan::wanted;
use crate::terminal::{DIFFERENT, SAME};

#[derive(Args)]
pub struct PlanArguments {
    /// A folder of connector folders, or one connector folder
    dir: PathBuf,
    /// Delete custom connectors that have no folder
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    show: Shown,
    /// How to print the plan
    #[arg(long, value_enum, default_value = "text", conflicts_with_all = ["stat", "verbose"])]
    format: PlanFormat,
    /// Save the plan in a new file, which `connectory apply FILE` carries out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// How a plan is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    /// For people
    Text,
    /// For programs, such as one that comments on a pull request
    Json,
}

/// Prints what `apply` would do.
pub async fn run(arguments: PlanArguments) -> Result<ExitCode> {
    let goal = wanted::goal(&arguments.dir, arguments.prune)?;
    let client = arguments.environment.client()?;
    let record = Record::of(&arguments.dir, &client).await?;
    let plan = compare(&client, &goal).await?;
    let server = &client.environment().base_url;
    match arguments.format {
        PlanFormat::Text => plan.print(server, arguments.show),
        PlanFormat::Json => say!("{}", serde_json::to_string_pretty(&report::of(&plan, server))?),
    }
    if let Some(record) = record {
        record.warn_of_others(&plan);
    }
    plan.check()?;
    wanted::refuse_doubtful(&arguments.dir, &plan)?;
    if let Some(out) = &arguments.out {
        Saved::save(out, &client, &plan).await?;
    }
    Ok(if plan.steps.is_empty() { SAME } else { DIFFERENT }.into())
}
