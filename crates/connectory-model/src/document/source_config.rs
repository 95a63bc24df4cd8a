//! The source config: the form that an administrator fills in for a source.
//!
//! Its labels are translation keys. The server answers it twice: as stored, and with the keys replaced by the texts of
//! a locale. Unknown attributes and field types are accepted (D24): newer forms must not break.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::attributes::{self, Replacement};
use super::error::{DocumentError, Fault, Unacceptable, expect_root};
use super::kind::DocumentKind;
use super::text::DocumentText;
use super::xml;
use crate::limits::{LOCALIZED_BYTES, QUOTED_CHARS};
use crate::translations::Translations;
use crate::{Locale, shown};

/// The namespace of the schema version that is accepted.
pub const FORM_NAMESPACE: &str = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd";

/// The attributes whose values are translation keys.
pub const TRANSLATED: [&str; 5] = ["label", "sectionInfo", "displayName", "placeHolder", "docLinkLabel"];

/// A checked source config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceConfig(pub(super) DocumentText);

impl SourceConfig {
    /// Checks a source config.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let (document, text) = DocumentText::read(bytes)?;
        let tree = xml::parse(&text)?;
        expect_root(&tree, DocumentKind::SourceConfig)?;
        let form = tree.root_element();
        if form.tag_name().namespace() != Some(FORM_NAMESPACE) {
            return Err(Unacceptable::of(Fault::SchemaVersion, form, |_| {
                format!(
                    "unsupported xsd version, please ensure latest xsd version {FORM_NAMESPACE} is used for source config"
                )
            })
            .into());
        }
        if let Some(other) = form.attribute("type").filter(|form_type| *form_type != "SourceConfig") {
            let other = shown(other, QUOTED_CHARS);
            let reason = format!("the form's type is `{other}`; expected `SourceConfig`");
            return Err(Unacceptable::of(Fault::FormType, form, |_| reason).into());
        }
        let nameless = form
            .descendants()
            .find(|node| node.tag_name().name() == "Field" && node.attribute("name").is_none_or(str::is_empty));
        if let Some(field) = nameless {
            return Err(Unacceptable::of(Fault::FieldName, field, |at| {
                format!(
                    "the <Field> at line {}, column {} has no name; every field needs a `name` attribute",
                    at.row, at.col
                )
            })
            .into());
        }
        Ok(Self(document))
    }

    /// Whether a source of this connector takes uploaded files.
    pub fn file_upload(&self) -> bool {
        attributes::root_attribute(self.as_str(), "fileUpload").is_some_and(|flag| flag == "true")
    }

    /// The values of the attributes that are translation keys, in the order of the document.
    pub fn translation_keys(&self) -> Vec<String> {
        let tree = xml::parse_checked(self.as_str());
        let attributes = tree.descendants().flat_map(|node| node.attributes());
        attributes
            .filter(|attribute| TRANSLATED.contains(&attribute.name()) && !attribute.value().is_empty())
            .map(|attribute| attribute.value().to_owned())
            .collect()
    }

    /// The form with its translation keys replaced by the texts of a locale. A key that has no text in the locale is
    /// replaced by its English text. A key without any text stays. If the form would be too long, all keys stay: one
    /// text may appear in every element.
    pub fn localized(&self, translations: &Translations, locale: Locale) -> String {
        let texts = translations.texts(locale);
        if texts.is_empty() { self.as_str().to_owned() } else { self.with_texts(&texts) }
    }

    fn with_texts(&self, texts: &HashMap<String, String>) -> String {
        let tree = xml::parse_checked(self.as_str());
        let mut escaped = HashMap::new();
        let mut length = self.as_str().len();
        let keys: Vec<_> = tree
            .descendants()
            .flat_map(|node| node.attributes())
            .filter(|attribute| TRANSLATED.contains(&attribute.name()))
            .filter_map(|attribute| Some((attribute.range_value(), texts.get_key_value(attribute.value())?)))
            .collect();
        for (range, (key, text)) in &keys {
            let value = escaped.entry(key.as_str()).or_insert_with(|| attributes::attribute_value(text));
            length = length - range.len() + value.len();
            if length > LOCALIZED_BYTES {
                return self.as_str().to_owned();
            }
        }
        let replacements =
            keys.into_iter().map(|(range, (key, _))| Replacement { range, value: &escaped[key.as_str()] });
        attributes::with_values(self.as_str(), length, replacements.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(attributes: &str, body: &str) -> String {
        format!("<Form xmlns=\"{FORM_NAMESPACE}\" {attributes}>{body}</Form>")
    }

    #[test]
    fn another_schema_version_is_unacceptable_with_the_specifications_words() {
        let old = "<Form xmlns=\"http://www.sailpoint.com/xsd/sailpoint_form_1_0.xsd\"/>";
        let Err(DocumentError::Unacceptable(reason)) = SourceConfig::parse(old.as_bytes()) else { panic!() };
        assert_eq!(
            reason.to_string(),
            "unsupported xsd version, please ensure latest xsd version \
             http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd is used for source config"
        );
    }

    #[test]
    fn a_nameless_field_and_another_root_are_unacceptable_with_their_place() {
        let nameless = form("", "\n<Field type='text'/>");
        assert!(SourceConfig::parse(nameless.as_bytes()).unwrap_err().to_string().contains("line 2, column 1"));
        assert!(SourceConfig::parse(b"<Application/>").unwrap_err().to_string().contains("expected <Form>"));
    }

    #[test]
    fn unknown_attributes_and_field_types_pass() {
        let newer = form("brandNew='1'", "<Field name='a' type='hologram'/>");
        assert!(SourceConfig::parse(newer.as_bytes()).is_ok());
    }

    #[test]
    fn a_form_that_would_be_too_long_keeps_its_keys() {
        let stored = form("", &"<Menu label='k'/>".repeat(20_000));
        let config = SourceConfig::parse(stored.as_bytes()).expect("a form");
        let texts = |length: usize| HashMap::from([("k".to_owned(), "x".repeat(length))]);
        let start = std::time::Instant::now();
        assert_eq!(config.with_texts(&texts(5_000_000)), stored);
        assert_eq!(config.with_texts(&texts(1000)), stored);
        assert_eq!(config.with_texts(&texts(500)).len(), stored.len() + 20_000 * 499);
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    #[test]
    fn keys_are_replaced_and_nothing_else_is() {
        let stored = form(
            "fileUpload='true'",
            "<!-- label=\"k1\" --><Menu label=\"k1\" name='k1'><Field  name='f' displayName='k2' label='k3'/></Menu>",
        );
        let config = SourceConfig::parse(stored.as_bytes()).expect("a form");
        assert!(config.file_upload());
        let texts = HashMap::from([
            ("k1".to_owned(), "A \"b\" <br>\n&".to_owned()),
            ("k2".to_owned(), "Größe\u{1}".to_owned()),
        ]);
        let localized = config.with_texts(&texts);
        assert_eq!(
            localized,
            form(
                "fileUpload='true'",
                "<!-- label=\"k1\" --><Menu label=\"A &quot;b&quot; &lt;br&gt;&#10;&amp;\" name='k1'>\
                 <Field  name='f' displayName='Größe' label='k3'/></Menu>"
            )
        );
        assert!(SourceConfig::parse(localized.as_bytes()).is_ok());
    }
}
