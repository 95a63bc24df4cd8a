//! Edits: changes to commit. `Edit::new` serializes and compresses the connector on the caller's thread, so that the
//! one writer thread has little to do.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use connectory_model::document::DocumentKind;
use connectory_model::{Connector, ScriptName, Summary, name_key};
use uuid::Uuid;

use crate::access::{QuotaExceeded, Quotas, TenantId};
use crate::body::{Body, Holders};
use crate::changes::{Changed, Committed};
use crate::error::{Refusal, Result};
use crate::once::Once;
use crate::revision::{Action, Origin, RevisionNumber};

/// The change that an edit makes to its connector. An existing connector is changed only if it is still at the revision
/// that the caller read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Create the connector.
    Create,
    /// Replace the connector. Its name and script name stay the same.
    Update {
        /// The revision the caller read.
        expected: RevisionNumber,
    },
    /// Delete the connector.
    Delete {
        /// The revision the caller read.
        expected: RevisionNumber,
    },
}

/// A change to a connector, ready to be written.
pub struct Edit {
    change: Change,
    summary: Arc<Summary>,
    prepared: Option<Box<dyn Any + Send + Sync>>,
    pub(crate) action: Action,
    pub(crate) changed: String,
    pub(crate) name_key: String,
    /// Whether the connector may have had another name. The store knows which.
    pub(crate) may_rename: bool,
    /// Whether a document has bytes that are not UTF-8, which servers of older versions cannot read.
    pub(crate) is_encoded: bool,
    pub(crate) body: Body,
    pub(crate) summary_json: String,
}

impl Edit {
    /// Makes an edit. `connector` is the connector after the change, or for a deletion, the deleted connector. The edit
    /// keeps it compressed.
    /// `changed` lists the members or files that change. `before` is the connector before the change, and where its
    /// parts are stored: for a large connector, only the parts that change are written.
    pub fn new(
        change: Change,
        connector: &Connector,
        changed: &[String],
        before: Option<(&Connector, &Holders)>,
    ) -> Self {
        let summary = connector.summary();
        let action = match change {
            Change::Create => Action::Create,
            Change::Update { .. } => Action::Update,
            Change::Delete { .. } => Action::Delete,
        };
        Self {
            change,
            action,
            changed: changed.join(" "),
            name_key: name_key(&connector.name),
            may_rename: matches!(change, Change::Update { .. })
                && before.is_none_or(|(before, _)| before.name != connector.name),
            is_encoded: action != Action::Delete
                && DocumentKind::ALL.into_iter().any(|kind| !connector.document_text(kind).is_utf8()),
            body: Body::new(connector, before),
            summary_json: serde_json::to_string(&summary).expect("a summary is JSON"),
            summary: Arc::new(summary),
            prepared: None,
        }
    }

    /// Marks the edit as a restore: it gives the connector the state of an earlier revision.
    #[must_use]
    pub fn restoring(self) -> Self {
        Self { action: Action::Restore, ..self }
    }

    /// Attaches a value that the caller prepared for the follower. The follower runs on the one writer thread, so the
    /// caller does the slow work before.
    #[must_use]
    pub fn preparing(self, prepared: impl Any + Send + Sync) -> Self {
        Self { prepared: Some(Box::new(prepared)), ..self }
    }

    /// The change that the edit makes.
    pub fn change(&self) -> Change {
        self.change
    }

    /// The script name of the connector.
    pub fn script_name(&self) -> &ScriptName {
        &self.summary.script_name
    }

    /// The summary of the connector, as lists show it.
    pub fn summary(&self) -> &Arc<Summary> {
        &self.summary
    }

    /// The size of the revision in the database, in bytes.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let parts = self.body.parts.iter().map(|(_, bytes)| bytes.len());
        (self.body.bytes.len() + parts.sum::<usize>()) as u64
    }

    /// Makes the record of the committed edit, with the number of its revision.
    pub(crate) fn committed(self, tenant: TenantId, number: RevisionNumber) -> Committed {
        let script_name = self.summary.script_name.clone();
        let summary = match self.change {
            Change::Create | Change::Update { .. } => Some(self.summary),
            Change::Delete { .. } => None,
        };
        Committed { tenant, changed: Changed { number, script_name, summary }, prepared: self.prepared }
    }
}

/// The edits of one tenant that are committed together.
pub(crate) struct Commit {
    pub tenant: TenantId,
    pub edits: Vec<Edit>,
    pub origin: Origin,
    pub id: Uuid,
    pub once: Option<Once>,
}

impl Commit {
    /// A commit with a new random id.
    pub fn new(tenant: TenantId, edits: Vec<Edit>, origin: Origin, once: Option<Once>) -> Self {
        // `Uuid::new_v4` would make a system call for each id.
        Self { tenant, edits, origin, id: Uuid::from_u128(rand::random()), once }
    }
}

/// Refuses a commit in which two edits change the same connector.
pub(crate) fn expect_distinct(edits: &[Edit]) -> Result<(), Refusal> {
    let [_, _, ..] = edits else { return Ok(()) };
    let mut connectors = HashMap::new();
    for (at, edit) in edits.iter().enumerate() {
        let is_create = edit.change() == Change::Create;
        match connectors.insert(edit.script_name().as_str(), is_create) {
            Some(true) if is_create => return Err(Refusal::ScriptNameTaken { edit: at }),
            Some(_) => return Err(Refusal::Repeated { edit: at }),
            None => {}
        }
    }
    Ok(())
}

/// Refuses edits with which the tenant would exceed a quota, given functions that count what it stores. A tenant that
/// stores more than a lowered quota can still delete, and can change connectors if it has no quota of bytes.
pub(crate) fn check_quotas(
    quotas: Quotas,
    edits: &[Edit],
    connectors: impl FnOnce() -> Result<u64>,
    bytes: impl FnOnce() -> Result<u64>,
) -> Result<(), Refusal> {
    let created = edits.iter().filter(|edit| edit.change() == Change::Create).count() as u64;
    if created > 0 && connectors()? + created > quotas.connectors {
        return Err(QuotaExceeded::Connectors(quotas.connectors).into());
    }
    if let Some(most) = quotas.bytes {
        let bytes = bytes()?;
        let only_deletes = edits.iter().all(|edit| matches!(edit.change(), Change::Delete { .. }));
        if !only_deletes && bytes + edits.iter().map(Edit::stored_bytes).sum::<u64>() > most {
            return Err(QuotaExceeded::Bytes(most).into());
        }
    }
    Ok(())
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit")
            .field("change", &self.change)
            .field("script_name", self.script_name())
            .finish_non_exhaustive()
    }
}
