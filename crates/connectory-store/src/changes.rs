//! What was committed: as a follower in this process is told of it, and as it is read after a number.

use std::any::Any;
use std::sync::Arc;

use connectory_model::{ScriptName, Summary};

use crate::access::TenantId;
use crate::revision::RevisionNumber;

/// A connector as its newest revision left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The number of the revision.
    pub number: RevisionNumber,
    /// The connector.
    pub script_name: ScriptName,
    /// What lists show of it; none if it was deleted.
    pub summary: Option<Arc<Summary>>,
}

/// What changed in a tenant after a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The tenant's newest number when this was read. It is smaller than the number asked for if the database is not the
    /// one that gave that number, such as a backup that was restored.
    pub as_of: RevisionNumber,
    /// The current state of every connector that changed, in the order of their newest revisions.
    pub changed: Vec<Changed>,
}

/// An edit that was committed.
pub struct Committed {
    /// The tenant.
    pub tenant: TenantId,
    /// What it left.
    pub changed: Changed,
    /// What [`Edit::preparing`](crate::Edit::preparing) was given for the follower.
    pub prepared: Option<Box<dyn Any + Send>>,
}

/// Follows what is committed, such as the lists in memory.
pub trait Follow: Send + Sync {
    /// Takes the commits of a batch, in the order of their numbers. The store calls this once for a batch: after it is on
    /// disk, and before any of its callers is answered. Every other write waits meanwhile.
    fn committed(&self, batch: Vec<Committed>);
}
