//! `connectory login`: saves a service and its credentials as a named environment.

use std::io::{BufRead, IsTerminal};

use anyhow::{Result, bail};
use clap::Args;
use connectory_client::Environment;
use connectory_model::visible;

use crate::environment::{Patience, client};
use crate::home::HomeFile;

#[derive(Args)]
pub struct LoginArguments {
    /// The environment's name
    name: String,
    /// The service's address
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// The API client's id
    #[arg(long, value_name = "ID", env = "SAIL_CLIENT_ID")]
    client_id: String,
    /// Do not change the active environment
    #[arg(long)]
    keep_active: bool,
    /// Replace the environment of this name even if it is for another service. Its credentials are lost
    #[arg(long)]
    force: bool,
}

/// Checks the credentials and writes them to `~/.sailpoint/config.yaml`, for its owner alone.
pub async fn run(arguments: LoginArguments) -> Result<()> {
    let LoginArguments { name, base_url, client_id, keep_active, force } = arguments;
    let base_url = base_url.trim_end_matches('/').to_owned();
    if name.trim().is_empty() {
        bail!("an environment needs a name");
    }
    if name.contains(':') {
        bail!("the name of an environment cannot have a colon, which ends it in `connectory diff ENV:SCRIPT-NAME`");
    }
    // Before anything is asked, and again when the file is written.
    let check = |file: HomeFile| {
        if !force {
            refuse_other_client(&file, &name, &base_url, &client_id)?;
        }
        anyhow::Ok(file)
    };
    check(HomeFile::read()?)?;
    let environment =
        Environment { base_url: base_url.clone(), client_id: client_id.clone(), client_secret: secret()? };
    client(environment.clone(), Patience::None)?.list().page_size(1).page().await?;
    let mut file = check(HomeFile::lock()?)?;
    let done = if file.names().any(|other| other == name) { "Replaced" } else { "Wrote" };
    file.set(&name, &environment);
    if file.active().is_none() || !keep_active {
        file.activate(&name)?;
    }
    let active = match file.active() {
        Some(active) if active == name => "It is the active environment.".to_owned(),
        active => format!("The active environment is `{}`.", active.unwrap_or_default()),
    };
    let text = format!("{done} the environment `{name}` ({base_url}) in {}. {active}", file.path.display());
    file.write()?;
    say!("{}", visible(&text));
    Ok(())
}

/// Refuses to replace the credentials of another service or API client, whose secret is not shown again.
fn refuse_other_client(file: &HomeFile, name: &str, base_url: &str, client_id: &str) -> Result<()> {
    let other = match (file.base_url(name).map(|url| url.trim_end_matches('/')), file.client_id(name)) {
        (Some(other), _) if other != base_url => format!("another service, {other}"),
        (_, Some(other)) if other != client_id => format!("another API client, {other}"),
        _ => return Ok(()),
    };
    bail!(
        "{} has an environment `{name}` for {other}; take another name, or give --force to lose its credentials",
        file.path.display()
    )
}

/// The secret: `SAIL_CLIENT_SECRET`, or typed without being shown, or the first line of standard input. It is not an
/// option, because other users of the machine can see command lines.
fn secret() -> Result<String> {
    if let Some(secret) = std::env::var("SAIL_CLIENT_SECRET").ok().filter(|secret| !secret.is_empty()) {
        return Ok(secret);
    }
    let mut line = String::new();
    if std::io::stdin().is_terminal() {
        line = rpassword::prompt_password("Client secret: ")?;
    } else {
        std::io::stdin().lock().read_line(&mut line)?;
    }
    let secret = line.trim();
    if secret.is_empty() {
        bail!("no client secret was given; type it, pipe it in, or set SAIL_CLIENT_SECRET");
    }
    Ok(secret.to_owned())
}
