//! The JSON pointers that a patch may use.

/// The member that holds the metadata.
pub(super) const METADATA: &str = "connectorMetadata";
/// The pointer to the metadata.
pub(super) const METADATA_PATH: &str = "/connectorMetadata";
/// The pointers that a patch of each scope may change. Below them, it may change metadata only.
const PATCHABLE: [&str; 9] = [
    METADATA_PATH,
    "/applicationXml",
    "/correlationConfigXml",
    "/sourceConfigXml",
    "/name",
    "/type",
    "/className",
    "/directConnect",
    "/status",
];

/// What a patch may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchScope {
    /// The metadata and the documents (specification).
    Specified,
    /// Also the members that a connector is created with (D46).
    Whole,
}

impl PatchScope {
    /// The pointers that may be changed.
    pub(super) fn pointers(self) -> &'static [&'static str] {
        match self {
            Self::Specified => &PATCHABLE[..4],
            Self::Whole => &PATCHABLE,
        }
    }

    /// The members that may be changed beside the metadata and the documents.
    pub(super) fn members(self) -> impl Iterator<Item = &'static str> {
        self.pointers().iter().skip(4).map(|pointer| first_token(pointer))
    }
}

/// Whether a pointer is the metadata or below it.
pub(super) fn is_metadata(pointer: &str) -> bool {
    pointer.strip_prefix(METADATA_PATH).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// The first part of a JSON pointer. None of the patchable members holds a character that a pointer escapes.
pub(super) fn first_token(pointer: &str) -> &str {
    pointer.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default()
}
