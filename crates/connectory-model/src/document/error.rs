//! Why a document is not accepted.
//!
//! There are two kinds of errors, because the API answers them differently: a text that is not XML as we accept it
//! ([`Malformed`], HTTP 400), and well-formed XML that is not this document ([`Unacceptable`], an `UpdateDetail` of
//! status `ERROR`).

use super::kind::DocumentKind;
use super::xml::Malformed;
use crate::limits::QUOTED_CHARS;
use crate::shown;

/// Why a document is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not XML as we accept it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is well-formed XML, but not this document.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
}

/// Well-formed XML that is not a document of its kind. The message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unacceptable {
    /// What is wrong.
    pub fault: Fault,
    /// The line of the fault, from 1.
    pub line: u32,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

/// What is wrong in well-formed XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The root element is not that of the kind.
    Root,
    /// A source config is not in version 2.0 of the form schema.
    SchemaVersion,
    /// The type of a source config is not `SourceConfig`.
    FormType,
    /// A field of a source config has no name.
    FieldName,
}

impl Unacceptable {
    /// The error of an element. Its reason is made of the place of the element.
    pub(super) fn of(
        fault: Fault,
        element: roxmltree::Node<'_, '_>,
        reason: impl FnOnce(roxmltree::TextPos) -> String,
    ) -> Self {
        let at = element.document().text_pos_at(element.range().start);
        Self { fault, line: at.row, reason: reason(at) }
    }
}

/// Checks that the root element is that of the kind.
pub(super) fn expect_root(tree: &roxmltree::Document<'_>, kind: DocumentKind) -> Result<(), Unacceptable> {
    let (root, name) = (tree.root_element(), kind.root_element());
    if root.tag_name().name() == name {
        return Ok(());
    }
    Err(Unacceptable::of(Fault::Root, root, |at| {
        let found = shown(root.tag_name().name(), QUOTED_CHARS);
        format!("the root element is <{found}> at line {}, column {}; expected <{name}>", at.row, at.col)
    }))
}
