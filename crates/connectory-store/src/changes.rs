//! Committed changes: as the follower in this process receives them, and as a caller reads them after a revision
//! number.

use std::any::Any;
use std::sync::Arc;

use connectory_model::{ScriptName, Summary};

use uuid::Uuid;

use crate::access::TenantId;
use crate::revision::RevisionNumber;

/// The state of a connector after its newest revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The number of the newest revision.
    pub number: RevisionNumber,
    /// The script name of the connector.
    pub script_name: ScriptName,
    /// The summary that lists show. None if the connector was deleted.
    pub summary: Option<Arc<Summary>>,
}

/// The changes in a tenant after a revision number.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The tenant's newest revision number when the changes were read. It is smaller than the requested number if
    /// another database assigned that number, for example before a backup was restored.
    pub as_of: RevisionNumber,
    /// The current state of every connector that changed, in the order of their newest revisions.
    pub changed: Vec<Changed>,
}

/// The newest revision of a tenant at a moment. Its number alone would not tell a database from a copy of it that went
/// another way, for example after a backup was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number. It is zero before the first revision.
    pub number: RevisionNumber,
    /// The id of its commit. None before the first revision, and in databases from before schema 5.
    pub commit: Option<Uuid>,
}

/// A committed edit.
pub struct Committed {
    /// The tenant of the connector.
    pub tenant: TenantId,
    /// The state of the connector after the edit.
    pub changed: Changed,
    /// The value that the caller passed to [`Edit::preparing`](crate::Edit::preparing) for the follower.
    pub prepared: Option<Box<dyn Any + Send + Sync>>,
}

/// Receives every commit. The lists in memory use this.
pub trait Follow: Send + Sync {
    /// Receives the commits of a batch, in the order of their numbers. The store calls this once for each batch: after
    /// the batch is on disk, and before any of its callers gets a result. All other writes wait meanwhile.
    fn committed(&self, batch: Vec<Committed>);

    /// Hears that the history of a tenant is another one than was followed: a server without its newest commits took
    /// over, or a backup was restored. Everything that was made from it is void. The tenant must be loaded anew.
    fn lost(&self, tenant: TenantId);
}
