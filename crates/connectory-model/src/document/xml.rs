//! XML as we accept it: well formed, version 1.0, bounded, and without entity declarations.
//!
//! Two parsers share the work. `quick-xml` streams over the text first and enforces the bounds. This also bounds the cost
//! of the second parser, which compares every attribute of an element with every other. `roxmltree` then builds the
//! tree, strictly: characters, names, references and nesting are as XML 1.0 requires. Nothing is fetched, and no entity
//! is expanded: a document may name a DTD, but not contain one. `encoding` makes the text of bytes.

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::errors::IllFormedError;
use quick_xml::events::{BytesEnd, BytesStart, Event};

use super::markup;
use crate::limits::{QUOTED_CHARS, XML_ATTRIBUTES, XML_DEPTH, XML_ELEMENTS, XML_NAMESPACES, XML_NODES};
use crate::{reason, shown, visible};

/// A text that is not XML as we accept it, and the place of the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

impl Malformed {
    /// The error at the end of `read`, which is the text in front of it.
    pub(crate) fn after(read: &[u8], reason: impl Into<String>) -> Self {
        let line_start = memchr::memrchr(b'\n', read).map_or(0, |newline| newline + 1);
        Self {
            line: memchr::memchr_iter(b'\n', read).count() + 1,
            column: String::from_utf8_lossy(&read[line_start..]).chars().count() + 1,
            reason: reason.into(),
        }
    }

    fn at(text: &str, offset: usize, reason: impl Into<String>) -> Self {
        Self::after(&text.as_bytes()[..offset.min(text.len())], reason)
    }
}

/// Parses any text, within the bounds.
pub fn parse(document: &str) -> Result<roxmltree::Document<'_>, Malformed> {
    check_bounds(document)?;
    tree(document).map_err(|error| {
        let at = error.pos();
        if let Some(unclosed) = unclosed_value(document, &error) {
            return unclosed;
        }
        let text = reason(&error);
        let position = format!(" at {}:{}", at.row, at.col);
        let hint = match error {
            roxmltree::Error::MalformedEntityReference(_) => "; write `&amp;` for `&`",
            roxmltree::Error::UnknownEntityReference(..) => "; write the character itself, or `&amp;` for `&`",
            roxmltree::Error::InvalidChar(b'\'' | b'"', b'<', _) => "; write `&lt;` for `<`",
            _ => "",
        };
        let said = text.strip_suffix(&position).unwrap_or(&text);
        let reason = expected_instead(document, &error).unwrap_or_else(|| format!("{said}{hint}"));
        Malformed { line: at.row as usize, column: at.col as usize, reason }
    })
}

/// The beginning of a value that goes on into another line and its `<`. The parser names that place, but the quote is missing here.
fn unclosed_value(text: &str, error: &roxmltree::Error) -> Option<Malformed> {
    let roxmltree::Error::InvalidChar(quote @ (b'\'' | b'"'), b'<', at) = error else { return None };
    let read = before(text, *at);
    let start = memchr::memrchr(*quote, read.as_bytes()).filter(|start| read[*start..].contains('\n'))?;
    let quote = char::from(*quote);
    Some(Malformed::at(text, start, format!("the value that begins here has no `{quote}` at its end")))
}

/// What would be right, where the parser's words do not say it.
fn expected_instead(text: &str, error: &roxmltree::Error) -> Option<String> {
    let at = error.pos();
    let found_char = text[before(text, at).len()..].chars().next()?;
    let found = format!("`{}` (U+{:04X})", visible(found_char.encode_utf8(&mut [0; 4])), u32::from(found_char));
    match error {
        // The parser names a byte, which is a part of the character.
        roxmltree::Error::InvalidChar2("a quote", ..) => {
            Some(format!("write the value of an attribute in double quotes: `\"` (U+0022), not {found}"))
        }
        roxmltree::Error::UnknownToken(_) => match tree(before(text, at)) {
            Ok(_) => {
                Some(format!("{found} is after the end of the root element; a document has one, and nothing behind it"))
            }
            Err(roxmltree::Error::NoRootNode) => {
                Some(format!("{found} is before the root element; a document begins with `<`"))
            }
            Err(_) => None,
        },
        roxmltree::Error::InvalidChar(expected, ..) if !found_char.is_ascii() => {
            Some(format!("expected `{}`, not {found}", char::from(*expected)))
        }
        roxmltree::Error::InvalidChar2(expected, ..) if !found_char.is_ascii() => {
            Some(format!("expected {expected}, not {found}"))
        }
        roxmltree::Error::UnexpectedDeclaration(_) => Some(
            "`<?xml` is only at the beginning of a document; remove what is before it, or the declaration".to_owned(),
        ),
        _ => None,
    }
}

