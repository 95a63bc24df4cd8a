//! `connectory apply`: changes a server so that it has the connectors of a folder.

use anyhow::Result;
use clap::Args;

use crate::commands::plan::PlanArguments;
use crate::plan::apply::{ApplyOptions, plan_and_apply};
use crate::plan::wanted;

#[derive(Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    plan: PlanArguments,
    #[command(flatten)]
    options: ApplyOptions,
}

/// Plans, asks, and applies.
pub async fn run(ApplyArguments { plan, options }: ApplyArguments) -> Result<()> {
    let wanted = wanted::read(&plan.dir, plan.prune)?;
    plan_and_apply(&plan.environment, wanted, Some(&plan.dir), plan.prune, &options).await
}
