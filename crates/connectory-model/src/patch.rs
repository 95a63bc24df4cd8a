//! JSON Patch (RFC 6902) on a connector: whole, atomic, and only where the specification allows it.
//!
//! The operations are applied by the `json-patch` crate to a copy of the connector's detail, one at a time, so that
//! a refusal names the operation; then the patched members are read back and checked as an upload would be. What
//! the connector was is not touched, so a refused patch changes nothing.

use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::Value;

use crate::create::kind;
use crate::document::{CorrelationConfig, DocumentError, DocumentKind, SourceConfig, SourceTemplate};
use crate::wire::ConnectorDetail;
use crate::{Connector, Metadata};

/// How many operations a patch may have (our decision).
pub const MAX_OPERATIONS: usize = 1000;
/// How large the metadata may become, in bytes of JSON (our decision).
pub const MAX_METADATA: usize = 64 * 1024;
/// How deep the metadata may nest (our decision).
pub const MAX_METADATA_DEPTH: usize = 32;

const METADATA: &str = "connectorMetadata";
const PATCHABLE: [&str; 4] = [METADATA, "applicationXml", "correlationConfigXml", "sourceConfigXml"];

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
        if operations.len() > MAX_OPERATIONS {
            let count = operations.len();
            return Err(PatchError::Body(format!("{count} operations; a patch may have {MAX_OPERATIONS}")));
        }
        operations
            .into_iter()
            .enumerate()
            .map(|(index, operation)| {
                check_shape(&operation).and_then(|()| read(&operation)).map_err(|reason| PatchError::Operation {
                    index,
                    operation: described(&operation),
                    reason,
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Applies the patch to a connector, whose detail in English is what its operations see.
    pub fn apply(&self, connector: &Connector, detail: &ConnectorDetail) -> Result<Connector, PatchError> {
        let mut members = serde_json::to_value(detail).expect("a detail is JSON");
        for (index, operation) in self.0.iter().enumerate() {
            json_patch::patch_unsafe(&mut members, std::slice::from_ref(operation))
                .map_err(|error| explain(&error.kind, operation, &members))
                .and_then(|()| check_bounds(&members[METADATA]))
                .map_err(|reason| PatchError::Operation { index, operation: display(operation), reason })?;
        }
        self.read_back(connector, &members)
    }

    fn read_back(&self, connector: &Connector, members: &Value) -> Result<Connector, PatchError> {
        let mut patched = connector.clone();
        patched.connector_metadata = match members.get(METADATA).cloned() {
            Some(Value::Object(metadata)) => metadata,
            None => Metadata::new(),
            Some(other) => {
                return Err(self.wrong_result(METADATA, &format!("it must be an object, got {}", kind(&other))));
            }
        };
        if let Some(config) = self.document(connector, members, DocumentKind::SourceConfig, SourceConfig::parse)? {
            patched.source_config = config;
        }
        if let Some(template) =
            self.document(connector, members, DocumentKind::SourceTemplate, SourceTemplate::parse)?
        {
            patched.source_template = template;
        }
        let kind = DocumentKind::CorrelationConfig;
        if let Some(config) = self.document(connector, members, kind, CorrelationConfig::parse)? {
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
        if !PATCHABLE.contains(&first_token(target)) {
            let patchable = PATCHABLE.map(|member| format!("/{member}")).join(", ");
            return Err(format!("`{target}` cannot be changed; only {patchable}, and what is below /{METADATA}"));
        }
    }
    Ok(())
}

fn read(operation: &Value) -> Result<PatchOperation, String> {
    serde_json::from_value(operation.clone()).map_err(|error| error.to_string())
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

/// Bounds the metadata after every operation: copies double what they copy.
fn check_bounds(metadata: &Value) -> Result<(), String> {
    let mut bytes = 0;
    measure(metadata, 1, &mut bytes)
}

fn measure(value: &Value, depth: usize, bytes: &mut usize) -> Result<(), String> {
    if depth > MAX_METADATA_DEPTH {
        return Err(format!("the metadata nests deeper than {MAX_METADATA_DEPTH} levels"));
    }
    // Quotes, separators and the shortest scalars are a few bytes; escapes are not counted.
    *bytes += 4;
    match value {
        Value::String(text) => *bytes += text.len(),
        Value::Array(items) => items.iter().try_for_each(|item| measure(item, depth + 1, bytes))?,
        Value::Object(members) => members.iter().try_for_each(|(member, value)| {
            *bytes += member.len();
            measure(value, depth + 1, bytes)
        })?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    if *bytes > MAX_METADATA {
        return Err(format!("the metadata is larger than {} KiB", MAX_METADATA / 1024));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
