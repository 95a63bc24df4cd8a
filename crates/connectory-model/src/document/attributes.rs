//! Attributes in the text of a checked document: reading one of the root without a tree, and replacing values in place.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;
use quick_xml::XmlVersion;
use quick_xml::events::Event;

use super::markup::is_xml_char;
use super::xml::Events;

/// An attribute of the root element of a text that was checked before. It reads no further than the tag of the root,
/// because lists and writes ask for an attribute of every document.
pub(super) fn root_attribute(text: &str, name: &str) -> Option<String> {
    // A search for the name is much faster than reading the document, and most documents lack the attribute.
    memmem::find(text.as_bytes(), name.as_bytes())?;
    let mut events = Events::of(text);
    loop {
        match events.next().ok()? {
            Event::Start(tag) | Event::Empty(tag) => {
                let attribute = tag
                    .attributes()
                    .with_checks(false)
                    .flatten()
                    .find(|found| found.key.local_name().as_ref() == name)?;
                return attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(Cow::into_owned);
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// A new value for an attribute: the range of the old value in the text, and the escaped new one.
pub(super) struct Replacement<'a> {
    pub range: Range<usize>,
    pub value: &'a str,
}

/// The text with attribute values replaced. `length` is the length of the result. Everything else stays as it is.
pub(super) fn with_values(text: &str, length: usize, mut replacements: Vec<Replacement<'_>>) -> String {
    replacements.sort_by_key(|replacement| replacement.range.start);
    let mut result = String::with_capacity(length);
    let mut copied = 0;
    for Replacement { range, value } in replacements {
        result.push_str(&text[copied..range.start]);
        result.push_str(value);
        copied = range.end;
    }
    result.push_str(&text[copied..]);
    result
}

/// Escapes a value so that a parser reads it back as it is. Line breaks become references, because a parser turns
/// literal line breaks into spaces (XML 1.0, section 3.3.3). Characters that XML cannot have are left out.
pub(super) fn attribute_value(value: &str) -> String {
    let mut result = String::with_capacity(value.len() + 16);
    for c in quick_xml::escape::escape(value).chars() {
        match c {
            '\n' => result.push_str("&#10;"),
            '\r' => result.push_str("&#13;"),
            '\t' => result.push_str("&#9;"),
            c if !is_xml_char(c) => {}
            c => result.push(c),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::xml::parse;

    #[test]
    fn a_root_attribute_is_what_the_whole_tree_has() {
        for text in [
            "<a b='1'/>",
            "\u{feff}<?xml version='1.0'?>\n<!-- <a b='0'> --><!DOCTYPE a SYSTEM 'x'><?p b='0'?><a c='2' b='&lt;&#10;&#xe4;\n\tü'><b b='3'/></a>",
            "<x:a xmlns:x='y' x:b='1'><b b='2'/></x:a>",
            "<a b=\"it's &quot;x&quot;\r\n\" />",
            "<!DOCTYPE a PUBLIC \"it's [\" '>[' [ ]><a b='1'/>",
        ] {
            let tree = parse(text).expect(text);
            assert_eq!(root_attribute(text, "b").as_deref(), tree.root_element().attribute("b"), "{text}");
        }
    }
}
