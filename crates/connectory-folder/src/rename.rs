//! Giving a connector another name: in `connector.yaml`, and in every document that has the name.
//!
//! Two attributes name the connector, so they always get the new name, unless they name it by its type (D68), which stays. Others
//! have the old name in a new connector, and an author may have changed them. They get the new name only if they still have the old
//! one.

use std::mem;

use connectory_model::create::default_type;
use connectory_model::document::{DocumentKind, DocumentText, xml};
use connectory_model::name_key;

use crate::folder::Folder;
use crate::lint::Text;
use crate::lint::document::attribute;
use crate::lint::names::{naming, set};

/// An attribute of the root element of a kind of document, and the value that a new connector's name gives to it.
type Derived = (DocumentKind, &'static str, fn(&str) -> String);

/// The attributes that have the name in a new connector, but do not name the connector.
const DERIVED: [Derived; 3] = [
    (DocumentKind::SourceConfig, "name", str::to_owned),
    (DocumentKind::SourceTemplate, "type", default_type),
    (DocumentKind::CorrelationConfig, "name", correlation_config_name),
];

fn correlation_config_name(name: &str) -> String {
    format!("{name} Account Correlation Config")
}

impl Folder {
    /// The same connector with another name. Its type stays, unless it is the default type of its name. So does a document
    /// that cannot be read, which no server accepts.
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        let (in_template, template_type) = self.named_in_template();
        let members = &mut self.description.members;
        let old = mem::replace(&mut members.name, name.to_owned());
        let old_type = members.connector_type.clone();
        if old_type == default_type(&old) {
            members.connector_type = default_type(name);
        }
        // The value of an attribute that names the connector by its name or by its type. A type that stays is `None`.
        let named = |value: &str| match value {
            value if name_key(value) == name_key(&old) => Some(name.to_owned()),
            value if value == old_type => Some(members.connector_type.clone()),
            value if Some(value) == template_type.as_deref() => {
                let is_default = in_template.as_deref().is_some_and(|template| default_type(template) == value);
                is_default.then(|| default_type(name))
            }
            _ => Some(name.to_owned()),
        };
        for (kind, text) in &mut self.documents {
            let decoded = Text::decode(text.bytes());
            let Ok(tree) = xml::parse(&decoded.text) else { continue };
            let naming = naming(*kind, &tree);
            let derived = DERIVED.iter().filter(|(of, ..)| of == kind).filter_map(|(_, derived, derive)| {
                let derived = attribute(tree.root_element(), derived)?;
                let is_of = |name: &str| derive(name) == derived.value();
                let new = match naming.map(|naming| naming.value()) {
                    _ if is_of(&old) => name.to_owned(),
                    Some(naming) if is_of(naming) => named(naming)?,
                    _ => return None,
                };
                Some(set(&derived, &derive(&new)))
            });
            let naming = naming.iter().filter_map(|naming| Some(set(naming, &named(naming.value())?)));
            let fixes: Vec<_> = naming.chain(derived).collect();
            let fixed = decoded.fixed(fixes);
            *text = DocumentText::stored(fixed).expect("a text stays in its encoding");
        }
        self
    }

    /// The name and the type that the source template gives to the connector.
    fn named_in_template(&self) -> (Option<String>, Option<String>) {
        let text = self.documents.get(&DocumentKind::SourceTemplate);
        let Some(tree) = text.and_then(|text| xml::parse(text.as_str()).ok()) else { return (None, None) };
        let value = |name| tree.root_element().attribute(name).map(str::to_owned);
        (value("name"), value("type"))
    }
}

#[cfg(test)]
mod tests {
    use connectory_model::ScriptName;
    use connectory_model::create::NewConnector;
    use connectory_model::document::FORM_NAMESPACE;
    use proptest::prelude::*;

    use super::*;
    use crate::folder::Files;
    use crate::lint::lint;

    const ODD: &str = "Ä & <b> \"x\"";

    fn new(name: &str) -> Folder {
        NewConnector::new(name, "x.Y").build(ScriptName::derive(name), &[]).into()
    }

    fn findings(folder: &Folder) -> Vec<String> {
        let files: Files<'_> = folder.files().into_iter().map(|(file, bytes)| (file, bytes.into())).collect();
        let name = crate::folder_name::folder_name(&ScriptName::derive(&folder.description.members.name));
        let findings = lint(&name.expect("short enough"), &files).into_iter();
        findings.map(|finding| format!("{}: {}", finding.file, finding.message)).collect()
    }

