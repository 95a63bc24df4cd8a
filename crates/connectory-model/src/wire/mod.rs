//! The objects on the wire, as the specification names their members.
//!
//! The server writes them and the client reads them. Members that the specification calls nullable are options. Reading
//! is lenient, so that neither a newer nor an older server breaks a client: unknown members are ignored, words of an
//! enumeration may be new ([`Open`]), and what is missing or null is empty.

mod activity;
mod detail;
mod error;
mod item;
mod line;
mod open;
mod revision;
mod service;
mod upload;

pub use activity::{ACTIVITY_PATH, AccessActivity, ActivityEntry, ChangeActivity, RefusedActivity};
pub use detail::{ConnectorDetail, DetailShape};
pub use error::{ErrorMessage, ErrorResponse, LocaleOrigin};
pub use item::ConnectorItem;
pub use line::{
    APPLY_PATH, Applied, ConnectorLine, ExportEnd, ExportHead, IMPORT_PATH, ImportResult, Imported, ImportedConnector,
    LINES_TYPE, UNDO_PATH, ZIP_TYPE,
};
pub use open::Open;
pub use revision::{
    COMPARE_PATH, ConnectorRevision, DELETED_PATH, DIFF_TYPE, DeletedConnector, EVENTS_PATH, EventKind, EventReset,
    REVISIONS_PATH, RevisionAction, RevisionAuthor, RevisionAuthorKind,
};
pub use service::{CONNECTORS_PATH, Capability, RESET_PATH, RequestRate, SERVICE_PATH, ServiceInfo, ServiceLimits};
pub use upload::{UpdateDetail, UpdateStatus, UploadTarget};

pub use crate::origin::Origin;

/// The header of an answer with the number of the revision up to which the server knew the tenant (D45).
pub const REVISION: &str = "connectory-revision";
/// The header of a request with the number of the revision that the answer must know (D45).
pub const MIN_REVISION: &str = "connectory-min-revision";
