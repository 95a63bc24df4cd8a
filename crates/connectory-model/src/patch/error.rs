//! Why a patch is not applied: the operation, and what would be right.

use json_patch::{CopyOperation, MoveOperation, PatchErrorKind, PatchOperation};
use serde_json::Value;

use crate::limits::QUOTED_CHARS;
use crate::members::kind;
use crate::{reason, shown};

/// Why a patch is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The body is not a list of operations.
    #[error("{0}")]
    Body(String),
    /// An operation cannot be applied.
    #[error("operation {index} ({operation}): {reason}")]
    Operation {
        /// Its position in the patch, from 0 as in a JSON pointer.
        index: usize,
        /// Its `op` and `path`.
        operation: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// All operations were applied, but the result is not a connector.
    #[error("after operation {index} ({operation}): {reason}")]
    Result {
        /// The position of the last operation on the member that is wrong.
        index: usize,
        /// Its `op` and `path`.
        operation: String,
        /// What is wrong with the result.
        reason: String,
    },
}

/// The `op` and `path` of an operation that may lack them.
pub(super) fn described(operation: &Value) -> String {
    let part = |member: &str| shown(operation[member].as_str().unwrap_or("?"), QUOTED_CHARS);
    format!("{} {}", part("op"), part("path"))
}

/// The `op` and `path` of an operation.
pub(super) fn display(operation: &PatchOperation) -> String {
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

/// Says why an operation on these members failed.
pub(super) fn explain(error: &PatchErrorKind, operation: &PatchOperation, members: &Value) -> String {
    match (error, operation) {
        (PatchErrorKind::InvalidPointer, _) => {
            let adds = !matches!(operation, PatchOperation::Remove(_) | PatchOperation::Replace(_));
            missing("the path", operation.path().as_str(), members, adds)
        }
        (
            PatchErrorKind::InvalidFromPointer,
            PatchOperation::Move(MoveOperation { from, .. }) | PatchOperation::Copy(CopyOperation { from, .. }),
        ) => missing("the `from` path", from.as_str(), members, false),
        (other, _) => reason(other),
    }
}

/// Why a path leads nowhere: the first part of it that is not there, and what would be right. An operation that adds may
/// name the place behind the last item of an array.
pub(super) fn missing(what: &str, path: &str, members: &Value, adds: bool) -> String {
    let mut parent = members;
    for part in path.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        let found = match parent {
            Value::Object(members) => members.get(&name),
            Value::Array(items) => {
                let index = part.parse().ok().filter(|index: &usize| index.to_string() == part);
                index.and_then(|index| items.get(index))
            }
            _ => None,
        };
        if let Some(found) = found {
            parent = found;
            continue;
        }
        let part = shown(&name, QUOTED_CHARS);
        let why = match parent {
            Value::Object(members) => match members.keys().find(|known| known.eq_ignore_ascii_case(&name)) {
                Some(known) => format!("there is no `{part}`; write `{}`", shown(known, QUOTED_CHARS)),
                None => format!("there is no `{part}`"),
            },
            Value::Array(items) if adds => {
                format!("`{part}` is not an index from 0 to {}, nor `-` for the end of the array", items.len())
            }
            Value::Array(items) if items.is_empty() => format!("the array that `{part}` is to be in is empty"),
            Value::Array(items) => format!("`{part}` is not an index from 0 to {}", items.len() - 1),
            other => format!("what `{part}` is to be in is {}", kind(other)),
        };
        return format!("{what} does not exist: {why}");
    }
    format!("{what} does not exist")
}
