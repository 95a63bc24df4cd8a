//! `connectory promote`: copies connectors from one environment to another.

use anyhow::Result;
use clap::Args;
use connectory_model::ScriptName;

use crate::environment::{EnvironmentArgument, details, folder_of};
use crate::plan::apply::{ApplyOptions, plan_and_apply};
use crate::plan::wanted::Wanted;

#[derive(Args)]
pub struct PromoteArguments {
    /// The environment to copy connectors from
    #[arg(long, value_name = "ENV")]
    from: String,
    /// The environment to copy them to
    #[arg(long, value_name = "ENV")]
    to: String,
    /// The script names of the connectors
    #[arg(required = true)]
    names: Vec<ScriptName>,
    #[command(flatten)]
    options: ApplyOptions,
}

/// Copies connectors from one environment to another.
pub async fn run(arguments: PromoteArguments) -> Result<()> {
    let [from, to] = [arguments.from, arguments.to].map(EnvironmentArgument::named);
    let details = details(&from.client()?, arguments.names).await?;
    let wanted: Result<Vec<_>> = details
        .iter()
        .map(|detail| Ok(Wanted { script_name: detail.script_name.clone(), folder: folder_of(detail)? }))
        .collect();
    plan_and_apply(&to, wanted?.into(), None, None, &arguments.options).await
}
