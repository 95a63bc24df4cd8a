//! The source template: the application object that a new source starts from.
//!
//! The API answers two things that are in it: the features of the connector (`featuresString`) and the provisioning
//! policies (`ProvisioningForms`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attributes;
use super::error::{DocumentError, expect_root};
use super::kind::DocumentKind;
use super::text::DocumentText;
use super::{values, xml};

/// A checked source template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceTemplate(pub(super) DocumentText);

/// A default provisioning policy, one for each `Form` of the template's `ProvisioningForms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ProvisioningPolicyDto))]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningPolicy {
    /// The policy's name.
    pub name: Option<String>,
    /// The purpose of the policy, in words.
    pub description: Option<String>,
    /// The operation the policy applies to, such as `CREATE`.
    pub usage_type: Option<String>,
    /// The attributes it provisions.
    pub fields: Vec<PolicyField>,
}

/// An attribute of a provisioning policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = FieldDetailsDto))]
#[serde(rename_all = "camelCase")]
pub struct PolicyField {
    /// The attribute's name.
    pub name: Option<String>,
    /// The transform of the attribute. Templates have none, so this is always an empty object.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub transform: Map<String, Value>,
    /// The entries of the field's `Attributes` map.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub attributes: Map<String, Value>,
    /// Whether a value must be given.
    pub is_required: bool,
    /// The attribute's type, such as `string`.
    #[serde(rename = "type")]
    pub field_type: String,
    /// Whether it holds several values.
    pub is_multi_valued: bool,
}

impl SourceTemplate {
    /// Checks a source template.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let (document, text) = DocumentText::read(bytes)?;
        expect_root(&xml::parse(&text)?, DocumentKind::SourceTemplate)?;
        Ok(Self(document))
    }

    /// The features of the connector, from the comma-separated `featuresString`.
    pub fn features(&self) -> Vec<String> {
        let listed = attributes::root_attribute(self.as_str(), "featuresString").unwrap_or_default();
        listed.split(',').map(str::trim).filter(|feature| !feature.is_empty()).map(str::to_owned).collect()
    }

    /// The provisioning policies, in the order of the template.
    pub fn provisioning_policies(&self) -> Vec<ProvisioningPolicy> {
        let tree = xml::parse_checked(self.as_str());
        tree.root_element()
            .children()
            .filter(|node| node.has_tag_name("ProvisioningForms"))
            .flat_map(|forms| forms.children().filter(|node| node.has_tag_name("Form")))
            .map(policy)
            .collect()
    }
}

fn policy(form: roxmltree::Node<'_, '_>) -> ProvisioningPolicy {
    let described = form.children().find(|node| node.has_tag_name("Description")).map(values::text);
    ProvisioningPolicy {
        name: form.attribute("name").map(str::to_owned),
        description: form.attribute("description").map(str::to_owned).or(described).map(|text| text.trim().to_owned()),
        usage_type: form.attribute("type").map(usage_type),
        fields: form.descendants().filter(|node| node.has_tag_name("Field")).map(field).collect(),
    }
}

fn field(node: roxmltree::Node<'_, '_>) -> PolicyField {
    let is_true = |name| node.attribute(name).is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
    let attributes = node.children().filter(|child| child.has_tag_name("Attributes")).flat_map(values::entries);
    PolicyField {
        name: node.attribute("name").map(str::to_owned),
        transform: Map::new(),
        attributes: attributes.collect(),
        is_required: is_true("required"),
        field_type: node.attribute("type").unwrap_or("string").to_owned(),
        is_multi_valued: is_true("multi"),
    }
}

/// `CreateGroup`, as templates write it, is `CREATE_GROUP` in the API.
fn usage_type(form_type: &str) -> String {
    let mut usage = String::with_capacity(form_type.len() + 4);
    let mut previous = '_';
    for c in form_type.chars() {
        if c.is_ascii_uppercase() && previous.is_ascii_lowercase() {
            usage.push('_');
        }
        usage.push(c.to_ascii_uppercase());
        previous = c;
    }
    usage
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> SourceTemplate {
        SourceTemplate::parse(text.as_bytes()).expect("a template")
    }

    #[test]
    fn features_come_from_the_features_string() {
        assert_eq!(
            template("<Application featuresString=' PROVISIONING, SEARCH,,'/>").features(),
            ["PROVISIONING", "SEARCH"]
        );
        assert!(template("<Application/>").features().is_empty());
    }

    #[test]
    fn an_entry_belongs_to_the_nearest_field_only() {
        let open = "<Field name='f'><Attributes><Map><entry key='k' value='v'/></Map>";
        let close = "</Attributes></Field>";
        let text = format!(
            "<Application><ProvisioningForms><Form>{}<entry key='inner' value='x'/>{}</Form></ProvisioningForms></Application>",
            open.repeat(40),
            close.repeat(40)
        );
        let policies = template(&text).provisioning_policies();
        let fields = &policies[0].fields;
        let counts: Vec<_> = fields.iter().map(|field| field.attributes.len()).collect();
        assert_eq!((counts.len(), counts[39], counts[..39].iter().all(|count| *count == 1)), (40, 2, true));
    }

    #[test]
    fn policies_come_from_the_provisioning_forms() {
        let policies = template(
            "<Application><ProvisioningForms>\
             <Form name='account' type='CreateGroup'><Description> New <!-- and -->one </Description>\
             <Field name='mail' required='true' multi='true' type='string'>\
             <Attributes><Map><entry key='template' value='x'/><entry key='flag'><value><Boolean>true</Boolean></value></entry>\
             </Map></Attributes></Field></Form>\
             <Form name='b' type='Update'/></ProvisioningForms></Application>",
        )
        .provisioning_policies();
        assert_eq!(policies.len(), 2);
        assert_eq!(policies[0].usage_type.as_deref(), Some("CREATE_GROUP"));
        assert_eq!(policies[0].description.as_deref(), Some("New one"));
        let field = &policies[0].fields[0];
        assert!(field.is_required && field.is_multi_valued);
        assert_eq!(json!(field.attributes), json!({"template": "x", "flag": true}));
        assert_eq!(policies[1].fields, []);
    }
}
