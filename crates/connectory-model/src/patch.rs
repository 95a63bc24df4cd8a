//! JSON Patch (RFC 6902) on a connector: whole, atomic, and only where the specification allows it.
//!
//! The operations are applied by the `json-patch` crate to a copy of the connector's detail, one at a time, so that
//! a refusal names the operation; then the patched members are read back and checked as an upload would be. What
//! the connector was is not touched, so a refused patch changes nothing.

use json_patch::{CopyOperation, MoveOperation, PatchErrorKind, PatchOperation};
use serde_json::Value;

use crate::bounds::json_bytes;
use crate::document::{CorrelationConfig, DocumentError, DocumentKind, SourceConfig, SourceTemplate};
use crate::limits::{METADATA_BYTES, METADATA_DEPTH, PATCH_COPIED_BYTES, PATCH_OPERATIONS};
use crate::members::kind;
use crate::wire::ConnectorDetail;
use crate::{Connector, Metadata};

const METADATA: &str = "connectorMetadata";
/// The pointer to the metadata.
const METADATA_PATH: &str = "/connectorMetadata";
/// The pointers that may be changed; what is below them only where it is metadata.
const PATCHABLE: [&str; 4] = [METADATA_PATH, "/applicationXml", "/correlationConfigXml", "/sourceConfigXml"];

/// Why a patch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The body is no list of operations.
    #[error("{0}")]
    Body(String),
    /// An operation cannot be done.
    #[error("operation {index} ({operation}): {reason}")]
    Operation {
        /// Its position in the patch, from 0 as in a JSON pointer.
        index: usize,
        /// Its `op` and `path`.
        operation: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// All operations were done, but the result is no connector.
    #[error("after operation {index} ({operation}): {reason}")]
    Result {
        /// The last operation on the member that is wrong.
        index: usize,
        /// Its `op` and `path`.
        operation: String,
        /// What is wrong with the result.
        reason: String,
    },
}

/// A list of operations, each of which is complete and aims where it may.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchSet(Vec<PatchOperation>);