    #[test]
    fn what_an_author_changed_stays_and_what_names_the_connector_does_not() {
        let mut folder = new("HR");
        folder.description.members.connector_type = "custom IT".to_owned();
        for (kind, text) in [
            (DocumentKind::SourceConfig, "<Form connectorName='Old' name='Old'><Field name='HR'/></Form>"),
            (DocumentKind::SourceTemplate, "<Application type='custom IT'/>"),
            (DocumentKind::CorrelationConfig, "<CorrelationConfig name='Ours'/>"),
        ] {
            folder.documents.insert(kind, text.to_owned().into());
        }
        let renamed = folder.clone().renamed(ODD);
        assert_eq!(renamed.description.members.name, ODD);
        assert_eq!(renamed.description.members.connector_type, "custom IT");
        assert_eq!(
            renamed.documents[&DocumentKind::SourceConfig].as_str(),
            "<Form connectorName='Ä &amp; &lt;b&gt; &quot;x&quot;' name='Ä &amp; &lt;b&gt; &quot;x&quot;'>\
             <Field name='HR'/></Form>"
        );
        for kind in [DocumentKind::SourceTemplate, DocumentKind::CorrelationConfig] {
            assert_eq!(renamed.documents[&kind], folder.documents[&kind]);
        }
        folder.documents.insert(DocumentKind::SourceConfig, "<Form".to_owned().into());
        assert_eq!(folder.renamed("IT").documents[&DocumentKind::SourceConfig].as_str(), "<Form", "it is no XML");
    }

    /// A folder whose documents have these attributes.
    fn named(connector_type: &str, form: &str, template: &str) -> Folder {
        let mut folder = new("Acme");
        folder.description.members.connector_type = connector_type.to_owned();
        folder.documents.remove(&DocumentKind::CorrelationConfig);
        folder
            .documents
            .insert(DocumentKind::SourceConfig, format!("<Form xmlns=\"{FORM_NAMESPACE}\" {form}/>").into());
        folder.documents.insert(DocumentKind::SourceTemplate, format!("<Application {template}/>").into());
        folder
    }

    #[test]
    fn a_type_that_names_the_connector_stays_a_type() {
        for (connector_type, form, template, renamed_form, renamed_template) in [
            (
                "Acme - Direct",
                "name='Acme' connectorName='Acme - Direct'",
                "name='Acme' type='Acme - Direct'",
                "name='HR' connectorName='Acme - Direct'",
                "name='HR' type='Acme - Direct'",
            ),
            (
                "Acme - Direct",
                "name='Acme - Direct' connectorName='Acme - Direct'",
                "name='Acme - Direct' type='Acme - Direct'",
                "name='Acme - Direct' connectorName='Acme - Direct'",
                "name='Acme - Direct' type='Acme - Direct'",
            ),
            (
                "ours",
                "connectorName='Acme - Direct'",
                "name='Acme' type='Acme - Direct'",
                "connectorName='Acme - Direct'",
                "name='HR' type='Acme - Direct'",
            ),
            (
                "custom Acme",
                "name='ACME' connectorName='custom Acme'",
                "name='acme' type='custom Acme'",
                "name='ACME' connectorName='custom HR'",
                "name='HR' type='custom HR'",
            ),
            (
                "ours",
                "connectorName='custom IT'",
                "name='IT' type='custom IT'",
                "connectorName='custom HR'",
                "name='HR' type='custom HR'",
            ),
        ] {
            let folder = named(connector_type, form, template);
            assert_eq!(findings(&folder), Vec::<String>::new());
            let renamed = folder.renamed("HR");
            assert_eq!(findings(&renamed), Vec::<String>::new());
            let connector_type = renamed.description.members.connector_type.clone();
            assert_eq!(renamed.documents, named(&connector_type, renamed_form, renamed_template).documents);
        }
    }

    proptest! {
        #[test]
        fn a_new_connector_with_another_name_is_the_new_connector_of_that_name(
            (old, name) in ("[a-zÄ&<>\"' ]{1,8}", prop_oneof!["[^\\p{C}\\p{Z}]{1,255}", Just("é".repeat(255)), Just(ODD.to_owned())]),
        ) {
            let renamed = new(&old).renamed(&name);
            prop_assert_eq!(&renamed, &new(&name));
            prop_assert_eq!(findings(&renamed), Vec::<String>::new());
        }
    }
}
