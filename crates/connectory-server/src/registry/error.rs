//! Why an operation is refused.

use connectory_model::ScriptName;
use connectory_model::bounds::TooLarge;
use connectory_model::document::DocumentKind;
use connectory_model::patch::PatchError;
use connectory_store::{Refusal, StoreError};

use crate::work::WorkError;

/// Why an operation is refused, with the values that a message needs.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The tenant has no such connector.
    #[error("there is no connector with the script name `{0}` in this tenant")]
    NotFound(ScriptName),
    /// The connector has no such revision.
    #[error("the connector has no revision {0}")]
    NoRevision(i64),
    /// It is a built-in connector.
    #[error("`{0}` is a built-in connector, which cannot be changed or deleted; create a custom connector")]
    BuiltIn(ScriptName),
    /// Another connector of the tenant has the name.
    #[error("`name` is taken: a connector of this name exists already")]
    NameTaken,
    /// What is changed is not what the caller read.
    #[error("someone else changed this meanwhile; read it again and repeat the change")]
    Conflict,
    /// The patch cannot be applied.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// A document would be larger than it may be.
    #[error("the result's `{}` is larger than {limit} bytes", .kind.member())]
    DocumentTooLarge {
        /// The document.
        kind: DocumentKind,
        /// How many bytes it may have.
        limit: usize,
    },
    /// The connector would be larger than it may be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The work that the operation takes cannot be done for the moment.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for RegistryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NameTaken { .. } => Self::NameTaken,
            // Two callers deleted and created it at the same time: the second should read it again.
            Refusal::Conflict { .. } | Refusal::ScriptNameTaken { .. } | Refusal::Repeated { .. } => Self::Conflict,
            Refusal::Store(error) => Self::Store(error),
        }
    }
}
