//! The rules of the linter, as one table. The documentation has the same table, and a test compares the two.

use connectory_model::document::{DocumentError, Fault};
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::shown;

use crate::similar::{closest, question};

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

impl Rule {
    /// The rule that a document does not follow which the server refuses.
    pub fn of_document(error: &DocumentError) -> &'static Self {
        match error {
            DocumentError::Malformed(_) => &MALFORMED_XML,
            DocumentError::Unacceptable(unacceptable) => match unacceptable.fault {
                Fault::Root => &ROOT_ELEMENT,
                Fault::SchemaVersion => &SCHEMA_VERSION,
                Fault::FormType => &FORM_TYPE,
                Fault::FieldName => &FIELD_NAME,
            },
        }
    }

    /// The warning of this id. Errors are always reported, so only a warning can be allowed.
    pub fn warning(id: &str) -> Result<&'static Self, NoWarning> {
        let rule = RULES.iter().find(|rule| rule.id == id);
        let known = RULES.iter().filter(|rule| rule.level == Level::Warning).map(|rule| rule.id);
        match rule {
            Some(rule) if rule.level == Level::Warning => Ok(rule),
            Some(rule) => Err(NoWarning::Error { id: rule.id, known: known.collect::<Vec<_>>().join(", ") }),
            None => Err(NoWarning::Unknown {
                id: shown(id, QUOTED_CHARS).to_owned(),
                question: question(closest(id, known.clone())),
                known: known.collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

/// Why a rule cannot be allowed to be broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWarning {
    /// No rule has this id.
    #[error("there is no rule `{id}` (the warnings are {known}){question}")]
    Unknown {
        /// The beginning of the id.
        id: String,
        /// Which rule was probably meant, as the end of a sentence.
        question: String,
        /// The ids of the warnings.
        known: String,
    },
    /// The rule is an error.
    #[error("`{id}` is an error, which cannot be allowed; only warnings can: {known}")]
    Error {
        /// The rule's id.
        id: &'static str,
        /// The ids of the warnings.
        known: String,
    },
}

rules! {
    SYMLINK: Error, "symlink", "A connector folder has no symbolic links.";
    FILE_TYPE: Error, "file-type", "Parts of a connector are regular files, and `translations` is a folder.";
    UNKNOWN_FILE: Error, "unknown-file", "A file that looks like part of a connector has the name and the place of one.";
    NAME_CLASH: Error, "name-clash", "No two names in a folder are one name on a disk without case.";
    TOO_LARGE: Error, "too-large", "A file and the whole connector are within the server's limits.";
    DUPLICATE_NAME: Error, "duplicate-name", "No two connectors have one name, whatever its case.";
    DESCRIPTION: Error, "description", "connector.yaml has the members of a connector.";
    FOLDER_NAME: Error, "folder-name", "A folder has the name of its connector's script name.";
    MALFORMED_XML: Error, "malformed-xml", "A document is well-formed XML.";
    ROOT_ELEMENT: Error, "root-element", "A document has the root element of its kind.";
    SCHEMA_VERSION: Error, "schema-version", "A source config uses version 2.0 of the form schema.";
    FORM_TYPE: Error, "form-type", "A source config's type is `SourceConfig`.";
    FIELD_NAME: Error, "field-name", "Every field has a name.";
    DUPLICATE_FIELD: Error, "duplicate-field", "Field names are unique in a source config.";
    UNKNOWN_PARENT: Error, "unknown-parent", "A parentKey names a field of the source config.";
    CORRELATION_ATTRIBUTE: Error, "correlation-attribute",
        "A correlation filter compares an attribute of the account schema, if the source template has one.";
    CONNECTOR_NAME: Error, "connector-name", "Source template and source config are of one connector, by its name or its type.",
        fix: "takes the name of connector.yaml, unless the type may be meant";
    UNKNOWN_LOCALE: Error, "unknown-locale", "Translations are in one of the 19 locales.";
    PROPERTIES_SYNTAX: Error, "properties-syntax", "Translations are Java properties with valid escapes.";
    NOT_A_CONNECTOR: Warning, "not-a-connector", "Every folder beside connector folders is one.";
    STATUS: Warning, "status", "The status is not `DEPRECATED`, with which only connectory creates a connector.";
    MISSING_TRANSLATION: Warning, "missing-translation", "A translation key that is used has a text in every locale.";
    UNUSED_TRANSLATION: Warning, "unused-translation", "A translation key is used in the source config.",
        fix: "removes the line, unless a key that is used has no text: it may be misspelt";
    UNTRANSLATED: Warning, "untranslated", "A locale's text differs from the English one.";
    UNESCAPED_KEY: Warning, "unescaped-key", "A space, `=` or `:` in a key of the translations has a backslash in front of it.",
        fix: "writes the backslashes, if the source config uses the key";
    DUPLICATE_KEY: Warning, "duplicate-key", "A translations file has each key once.";
    TRAILING_SPACE: Warning, "trailing-space", "A text of the translations does not end in white space.",
        fix: "removes the white space";
    BACKSLASH: Warning, "backslash", "A backslash in a text of the translations is doubled, unless it begins an escape.";
    MIXED_ENCODINGS: Warning, "mixed-encodings", "A translations file is in one encoding, and encoded once.";
    OTHER_FORMAT: Warning, "other-format", "A translations file is in `.properties` format, not in XML, HTML or JSON.";
    LINE_ENDINGS: Warning, "line-endings", "Lines end in a line feed (LF).", fix: "ends each line in LF";
    UNKNOWN_ATTRIBUTE: Warning, "unknown-attribute", "Elements of a source config have known attributes.";
    UNKNOWN_FIELD_TYPE: Warning, "unknown-field-type", "Fields have known types.";
}
