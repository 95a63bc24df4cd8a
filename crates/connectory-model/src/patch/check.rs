//! The checks of a patch: the form of each operation, and its value.

use crate::shown;
use json_patch::{CopyOperation, MoveOperation, PatchOperation};
use serde_json::Value;

use super::equal::equal;
use super::error::missing;
use super::pointer::{METADATA_PATH, PatchScope, first_token, is_metadata};
use crate::bounds::json_bytes;
use crate::document::DocumentKind;
use crate::limits::{METADATA_BYTES, PATCH_COPIED_BYTES, QUOTED_CHARS};
use crate::members::kind;

/// Checks the members of an operation. The error names the member that is missing or wrong.
pub(super) fn check_shape(operation: &Value, scope: PatchScope) -> Result<(), String> {
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
    // The member that each operation needs beside `path`, and whether the operation changes the value at `path`.
    let (needs, changes) = match op {
        "add" | "replace" => (Some("value"), true),
        "test" => (Some("value"), false),
        "remove" => (None, true),
        "move" | "copy" => (Some("from"), true),
        _ => {
            let op = shown(op, QUOTED_CHARS);
            return Err(format!("unknown op `{op}`; expected add, remove, replace, move, copy or test"));
        }
    };
    let from = if needs == Some("from") { Some(text("from")?) } else { None };
    if needs == Some("value") && !members.contains_key("value") {
        return Err(format!("`value` is missing; `{op}` needs one"));
    }
    let targets = [changes.then_some(path), from.filter(|_| op == "move")];
    for target in targets.into_iter().flatten() {
        if !scope.pointers().contains(&target) && !is_metadata(target) {
            let meant = scope.pointers().iter().find(|known| known.eq_ignore_ascii_case(target.trim_end_matches('/')));
            let target = shown(target, QUOTED_CHARS);
            if let Some(meant) = meant {
                return Err(format!("`{target}` cannot be changed; write `{meant}`"));
            }
            let patchable = scope.pointers().join(", ");
            return Err(format!("`{target}` cannot be changed; only {patchable}, and what is below {METADATA_PATH}"));
        }
    }
    for pointer in [Some(path), from].into_iter().flatten() {
        check_pointer(pointer)?;
    }
    Ok(())
}

/// Checks the form of a pointer (RFC 6901, section 3).
fn check_pointer(pointer: &str) -> Result<(), String> {
    let quoted = shown(pointer, QUOTED_CHARS);
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(format!("`{quoted}` is no JSON pointer; expected `/` at its beginning"));
    }
    let escapes_nothing = |(at, _)| !matches!(pointer.as_bytes().get(at + 1), Some(b'0' | b'1'));
    if pointer.match_indices('~').any(escapes_nothing) {
        return Err(format!("`{quoted}` is no JSON pointer; in a name, write `~0` for `~`, and `~1` for `/`"));
    }
    Ok(())
}

/// Checks the new value of an operation before it is applied: a document is a text, and copies are bounded.
pub(super) fn check_value(
    operation: &PatchOperation,
    members: &Value,
    max_document: usize,
    copied: &mut usize,
) -> Result<(), String> {
    let value = match operation {
        PatchOperation::Add(operation) => &operation.value,
        PatchOperation::Replace(operation) => &operation.value,
        PatchOperation::Move(MoveOperation { from, .. }) | PatchOperation::Copy(CopyOperation { from, .. }) => {
            // The operation itself reports that the path does not exist.
            let Some(value) = members.pointer(from.as_str()) else { return Ok(()) };
            value
        }
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(()),
    };
    let path = operation.path().as_str();
    let into_document = DocumentKind::ALL.iter().any(|kind| kind.member() == first_token(path));
    if into_document && !value.is_string() {
        let member = first_token(path);
        return Err(format!("`{member}`: it must be a string, got {}", kind(value)));
    }
    if let PatchOperation::Copy(CopyOperation { from, .. }) = operation {
        let from = shown(from.as_str(), QUOTED_CHARS);
        let bytes = match value {
            Value::String(text) if into_document && text.len() > max_document => {
                return Err(format!("`{from}` is larger than a document may be, {max_document} bytes"));
            }
            Value::String(text) if into_document => text.len(),
            value => json_bytes(value, METADATA_BYTES).ok_or_else(|| {
                format!("`{from}` is larger than all of the metadata may be, {} KiB", METADATA_BYTES / 1024)
            })?,
        };
        *copied += bytes;
        if *copied > PATCH_COPIED_BYTES {
            let max = PATCH_COPIED_BYTES / (1024 * 1024);
            return Err(format!("the copies of this patch have more than {max} MiB; send fewer"));
        }
    }
    Ok(())
}

/// Checks that the path of a `test`, or of a `remove` with a value, holds that value.
pub(super) fn check_expected(operation: &PatchOperation, expected: &Value, members: &Value) -> Result<(), String> {
    match (members.pointer(operation.path().as_str()), operation) {
        (Some(found), _) if equal(found, expected) => Ok(()),
        (Some(found), PatchOperation::Test(_)) => Err(format!("the test failed: the path holds {}", kind(found))),
        (Some(found), _) => Err(format!(
            "nothing is removed, because the path does not hold the `value` but {}; leave `value` out to remove what is there",
            kind(found)
        )),
        (None, _) => Err(missing("the path", operation.path().as_str(), members, false)),
    }
}

/// How many bytes the texts in a value have.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}
