//! The addresses of pages.

use connectory_model::ScriptName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The address of a page of a connector.
pub fn connector_url(script_name: &ScriptName, rest: &str) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    format!("/console/connectors/{}{rest}", utf8_percent_encode(script_name.as_str(), SEGMENT))
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
