//! The attributes that name a connector: finds them, sets them, and checks that source config and source template are of the
//! same one.
//!
//! The vendor's forms name a connector by its type (`name="Acme" connectorName="Acme - Direct"`), others by its name. So both are
//! right, and neither is turned into the other.

use connectory_model::document::DocumentKind;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::{name_key, shown};
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

/// What may name a connector: the name and the type that `connector.yaml` or a document gives to it.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The connector's name.
    pub name: &'a str,
    /// The connector's type.
    pub connector_type: &'a str,
}

/// Checks that a form and a template, each with its file, are of one connector (D68). The form's `connectorName` is the name or the
/// type of the connector, and so is the template's `name` or `type`. `known` is what `connector.yaml` has; it decides.
pub(super) fn check(
    findings: &mut Findings<'_>,
    (form_file, form): (&str, &Tree<'_>),
    (template_file, template): (&str, &Tree<'_>),
    known: Option<Known<'_>>,
) {
    let in_form = naming(DocumentKind::SourceConfig, form);
    let in_template = naming(DocumentKind::SourceTemplate, template);
    let (Some(in_form), Some(in_template)) = (in_form, in_template) else { return };
    let template_type = template.root_element().attribute("type");
    let of_yaml = known.map(|Known { name, connector_type }| [name, connector_type]);
    let is_one = |value: &str, others: &[Option<&str>]| {
        let others = of_yaml.iter().flatten().copied().chain(others.iter().copied().flatten());
        let key = name_key(value);
        others.into_iter().any(|other| name_key(other) == key)
    };
    let form_agrees = is_one(in_form.value(), &[Some(in_template.value()), template_type]);
    let template_agrees = [Some(in_template.value()), template_type]
        .into_iter()
        .flatten()
        .any(|own| is_one(own, &[Some(in_form.value())]));
    let expected = known.map(|Known { name, connector_type }| {
        let [name, connector_type] = [name, connector_type].map(|text| shown(text, QUOTED_CHARS));
        format!("; the connector's name is `{name}` and its type `{connector_type}`")
    });
    let message = format!(
        "the source config is of `{}`, the source template of `{}`{}",
        shown(in_form.value(), QUOTED_CHARS),
        shown(in_template.value(), QUOTED_CHARS),
        expected.unwrap_or_default(),
    );
    // A document whose attribute beside it has another name has its type here, or the other way round. Only its author knows the
    // right one of the two new values then.
    let form_name = form.root_element().attribute("name");
    let form_is_named = form_name.is_none_or(|name| name == in_form.value());
    let template_is_named = template_type != Some(in_template.value());
    for (file, attribute, agrees, is_named) in [
        (form_file, in_form, form_agrees, form_is_named),
        (template_file, in_template, template_agrees, template_is_named),
    ] {
        if !agrees {
            let fix = known.filter(|_| is_named).map(|known| set(&attribute, known.name));
            findings.push_with(&CONNECTOR_NAME, file, attribute.range_value(), message.clone(), fix);
        }
    }
}
