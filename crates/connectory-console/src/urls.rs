//! The addresses of pages.

use connectory_model::ScriptName;

/// The address of a page of a connector.
pub fn connector_url(script_name: &ScriptName, rest: &str) -> String {
    format!("/console/connectors/{script_name}{rest}")
}
