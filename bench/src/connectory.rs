//! Builds and starts connectory for the measurement: the program that users run, with a rate limit that is never
//! reached.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::data;
use crate::load::Connection;
use crate::process::Server;
use crate::works::BASE;

/// Builds the binary that users run. If this program was built with the profile `ci`, takes the binary beside it, which
/// the gate has built. A quick run says nothing about times, so it takes a debug binary too.
pub fn build(quick: bool) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program has a folder")?;
    if folder.ends_with("ci") || (quick && folder.ends_with("debug")) {
        let beside = folder.join("connectory");
        anyhow::ensure!(beside.exists(), "there is no {}; build the package connectory first", beside.display());
        return Ok(beside);
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--quiet", "--package", "connectory"]);
    // `cargo run` sets environment variables about the package. Dependencies that read them would be rebuilt, which
    // takes minutes.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of_package| name.to_string_lossy().starts_with(of_package)) {
            cargo.env_remove(name);
        }
    }
    anyhow::ensure!(cargo.status()?.success(), "connectory does not build");
    Ok(folder.with_file_name("release").join("connectory"))
}

/// Starts a binary on a core, with a database of SQLite. With a new one, the server creates the client that the load uses.
pub fn start(binary: &Path, core: usize, database: &Path, log: &Path) -> Result<Server> {
    start_on(binary, core, &format!("sqlite:{}", database.display()), &[], log)
}

/// Starts a binary on a core, with the address of a database and further options.
pub fn start_on(binary: &Path, core: usize, database: &str, options: &[&str], log: &Path) -> Result<Server> {
    let mut command = Command::new(binary);
    command
        .env("CONNECTORY_CLIENT_ID", data::CLIENT_ID)
        .env("CONNECTORY_CLIENT_SECRET", data::CLIENT_SECRET)
        .env("CONNECTORY_DRAIN", "0s")
        .args(["serve", "--listen", "127.0.0.1:0", "--rate-limit", "1000000000/10s", "--token-lifetime", "86400"])
        .args(["--database", database])
        .args(options);
    Server::start(core, &mut command, log)
}

/// Requests a token of the client that the load uses.
pub async fn token(server: &Server) -> Result<String> {
    token_of(server, data::CLIENT_ID).await
}

/// Requests a token of a client that has the same secret.
pub async fn token_of(server: &Server, id: &str) -> Result<String> {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={}", data::CLIENT_SECRET);
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"POST /oauth/token HTTP/1.1\r\nHost: bench\r\n");
    bytes.extend_from_slice(b"Content-Type: application/x-www-form-urlencoded\r\n");
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n{form}", form.len()).as_bytes());
    let answer: Value = serde_json::from_slice(&Connection::open(server.address).await?.body(&bytes).await?)?;
    Ok(answer["access_token"].as_str().with_context(|| format!("no token; is {BASE} connectory's?"))?.to_owned())
}
