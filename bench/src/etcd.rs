//! The peer of fresh reads: etcd, a store that several machines keep together. Its reads are linearizable, as fresh reads
//! are. It is asked over its JSON gateway, because that is HTTP as well.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::load::{Connection, Requests};
use crate::process::{Server, free_address};

/// Starts etcd on a core, with an empty database. Returns none if it is not installed.
pub fn start(core: usize, work: &Path) -> Result<Option<Server>> {
    if Command::new("etcd").arg("--version").output().is_err() {
        return Ok(None);
    }
    let data = work.join("etcd");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    let (address, peer) = (free_address()?, format!("http://{}", free_address()?));
    let client = format!("http://{address}");
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(&data);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("default={peer}")]);
    Server::start_at(core, &mut command, &work.join("etcd.log"), address).map(Some)
}

/// Puts values under the keys 0, 1 and so on. Returns requests that read them in turn.
pub async fn fill(server: &Server, values: &[Vec<u8>]) -> Result<Requests> {
    let mut connection = Connection::open(server.address).await?;
    let mut reads = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let (key, value) = (BASE64_STANDARD.encode(at.to_string()), BASE64_STANDARD.encode(value));
        connection.body(&request("put", &json!({"key": key, "value": value}))).await?;
        let read = request("range", &json!({"key": key}));
        // The body is in chunks, whose sizes are on lines of their own.
        let answer = String::from_utf8(connection.body(&read).await?)?;
        let answer = answer.split("\r\n").find(|line| line.starts_with('{')).context("etcd answered no JSON")?;
        let answer: Value = serde_json::from_str(answer).context("etcd answered in several chunks")?;
        ensure!(answer["kvs"][0]["value"] == value, "etcd answered another value: {answer}");
        reads.push(read);
    }
    Ok(Arc::new(move |n, into| into.extend_from_slice(&reads[n % reads.len()])))
}

fn request(what: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!("POST /v3/kv/{what} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
