//! Measures the console's pages one at a time: the time from the request to the last byte.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::Connection;
use crate::report::Page;
use crate::{data, works};

/// The number of requests for each page.
const SAMPLES: usize = 200;

/// Signs in and returns the session's cookie.
async fn sign_in(address: SocketAddr) -> Result<String> {
    let form = format!("client_id={}&client_secret={}", data::CLIENT_ID, data::CLIENT_SECRET);
    let mut stream = TcpStream::connect(address).await?;
    let head = "POST /console/sign-in HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n";
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{form}", form.len()).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("Set-Cookie: "));
    Ok(cookie.and_then(|cookie| cookie.split(';').next()).context("the console gives no session")?.to_owned())
}

/// Measures every page with a catalog of this size.
pub async fn measure(address: SocketAddr, token: &str, size: usize, quick: bool) -> Result<Vec<Page>> {
    let cookie = sign_in(address).await?;
    let connector = format!("/console/connectors/{}", data::script_name(1));
    let of_connector = |rest: &str| format!("{connector}{rest}");
    let mut connection = Connection::open(address).await?;
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: bench\r\nCookie: {cookie}\r\n\r\n");
    let history = connection.body(ask(&of_connector("/history")).as_bytes()).await?;
    let history = String::from_utf8_lossy(&history).into_owned();
    let revision = history.split("/history/").nth(1).and_then(|rest| rest.split('"').next());
    let revision = revision.context("the connector has no revision")?;
    let (rare, last) = (data::RARE, size.div_ceil(50));
    let pages = [
        ("connectors", "/".to_owned()),
        ("connectors: last page", format!("/?page={last}")),
        ("connectors: searched", format!("/?q={rare}")),
        (
            "connectors: narrowed",
            "/?category=Category+3&label=label+3&feature=SEARCH&origin=custom&status=RELEASED".to_owned(),
        ),
        ("connectors: sorted by type", "/?sort=-type".to_owned()),
        ("connectors: sorted by change", "/?sort=-changed".to_owned()),
        ("connectors: after a change", "/".to_owned()),
        ("overview", connector.clone()),
        ("source config", of_connector("/documents/source-config")),
        ("source template", of_connector("/documents/source-template")),
        ("correlation config", of_connector("/documents/correlation-config")),
        ("form preview", of_connector("/preview?locale=de")),
        ("metadata", of_connector("/metadata")),
        ("translations", of_connector("/translations?locale=de&locale=fr&locale=ja")),
        ("history", of_connector("/history")),
        ("revision", of_connector(&format!("/history/{revision}"))),
        ("delete", of_connector("/delete")),
        ("create", "/console/new".to_owned()),
        ("activity", "/console/activity".to_owned()),
        ("clients", "/console/clients".to_owned()),
    ];
    let mut measured = Vec::new();
    for (name, path) in pages {
        let asked = ask(&path);
        let mut times = Histogram::<u64>::new(3)?;
        let mut bytes = 0;
        for n in 0..if quick { 5 } else { SAMPLES } {
            if name.ends_with("after a change") {
                let (mut change, script_name) = (Vec::new(), data::script_name(1));
                works::patch(&mut change, token, &script_name, "/connectorMetadata/measured", &n.into());
                connection.body(&change).await?;
            }
            let sent = Instant::now();
            bytes = connection.body(asked.as_bytes()).await.with_context(|| format!("GET {path}"))?.len() as u64;
            times.record(u64::try_from(sent.elapsed().as_micros())?)?;
        }
        let milliseconds = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
        measured.push(Page { name: name.to_owned(), size, bytes, p50: milliseconds(0.5), p99: milliseconds(0.99) });
    }
    Ok(measured)
}
