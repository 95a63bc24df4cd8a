//! Reading a document for the linter: a document that is no XML, or is of another kind, is reported and not read further.

use std::ops::Range;

use connectory_model::document::encoding::decode;
use connectory_model::document::{DocumentKind, Malformed, xml};
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::lines::Lines;
use connectory_model::shown;
use roxmltree::{Attribute, Document as Tree, Node};

use super::findings::Findings;
use super::rules::{MALFORMED_XML, ROOT_ELEMENT};
use super::text::Text;

/// The elements of a document, given the text of the file and its bytes. `None` where they cannot be read.
pub(super) fn tree<'a>(
    findings: &mut Findings<'_>,
    kind: DocumentKind,
    text: &'a Text<'_>,
    bytes: &[u8],
) -> Option<Tree<'a>> {
    let file = kind.file_name();
    let tree = match decode(bytes).and_then(|_| xml::parse(&text.text)) {
        Ok(tree) => tree,
        Err(Malformed { line, column, reason }) => {
            findings.push(&MALFORMED_XML, file, rest_of_line(&text.text, line, column), reason);
            return None;
        }
    };
    let (root, expected) = (tree.root_element(), kind.root_element());
    if root.tag_name().name() == expected {
        return Some(tree);
    }
    let name = shown(root.tag_name().name(), QUOTED_CHARS);
    let message = format!("the root element is <{name}>; expected <{expected}>");
    findings.push(&ROOT_ELEMENT, file, opening(root), message);
    None
}

/// An attribute of an element, with its place.
pub(crate) fn attribute<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Attribute<'a, 'i>> {
    node.attributes().find(|attribute| attribute.name() == name)
}

/// The beginning of an element: `<` and its name.
pub(super) fn opening(node: Node<'_, '_>) -> Range<usize> {
    let start = node.range().start;
    let input = node.document().input_text();
    let length = input[start..].find(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).unwrap_or(1);
    start..start + length
}

/// A line from a column on, both from 1.
fn rest_of_line(text: &str, line: usize, column: usize) -> Range<usize> {
    let all = Lines::of(text).span(line);
    let before: usize = text[all.clone()].chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    all.start + before..all.end
}
