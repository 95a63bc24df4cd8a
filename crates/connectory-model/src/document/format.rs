//! Indents a document. Only white space between elements changes: texts, CDATA sections, comments, tags and what is before
//! the root element stay as they are.

use std::ops::Range;

use roxmltree::Node;

use super::attributes::{Replacement, with_values};
use super::xml::{self, Malformed};

/// The white space of one level.
const INDENT: &str = "    ";
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The text with one element on a line, indented by its level. `None` if it would have more than `max` bytes: then white
/// space would be most of it.
pub fn formatted(text: &str, max: usize) -> Result<Option<String>, Malformed> {
    let tree = xml::parse(text)?;
    let mut gaps = Vec::new();
    find_gaps(tree.root_element(), 0, &mut gaps);
    let removed: usize = gaps.iter().map(|(range, _)| range.len()).sum();
    let length = text.len() - removed + gaps.iter().map(|(_, space)| space.len()).sum::<usize>();
    let replacements = || gaps.iter().map(|(range, space)| Replacement { range: range.clone(), value: space });
    Ok((length <= max).then(|| with_values(text, length, replacements().collect())))
}

/// A place between two tags, and the white space that belongs there.
type Gap = (Range<usize>, String);

/// Finds the gaps in an element of this level. An element that has text of its own has none, and neither has one without
/// elements: all white space in it may have a meaning.
fn find_gaps(element: Node<'_, '_>, level: usize, gaps: &mut Vec<Gap>) {
    let text = element.document().input_text();
    let is_preserved = element.attribute((XML_NAMESPACE, "space")).is_some_and(|space| space == "preserve");
    let Some(first) = element.first_child() else { return };
    // A text before a CDATA section is one node with it, whose range says nothing of the section.
    let end = element.range().start + text[element.range()].rfind("</").unwrap_or_default();
    let parts: Vec<_> = element.children().filter(|child| !child.is_text()).collect();
    let starts = parts.iter().map(|part| part.range().start).chain([end]);
    let ends = [first.range().start].into_iter().chain(parts.iter().map(|part| part.range().end));
    let between: Vec<_> = ends.zip(starts).map(|(end, start)| end..start).collect();
    let is_blank = |range: &Range<usize>| text[range.clone()].bytes().all(|byte| b" \t\r\n".contains(&byte));
    if is_preserved || !parts.iter().any(Node::is_element) || !between.iter().all(is_blank) {
        return;
    }
    for (at, range) in between.into_iter().enumerate() {
        let part = parts.get(at);
        let newlines = text[range.clone()].matches('\n').count();
        let is_remark = at > 0 && newlines == 0 && part.is_some_and(Node::is_comment);
        // A comment behind an element is about that element, and an empty line between two elements is meant.
        let space = if is_remark {
            " ".to_owned()
        } else {
            let lines = if newlines > 1 && at > 0 && part.is_some() { "\n\n" } else { "\n" };
            format!("{lines}{}", INDENT.repeat(level + usize::from(part.is_some())))
        };
        gaps.push((range, space));
    }
    for part in parts.into_iter().filter(Node::is_element) {
        find_gaps(part, level + 1, gaps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Locale;
    use crate::document::{Document, DocumentKind};
    use crate::translations::Translations;

    fn format(text: &str) -> String {
        let once = formatted(text, usize::MAX).expect(text).expect("no limit");
        assert_eq!(
            formatted(&once, usize::MAX).expect("well formed").as_ref(),
            Some(&once),
            "a second time changes nothing"
        );
        once
    }

    #[test]
    fn elements_are_indented_and_nothing_else_changes() {
        for (text, expected) in [
            ("<A><B><C/></B></A>", "<A>\n    <B>\n        <C/>\n    </B>\n</A>"),
            (
                "<?xml version='1.0'?>\n<!DOCTYPE A SYSTEM 'x'><!-- a\n b --><A   b='1'\n c=' x  y '>\n\n<B/>\r\n\t<C></C></A>\n\n",
                "<?xml version='1.0'?>\n<!DOCTYPE A SYSTEM 'x'><!-- a\n b --><A   b='1'\n c=' x  y '>\n    <B/>\n    <C></C>\n</A>\n\n",
            ),
            ("<A> <B/>\n\n\n\n<C/>\n\n</A>", "<A>\n    <B/>\n\n    <C/>\n</A>"),
            (
                "<A><B/> <!-- of B -->\n<!-- of C --><C/></A>",
                "<A>\n    <B/> <!-- of B -->\n    <!-- of C -->\n    <C/>\n</A>",
            ),
            ("<A><?p q?><B/></A>", "<A>\n    <?p q?>\n    <B/>\n</A>"),
            ("<A/>", "<A/>"),
        ] {
            assert_eq!(format(text), expected);
        }
    }

    #[test]
    fn white_space_that_may_have_a_meaning_stays() {
        for text in [
            "<A> </A>",
            "<A>\n  text\n <B/> </A>",
            "<A><B/>text</A>",
            "<A><B/>  <![CDATA[ ]]> </A>",
            "<A><![CDATA[x]]><B/></A>",
            "<A><B/>&#32;</A>",
            "<A> <!-- no element --> </A>",
            "<A xml:space='preserve'> <B> <C/> </B> </A>",
            "<A>a <B><C/> <D/></B></A>",
        ] {
            assert_eq!(format(text), text);
        }
    }

    #[test]
    fn a_fault_is_told_and_a_long_result_is_none() {
        assert_eq!(formatted("<A>\n<B>\n</A>", usize::MAX).map_err(|fault| fault.line), Err(2));
        let deep = format!("{}{}{}", "<A>".repeat(90), "<B/>".repeat(1000), "</A>".repeat(90));
        assert_eq!(formatted(&deep, 100_000), Ok(None));
    }

    /// The nodes of a text without white space between elements.
    fn nodes(text: &str) -> Vec<String> {
        let tree = xml::parse(text).expect(text);
        let all = tree
            .descendants()
            .filter(|node| !node.is_text() || node.text().is_some_and(|text| !text.trim().is_empty()));
        all.map(|node| {
            let attributes: Vec<_> = node.attributes().map(|attribute| (attribute.name(), attribute.value())).collect();
            let text = node.text().filter(|_| !node.is_element());
            format!("{} {:?} {attributes:?} {text:?}", node.ancestors().count(), node.tag_name())
        })
        .collect()
    }

    #[test]
    fn the_documents_of_the_catalog_are_read_as_before() {
        let catalog = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
        let mut count = 0;
        for folder in std::fs::read_dir(catalog).expect("the catalog").flatten() {
            for kind in DocumentKind::ALL {
                let Ok(written) = std::fs::read_to_string(folder.path().join(kind.file_name())) else { continue };
                let squeezed: String = written.lines().map(str::trim).collect::<Vec<_>>().join(" ");
                for text in [&written, &squeezed] {
                    let formatted = format(text);
                    assert_eq!(nodes(&formatted), nodes(text));
                    assert!(formatted.lines().count() + 3 >= written.lines().count(), "{formatted}");
                    let read = |text: &str| match Document::parse(kind, text.as_bytes()).expect(text) {
                        Document::SourceConfig(config) => {
                            format!(
                                "{:?} {:?}",
                                config.form(&Translations::default(), Locale::En),
                                config.file_upload()
                            )
                        }
                        Document::SourceTemplate(template) => {
                            format!("{:?} {:?}", template.features(), template.provisioning_policies())
                        }
                        Document::CorrelationConfig(_) => String::new(),
                    };
                    assert_eq!(read(&formatted), read(text));
                    count += 1;
                }
            }
        }
        assert!(count >= 60, "{count}");
    }
}
