//! Writing a line of a `.properties` text.

use std::fmt::Write;

/// A key as a text in UTF-8 has it.
pub(super) fn escaped_key(key: &str) -> String {
    let line = line(key, "", true);
    line.strip_suffix('=').unwrap_or(&line).to_owned()
}

/// A line with a key and its value, without its end. It escapes characters that the encoding does not have.
///
/// The parser's own writer is not used: it escapes every space, and writes `\u` with fewer than four digits.
pub(super) fn line(key: &str, value: &str, is_utf8: bool) -> String {
    let mut line = String::new();
    let mut push = |c: char, escaped: bool| match c {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        '\u{c}' => line.push_str("\\f"),
        '\\' => line.push_str("\\\\"),
        c if escaped => line.extend(['\\', c]),
        c if c.is_control() || c == '\u{feff}' || !(is_utf8 || u32::from(c) < 0x100) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(line, "\\u{unit:04x}").expect("a string takes any text");
            }
        }
        c => line.push(c),
    };
    key.chars().for_each(|c| push(c, matches!(c, ' ' | ':' | '=' | '#' | '!')));
    push('=', false);
    value.chars().enumerate().for_each(|(at, c)| push(c, at == 0 && c == ' '));
    line
}
