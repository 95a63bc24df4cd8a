//! JSON Patch (RFC 6902) on a connector: whole, atomic, and only where the specification allows it.
//!
//! The `json-patch` crate applies the operations to a copy of the connector's detail, one at a time, so that an error
//! names the operation. Then the patched members are read back and checked as an upload would be. The connector itself
//! is not touched, so a patch that fails changes nothing.
//!
//! `test` is ours: the crate takes `1` and `1.0` for different numbers (D72). So is the `value` of a `remove`, which the RFC
//! ignores (D73).

mod check;
mod equal;
mod error;
mod pointer;

use json_patch::{CopyOperation, MoveOperation, PatchOperation};
use serde_json::Value;

use self::check::{check_expected, check_shape, check_value, weight};
pub use self::error::PatchError;
use self::error::{described, display, explain};
pub use self::pointer::PatchScope;
use self::pointer::{METADATA, first_token, is_metadata};
use crate::bounds::{check_metadata, json_bytes};
use crate::create::NewConnector;
use crate::document::{Document, DocumentKind};
use crate::limits::{METADATA_BYTES, PATCH_OPERATIONS};
use crate::members::{InvalidMember, Members, kind};
use crate::wire::ConnectorDetail;
use crate::{Connector, Metadata, reason};

/// A list of operations. Each is complete, and changes only members that it may change.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchSet {
    steps: Vec<Step>,
    scope: PatchScope,
}

/// An operation, and what the value at its path must be: that of a `test`, or of a `remove` that has one (D73).
#[derive(Debug, Clone, PartialEq)]
struct Step {
    operation: PatchOperation,
    expected: Option<Value>,
}

impl PatchSet {
    /// Reads the body of a patch request, which may change what is in the scope.
    pub fn from_json(body: Value, scope: PatchScope) -> Result<Self, PatchError> {
        let operations = match body {
            Value::Array(operations) => operations,
            // PowerShell makes of an array with one element that element.
            Value::Object(object) => {
                let is_operation = object.contains_key("op") || object.contains_key("path");
                let advice = if is_operation { "; wrap it in [ ]" } else { "" };
                return Err(PatchError::Body(format!("expected an array of operations, got an object{advice}")));
            }
            other => return Err(PatchError::Body(format!("expected an array of operations, got {}", kind(&other)))),
        };
        if operations.len() > PATCH_OPERATIONS {
            let count = operations.len();
            return Err(PatchError::Body(format!("{count} operations; a patch may have {PATCH_OPERATIONS}")));
        }
        operations
            .into_iter()
            .enumerate()
            .map(|(index, mut operation)| {
                let description = described(&operation);
                check_shape(&operation, scope)
                    .and_then(|()| {
                        let expected = expected(&mut operation);
                        let operation = serde_json::from_value(operation).map_err(|error| reason(&error))?;
                        Ok(Step { operation, expected })
                    })
                    .map_err(|reason| PatchError::Operation { index, operation: description, reason })
            })
            .collect::<Result<_, _>>()
            .map(|steps| Self { steps, scope })
    }

    /// How many bytes the texts in its operations have.
    pub fn size(&self) -> usize {
        let written = self.steps.iter().map(|step| match &step.operation {
            PatchOperation::Add(operation) => weight(&operation.value),
            PatchOperation::Replace(operation) => weight(&operation.value),
            _ => 0,
        });
        written.chain(self.steps.iter().filter_map(|step| step.expected.as_ref()).map(weight)).sum()
    }

    /// Applies the patch to a connector. The operations see its detail in English, which `detail` makes. A copy into a
    /// document may have `max_document` bytes.
    pub fn apply(
        &self,
        connector: &Connector,
        detail: impl FnOnce(&Connector) -> ConnectorDetail,
        max_document: usize,
    ) -> Result<Connector, PatchError> {
        let mut members = self.members(connector, detail);
        // Metadata that is too large already may stay as large as it is.
        let max_metadata =
            json_bytes(&members[METADATA], usize::MAX).map_or(METADATA_BYTES, |bytes| bytes.max(METADATA_BYTES));
        let mut copied = 0;
        for (index, Step { operation, expected }) in self.steps.iter().enumerate() {
            check_value(operation, &members, max_document, &mut copied)
                .and_then(|()| expected.as_ref().map_or(Ok(()), |value| check_expected(operation, value, &members)))
                .and_then(|()| {
                    if matches!(operation, PatchOperation::Test(_)) {
                        return Ok(());
                    }
                    json_patch::patch_unsafe(&mut members, std::slice::from_ref(operation))
                        .map_err(|error| explain(&error.kind, operation, &members))
                })
                .and_then(|()| match operation {
                    PatchOperation::Test(_) | PatchOperation::Remove(_) => Ok(()),
                    _ if !is_metadata(operation.path().as_str()) => Ok(()),
                    _ => check_metadata(&members[METADATA], max_metadata),
                })
                .map_err(|reason| PatchError::Operation { index, operation: display(operation), reason })?;
        }
        self.read_back(connector, members)
    }

