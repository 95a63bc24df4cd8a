//! `connectory login`: saves a service and its credentials as a named environment.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_client::{Environment, home_file};
use serde_json::{Value, json};

use crate::environment::client;

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
}

/// Checks the credentials and writes them to `~/.sailpoint/config.yaml`, for its owner alone.
pub async fn run(arguments: LoginArguments) -> Result<()> {
    let LoginArguments { name, base_url, client_id, keep_active } = arguments;
    let client_secret = secret()?;
    let base_url = base_url.trim_end_matches('/').to_owned();
    let environment = Environment { base_url, client_id, client_secret };
    client(environment.clone())?.list().page_size(1).page().await?;
    let path = home_file().context("there is no home directory")?;
    let mut file = match std::fs::read_to_string(&path) {
        Ok(text) => {
            serde_saphyr::from_str(&text).with_context(|| format!("{} is no YAML; mend it first", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if file.is_null() {
        file = json!({});
    }
    if !file.is_object() || file.get("environments").is_some_and(|environments| !environments.is_object()) {
        bail!("{} does not hold `environments` as the official tools write them; mend it first", path.display());
    }
    let is_first = file["activeenvironment"].as_str().is_none_or(str::is_empty);
    if is_first || !keep_active {
        file["activeenvironment"] = name.as_str().into();
    }
    file["environments"][&name]["baseurl"] = environment.base_url.as_str().into();
    file["environments"][&name]["pat"] =
        json!({"clientid": environment.client_id, "clientsecret": environment.client_secret});
    write_private(&path, &file)?;
    say!("Wrote the environment `{name}` ({}) to {}.", environment.base_url, path.display());
    Ok(())
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

fn write_private(path: &Path, file: &Value) -> Result<()> {
    let folder = path.parent().context("the file is in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Written beside and renamed, so that a failure leaves the old file whole.
    let beside = path.with_extension("yaml.new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut opened = options.open(&beside)?;
        let text = serde_saphyr::to_string(file).map_err(std::io::Error::other)?;
        std::io::Write::write_all(&mut opened, text.as_bytes())?;
        opened.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
