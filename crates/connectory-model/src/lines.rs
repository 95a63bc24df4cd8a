//! Lines of a text: by number, as parsers name them, and what ends them.

use std::borrow::Cow;
use std::ops::Range;

/// What ends the lines of a text: `LF`, `CRLF`, `CR`, `mixed` or `no`.
pub fn line_endings(text: &str) -> &'static str {
    let pairs = text.matches("\r\n").count();
    let (feeds, returns) = (text.matches('\n').count() - pairs, text.matches('\r').count() - pairs);
    match (feeds > 0, pairs > 0, returns > 0) {
        (true, false, false) => "LF",
        (false, true, false) => "CRLF",
        (false, false, true) => "CR",
        (false, false, false) => "no",
        _ => "mixed",
    }
}

/// The text with a line feed at the end of each line.
pub fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if !text.contains('\r') {
        return text.into();
    }
    text.replace("\r\n", "\n").replace('\r', "\n").into()
}

/// The beginning of each line of a text, so that a line is found without reading the text again.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// The lines of a text, each of which ends in a line feed. XML parsers count them like this.
    pub fn of(text: &'a str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        Self::with_ends(text, ends)
    }

    /// The lines of a `.properties` text, each of which ends in a line feed, a carriage return, or both, as in Java.
    pub fn of_properties(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
        Self::with_ends(text, ends.filter(|at| !bytes[*at..].starts_with(b"\r\n")))
    }

    fn with_ends(text: &'a str, ends: impl Iterator<Item = usize>) -> Self {
        Self { text, starts: std::iter::once(0).chain(ends.map(|at| at + 1)).collect() }
    }

    /// The number of the line with a byte, from 1.
    pub fn number(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// A line, from 1, without its end.
    pub fn span(&self, line: usize) -> Range<usize> {
        let Range { start, end } = self.whole(line);
        start..start + self.text[start..end].trim_end_matches('\n').trim_end_matches('\r').len()
    }

    /// A line of properties, with its end and with the lines that continue it.
    pub fn logical(&self, line: usize) -> Range<usize> {
        let start = self.whole(line).start;
        let mut end = start;
        for line in line..=self.starts.len() {
            let content = &self.text[self.whole(line)];
            end += content.len();
            let escapes =
                content.trim_end_matches(['\r', '\n']).bytes().rev().take_while(|byte| *byte == b'\\').count();
            if escapes % 2 == 0 {
                break;
            }
        }
        start..end
    }

    /// A line with its end. Empty after the last line.
    fn whole(&self, line: usize) -> Range<usize> {
        let start = |line: usize| self.starts.get(line).copied().unwrap_or(self.text.len());
        start(line.saturating_sub(1))..start(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_line_gets_a_line_feed() {
        for (text, endings, fixed) in [
            ("a\nb", "LF", "a\nb"),
            ("a\r\n\r\n", "CRLF", "a\n\n"),
            ("\ra\r", "CR", "\na\n"),
            ("a\r\r\nb", "mixed", "a\n\nb"),
            ("a\nb\r\n", "mixed", "a\nb\n"),
            ("a", "no", "a"),
        ] {
            assert_eq!((line_endings(text), &*with_line_feeds(text)), (endings, fixed));
        }
    }

    #[test]
    fn lines_are_found_by_number_and_by_byte() {
        let text = "a\r\nb\\\n  c\n\nd";
        let lines = Lines::of(text);
        let found: Vec<_> = (1..=6).map(|line| &text[lines.span(line)]).collect();
        assert_eq!(found, ["a", "b\\", "  c", "", "d", ""]);
        assert_eq!(&text[lines.logical(2)], "b\\\n  c\n");
        assert_eq!((&text[lines.logical(1)], &text[lines.logical(5)], lines.logical(9)), ("a\r\n", "d", 12..12));
        assert_eq!([0, 2, 3, 5, 11, 12].map(|at| lines.number(at)), [1, 1, 2, 2, 5, 5]);
    }

    proptest! {
        #[test]
        fn lines_are_found_as_the_standard_library_finds_them(text in "[a\\\\\n\r]{0,20}") {
            let lines = Lines::of(&text);
            let found: Vec<_> = (1..=text.split('\n').count()).map(|line| &text[lines.span(line)]).collect();
            let expected: Vec<_> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
            prop_assert_eq!(found, expected);
            for (at, _) in text.char_indices() {
                prop_assert_eq!(lines.number(at), text[..at].matches('\n').count() + 1);
            }
            let lines = Lines::of_properties(&text);
            for line in 0..25 {
                prop_assert!(text.get(lines.logical(line)).is_some() && text.get(lines.span(line)).is_some());
            }
        }
    }
}