/// The text before a position.
fn before(text: &str, at: roxmltree::TextPos) -> &str {
    let line_start: usize = text.split_inclusive('\n').take(at.row.saturating_sub(1) as usize).map(str::len).sum();
    let line = &text[line_start..];
    let column = line.char_indices().nth(at.col.saturating_sub(1) as usize).map_or(line.len(), |(column, _)| column);
    &text[..line_start + column]
}

/// Parses a text that was checked before.
pub(super) fn parse_checked(text: &str) -> roxmltree::Document<'_> {
    tree(text).expect("a document's text was checked when it was made")
}

fn tree(text: &str) -> Result<roxmltree::Document<'_>, roxmltree::Error> {
    roxmltree::Document::parse_with_options(
        text,
        roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() },
    )
}

/// What the first parser says, and what would be right.
fn message(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => {
            "malformed entity reference; write `&amp;` for `&`".to_owned()
        }
        error => reason(error),
    }
}

fn check_bounds(text: &str) -> Result<(), Malformed> {
    // Attributes are counted one by one only where there may be too many, because counting them is the expensive part.
    let many_namespaces = memmem::find_iter(text.as_bytes(), "xmlns").count() > XML_NAMESPACES;
    let many_attributes = memchr::memchr_iter(b'=', text.as_bytes()).count() > XML_NODES / 2;
    let mut events = Events::of(text);
    let mut open = OpenElements { text, tags: Vec::new() };
    let (mut elements, mut namespaces, mut nodes) = (0_usize, 0_usize, 0_usize);
    loop {
        let start = events.position();
        let malformed = |reason: String| Err(Malformed::at(text, start, reason));
        let event = events.next()?;
        markup::check(&event).map_err(|(at, reason)| Malformed::at(text, start + at, reason))?;
        match event {
            Event::Start(ref tag) | Event::Empty(ref tag) => {
                elements += 1;
                no_tag(tag).map_or(Ok(()), |reason| malformed(reason.to_owned()))?;
                if matches!(event, Event::Start(_)) {
                    open.tags.push((start, tag.clone()));
                }
                let mut attributes = 0;
                if many_namespaces
                    || many_attributes
                    || memchr::memchr_iter(b'=', tag.as_bytes()).count() > XML_ATTRIBUTES
                {
                    for attribute in tag.attributes().with_checks(false).flatten() {
                        attributes += 1;
                        namespaces += usize::from(attribute.key.as_ref().starts_with("xmlns"));
                    }
                }
                // Attributes that were not counted are no more than half of the bound.
                nodes += attributes + 1;
                for (what, count, max) in [
                    ("elements", elements, XML_ELEMENTS),
                    ("levels of elements", open.tags.len(), XML_DEPTH),
                    ("attributes in one element", attributes, XML_ATTRIBUTES),
                    ("namespace declarations", namespaces, XML_NAMESPACES),
                    (NODES, nodes, XML_NODES),
                ] {
                    if count > max {
                        return malformed(format!("more than {max} {what}; a document may have at most {max}"));
                    }
                }
            }
            Event::End(tag) => open.close(&tag, start)?,
            // XML has no other spelling of DOCTYPE.
            Event::DocType(_) => return malformed("expected <!DOCTYPE in capital letters".to_owned()),
            Event::Decl(_) => {}
            Event::Eof => return open.end(),
            _ => {
                nodes += 1;
                if nodes > XML_NODES {
                    return malformed(format!(
                        "more than {XML_NODES} {NODES}; a document may have at most {XML_NODES}"
                    ));
                }
            }
        }
    }
}

