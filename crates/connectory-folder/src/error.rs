//! Why files are not a connector folder. An error names the file, so that an author knows where to look.

use connectory_model::UnknownLocale;
use connectory_model::document::DocumentError;
use connectory_model::members::InvalidMember;
use connectory_model::translations::PropertiesError;

use crate::lint::rules::{DESCRIPTION, NAME_CLASH, PROPERTIES_SYNTAX, Rule, UNKNOWN_LOCALE};

/// Why a folder is not a connector folder: the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {error}")]
pub struct FolderError {
    /// The file's path in the folder.
    pub file: String,
    /// What is wrong with the file.
    pub error: FileError,
}

/// A member that `connector.yaml` does not have, and what its author probably meant.
#[derive(Debug, thiserror::Error)]
#[error("`{member}` is not a member of connector.yaml{hint}")]
pub struct UnknownMember {
    /// The beginning of the member's name.
    pub member: String,
    /// What would be right, as the end of a sentence.
    pub hint: String,
}

/// What is wrong with a file of a connector folder.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is required and missing.
    #[error("missing; every connector folder has one")]
    Missing,
    /// The file is not YAML.
    #[error("not YAML: {reason}")]
    Yaml {
        /// Why not.
        reason: String,
        /// The line, from 1, if it is known.
        line: Option<usize>,
    },
    /// The file has no members.
    #[error("the file has no members; it has at least a line `name: NAME` and a line `className: CLASS`")]
    NoMembers,
    /// A text is not in quotes, and YAML reads it as something else.
    #[error("{0}")]
    Unquoted(String),
    /// The file has a member that `connector.yaml` does not have.
    #[error(transparent)]
    UnknownMember(#[from] UnknownMember),
    /// A member is missing or has the wrong type.
    #[error(transparent)]
    Member(#[from] InvalidMember),
    /// The document is not accepted.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The file's name is not a locale.
    #[error(transparent)]
    Locale(#[from] UnknownLocale),
    /// Another file is of the same locale.
    #[error("`{0}` is of the same locale; remove one of them")]
    LocaleTwice(String),
    /// The file is not a `.properties` text.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
}

impl FileError {
    /// The rule of the linter that a file with this fault does not follow.
    pub fn rule(&self) -> &'static Rule {
        match self {
            Self::Document(error) => Rule::of_document(error),
            Self::Locale(_) => &UNKNOWN_LOCALE,
            Self::LocaleTwice(_) => &NAME_CLASH,
            Self::Properties(_) => &PROPERTIES_SYNTAX,
            Self::Missing
            | Self::Yaml { .. }
            | Self::NoMembers
            | Self::Unquoted(_)
            | Self::UnknownMember(_)
            | Self::Member(_) => &DESCRIPTION,
        }
    }
}
