//! `connectory export`: writes every custom connector to a JSON file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::environment::{EnvironmentArgument, custom};
use crate::files::{self, Readers};
use crate::terminal;

#[derive(Args)]
pub struct ExportArguments {
    /// The file to write [default: standard output]
    file: Option<PathBuf>,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Writes every custom connector as a JSON array of details.
pub async fn run(arguments: ExportArguments) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(&custom(&arguments.environment.client()?).await?)?;
    text.push(b'\n');
    match arguments.file {
        Some(file) => files::write(&file, &text, Readers::AsBefore),
        None => terminal::bytes(&text),
    }
}