/// Why what is between `<` and `>` is no tag, where the parsers notice it only further on.
fn no_tag(tag: &str) -> Option<&'static str> {
    let is_no_name = |first: char| first.is_whitespace() || first.is_ascii_digit() || matches!(first, '<' | '=');
    if tag.chars().next().is_none_or(is_no_name) {
        return Some("`<` begins a tag, and no name follows; write `&lt;` for `<`");
    }
    memchr::memchr(b'<', tag.as_bytes())?;
    let mut quote = None;
    let is_outside = tag.chars().any(|char| {
        match (quote, char) {
            (Some(open), char) if char == open => quote = None,
            (None, '"' | '\'') => quote = Some(char),
            _ => {}
        }
        quote.is_none() && char == '<'
    });
    is_outside.then_some("this tag has no `>` at its end")
}

/// The elements that are open at a place of a text. Their tags are compared here, because an error belongs to the tag that
/// somebody has to edit, and not to the place where a parser notices it.
struct OpenElements<'a> {
    text: &'a str,
    /// Where each tag begins, and the tag.
    tags: Vec<(usize, BytesStart<'a>)>,
}

impl OpenElements<'_> {
    /// Closes the innermost element with a tag that begins at `end`. If the tag closes an element further outside, the
    /// innermost one has none; otherwise the tag itself is wrong.
    fn close(&mut self, tag: &BytesEnd<'_>, end: usize) -> Result<(), Malformed> {
        let found = shown(tag.name().into_inner(), QUOTED_CHARS);
        let Some((start, opened)) = self.tags.pop() else {
            return Err(Malformed::at(self.text, end, format!("`</{found}>` closes nothing; no element is open here")));
        };
        if opened.name() == tag.name() {
            return Ok(());
        }
        let fault = if self.tags.iter().any(|(_, outer)| outer.name() == tag.name()) { start } else { end };
        let name = shown(opened.name().into_inner(), QUOTED_CHARS);
        let [first, last] = [start, end].map(|at| Malformed::at(self.text, at, "").line);
        let reason =
            format!("`<{name}>` of line {first} is closed by `</{found}>` of line {last}; expected `</{name}>`");
        Err(Malformed::at(self.text, fault, reason))
    }

    /// The end of the text: no element may be open.
    fn end(&self) -> Result<(), Malformed> {
        let Some((start, opened)) = self.tags.last() else { return Ok(()) };
        let name = shown(opened.name().into_inner(), QUOTED_CHARS);
        Err(Malformed::at(self.text, *start, format!("`<{name}>` is never closed; expected `</{name}>`")))
    }
}

/// The events of a text without its DOCTYPE: the first parser does not know the literals of one.
pub(super) struct Events<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where the reader began.
    base: usize,
}

impl<'a> Events<'a> {
    /// The events from the beginning of a text.
    pub fn of(text: &'a str) -> Self {
        // The reader does not count a byte order mark.
        let base = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, reader: reader(&text[base..]), base }
    }

    /// Where the next event begins, or the DOCTYPE before it.
    fn position(&self) -> usize {
        self.base + offset(self.reader.buffer_position())
    }

    /// The next event.
    pub fn next(&mut self) -> Result<Event<'a>, Malformed> {
        loop {
            let start = self.position();
            let rest = self.text.get(start..).filter(|rest| rest.starts_with(DOCTYPE));
            let Some(rest) = rest else { break };
            self.base = start + doctype(rest).map_err(|reason| Malformed::at(self.text, start, reason))?;
            self.reader = reader(&self.text[self.base..]);
        }
        self.reader.read_event().map_err(|error| {
            Malformed::at(self.text, self.base + offset(self.reader.error_position()), message(&error))
        })
    }
}

/// A reader that leaves it to [`OpenElements`] to compare tags.
fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    reader
}

const DOCTYPE: &str = "<!DOCTYPE";

/// The length of a DOCTYPE at the beginning of a text. An internal subset is where entities are declared, so it has to be empty.
fn doctype(text: &str) -> Result<usize, String> {
    let bytes = text.as_bytes();
    let mut at = DOCTYPE.len();
    let outside_of_literals = |from: usize, wanted: &[u8]| {
        let mut at = from;
        loop {
            let found =
                at + bytes.get(at..)?.iter().position(|byte| wanted.contains(byte) || matches!(byte, b'"' | b'\''))?;
            match bytes[found] {
                quote @ (b'"' | b'\'') => at = found + 2 + memchr::memchr(quote, &bytes[found + 1..])?,
                _ => return Some(found),
            }
        }
    };
    let unclosed = || "the DOCTYPE has no end; expected `>`".to_owned();
    at = outside_of_literals(at, b"[>").ok_or_else(unclosed)?;
    if bytes[at] == b'[' {
        let subset = text[at + 1..].trim_start_matches([' ', '\t', '\r', '\n']);
        if !subset.starts_with(']') {
            return Err("a DTD inside the document (entity declarations) is not accepted; a DOCTYPE may only name one"
                .to_owned());
        }
        at = outside_of_literals(text.len() - subset.len(), b">").ok_or_else(unclosed)?;
    }
    Ok(at + 1)
}

