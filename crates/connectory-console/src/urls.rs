//! The addresses of pages that others link to.

use connectory_model::ScriptName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The address of the page that creates a connector.
pub const NEW: &str = "/console/new";
/// The address of the page that takes files to import.
pub const IMPORT: &str = "/console/import";
/// The address of the page that compares two connectors.
pub const COMPARE: &str = "/console/compare";
/// The address of the page that sets the status of connectors.
pub const MANY_STATUS: &str = "/console/many/status";
/// The address of the page that changes the labels of connectors.
pub const MANY_LABELS: &str = "/console/many/labels";
/// The address of the page that deletes connectors.
pub const MANY_DELETE: &str = "/console/many/delete";

/// The address of a page of a connector.
pub fn connector_url(script_name: &ScriptName, rest: &str) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    format!("/console/connectors/{}{rest}", utf8_percent_encode(script_name.as_str(), SEGMENT))
}

/// The address of a comparison, with these parameters.
pub fn compare_url(parameters: &[(&str, &str)]) -> String {
    format!("{COMPARE}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_connector_may_have_any_script_name() {
        let url = |name: &str| connector_url(&name.parse().expect("a segment"), "/history");
        assert_eq!(url("hr_v1.0-x"), "/console/connectors/hr_v1.0-x/history");
        assert_eq!(url("a b?é"), "/console/connectors/a%20b%3F%C3%A9/history");
    }
}
