//! Members as text.

use serde::Serialize;

/// Members as text, for differences.
pub fn pretty(members: &impl Serialize) -> String {
    serde_json::to_string_pretty(members).expect("members are JSON")
}