/// The nodes of a tree, in words.
const NODES: &str = "elements, attributes, texts, comments and instructions";

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn an_error_says_how_a_character_is_written() {
        for (text, expected) in [
            ("<A>R & D</A>", "malformed entity reference; write `&amp;` for `&`"),
            ("<A a='R&D'/>", "malformed entity reference; write `&amp;` for `&`"),
            ("<A>&nbsp;</A>", "unknown entity reference 'nbsp'; write the character itself, or `&amp;` for `&`"),
            ("<A a='1<2'/>", "expected ''' not '<'; write `&lt;` for `<`"),
        ] {
            assert!(error(text).ends_with(expected), "{}", error(text));
        }
    }

    #[test]
    fn an_error_shows_the_character_and_what_would_be_right() {
        for (text, expected) in [
            (
                "<A/>\n<B/>",
                "line 2, column 1: `<` (U+003C) is after the end of the root element; a document has one, and nothing behind it",
            ),
            ("<A></A>ä", "line 1, column 8: `ä` (U+00E4) is after the end of the root element; a document has one"),
            ("<A\u{a0}b='c'/>", "line 1, column 3: expected a whitespace, not `\u{a0}` (U+00A0)"),
            (
                "\u{feff}\u{feff}<A/>",
                "line 1, column 2: `\\u{feff}` (U+FEFF) is before the root element; a document begins with `<`",
            ),
            (
                "HTTP/1.1 200\n\n<A/>",
                "line 1, column 1: `H` (U+0048) is before the root element; a document begins with `<`",
            ),
            (
                "\n<?xml version='1.0'?><A/>",
                "line 2, column 1: `<?xml` is only at the beginning of a document; remove what is before it",
            ),
            (
                "<A b=“c”/>",
                "line 1, column 6: write the value of an attribute in double quotes: `\"` (U+0022), not `“` (U+201C)",
            ),
            (
                "<A b=c/>",
                "line 1, column 6: write the value of an attribute in double quotes: `\"` (U+0022), not `c` (U+0063)",
            ),
        ] {
            assert!(error(text).starts_with(expected), "{}\n{expected}", error(text));
        }
    }

    #[test]
    fn a_tag_that_is_none_is_told_where_it_begins() {
        for (text, expected) in [
            ("<A>\n1 < 2\n</A>", "line 2, column 3: `<` begins a tag, and no name follows; write `&lt;` for `<`"),
            ("<A>\nif (a<5) {}\n</A>", "line 2, column 6: `<` begins a tag, and no name follows"),
            ("<A><</A>", "line 1, column 4: `<` begins a tag, and no name follows"),
            ("<A><></></A>", "line 1, column 4: `<` begins a tag, and no name follows"),
            ("<A>\n<B c='>'\n<C/>\n</A>", "line 2, column 1: this tag has no `>` at its end"),
            ("<A>\n<B\n</A>", "line 2, column 1: this tag has no `>` at its end"),
        ] {
            assert!(error(text).starts_with(expected), "{text}: {}", error(text));
        }
        assert!(parse("<A b=\"'>\" c='\">'><B/></A>").is_ok());
    }

    #[test]
    fn a_named_dtd_is_accepted_and_a_written_one_is_not() {
        assert!(parse("<!DOCTYPE A PUBLIC \"sailpoint.dtd\" \"sailpoint.dtd\">\n<A/>").is_ok());
        let laughs = "<?xml version='1.0'?>\n<!DOCTYPE A [<!ENTITY a 'b'>]>\n<A>&a;</A>";
        assert!(error(laughs).contains("entity declarations"), "{}", error(laughs));
        assert!(error("<!DOCTYPE A SYSTEM \"file:///etc/passwd\" [<!ENTITY x SYSTEM 'y'>]><A/>").contains("DTD"));
        assert!(error("<!DOCTYPE A SYSTEM 'a[b]' [ %x; ]><A/>").contains("DTD"));
        for declares_nothing in ["[]", " [ ]", "[\r\n\t] "] {
            let named = format!("<!DOCTYPE A PUBLIC \"sailpoint.dtd\" \"sailpoint.dtd\"{declares_nothing}>\n<A/>");
            assert!(parse(&named).is_ok(), "{named}");
        }
        for literal in ["'a[b'", "\"a[b]\"", "'a>b'", "\"it's [\""] {
            assert!(parse(&format!("<!-- [ --><!DOCTYPE A SYSTEM {literal}><A/>")).is_ok(), "{literal}");
        }
        for unclosed in ["<!DOCTYPE A", "<!DOCTYPE A SYSTEM 'x", "<!DOCTYPE A [", "<!DOCTYPE A []", "<!DOCTYPE"] {
            assert!(error(unclosed).contains("DTD") || error(unclosed).contains("no end"), "{}", error(unclosed));
        }
        for wrong in ["<!DOCTYPE A []x><A/>", "<!doctype A><A/>", "<!DOCTYPE A><!DOCTYPE A><A/>", "<A><!DOCTYPE A></A>"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_version_of_xml_is_told() {
        for version in ["1.1", "2.0", "1"] {
            let text = format!("<?xml version='{version}'?><A/>");
            assert_eq!(
                error(&text),
                format!("line 1, column 1: the document declares XML version `{version}`; declare version 1.0")
            );
        }
        assert!(parse("\u{feff}<?xml version=\"1.0\"?><A/>").is_ok());
    }

    #[test]
    fn what_strict_parsers_refuse_is_refused_with_its_place() {
        for (text, expected) in [
            ("<A>&#xD800;</A>", "column 4: `&#xD800;` is no character that XML 1.0 can hold; remove it"),
            ("<A>a&#x110000;</A>", "column 5: `&#x110000;` is no character that XML 1.0 can hold; remove it"),
            ("<A>&#99999999999999999999;</A>", "column 4: `&#99999999999999999999;` is no character"),
            ("<A>&#1;</A>", "column 4: `&#1;` is no character that XML 1.0 can hold; remove it"),
            ("<A>&#0;</A>", "column 4: `&#0;` is no character that XML 1.0 can hold; remove it"),
            ("<A b='&#x41;' c='é&#xFFFF;'/>", "column 19: `&#xFFFF;` is no character that XML 1.0 can hold; remove it"),
            ("<?xml version='1.0' encoding=' utf-8 '?><A/>", "column 1: ` utf-8 ` is not the name of an encoding"),
            ("<?xml version='1.0' encoding=''?><A/>", "column 1: `` is not the name of an encoding"),
            (
                "<?xml version='1.0' standalone='maybe'?><A/>",
                "column 1: `standalone` is `maybe`; expected `yes` or `no`",
            ),
            (
                "<?xml version='1.0' standalone='no' encoding='UTF-8'?><A/>",
                "column 1: `encoding` is not expected there",
            ),
            ("<?xml encoding='UTF-8' version='1.0'?><A/>", "column 1: `version` is not expected there"),
            ("<?xml encoding='UTF-8'?><A/>", "column"),
            ("<?xml version='1.0' author='me'?><A/>", "column 1: `author` is not expected there"),
            ("<A><?XML a?></A>", "column 4: `<?XML` is reserved"),
            ("<?Xml a?><A/>", "column 1: `<?Xml` is reserved"),
            ("<?a:b c?><A/>", "column 1: the instruction `<?a:b` has a colon in its name"),
            ("<A xmlns:a=''/>", "column 4: the prefix `a` has no namespace"),
            ("<A xmlns:xmlns='urn:x'/>", "column 4: `xmlns` declares namespaces"),
        ] {
            assert!(error(text).starts_with(&format!("line 1, {expected}")), "{text}: {}", error(text));
        }
        for right in [
            "<?xml version='1.0' encoding='UTF-8' standalone='yes'?><A/>",
            "<?xml version='1.0' standalone='no'?><A/>",
            "<?xml-stylesheet href='a'?><A>&#9;&#x1F600;&#xE000;</A>",
            "<A xmlns='' xmlns:a='urn:a' a:b='xmlns:b=&quot;&quot;'><![CDATA[&#1;]]><!-- &#1; --></A>",
            "<A xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        ] {
            assert!(parse(right).is_ok(), "{right}: {}", error(right));
        }
    }

    #[test]
    fn a_literal_cannot_hide_elements_from_the_bounds() {
        let hidden = format!("<!DOCTYPE a SYSTEM \"><!--\">{}{}<!-- -->", "<a>".repeat(101), "</a>".repeat(101));
        assert!(error(&hidden).contains("more than 100 levels"), "{}", error(&hidden));
    }

    #[test]
    fn an_error_names_its_line_and_column() {
        for (text, expected) in [
            ("<A>\n  <B>\n</A>", "line 2, column 3: `<B>` of line 2 is closed by `</A>` of line 3; expected `</B>`"),
            (
                "<A>\n  <B>\n</C></A>",
                "line 3, column 1: `<B>` of line 2 is closed by `</C>` of line 3; expected `</B>`",
            ),
            ("<A>\n<B>\n<C/>\n</B >\n", "line 1, column 1: `<A>` is never closed; expected `</A>`"),
            ("<A/>\n</A>", "line 2, column 1: `</A>` closes nothing; no element is open here"),
            ("<A>\n<B b='1\n<C c='2'/>\n</A>", "line 2, column 1: syntax error: attribute value not closed"),
            (
                "<A>\n<B b='1/>\n<C c='2'/>\n<D d='3/></A>",
                "line 2, column 6: the value that begins here has no `'` at its end",
            ),
            ("<A>\n<B b='1/>\n<C c='2'/>\n</A>", "line 2, column 1: syntax error: attribute value not closed"),
            (
                "<A>\n<B b='1/>\n<C c='2'/>\n<D d='\n3'\n/></A>",
                "line 2, column 1: syntax error: attribute value not closed",
            ),
            ("<A>\n<B b=1'/>\n</A>", "line 2, column"),
            ("<A>\nR & D\n;</A>", "line 2, column 3: malformed entity reference"),
            ("<A>\n<B\nb='R & D'\n/>\n;</A>", "line 3, column 6: malformed entity reference"),
            ("<A>\n</A>\n\n<B/>", "line 4, column 1: `<` (U+003C) is after the end of the root element"),
        ] {
            assert!(error(text).starts_with(expected), "{text}: {}\n{expected}", error(text));
        }
        assert!(error("<A x=\"1\" x=\"2\"/>").contains("line 1, column 10"), "{}", error("<A x=\"1\" x=\"2\"/>"));
        assert!(error("<A>&nbsp;</A>").contains("nbsp"));
    }

    #[test]
    fn a_text_that_xml_forbids_is_an_error() {
        for text in [
            "",
            " ",
            "text",
            "<A/><B/>",
            "<A",
            "<A b=c/>",
            "<A b='<'/>",
            "<A>\u{1}</A>",
            "<1A/>",
            "<A></B>",
            "<A>&</A>",
            "<A/>text",
            "<!-- -- --><A/>",
            "<A>]]></A>",
            "<a:A/>",
            "<?xml version='1.0'?><?xml version='1.0'?><A/>",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_elements_attributes_and_namespaces_are_bounded() {
        let deep = format!("{}{}", "<a>".repeat(101), "</a>".repeat(101));
        assert!(error(&deep).contains("more than 100 levels"));
        let wide = format!("<a>{}</a>", "<b/>".repeat(XML_ELEMENTS));
        assert!(error(&wide).contains("more than 100000 elements"));
        let attributes = (0..101).map(|n| format!("a{n}='1'")).collect::<Vec<_>>().join(" ");
        assert!(error(&format!("<a {attributes}/>")).contains("more than 100 attributes"));
        let namespaces = "<b xmlns:x='y'/>".repeat(257);
        assert!(error(&format!("<a>{namespaces}</a>")).contains("more than 256 namespace"));
        let comments = format!("<a>{}</a>", "<!---->".repeat(XML_NODES));
        assert!(error(&comments).contains("more than 600000 elements, attributes, texts, comments"));
        let attributes = (0..90).map(|n| format!(" a{n}=''")).collect::<Vec<_>>().concat();
        assert!(error(&format!("<a>{}</a>", format!("<b{attributes}/>").repeat(7000))).contains("more than 600000"));
        let no_attributes = format!("<a b='{}'>{}</a>", "=".repeat(101), "xmlns ".repeat(257));
        assert!(parse(&no_attributes).is_ok(), "what only looks like too many is not");
    }
}
