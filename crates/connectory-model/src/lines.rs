//! Lines of a text by number, as parsers name them.

use std::ops::Range;

/// A line, from 1, without its end.
pub(crate) fn line_span(text: &str, line: usize) -> Range<usize> {
    let mut start = 0;
    for (at, content) in text.split('\n').enumerate() {
        if at + 1 == line {
            return start..start + content.trim_end_matches('\r').len();
        }
        start += content.len() + 1;
    }
    text.len()..text.len()
}

/// A line of properties with its end and with the lines that continue it.
pub(crate) fn logical_line(text: &str, line: usize) -> Range<usize> {
    let start = line_span(text, line).start;
    let mut end = start;
    for content in text[start..].split_inclusive('\n') {
        end += content.len();
        let escapes = content.trim_end_matches(['\r', '\n']).bytes().rev().take_while(|byte| *byte == b'\\').count();
        if escapes % 2 == 0 {
            break;
        }
    }
    start..end
}
