//! Makes a catalog through the API of a running server. A program can read databases of older versions and refuses
//! databases of newer versions. So this build's store cannot make a database that an older program must read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::load::Connection;
use crate::{data, works};

/// The number of connections that create connectors at once, so that many creates share one commit.
const CONNECTIONS: usize = 64;

/// Creates so many connectors, the same as those of [`data::connector`].
pub async fn make(address: SocketAddr, token: &str, size: usize) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, token) = (Arc::clone(&next), token.to_owned());
        connections.spawn(async move {
            let mut connection = Connection::open(address).await?;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= size {
                    return anyhow::Ok(());
                }
                connector(&mut connection, &token, n).await.with_context(|| format!("connector {n}"))?;
            }
        });
    }
    while let Some(done) = connections.join_next().await {
        done??;
    }
    Ok(())
}

async fn connector(connection: &mut Connection, token: &str, n: usize) -> Result<()> {
    let (script_name, listed) = (data::script_name(n), data::listed(n));
    let mut request = Vec::new();
    let new = json!({"name": listed["name"], "type": listed["type"], "className": listed["className"]});
    works::create(&mut request, token, &new);
    let created: Value = serde_json::from_slice(&connection.body(&request).await?)?;
    anyhow::ensure!(created["scriptName"] == script_name, "it became {}", created["scriptName"]);
    for (document, member) in [("source-config", "sourceConfigXml"), ("source-template", "applicationXml")] {
        request.clear();
        works::upload(&mut request, token, &script_name, document, listed[member].as_str().unwrap_or_default());
        let answer: Value = serde_json::from_slice(&connection.body(&request).await?)?;
        anyhow::ensure!(answer["status"] == "UPDATED", "its {document} was not taken: {answer}");
    }
    request.clear();
    works::patch(&mut request, token, &script_name, "/connectorMetadata", &listed["connectorMetadata"]);
    connection.body(&request).await?;
    Ok(())
}
