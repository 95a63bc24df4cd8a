//! Whole connectors as of one revision, and changes to several of them in one commit. Only connectory has these operations.

use std::fmt;

use connectory_model::ScriptName;
use connectory_model::limits::{APPLY_TIMEOUT, EXPORT_TIMEOUT};
use connectory_model::wire::{
    APPLY_PATH, Applied, CONNECTORS_PATH, ConnectorDetail, ConnectorLine, ExportEnd, ExportHead, LINES_TYPE,
};
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::http::Answer;
use crate::transport::Transport;
use crate::unreadable::Unreadable;

/// Whole connectors, all of them as of one revision.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Export {
    /// The tenant's newest revision, as of which all connectors are true.
    pub revision: u64,
    /// The SHA-256 of the service's built-in connectors, in hexadecimal digits.
    pub built_in_catalog: String,
    /// The connectors, in the order of their names.
    pub connectors: Vec<ConnectorDetail>,
    /// The connectors that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// A change to one connector. [`Client::apply`](crate::Client::apply) makes several of them together.
#[derive(Clone, PartialEq)]
pub struct Change(ConnectorLine);

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectorLine { script_name, revision, .. } = &self.0;
        f.debug_struct("Change").field("script_name", script_name).field("revision", revision).finish_non_exhaustive()
    }
}

impl Change {
    /// Creates a connector under its script name.
    pub fn create(connector: ConnectorDetail) -> Self {
        Self::to(0, connector)
    }

    /// Changes a connector to what is given. The change is refused if someone else changed the connector after this
    /// revision, as of which it was read ([`Export::revision`]).
    pub fn update(revision: u64, connector: ConnectorDetail) -> Self {
        Self::to(revision, connector)
    }

    /// Deletes a connector, unless someone else changed it after this revision.
    pub fn delete(revision: u64, script_name: ScriptName) -> Self {
        Self(ConnectorLine { script_name, revision, connector: None })
    }

    fn to(revision: u64, mut connector: ConnectorDetail) -> Self {
        // The service derives these members from the others.
        connector.source_config = None;
        connector.provisioning_policies = None;
        Self(ConnectorLine { script_name: connector.script_name.clone(), revision, connector: Some(connector) })
    }
}

/// The connector of a line that cannot be read.
#[derive(serde::Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    connector: Option<&'a RawValue>,
}

/// Reads an export with this query.
pub(crate) async fn export(transport: &Transport, query: &[(&'static str, String)]) -> Result<Export, Error> {
    let with = |request: reqwest::RequestBuilder| request.query(query).timeout(EXPORT_TIMEOUT);
    let answer = transport.call_below(CONNECTORS_PATH, Method::GET, &[], &with).await?;
    let mut lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let broke_off = || answer.unreadable("the export broke off");
    let ExportHead { revision, built_in_catalog } = parse(&answer, lines.next().ok_or_else(broke_off)?)?;
    let ExportEnd { count } = parse(&answer, lines.next_back().ok_or_else(broke_off)?).map_err(|_| broke_off())?;
    let (mut connectors, mut unreadable) = (Vec::new(), Vec::new());
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(ConnectorLine { connector, .. }) => {
                connectors.push(connector.ok_or_else(|| answer.unreadable("a line has no connector"))?);
            }
            Err(error) => {
                // What is wrong is in the connector, if there is one.
                let line = String::from_utf8_lossy(line);
                let inner = serde_json::from_str(&line).ok().and_then(|Inner { connector }| connector);
                unreadable.push(Unreadable::of::<ConnectorDetail>(inner.map_or(&line, RawValue::get), &error));
            }
        }
    }
    if (connectors.len() + unreadable.len()) as u64 == count {
        Ok(Export { revision, built_in_catalog, connectors, unreadable })
    } else {
        Err(broke_off())
    }
}

fn parse<T: DeserializeOwned>(answer: &Answer, line: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(line).map_err(|error| answer.unreadable(error.to_string()))
}

/// Applies changes, or checks them only.
pub(crate) async fn apply(transport: &Transport, changes: &[Change], is_dry_run: bool) -> Result<Applied, Error> {
    let unreadable = |error: std::io::Error| Error::Decoding { url: APPLY_PATH.to_owned(), reason: error.to_string() };
    let mut lines = zstd::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL).map_err(unreadable)?;
    for Change(line) in changes {
        serde_json::to_writer(&mut lines, line).expect("a vector takes every line");
        std::io::Write::write_all(&mut lines, b"\n").expect("a vector takes every line");
    }
    let body = bytes::Bytes::from(lines.finish().map_err(unreadable)?);
    let with = |request: reqwest::RequestBuilder| {
        let request = if is_dry_run { request.query(&[("dry-run", "true")]) } else { request };
        request
            .header(CONTENT_TYPE, LINES_TYPE)
            .header(CONTENT_ENCODING, "zstd")
            .timeout(2 * APPLY_TIMEOUT)
            .body(body.clone())
    };
    transport.call_below(APPLY_PATH, Method::POST, &[], &with).await?.json()
}
