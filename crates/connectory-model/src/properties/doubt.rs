//! Whether a text was probably read in another way than its author meant. ISO-8859-1 has a character for every byte, so
//! reading never fails, and a file that was put together from two encodings is read wrongly without a word. So is a file of
//! another format: every line of it has a key.

use std::ops::Range;

use encoding_rs::WINDOWS_1252;

use super::text::Properties;
use crate::lines::Lines;

/// The byte order mark of UTF-8, read as ISO-8859-1.
const MARK_AS_LATIN1: &str = "\u{ef}\u{bb}\u{bf}";

/// A place of a text that was probably meant in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The bytes in the decoded text.
    pub range: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// What is there, and what would be right.
    pub reason: String,
}

impl Properties {
    /// The format that the text probably has, if it is another one: no key begins like the first character.
    pub fn format_doubt(&self) -> Option<Doubt> {
        let text = self.text();
        let at = text.find(|c: char| !c.is_whitespace() && c != '\u{feff}')?;
        let (first, format) = [('<', "XML and HTML"), ('{', "JSON"), ('[', "JSON")]
            .into_iter()
            .find(|(first, _)| text[at..].starts_with(*first))?;
        let reason = format!(
            "the file begins with `{first}`, as {format} does; expected Java properties, such as `menuLabel_Settings=Settings`"
        );
        Some(self.doubt(at..at + 1, reason))
    }

    fn doubt(&self, range: Range<usize>, reason: String) -> Doubt {
        Doubt { line: Lines::of_properties(self.text()).number(range.start), range, reason }
    }

    /// The first place whose encoding is in doubt.
    pub fn encoding_doubt(&self) -> Option<Doubt> {
        let text = self.text();
        let is_latin1 = self.is_latin1();
        let in_doubt = |range, reason| self.doubt(range, reason);
        if is_latin1 && text.starts_with(MARK_AS_LATIN1) {
            let valid = std::str::from_utf8(&self.to_bytes()).map_or_else(|error| error.valid_up_to(), str::len);
            // Each byte is a character.
            let end = text.char_indices().nth(valid).map_or(text.len(), |(at, _)| at);
            let reason = "the file begins with the byte order mark of UTF-8, and this line is not UTF-8, so all of it is read as \
                          ISO-8859-1; save the file in UTF-8";
            return Some(in_doubt(end..end, reason.to_owned()));
        }
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
        let (line, reason) = doubt(b"\xef\xbb\xbfa=\xc3\xa4\nb=\xe4").expect("a mark");
        assert!(
            line == 2 && reason.starts_with("the file begins with the byte order mark of UTF-8"),
            "{line} {reason}"
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
    fn a_file_of_another_format_is_told() {
        for (text, line, format) in [
            ("<!DOCTYPE html>\n<html></html>", 1, "`<`, as XML and HTML does"),
            ("\u{feff}<?xml version=\"1.0\"?>", 1, "`<`, as XML and HTML does"),
            ("\n {\"a\": \"b\"}", 2, "`{`, as JSON does"),
            ("[section]\na=b", 1, "`[`, as JSON does"),
        ] {
            let doubt = Properties::parse(text.as_bytes()).expect("valid").format_doubt().expect(text);
            assert!(doubt.line == line && doubt.reason.contains(format), "{doubt:?}");
        }
        for text in ["a={}", "# <a>\n", "", " \n", "\\{a=b"] {
            assert_eq!(Properties::parse(text.as_bytes()).expect("valid").format_doubt(), None, "{text}");
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
