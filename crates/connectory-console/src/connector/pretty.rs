//! Metadata as text.

use connectory_model::Metadata;

/// Metadata as text, for differences.
pub fn pretty(metadata: &Metadata) -> String {
    serde_json::to_string_pretty(metadata).expect("metadata is JSON")
}