    /// The members that the operations see. If all operations name members that may be changed, these are the only ones:
    /// so a patch of the metadata does not copy a large connector.
    fn members(&self, connector: &Connector, detail: impl FnOnce(&Connector) -> ConnectorDetail) -> Value {
        let is_patchable = |member: &str| self.scope.pointers().iter().any(|path| first_token(path) == member);
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
        let named: Vec<_> = self.scope.members().filter(|member| self.is_named(member)).collect();
        if !named.is_empty() {
            let created = serde_json::to_value(NewConnector::of(connector)).expect("texts are JSON");
            members.extend(named.into_iter().map(|member| (member.to_owned(), created[member].clone())));
        }
        Value::Object(members)
    }

    /// The members that the operations name, repeated if they are named repeatedly.
    fn named(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|Step { operation, .. }| {
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
        for member in self.scope.members().filter(|member| self.is_named(member)) {
            self.read_member(member, &members, &mut patched)?;
        }
        patched.connector_metadata = match members.get_mut(METADATA).map(Value::take) {
            Some(Value::Object(metadata)) => metadata,
            None if self.is_named(METADATA) => Metadata::new(),
            None => patched.connector_metadata,
            Some(other) => {
                return Err(self.result_error(METADATA, &format!("it must be an object, got {}", kind(&other))));
            }
        };
        for kind in DocumentKind::ALL {
            if let Some(document) = self.document(connector, &members, kind)? {
                patched.set_document(document);
            }
        }
        Ok(patched)
    }

    /// Reads a member that a connector is created with. It must be there, because its default is for a new connector.
    fn read_member(&self, member: &str, members: &Value, patched: &mut Connector) -> Result<(), PatchError> {
        let missing = || InvalidMember::new(format!("`{member}` is required"));
        let mut read = || -> Result<(), InvalidMember> {
            let members = Members::of(members)?;
            match member {
                "name" => patched.name = members.required_text(member, None)?,
                "type" => patched.connector_type = members.required_text(member, None)?,
                "className" => patched.class_name = members.required_text(member, None)?,
                "directConnect" => patched.direct_connect = members.flag(member)?.ok_or_else(missing)?,
                _ => patched.status = members.status()?.ok_or_else(missing)?,
            }
            Ok(())
        };
        read().map_err(|error| self.result(member, error.to_string()))
    }

    /// The new document, if the patch changed it.
    fn document(
        &self,
        connector: &Connector,
        members: &Value,
        document: DocumentKind,
    ) -> Result<Option<Document>, PatchError> {
        let member = document.member();
        match members.get(member) {
            Some(Value::String(text)) if text == connector.document(document) => Ok(None),
            Some(Value::String(text)) => Document::parse(document, text.as_bytes())
                .map(Some)
                .map_err(|error| self.result_error(member, &error.to_string())),
            Some(other) => Err(self.result_error(member, &format!("it must be a string, got {}", kind(other)))),
            None if !self.is_named(member) => Ok(None),
            None => Err(self.result_error(member, "it is gone; a connector always has one")),
        }
    }

    fn result_error(&self, member: &str, reason: &str) -> PatchError {
        self.result(member, format!("`{member}`: {reason}"))
    }

    fn result(&self, member: &str, reason: String) -> PatchError {
        let touches = |Step { operation, .. }: &Step| {
            let from = match operation {
                PatchOperation::Move(moved) => first_token(moved.from.as_str()),
                _ => "",
            };
            first_token(operation.path().as_str()) == member || from == member
        };
        let index = self.steps.iter().rposition(touches).unwrap_or_default();
        let operation = self.steps.get(index).map(|step| display(&step.operation)).unwrap_or_default();
        PatchError::Result { index, operation, reason }
    }
}

/// Takes out the value that the path must have: that of a `test`, or of a `remove`. Some serializers write `null` for a
/// member that is not given, so the null of a `remove` is none.
fn expected(operation: &mut Value) -> Option<Value> {
    match operation["op"].as_str() {
        Some("test") => operation.get_mut("value").map(Value::take),
        Some("remove") => operation.get_mut("value").map(Value::take).filter(|value| !value.is_null()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
