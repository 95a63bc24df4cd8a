//! Whole connectors as of one revision, and changes to several of them in one commit. Only connectory has these operations.

use std::fmt;

use connectory_model::limits::{APPLY_TIMEOUT, EXPORT_TIMEOUT};
use connectory_model::wire::{
    APPLY_PATH, Applied, CONNECTORS_PATH, ConnectorDetail, ConnectorItem, ConnectorLine, ExportEnd, ExportHead,
    IMPORT_PATH, Imported, LINES_TYPE, UNDO_PATH, ZIP_TYPE,
};
use connectory_model::{ScriptName, Status};
use json_patch::Patch;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use serde::Serialize;
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

/// What a duplicate is, as far as it is another connector than the one that it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Duplicate {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

impl Duplicate {
    /// A duplicate with this name, in development.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), status: None, revision: None }
    }

    /// With another status.
    pub fn status(self, status: Status) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Of the connector as it was at this revision.
    pub fn at(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
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

/// Adds script names to the query of a request.
fn of_each(names: &[ScriptName]) -> impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder + Sync + use<> {
    let query: Vec<_> = names.iter().map(|name| ("scriptName", name.as_str().to_owned())).collect();
    move |request| request.query(&query)
}

/// Makes one patch of several connectors.
pub(crate) async fn patch(transport: &Transport, names: &[ScriptName], patch: &Patch) -> Result<Applied, Error> {
    let (of_each, body) = (of_each(names), serde_json::to_vec(patch).expect("a patch is JSON"));
    let with = |request| of_each(request).header(CONTENT_TYPE, "application/json-patch+json").body(body.clone());
    transport.call_below(CONNECTORS_PATH, Method::PATCH, &[], &with).await?.json()
}

/// Deletes several connectors.
pub(crate) async fn delete(transport: &Transport, names: &[ScriptName]) -> Result<Applied, Error> {
    transport.call_below(CONNECTORS_PATH, Method::DELETE, &[], &of_each(names)).await?.json()
}

/// Takes a change back.
pub(crate) async fn undo(transport: &Transport, change: u64) -> Result<Applied, Error> {
    let path = UNDO_PATH.replace("{revision}", &change.to_string());
    transport.call_below(&path, Method::POST, &[], &|request| request).await?.json()
}

/// Duplicates a connector.
pub(crate) async fn duplicate(
    transport: &Transport,
    script_name: &str,
    duplicate: &Duplicate,
) -> Result<ConnectorItem, Error> {
    let with = |request: reqwest::RequestBuilder| request.json(duplicate);
    transport.call_below(CONNECTORS_PATH, Method::POST, &[script_name, "duplicate"], &with).await?.json()
}

/// Exports connectors as a zip file of their folders.
pub(crate) async fn export_zip(transport: &Transport, names: &[ScriptName]) -> Result<Vec<u8>, Error> {
    let of_each = of_each(names);
    let with = |request| of_each(request).header(ACCEPT, ZIP_TYPE).timeout(EXPORT_TIMEOUT);
    Ok(transport.call_below(CONNECTORS_PATH, Method::GET, &[], &with).await?.body)
}

/// Imports the folders of a zip file, or checks them only.
pub(crate) async fn import_zip(transport: &Transport, zip: &[u8], is_dry_run: bool) -> Result<Imported, Error> {
    let with = |request: reqwest::RequestBuilder| {
        let request = if is_dry_run { request.query(&[("dry-run", "true")]) } else { request };
        request.header(CONTENT_TYPE, ZIP_TYPE).timeout(2 * APPLY_TIMEOUT).body(zip.to_vec())
    };
    transport.call_below(IMPORT_PATH, Method::POST, &[], &with).await?.json()
}
