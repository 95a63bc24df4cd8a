//! Edits: changes that are to be committed. Making one serializes and compresses the connector, so that the thread that
//! writes for everyone does as little as it can.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use connectory_model::{Connector, Summary, name_key};

use crate::access::TenantId;
use crate::body::{Body, Holders};
use crate::changes::{Changed, Committed};
use crate::revision::{Action, RevisionNumber};

/// What an edit does to its connector. An existing one is changed only as it was read.
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

/// A change to a connector, in the form in which it is written.
pub struct Edit {
    change: Change,
    connector: Arc<Connector>,
    summary: Arc<Summary>,
    prepared: Option<Box<dyn Any + Send>>,
    pub(crate) action: Action,
    pub(crate) changed: String,
    pub(crate) name_key: String,
    pub(crate) body: Body,
    pub(crate) summary_json: String,
}

impl Edit {
    /// A change. `connector` is what the connector will be; of a deletion, what it was. `changed` names the members or
    /// files that change. `before` is the connector as it was, and where its parts are stored: of a large connector, only
    /// parts that change are written.
    pub fn new(
        change: Change,
        connector: Arc<Connector>,
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
            body: Body::new(&connector, before),
            summary_json: serde_json::to_string(&summary).expect("a summary is JSON"),
            summary: Arc::new(summary),
            connector,
            prepared: None,
        }
    }

    /// The same edit, where it makes the connector what it was at an earlier revision.
    #[must_use]
    pub fn restoring(self) -> Self {
        Self { action: Action::Restore, ..self }
    }

    /// The same edit, with what its caller has prepared for the follower: the follower works on the thread that writes
    /// for everyone.
    #[must_use]
    pub fn preparing(self, prepared: impl Any + Send) -> Self {
        Self { prepared: Some(Box::new(prepared)), ..self }
    }

    /// What is done.
    pub fn change(&self) -> Change {
        self.change
    }

    /// The connector as it will be; of a deletion, as it was.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// The same as lists show it.
    pub fn summary(&self) -> &Arc<Summary> {
        &self.summary
    }

    /// What the edit left, under the number of its revision.
    pub(crate) fn committed(self, tenant: TenantId, number: RevisionNumber) -> Committed {
        let script_name = self.connector.script_name.clone();
        let summary = match self.change {
            Change::Create | Change::Update { .. } => Some(self.summary),
            Change::Delete { .. } => None,
        };
        Committed { tenant, changed: Changed { number, script_name, summary }, prepared: self.prepared }
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script_name = &self.connector.script_name;
        f.debug_struct("Edit").field("change", &self.change).field("script_name", script_name).finish_non_exhaustive()
    }
}
