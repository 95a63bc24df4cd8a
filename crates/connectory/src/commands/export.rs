//! `connectory export`: writes every custom connector to a JSON file.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::environment::{EnvironmentArgument, custom};
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
        Some(file) => std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display())),
        None => terminal::bytes(&text),
    }
}
