//! `connectory completions` and `connectory man`: files for shells and for `man`, made from the command line's own
//! definition.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Args)]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

#[derive(Args)]
pub struct ManArguments {
    /// The folder to write the man pages to
    dir: PathBuf,
}

/// Prints the completion script of a command line.
pub fn run(arguments: &CompletionsArguments, mut command: Command) {
    clap_complete::generate(arguments.shell, &mut command, "connectory", &mut std::io::stdout());
}

/// Writes the man pages of a command line.
pub fn man(ManArguments { dir }: &ManArguments, command: Command) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    clap_mangen::generate_to(command, dir).context("cannot write the man pages")
}
