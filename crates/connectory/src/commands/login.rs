//! `connectory login`: saves a service and its credentials as a named environment.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_client::{Environment, home_file};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::environment::{Patience, client};

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
    client(environment.clone(), Patience::None)?.list().page_size(1).page().await?;
    let path = home_file().context("there is no home directory")?;
    let mut file = match std::fs::read_to_string(&path) {
        Ok(text) => serde_saphyr::from_str(&text)
            .with_context(|| format!("{} is not valid YAML; fix it first", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if file.is_null() {
        file = json!({});
    }
    if !file.is_object() || file.get("environments").is_some_and(|environments| !environments.is_object()) {
        bail!("{} does not hold `environments` as the official tools write them; fix it first", path.display());
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

/// Writes a file that only its owner can read.
fn write_private(path: &Path, file: &Value) -> Result<()> {
    let folder = path.parent().context("the file is in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = || -> std::io::Result<()> {
        // A new file that only its owner can read, whatever the mode of the old one. It replaces the old one when it is
        // complete, so a failure changes nothing.
        let mut new = NamedTempFile::new_in(folder)?;
        let text = serde_saphyr::to_string(file).map_err(std::io::Error::other)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// The files of a folder that others can read, and their text.
    fn readable_by_others(folder: &Path) -> Vec<String> {
        // A file may be gone by now.
        let files = fs::read_dir(folder).unwrap().filter_map(|file| fs::File::open(file.unwrap().path()).ok());
        let readable = files.filter(|file| file.metadata().unwrap().permissions().mode() & 0o077 != 0);
        readable.map(|file| std::io::read_to_string(file).unwrap()).collect()
    }

    #[test]
    fn others_can_never_read_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        // What an older version, or an editor, may have left.
        for old in ["config.yaml", "config.yaml.new"] {
            fs::write(folder.path().join(old), "old: true").unwrap();
            fs::set_permissions(folder.path().join(old), Permissions::from_mode(0o644)).unwrap();
        }
        let is_written = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_written.load(Ordering::Relaxed) {
                    assert!(readable_by_others(folder.path()).iter().all(|text| !text.contains("s3cret")));
                }
            });
            let written: Result<()> =
                (0..50).try_for_each(|_| write_private(&path, &json!({"clientsecret": "s3cret"})));
            is_written.store(true, Ordering::Relaxed);
            written.unwrap();
        });
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains("s3cret"));
        assert_eq!(readable_by_others(folder.path()), ["old: true"], "the file of another program stays");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }
}
