//! The attributes that name a connector: finds them, sets them, and checks that source config and source template name the
//! same one.

use connectory_model::document::DocumentKind;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::shown;
use quick_xml::escape::escape;
use roxmltree::{Attribute, Document as Tree};

use super::Fix;
use super::document::attribute;
use super::findings::Findings;
use super::rules::CONNECTOR_NAME;

/// The attribute of a document's root element that names the connector, if there is one.
pub(crate) fn naming<'a, 'i>(kind: DocumentKind, tree: &'a Tree<'i>) -> Option<Attribute<'a, 'i>> {
    let name = match kind {
        DocumentKind::SourceConfig => "connectorName",
        DocumentKind::SourceTemplate => "name",
        DocumentKind::CorrelationConfig => return None,
    };
    attribute(tree.root_element(), name)
}

/// The fix that gives an attribute another value.
pub(crate) fn set(attribute: &Attribute<'_, '_>, value: &str) -> Fix {
    Fix::Replace { range: attribute.range_value(), text: escape(value).into_owned() }
}

/// Compares the names in a form and in a template, each with its file. `name` is the one in `connector.yaml`; it decides.
pub(super) fn check(
    findings: &mut Findings<'_>,
    (form_file, form): (&str, &Tree<'_>),
    (template_file, template): (&str, &Tree<'_>),
    name: Option<&str>,
) {
    let in_form = naming(DocumentKind::SourceConfig, form);
    let in_template = naming(DocumentKind::SourceTemplate, template);
    let (Some(in_form), Some(in_template)) = (in_form, in_template) else { return };
    if in_form.value() == in_template.value() {
        return;
    }
    let message = format!(
        "the source config is of `{}`, the source template of `{}`{}",
        shown(in_form.value(), QUOTED_CHARS),
        shown(in_template.value(), QUOTED_CHARS),
        name.map(|name| format!("; the connector's name is `{}`", shown(name, QUOTED_CHARS))).unwrap_or_default(),
    );
    for (file, attribute) in [(form_file, in_form), (template_file, in_template)] {
        if Some(attribute.value()) == name {
            continue;
        }
        let fix = name.map(|name| set(&attribute, name));
        findings.push_with(&CONNECTOR_NAME, file, attribute.range_value(), message.clone(), fix);
    }
}
