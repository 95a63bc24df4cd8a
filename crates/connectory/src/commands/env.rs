//! `connectory env …` and `connectory logout`: the environments of ~/.sailpoint/config.yaml.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use connectory_client::{Environment, EnvironmentSource};
use connectory_model::visible;
use serde::Serialize;

use crate::home::HomeFile;
use crate::terminal::{self, Format};

#[derive(Subcommand)]
pub enum EnvCommand {
    /// List the environments, and mark the active one
    List {
        /// How to print the environments
        #[arg(long, short, value_enum, default_value = "table")]
        output: Format,
    },
    /// Make an environment the active one
    Use {
        /// The environment's name
        name: String,
    },
}

#[derive(Args)]
pub struct LogoutArguments {
    /// The environment's name [default: the active environment]
    name: Option<String>,
}

/// An environment as it is listed: without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    active: bool,
    name: &'a str,
    base_url: Option<&'a str>,
    client_id: Option<&'a str>,
}

/// Runs an `env` command.
pub fn run(command: EnvCommand) -> Result<()> {
    let mut file = match command {
        EnvCommand::List { .. } => HomeFile::read()?,
        EnvCommand::Use { .. } => HomeFile::lock()?,
    };
    match command {
        EnvCommand::List { output } => {
            let listed: Vec<_> = file
                .names()
                .map(|name| Listed {
                    active: file.active() == Some(name),
                    name,
                    base_url: file.base_url(name),
                    client_id: file.client_id(name),
                })
                .collect();
            if output == Format::Table {
                let rows = listed.iter().map(|Listed { active, name, base_url, client_id }| {
                    let mark = if *active { "*" } else { "" };
                    [mark, name, base_url.unwrap_or("-"), client_id.unwrap_or("-")].map(str::to_owned)
                });
                terminal::table(["ACTIVE", "NAME", "BASE URL", "CLIENT ID"], rows);
            } else {
                terminal::value(output, &listed)?;
            }
        }
        EnvCommand::Use { name } => {
            file.activate(&name)?;
            let base_url = file.base_url(&name).unwrap_or("no address").to_owned();
            file.write()?;
            say!("{}", visible(&format!("The active environment is `{name}` ({base_url}).")));
        }
    }
    tell_other_source();
    Ok(())
}

/// Removes an environment with its credentials.
pub fn logout(LogoutArguments { name }: LogoutArguments) -> Result<()> {
    let mut file = HomeFile::lock()?;
    let name = match (name, file.active()) {
        (Some(name), _) => name,
        (None, Some(active)) => active.to_owned(),
        (None, None) if file.names().next().is_none() => bail!("{} has no environment", file.path.display()),
        (None, None) => bail!("no environment is active; name one of {}: {}", file.path.display(), file.known()),
    };
    let base_url = file.base_url(&name).unwrap_or("no address").to_owned();
    file.remove(&name)?;
    let now = match file.active() {
        Some(active) => format!("The active environment is `{active}`."),
        None if file.names().next().is_none() => "No environment is left.".to_owned(),
        None => format!("No environment is active now; choose one with `connectory env use NAME`: {}.", file.known()),
    };
    let removed = format!("Removed the environment `{name}` ({base_url}) from {}. {now}", file.path.display());
    file.write()?;
    say!("{}", visible(&removed));
    tell_other_source();
    Ok(())
}

/// Tells if commands do not use the active environment, because another source comes first.
fn tell_other_source() {
    if let Ok((_, source @ (EnvironmentSource::Variables | EnvironmentSource::LocalFile(_)))) = Environment::find() {
        report!("note: commands without --env use {source}, not the active environment");
    }
}
