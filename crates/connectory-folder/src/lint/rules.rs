//! The rules of the linter, as one table. The documentation has the same table, and a test compares the two.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The server would refuse the connector, or the connector would not work.
    Error,
    /// The author probably meant something else.
    Warning,
}

/// A rule of the linter.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule's name in reports and in the documentation.
    pub id: &'static str,
    /// How bad its findings are.
    pub level: Level,
    /// What the rule requires, as a sentence.
    pub description: &'static str,
    /// What the rule's fix does, if it has one.
    pub fix: Option<&'static str>,
}

macro_rules! rules {
    ($($name:ident: $level:ident, $id:literal, $description:literal $(, fix: $fix:literal)?;)+) => {
        $(
            #[doc = $description]
            pub static $name: Rule = Rule {
                id: $id,
                level: Level::$level,
                description: $description,
                fix: [$(Some($fix),)? None][0],
            };
        )+

        /// Every rule.
        pub static RULES: &[&Rule] = &[$(&$name),+];
    };
}

rules! {
    DESCRIPTION: Error, "description", "connector.yaml has the members of a connector.";
    FOLDER_NAME: Error, "folder-name", "A folder's name is the connector's script name.";
    MALFORMED_XML: Error, "malformed-xml", "A document is well-formed XML.";
    ROOT_ELEMENT: Error, "root-element", "A document has the root element of its kind.";
    SCHEMA_VERSION: Error, "schema-version", "A source config uses version 2.0 of the form schema.";
    FIELD_NAME: Error, "field-name", "Every field has a name.";
    DUPLICATE_FIELD: Error, "duplicate-field", "Field names are unique in a source config.";
    UNKNOWN_PARENT: Error, "unknown-parent", "A parentKey names a field of the source config.";
    CORRELATION_ATTRIBUTE: Error, "correlation-attribute",
        "A correlation filter compares an attribute of the account schema.";
    CONNECTOR_NAME: Error, "connector-name", "Source template and source config agree on the connector's name.",
        fix: "takes the name of connector.yaml";
    UNKNOWN_LOCALE: Error, "unknown-locale", "Translations are in one of the 19 locales.";
    PROPERTIES_SYNTAX: Error, "properties-syntax", "Translations are Java properties with valid escapes.";
    MISSING_TRANSLATION: Warning, "missing-translation", "A translation key that is used has a text in every locale.";
    UNUSED_TRANSLATION: Warning, "unused-translation", "A translation key is used in the source config.",
        fix: "removes the line";
    UNTRANSLATED: Warning, "untranslated", "A locale's text differs from the English one.";
    UNKNOWN_ATTRIBUTE: Warning, "unknown-attribute", "Elements of a source config have known attributes.";
    UNKNOWN_FIELD_TYPE: Warning, "unknown-field-type", "Fields have known types.";
}
