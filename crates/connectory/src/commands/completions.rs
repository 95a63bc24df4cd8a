//! `connectory completions` and `connectory man`: files for shells and for `man`, made from the command line's own
//! definition.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::files::{self, Readers};
use crate::{help, terminal};

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
pub fn run(arguments: &CompletionsArguments, mut command: Command) -> Result<()> {
    // `generate` panics where its reader has closed the pipe.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "connectory", &mut script);
    terminal::bytes(&script)
}

/// Writes the man pages of a command line.
pub fn man(ManArguments { dir }: &ManArguments, command: Command) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_pages(&command, "", dir)
}

/// Writes the page of a command and of everything below it. `words` are those of the command, without the program's name.
fn write_pages(command: &Command, words: &str, dir: &Path) -> Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, format!("{words} {}", sub.get_name()).trim_start(), dir)?;
    }
    // The synopsis that `Man` makes has no values of options.
    let usage = command.clone().render_usage().to_string();
    let man = Man::new(command.clone().override_usage(usage.trim_start_matches("Usage: ").to_owned()));
    let page = page(&man, words).context("a page can be written to memory")?;
    files::write(&dir.join(man.get_filename()), &page, Readers::AsBefore)
}

fn page(man: &Man, words: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render(&mut page)?;
    help::man_sections(words).to_writer(&mut page)?;
    Ok(page)
}
