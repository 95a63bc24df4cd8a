//! Whether a text was probably read in another encoding than its author's. ISO-8859-1 has a character for every byte, so
//! reading never fails, and a file that was put together from two encodings is read wrongly without a word.

use std::ops::Range;

use encoding_rs::WINDOWS_1252;

use super::text::Properties;
use crate::lines::Lines;

/// A place of a text whose encoding is in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodingDoubt {
    /// The bytes in the decoded text.
    pub range: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// What is there, and what would be right.
    pub reason: String,
}

impl Properties {
    /// The first place whose encoding is in doubt.
    pub fn encoding_doubt(&self) -> Option<EncodingDoubt> {
        let text = self.text();
        let is_latin1 = self.is_latin1();
        let in_doubt = |range: Range<usize>, reason| {
            let line = Lines::of_properties(text).number(range.start);
            EncodingDoubt { range, line, reason }
        };
        let mixed = text
            .char_indices()
            .find_map(|(at, c)| sequence(&text[at..], c).map(|(length, meant)| (at..at + length, meant)));
        if let Some((range, meant)) = mixed {
            let found = &text[range.clone()];
            let reason = if is_latin1 {
                format!(
                    "the file is not UTF-8, so it is read as ISO-8859-1, and `{found}` is `{meant}` in UTF-8; save all of the \
                     file in UTF-8"
                )
            } else {
                format!("`{found}` is `{meant}` that was encoded twice; write `{meant}`")
            };
            return Some(in_doubt(range, reason));
        }
        // ISO-8859-1 has control characters there, which nobody writes.
        let (at, c) = text.char_indices().find(|(_, c)| is_latin1 && ('\u{80}'..='\u{9f}').contains(c))?;
        let byte = u8::try_from(u32::from(c)).ok()?;
        let (meant, _) = WINDOWS_1252.decode_without_bom_handling(std::slice::from_ref(&byte));
        let reason = format!(
            "the file is not UTF-8, so it is read as ISO-8859-1, which has no character for the byte 0x{byte:02X}; it is `{meant}` in \
             Windows-1252; save the file in UTF-8"
        );
        Some(in_doubt(at..at + c.len_utf8(), reason))
    }
}

/// The bytes of a sequence of UTF-8 whose bytes were read as a character each, at the beginning of a text, and its character.
fn sequence(text: &str, first: char) -> Option<(usize, char)> {
    let length = match first {
        '\u{c2}'..='\u{df}' => 2,
        '\u{e0}'..='\u{ef}' => 3,
        '\u{f0}'..='\u{f4}' => 4,
        _ => return None,
    };
    let characters: Vec<_> = text.chars().take(length).collect();
    let bytes: Vec<_> = characters.iter().map_while(|c| byte_of(*c)).collect();
    let meant = std::str::from_utf8(&bytes).ok()?.chars().next().filter(|_| bytes.len() == length)?;
    Some((characters.iter().map(|c| c.len_utf8()).sum(), meant))
}

/// The byte that ISO-8859-1 or Windows-1252 has for a character.
fn byte_of(c: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(u32::from(c)) {
        return Some(byte);
    }
    let mut buffer = [0; 4];
    let (bytes, _, is_unmappable) = WINDOWS_1252.encode(c.encode_utf8(&mut buffer));
    bytes.first().copied().filter(|_| !is_unmappable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(bytes: &[u8]) -> Option<(usize, String)> {
        let doubt = Properties::parse(bytes).expect("valid").encoding_doubt()?;
        Some((doubt.line, doubt.reason))
    }

    #[test]
    fn a_file_of_two_encodings_is_told_with_its_line() {
        let (line, reason) = doubt(b"k1=\xe4\nk2=\xc3\xa4\n").expect("mixed");
        assert_eq!(line, 2);
        assert_eq!(
            reason,
            "the file is not UTF-8, so it is read as ISO-8859-1, and `\u{c3}\u{a4}` is `\u{e4}` in UTF-8; save all of the file in UTF-8"
        );
        for (bytes, place) in
            [(&b"a=\xe2\x82\xac\r\nb=\xfc"[..], 1), (b"a=\xfc\rb=1\rc=\xf0\x9f\x98\x80", 3), (b"# \xc3\xbc\na=\xfc", 1)]
        {
            let (line, reason) = doubt(bytes).expect("mixed");
            assert!(line == place && reason.contains(" in UTF-8; save all"), "{line} {reason}");
        }
        let (line, reason) = doubt(b"a=1\nb=\x93x\x94 \xe4").expect("Windows-1252");
        assert!(line == 2 && reason.contains("the byte 0x93; it is `\u{201c}` in Windows-1252"), "{reason}");
        for twice in ["a=Gr\u{c3}\u{b6}\u{df}e", "a=It\u{e2}\u{20ac}\u{2122}s"] {
            assert!(doubt(twice.as_bytes()).expect("twice").1.contains("encoded twice"));
        }
    }

    #[test]
    fn a_file_of_one_encoding_is_not_in_doubt() {
        for bytes in [
            "a=\u{e4}\u{f6}\u{fc} \u{c0} \u{20ac} \u{1f600} \u{6771}\u{4eac}".as_bytes(),
            b"a=Gr\xf6\xdfe \xabgar\xe7on\xbb N\xc3O \xc9T\xc9",
            "\u{feff}a=\u{e9}".as_bytes(),
            b"a=\\u00c3\\u00a4",
            b"",
        ] {
            assert_eq!(doubt(bytes), None);
        }
    }
}
