//! The errors of operations.

use connectory_folder::folder_name::FolderNameError;
use connectory_model::ScriptName;
use connectory_model::bounds::TooLarge;
use connectory_model::document::DocumentKind;
use connectory_model::limits::ZIP_CONNECTORS;
use connectory_model::patch::PatchError;
use connectory_store::{QuotaExceeded, Refusal, RevisionNumber, StoreError};

use super::expected::Unexpected;
use super::history::time;
use crate::work::WorkError;

/// The reason why an operation is refused or fails, with the values that a message needs.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The tenant has no connector with this script name.
    #[error("there is no connector with the script name `{0}` in this tenant")]
    NotFound(ScriptName),
    /// The connector has no revision with this number.
    #[error(
        "this connector has no revision {0}; numbers are those of the tenant, and its history has those of the connector"
    )]
    NoRevision(RevisionNumber),
    /// The tenant has no revision with this number.
    #[error("the tenant has no revision {0} yet")]
    NotYet(RevisionNumber),
    /// No change of the tenant has this number.
    #[error("the tenant has no change {0}; a change has the number of its last revision")]
    NoChange(RevisionNumber),
    /// The connector at the revision was removed by retention.
    #[error(
        "revision {number}, of {}, has no connector any more: the retention of this server removed it; who made the change \
         and when is in the history",
        time(*created_at)
    )]
    BodyRemoved {
        /// The number of the revision.
        number: RevisionNumber,
        /// The time of the revision, in milliseconds since 1970-01-01 UTC.
        created_at: i64,
    },
    /// A connector as it was at a moment was removed by retention.
    #[error(
        "`{script_name}` as it was at revision {at} was removed by the retention of this server; choose a later moment"
    )]
    PastRemoved {
        /// The script name of the connector.
        script_name: ScriptName,
        /// The revision of the moment.
        at: RevisionNumber,
    },
    /// The connector is built-in and cannot be changed.
    #[error("`{0}` is a built-in connector, which cannot be changed or deleted; create a custom connector")]
    BuiltIn(ScriptName),
    /// Another connector of the tenant has the name.
    #[error("`name` is taken: a connector of this name exists already")]
    NameTaken,
    /// Another connector has had the same name since before the present rule for names, and the change keeps it.
    #[error(
        "`{other}` has the same name as `{script_name}`: names are compared without case, and by NFC with full case folding; \
         first give one of them another name, with the path `/name` of a patch of `/connectory/v1/connectors/{{scriptName}}`"
    )]
    NameShared {
        /// The script name of the connector.
        script_name: ScriptName,
        /// The script name of the other connector.
        other: ScriptName,
    },
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
    /// A zip file has no room for so many connectors.
    #[error(
        "these are {0} connectors, and a zip file has {ZIP_CONNECTORS} at most; export a part of them at a time, or lines"
    )]
    TooManyFolders(usize),
    /// A connector has no folder, because no disk takes the folder's name.
    #[error("{0}; export the others by their script names, or lines")]
    NoFolder(FolderNameError),
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
