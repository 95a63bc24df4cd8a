//! The documents of a new connector, so that it is complete from the start.
//!
//! They follow the examples of the specification: an empty form that takes a `jar`, an application object and a
//! correlation config without rules, each naming the connector.

use quick_xml::escape::escape;

use super::correlation_config::CorrelationConfig;
use super::source_config::{FORM_NAMESPACE, SourceConfig};
use super::source_template::SourceTemplate;
use crate::Status;

/// The members of a connector that its scaffolded documents contain.
#[derive(Debug, Clone, Copy)]
pub struct Scaffold<'a> {
    /// The connector's name.
    pub name: &'a str,
    /// The connector's type.
    pub connector_type: &'a str,
    /// The connector's class name.
    pub class_name: &'a str,
    /// Whether the connector reaches its source directly.
    pub direct_connect: bool,
    /// The connector's status.
    pub status: Status,
    /// The connector's features.
    pub features: &'a [String],
}

impl Scaffold<'_> {
    /// A source config without menus.
    pub fn source_config(&self) -> SourceConfig {
        let (name, direct_connect) = (escape(self.name), self.direct_connect);
        let status = self.status.as_str().to_ascii_lowercase();
        SourceConfig::stored(format!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<Form xmlns="{FORM_NAMESPACE}" connectorName="{name}" directConnect="{direct_connect}" fileUpload="true" name="{name}" status="{status}" type="SourceConfig">
    <BaseConfig>
        <Field maxFiles="10" maxSize="300" name="fileUpload" supportedExtensions="jar" type="fileupload" validateJSON="false"/>
    </BaseConfig>
</Form>
"#
        ))
    }

    /// A source template without schemas.
    pub fn source_template(&self) -> SourceTemplate {
        let (class_name, name, connector_type) =
            (escape(self.class_name), escape(self.name), escape(self.connector_type));
        let features = if self.features.is_empty() {
            String::new()
        } else {
            format!(" featuresString=\"{}\"", escape(self.features.join(", ")))
        };
        SourceTemplate::stored(format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE Application PUBLIC "sailpoint.dtd" "sailpoint.dtd">
<Application connector="{class_name}" name="{name}" type="{connector_type}"{features}/>
"#
        ))
    }

    /// A correlation config without rules.
    pub fn correlation_config(&self) -> CorrelationConfig {
        let name = escape(self.name);
        CorrelationConfig::stored(format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CorrelationConfig PUBLIC "sailpoint.dtd" "sailpoint.dtd">
<CorrelationConfig name="{name} Account Correlation Config">
    <AttributeAssignments/>
</CorrelationConfig>
"#
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaffolded_documents_pass_their_own_checks_whatever_the_name() {
        let features = ["A<B".to_owned(), "C&\"D".to_owned()];
        let scaffold = Scaffold {
            name: "<\"Ärzte\" & 'Co'>",
            connector_type: "a>b",
            class_name: "x.Y",
            direct_connect: false,
            status: Status::Demo,
            features: &features,
        };
        let config = scaffold.source_config();
        assert_eq!(SourceConfig::parse(config.as_str().as_bytes()), Ok(config.clone()));
        assert!(config.file_upload());
        let template = scaffold.source_template();
        assert_eq!(SourceTemplate::parse(template.as_str().as_bytes()), Ok(template.clone()));
        assert_eq!(template.features(), features);
        let correlation = scaffold.correlation_config();
        assert_eq!(CorrelationConfig::parse(correlation.as_str().as_bytes()), Ok(correlation.clone()));
    }
}