impl PatchSet {
    /// Reads the body of a patch request.
    pub fn from_json(body: Value) -> Result<Self, PatchError> {
        let operations = match body {
            Value::Array(operations) => operations,
            other => return Err(PatchError::Body(format!("expected an array of operations, got {}", kind(&other)))),
        };
        if operations.len() > PATCH_OPERATIONS {
            let count = operations.len();
            return Err(PatchError::Body(format!("{count} operations; a patch may have {PATCH_OPERATIONS}")));
        }
        operations
            .into_iter()
            .enumerate()
            .map(|(index, operation)| {
                let description = described(&operation);
                check_shape(&operation)
                    .and_then(|()| serde_json::from_value(operation).map_err(|error| error.to_string()))
                    .map_err(|reason| PatchError::Operation { index, operation: description, reason })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// How many bytes of texts it brings along.
    pub fn size(&self) -> usize {
        self.0
            .iter()
            .map(|operation| match operation {
                PatchOperation::Add(operation) => weight(&operation.value),
                PatchOperation::Replace(operation) => weight(&operation.value),
                PatchOperation::Test(operation) => weight(&operation.value),
                PatchOperation::Remove(_) | PatchOperation::Move(_) | PatchOperation::Copy(_) => 0,
            })
            .sum()
    }

    /// Applies the patch to a connector, whose detail in English is what its operations see. A copy into a document may
    /// have `max_document` bytes.
    pub fn apply(
        &self,
        connector: &Connector,
        detail: impl FnOnce(&Connector) -> ConnectorDetail,
        max_document: usize,
    ) -> Result<Connector, PatchError> {
        let mut members = self.members(connector, detail);
        // Metadata that is too large already may stay so.
        let most = json_bytes(&members[METADATA], usize::MAX).map_or(METADATA_BYTES, |bytes| bytes.max(METADATA_BYTES));
        let mut copied = 0;
        for (index, operation) in self.0.iter().enumerate() {
            check_value(operation, &members, max_document, &mut copied)
                .and_then(|()| {
                    json_patch::patch_unsafe(&mut members, std::slice::from_ref(operation))
                        .map_err(|error| explain(&error.kind, operation, &members))
                })
                .and_then(|()| match operation {
                    PatchOperation::Test(_) | PatchOperation::Remove(_) => Ok(()),
                    _ if !is_metadata(operation.path().as_str()) => Ok(()),
                    _ => check_metadata(&members[METADATA], most),
                })
                .map_err(|reason| PatchError::Operation { index, operation: display(operation), reason })?;
        }
        self.read_back(connector, members)
    }

    /// The members that the operations see. A large connector is not copied for a patch of its metadata: where all
    /// operations name members that may be changed, they see these and no others.
    fn members(&self, connector: &Connector, detail: impl FnOnce(&Connector) -> ConnectorDetail) -> Value {
        let is_patchable = |member: &str| PATCHABLE.iter().any(|path| first_token(path) == member);
        if !self.named().all(is_patchable) {
            return serde_json::to_value(detail(connector)).expect("a detail is JSON");
        }
        let mut members = Metadata::new();
        if self.is_named(METADATA) {
            members.insert(METADATA.to_owned(), connector.connector_metadata.clone().into());
        }
        for kind in DocumentKind::ALL.into_iter().filter(|kind| self.is_named(kind.member())) {
            members.insert(kind.member().to_owned(), connector.document(kind).into());
        }
        Value::Object(members)
    }

    /// The members that the operations name, once for each time.
    fn named(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|operation| {
            let from = match operation {
                PatchOperation::Move(MoveOperation { from, .. }) | PatchOperation::Copy(CopyOperation { from, .. }) => {
                    Some(from.as_str())
                }
                _ => None,
            };
            std::iter::once(operation.path().as_str()).chain(from).map(first_token)
        })
    }

    fn is_named(&self, member: &str) -> bool {
        self.named().any(|name| name == member)
    }

    fn read_back(&self, connector: &Connector, mut members: Value) -> Result<Connector, PatchError> {
        let mut patched = connector.clone();
        patched.connector_metadata = match members.get_mut(METADATA).map(Value::take) {
            Some(Value::Object(metadata)) => metadata,
            None if self.is_named(METADATA) => Metadata::new(),
            None => patched.connector_metadata,
            Some(other) => {
                return Err(self.wrong_result(METADATA, &format!("it must be an object, got {}", kind(&other))));
            }
        };
        if let Some(config) = self.document(connector, &members, DocumentKind::SourceConfig, SourceConfig::parse)? {
            patched.source_config = config;
        }
        if let Some(template) =
            self.document(connector, &members, DocumentKind::SourceTemplate, SourceTemplate::parse)?
        {
            patched.source_template = template;
        }
        let kind = DocumentKind::CorrelationConfig;
        if let Some(config) = self.document(connector, &members, kind, CorrelationConfig::parse)? {
            patched.correlation_config = config;
        }
        Ok(patched)
    }

    /// The document that the patch made, if it made one.
    fn document<T>(
        &self,
        connector: &Connector,
        members: &Value,
        document: DocumentKind,
        parse: fn(&[u8]) -> Result<T, DocumentError>,
    ) -> Result<Option<T>, PatchError> {
        let member = document.member();
        match members.get(member) {
            Some(Value::String(text)) if text == connector.document(document) => Ok(None),
            Some(Value::String(text)) => {
                parse(text.as_bytes()).map(Some).map_err(|error| self.wrong_result(member, &error.to_string()))
            }
            Some(other) => Err(self.wrong_result(member, &format!("it must be a string, got {}", kind(other)))),
            None if !self.is_named(member) => Ok(None),
            None => Err(self.wrong_result(member, "it is gone; a connector always has one")),
        }
    }

    fn wrong_result(&self, member: &str, reason: &str) -> PatchError {
        let touches = |operation: &PatchOperation| {
            let from = match operation {
                PatchOperation::Move(moved) => first_token(moved.from.as_str()),
                _ => "",
            };
            first_token(operation.path().as_str()) == member || from == member
        };
        let index = self.0.iter().rposition(touches).unwrap_or_default();
        let operation = self.0.get(index).map(display).unwrap_or_default();
        PatchError::Result { index, operation, reason: format!("`{member}`: {reason}") }
    }
}

/// Checks an operation's members, so that what is missing is named.
fn check_shape(operation: &Value) -> Result<(), String> {
    let Value::Object(members) = operation else {
        return Err(format!("expected an object such as {{\"op\": \"replace\", …}}, got {}", kind(operation)));
    };
    let text = |member: &str| match members.get(member) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(format!("`{member}` must be a string, got {}", kind(other))),
        None => Err(format!("`{member}` is missing")),
    };
    let op = text("op")?;
    let path = text("path")?;
    // What each operation needs beside its path, and whether it changes what is there.
    let (needs, changes) = match op {
        "add" | "replace" => (Some("value"), true),
        "test" => (Some("value"), false),
        "remove" => (None, true),
        "move" | "copy" => (Some("from"), true),
        _ => return Err(format!("unknown op `{op}`; expected add, remove, replace, move, copy or test")),
    };
    let from = if needs == Some("from") { Some(text("from")?) } else { None };
    if needs == Some("value") && !members.contains_key("value") {
        return Err(format!("`value` is missing; `{op}` needs one"));
    }
    let targets = [changes.then_some(path), from.filter(|_| op == "move")];
    for target in targets.into_iter().flatten() {
        if !PATCHABLE.contains(&target) && !is_metadata(target) {
            let target: String = target.chars().take(100).collect();
            let patchable = PATCHABLE.join(", ");
            return Err(format!("`{target}` cannot be changed; only {patchable}, and what is below {METADATA_PATH}"));
        }
    }
    Ok(())
}

/// Whether a pointer is to the metadata or below it.
fn is_metadata(pointer: &str) -> bool {
    pointer.strip_prefix(METADATA_PATH).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// Checks what an operation puts in its place before it does: a document is a text, and copies are bounded.
fn check_value(
    operation: &PatchOperation,
    members: &Value,
    max_document: usize,
    copied: &mut usize,
) -> Result<(), String> {
    let value = match operation {
        PatchOperation::Add(operation) => &operation.value,
        PatchOperation::Replace(operation) => &operation.value,
        PatchOperation::Move(MoveOperation { from, .. }) | PatchOperation::Copy(CopyOperation { from, .. }) => {
            // What is not there is refused by the operation itself.
            let Some(value) = members.pointer(from.as_str()) else { return Ok(()) };
            value
        }
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(()),
    };
    let path = operation.path().as_str();
    let into_metadata = is_metadata(path);
    if !into_metadata && !value.is_string() {
        let member = first_token(path);
        return Err(format!("`{member}`: it must be a string, got {}", kind(value)));
    }
    if let PatchOperation::Copy(CopyOperation { from, .. }) = operation {
        let from: String = from.as_str().chars().take(100).collect();
        let bytes = match value {
            Value::String(text) if !into_metadata && text.len() > max_document => {
                return Err(format!("`{from}` is larger than a document may be, {max_document} bytes"));
            }
            Value::String(text) if !into_metadata => text.len(),
            value => json_bytes(value, METADATA_BYTES).ok_or_else(|| {
                format!("`{from}` is larger than all of the metadata may be, {} KiB", METADATA_BYTES / 1024)
            })?,
        };
        *copied += bytes;
        if *copied > PATCH_COPIED_BYTES {
            let most = PATCH_COPIED_BYTES / (1024 * 1024);
            return Err(format!("the copies of this patch have more than {most} MiB; send fewer"));
        }
    }
    Ok(())
}

/// How many bytes the texts in a value have.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// The first part of a JSON pointer. None of the patchable members holds a character that a pointer escapes.
fn first_token(pointer: &str) -> &str {
    pointer.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default()
}

fn described(operation: &Value) -> String {
    let part = |member: &str| operation[member].as_str().unwrap_or("?").chars().take(100).collect::<String>();
    format!("{} {}", part("op"), part("path"))
}

fn display(operation: &PatchOperation) -> String {
    described(&serde_json::json!({"op": op(operation), "path": operation.path().as_str()}))
}

const fn op(operation: &PatchOperation) -> &'static str {
    match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    }
}

fn explain(error: &PatchErrorKind, operation: &PatchOperation, members: &Value) -> String {
    match error {
        PatchErrorKind::TestFailed => {
            let found = members.pointer(operation.path().as_str()).map_or("nothing".to_owned(), kind);
            format!("the test failed: the path holds {found}")
        }
        PatchErrorKind::InvalidPointer => "the path does not exist".to_owned(),
        PatchErrorKind::InvalidFromPointer => "the `from` path does not exist".to_owned(),
        other => other.to_string(),
    }
}

/// Bounds the metadata after every operation that may have grown it.
fn check_metadata(metadata: &Value, most: usize) -> Result<(), String> {
    if !is_within(metadata, METADATA_DEPTH) {
        return Err(format!("the metadata nests deeper than {METADATA_DEPTH} levels"));
    }
    match json_bytes(metadata, most) {
        Some(_) => Ok(()),
        None => Err(format!("the metadata is larger than {} KiB", METADATA_BYTES / 1024)),
    }
}

/// Whether a value nests no deeper than so many levels.
fn is_within(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_within(item, below)),
        Value::Object(members) => members.values().all(|value| is_within(value, below)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests;
