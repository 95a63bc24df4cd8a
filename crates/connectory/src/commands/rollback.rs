//! `connectory rollback`: brings a server back to what it had at a revision or a time.

use anyhow::Result;
use clap::Args;
use connectory_client::Capability;

use crate::environment::{EnvironmentArgument, connectors, expect, folder_of};
use crate::moment::Moment;
use crate::plan::apply::{ApplyOptions, plan_and_apply};
use crate::plan::wanted::{Goal, Wanted};

#[derive(Args)]
pub struct RollbackArguments {
    /// The number of a revision, whose change is kept as a whole, or a time; one without an offset is of this machine's time
    /// zone, and a date is the beginning of its day. All custom connectors become what they were
    /// after it: those that came since are deleted, and those that were deleted are there again
    #[arg(long, value_name = "REVISION|TIME")]
    to: Moment,
    #[command(flatten)]
    options: ApplyOptions,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Plans, asks, and goes back, with one new change.
pub async fn run(RollbackArguments { to, options, environment }: RollbackArguments) -> Result<()> {
    let client = environment.client()?;
    expect(&client, Capability::History, "the history of connectors").await?;
    let export = client.export_at(&to.to_string()).await?;
    // A time says less than the number of the revision that was the newest then.
    report!("going back to revision {}", export.revision);
    let then = connectors(export);
    let wanted =
        then.iter().map(|detail| Ok(Wanted { script_name: detail.script_name.clone(), folder: folder_of(detail)? }));
    let goal = Goal { wanted: wanted.collect::<Result<_>>()?, unwanted: Vec::new(), prune: true };
    plan_and_apply(&environment, goal, None, None, &options).await
}
