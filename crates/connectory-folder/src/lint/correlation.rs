//! Checks that the filters of a correlation config compare attributes of the source template's account schema.

use connectory_model::limits::QUOTED_CHARS;
use connectory_model::shown;
use roxmltree::Document as Tree;

use super::findings::Findings;
use super::rules::CORRELATION_ATTRIBUTE;
use crate::vocabulary::account_attributes_of;

/// Checks a correlation config against a source template.
pub(super) fn check(findings: &mut Findings<'_>, template: &Tree<'_>, file: &str, correlation: &Tree<'_>) {
    let attributes = account_attributes_of(template);
    // A template without a schema gets it when a source is made: its attributes are not known here.
    if attributes.is_empty() {
        return;
    }
    // No documentation says which of the two names is the account's attribute, so one of them is enough.
    for filter in correlation.descendants().filter(|node| node.tag_name().name() == "Filter") {
        let (Some(property), Some(value)) = (filter.attribute("property"), filter.attribute("value")) else {
            continue;
        };
        if !attributes.contains(property) && !attributes.contains(value) {
            let suggestions = [property, value].map(|name| findings.suggestion(name, &attributes)).concat();
            let [property, value] = [property, value].map(|name| shown(name, QUOTED_CHARS));
            let message = format!(
                "neither `{property}` nor `{value}` is an attribute of the source template's account schema{suggestions}"
            );
            findings.push(&CORRELATION_ATTRIBUTE, file, filter.range(), message);
        }
    }
}
