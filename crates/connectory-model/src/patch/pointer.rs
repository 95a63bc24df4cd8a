//! The JSON pointers that a patch may use.

/// The member that holds the metadata.
pub(super) const METADATA: &str = "connectorMetadata";
/// The pointer to the metadata.
pub(super) const METADATA_PATH: &str = "/connectorMetadata";
/// The pointers that a patch may change. Below them, it may change metadata only.
pub(super) const PATCHABLE: [&str; 4] = [METADATA_PATH, "/applicationXml", "/correlationConfigXml", "/sourceConfigXml"];

/// Whether a pointer is the metadata or below it.
pub(super) fn is_metadata(pointer: &str) -> bool {
    pointer.strip_prefix(METADATA_PATH).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// The first part of a JSON pointer. None of the patchable members holds a character that a pointer escapes.
pub(super) fn first_token(pointer: &str) -> &str {
    pointer.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default()
}
