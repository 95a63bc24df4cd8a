//! Reading a `.properties` text: its keys and values by line, and one key without reading all else.

use std::borrow::Cow;

use java_properties::{LineContent, PropertiesIter};

use crate::reason;

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A text that is not in `.properties` format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// A line that cannot be read.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes that are no text.
    #[error("the file holds a NUL byte at offset {0}; expected text in Java properties format")]
    Binary(usize),
    /// A text in UTF-16.
    #[error("the file is in UTF-16; save it in UTF-8")]
    Utf16,
}

/// Reads each key and value of a text, in the order of the lines.
pub(super) fn each(text: &str, mut each: impl FnMut(Property)) -> Result<(), PropertiesError> {
    let mut text = join_surrogates(text.strip_prefix('\u{feff}').unwrap_or(text));
    // The parser drops a last line that ends in a backslash. In Java it is a line like every other.
    if continues(&text) {
        text.to_mut().push_str("\n\n");
    }
    for line in PropertiesIter::new_with_encoding(text.as_bytes(), encoding_rs::UTF_8) {
        let line = line.map_err(|error| PropertiesError::Line {
            line: error.line_number().unwrap_or(1),
            reason: format!("{}; expected Java properties, such as `menuLabel_Settings=Settings`", reason(&error)),
        })?;
        let number = line.line_number();
        if let LineContent::KVPair(key, value) = line.consume_content() {
            each(Property { line: number, key, value });
        }
    }
    Ok(())
}

/// The lines whose key may be this one, with the lines that continue them. A key may be written with escapes, so a line
/// that begins like the key up to a backslash may have it.
pub(super) fn lines_that_may_have(key: &str, text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut candidates = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = rest.trim_start_matches([' ', '\t', '\u{c}']);
        let common = line.bytes().zip(key.bytes()).take_while(|(a, b)| a == b).count();
        let is_candidate = common == key.len() || line.as_bytes().get(common) == Some(&b'\\');
        let is_comment = line.starts_with(['#', '!']);
        let mut end = natural_line(rest);
        while !is_comment && continues(&rest[..end]) && end < rest.len() {
            end += natural_line(&rest[end..]);
        }
        if is_candidate {
            candidates.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    candidates
}

/// How many bytes a line has with its end: a line feed, a carriage return, or both.
fn natural_line(text: &str) -> usize {
    match memchr::memchr2(b'\n', b'\r', text.as_bytes()) {
        None => text.len(),
        Some(at) if text[at..].starts_with("\r\n") => at + 2,
        Some(at) => at + 1,
    }
}

/// Whether the next line continues the last of these lines.
pub(super) fn continues(lines: &str) -> bool {
    let line = lines.strip_suffix('\n').unwrap_or(lines);
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Replaces pairs of escapes by their character. Java writes a character beyond U+FFFF as two escapes
/// (`\ud83d\ude00`), but the parser reads one at a time and does not accept halves.
fn join_surrogates(text: &str) -> Cow<'_, str> {
    let is_high = |unit: u16| (0xD800..0xDC00).contains(&unit);
    let mut joined = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text.as_bytes()[at..]) {
        let start = at + found;
        at = match (escaped_unit(text, start), escaped_unit(text, start + 6)) {
            (Some(high), Some(low)) if is_high(high) => {
                if let Some(Ok(c)) = char::decode_utf16([high, low]).next() {
                    joined.push_str(&text[copied..start]);
                    joined.push(c);
                    copied = start + 12;
                }
                start + 12
            }
            (Some(_), _) => start + 6,
            // A backslash escapes what follows it, so that `\\u0041` is no escape of a character.
            (None, _) => text.len().min(start + 2),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    joined.push_str(&text[copied..]);
    Cow::Owned(joined)
}

/// The UTF-16 unit of the escape `\uXXXX` at this offset.
fn escaped_unit(text: &str, offset: usize) -> Option<u16> {
    let digits = text.as_bytes().get(offset..offset + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}
