//! The errors of operations.

use connectory_model::ScriptName;
use connectory_model::bounds::TooLarge;
use connectory_model::document::DocumentKind;
use connectory_model::patch::PatchError;
use connectory_store::{QuotaExceeded, Refusal, RevisionNumber, StoreError};

use super::expected::Unexpected;
use crate::work::WorkError;

/// The reason why an operation is refused or fails, with the values that a message needs.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The tenant has no connector with this script name.
    #[error("there is no connector with the script name `{0}` in this tenant")]
    NotFound(ScriptName),
    /// The connector has no revision with this number.
    #[error("the connector has no revision {0}")]
    NoRevision(RevisionNumber),
    /// The connector is built-in and cannot be changed.
    #[error("`{0}` is a built-in connector, which cannot be changed or deleted; create a custom connector")]
    BuiltIn(ScriptName),
    /// Another connector of the tenant has the name.
    #[error("`name` is taken: a connector of this name exists already")]
    NameTaken,
    /// The connector changed after the caller read it.
    #[error("someone else changed this meanwhile; read it again and repeat the change")]
    Conflict,
    /// The connector is not as the request expects it.
    #[error("{0}")]
    Unexpected(Box<Unexpected>),
    /// The tenant would exceed one of its quotas.
    #[error(transparent)]
    Quota(QuotaExceeded),
    /// The patch cannot be applied.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The document would be larger than its limit.
    #[error("the result's `{}` is larger than {limit} bytes", .kind.member())]
    DocumentTooLarge {
        /// The kind of the document.
        kind: DocumentKind,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connector would be larger than its limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The work for the operation is not possible at the moment.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for RegistryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NameTaken { .. } => Self::NameTaken,
            // Two callers deleted and created the connector at the same time. The second caller should read it again.
            // A request with a key was done while this one, with the same key, was worked on.
            Refusal::Conflict { .. } | Refusal::ScriptNameTaken { .. } | Refusal::Repeated { .. } | Refusal::Done => {
                Self::Conflict
            }
            Refusal::Quota(exceeded) => Self::Quota(exceeded),
            Refusal::Store(error) => Self::Store(error),
        }
    }
}
