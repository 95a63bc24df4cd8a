//! Why a patch is not applied: the operation, and what would be right.

use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::Value;

use crate::limits::QUOTED_CHARS;
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

/// Says why an operation failed.
pub(super) fn explain(error: &PatchErrorKind) -> String {
    match error {
        PatchErrorKind::InvalidPointer => "the path does not exist".to_owned(),
        PatchErrorKind::InvalidFromPointer => "the `from` path does not exist".to_owned(),
        other => reason(other),
    }
}
