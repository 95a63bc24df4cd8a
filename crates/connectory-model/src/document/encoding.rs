//! The encoding of an XML document (D23): what it declares and what its bytes are agree, or it is refused.
//!
//! What the bytes are is decided by the bytes alone: a byte order mark, the zero bytes of UTF-16, or whether they are UTF-8. Of
//! encodings with one byte for a character, only the declaration can tell which one it is (XML 1.0, section 4.3.3 and appendix F).

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::{Encoding as Known, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, X_USER_DEFINED};
use memchr::memmem;

use super::xml::Malformed;
use crate::limits::QUOTED_CHARS;
use crate::shown;

const BOM: char = '\u{feff}';
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// The names of ISO-8859-1. The library takes them for names of windows-1252, as browsers do.
const LATIN1: [&str; 9] =
    ["iso-8859-1", "iso8859-1", "iso_8859-1", "iso_8859-1:1987", "iso-ir-100", "latin1", "l1", "ibm819", "cp819"];
const ASCII: [&str; 3] = ["us-ascii", "ascii", "iso646-us"];

/// How the bytes of a text are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8. A byte order mark is at the beginning of the decoded text.
    Utf8,
    /// UTF-16.
    Utf16 {
        /// Whether the more significant byte of two comes first.
        is_big_endian: bool,
        /// Whether a byte order mark precedes the text.
        has_mark: bool,
    },
    /// ISO-8859-1.
    Latin1,
    /// Another encoding in which ASCII is as in ASCII.
    Other(&'static Known),
}

/// A document's text as its author sees it, and how its bytes are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text, with its whole declaration.
    pub text: Cow<'a, str>,
    /// How the bytes are made.
    pub encoding: Encoding,
}

impl Encoding {
    /// The name for a `Content-Type` (RFC 7303). UTF-16 with a mark is `utf-16`.
    pub fn charset(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16 { has_mark: true, .. } => "utf-16",
            Self::Utf16 { is_big_endian: true, .. } => "utf-16be",
            Self::Utf16 { .. } => "utf-16le",
            Self::Latin1 => "iso-8859-1",
            Self::Other(known) => known.name(),
        }
    }

    /// The bytes of a text. A character that the encoding does not have becomes a character reference, which means the same in XML.
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Self::Utf8 => text.as_bytes().into(),
            Self::Utf16 { is_big_endian, has_mark } => {
                let to_bytes = if is_big_endian { u16::to_be_bytes } else { u16::to_le_bytes };
                let mark = has_mark.then_some(BOM as u16);
                mark.into_iter().chain(text.encode_utf16()).flat_map(to_bytes).collect::<Vec<_>>().into()
            }
            Self::Latin1 if encoding_rs::mem::is_str_latin1(text) => encoding_rs::mem::encode_latin1_lossy(text),
            Self::Latin1 => {
                let references = |c: char| {
                    u8::try_from(c).map_or_else(|_| format!("&#{};", u32::from(c)).into_bytes(), |byte| vec![byte])
                };
                text.chars().flat_map(references).collect::<Vec<_>>().into()
            }
            Self::Other(known) => known.encode(text).0,
        }
    }
}

/// Decodes a document. What it declares and what it is agree.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let at_start = |reason: String| Malformed::after(&[], reason);
    if bytes.is_empty() {
        return Err(at_start("the document is empty; expected an XML document".to_owned()));
    }
    if bytes.starts_with(&[0, 0, 0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe, 0, 0]) {
        return Err(at_start("the document is UTF-32; save it as UTF-8".to_owned()));
    }
    if let Some((is_big_endian, has_mark)) = utf16(bytes) {
        return decode_utf16(bytes, is_big_endian, has_mark);
    }
    let is_utf8 = std::str::from_utf8(bytes);
    let Some(label) = label(bytes) else {
        let text = is_utf8.map_err(|error| {
            Malformed::after(
                &bytes[..error.valid_up_to()],
                "not UTF-8, and the document declares no other encoding; save it as UTF-8, or declare what it is",
            )
        })?;
        return Ok(Decoded { text: text.into(), encoding: Encoding::Utf8 });
    };
    let declares = format!("the document declares encoding `{}`", shown(&label, QUOTED_CHARS));
    let known = Known::for_label(label.as_bytes());
    if known == Some(UTF_8) {
        return match is_utf8 {
            Ok(text) => Ok(Decoded { text: text.into(), encoding: Encoding::Utf8 }),
            Err(error) => Err(Malformed::after(
                &bytes[..error.valid_up_to()],
                format!("{declares}, but its bytes are not UTF-8; save it as UTF-8, or declare what it is"),
            )),
        };
    }
    let is = |names: &[&str]| names.iter().any(|name| label.eq_ignore_ascii_case(name));
    let reading = match known {
        _ if is(&LATIN1) => Some(Encoding::Latin1),
        _ if is(&ASCII) => None,
        Some(known) if known == UTF_16LE || known == UTF_16BE => None,
        Some(known) if ![REPLACEMENT, X_USER_DEFINED, ISO_2022_JP].contains(&known) => Some(Encoding::Other(known)),
        _ => return Err(at_start(format!("{declares}, which is not read; save it as UTF-8, and declare that"))),
    };
    match (is_utf8, reading) {
        (Ok(text), Some(_)) if text.is_ascii() => Ok(Decoded { text: text.into(), encoding: Encoding::Utf8 }),
        (Ok(text), None) if text.is_ascii() && is(&ASCII) => {
            Ok(Decoded { text: text.into(), encoding: Encoding::Utf8 })
        }
        (Ok(_), _) => Err(at_start(format!("{declares}, but its bytes are UTF-8; declare UTF-8"))),
        (Err(_), Some(Encoding::Latin1)) => {
            Ok(Decoded { text: encoding_rs::mem::decode_latin1(bytes), encoding: Encoding::Latin1 })
        }
        (Err(_), Some(Encoding::Other(known))) => {
            let text = known.decode_without_bom_handling_and_without_replacement(bytes);
            let text =
                text.ok_or_else(|| at_start(format!("{declares}, but its bytes are not in it; save it as UTF-8")))?;
            Ok(Decoded { text, encoding: Encoding::Other(known) })
        }
        (Err(_), _) => Err(at_start(format!("{declares}, but its bytes are neither that nor UTF-8; save it as UTF-8"))),
    }
}

/// Whether the bytes are UTF-16: the order of bytes, and whether there is a mark.
fn utf16(bytes: &[u8]) -> Option<(bool, bool)> {
    match bytes {
        [0xfe, 0xff, ..] => Some((true, true)),
        [0xff, 0xfe, ..] => Some((false, true)),
        [0, b'<', ..] => Some((true, false)),
        [b'<', 0, ..] => Some((false, false)),
        _ => None,
    }
}

fn decode_utf16(bytes: &[u8], is_big_endian: bool, has_mark: bool) -> Result<Decoded<'_>, Malformed> {
    let units = bytes.chunks(2).skip(usize::from(has_mark)).map(|pair| match *pair {
        [a, b] if is_big_endian => u16::from_be_bytes([a, b]),
        [a, b] => u16::from_le_bytes([a, b]),
        // Half a character is as wrong as half a pair of them.
        _ => 0xd800,
    });
    let mut text = String::with_capacity(bytes.len() / 2);
    for c in char::decode_utf16(units) {
        let wrong = "not UTF-16: there is half of a character here; save the document as UTF-8";
        text.push(c.map_err(|_| Malformed::after(text.as_bytes(), wrong))?);
    }
    let (order, other) = if is_big_endian { ("UTF-16BE", "UTF-16LE") } else { ("UTF-16LE", "UTF-16BE") };
    let declared = label(text.as_bytes());
    let is = |name: &str| declared.as_ref().is_some_and(|label| label.eq_ignore_ascii_case(name));
    let known = declared.as_ref().map(|label| Known::for_label(label.as_bytes()));
    let declares = |what: &str| {
        let label = shown(declared.as_deref().unwrap_or_default(), QUOTED_CHARS);
        Err(Malformed::after(
            &[],
            format!("the document declares encoding `{label}`, but its bytes are {what}; declare UTF-16"),
        ))
    };
    if known.is_some_and(|known| known != Some(UTF_16LE) && known != Some(UTF_16BE)) {
        return declares("UTF-16");
    }
    if is(other) {
        return declares(order);
    }
    if !has_mark && !is(order) {
        let reason =
            "the document is UTF-16 without a byte order mark, which XML requires; save it as UTF-8, or with the mark";
        return Err(Malformed::after(&[], reason));
    }
    Ok(Decoded { text: text.into(), encoding: Encoding::Utf16 { is_big_endian, has_mark } })
}

/// The encoding that a document declares, if its bytes are ASCII up to there.
fn label(bytes: &[u8]) -> Option<String> {
    let head = bytes.strip_prefix(UTF8_BOM).unwrap_or(bytes);
    let (_, value) = declared(head)?;
    // Any other byte makes it a label that nobody knows.
    Some(head[value].iter().map(|byte| char::from(*byte)).collect())
}

/// Where the declaration of a document names its encoding: the whole pseudo attribute with the white space before it, and its value.
fn declared(text: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    const START: &[u8] = b"<?xml";
    const NAME: &[u8] = b"encoding";
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let spaces = |from: usize| text[from..].iter().take_while(|byte| is_space(byte)).count();
    text.strip_prefix(START)?.first().filter(|byte| is_space(byte))?;
    let declaration = &text[..memmem::find(text, b"?>")?];
    let name = memmem::find_iter(declaration, NAME).find(|at| is_space(&declaration[at - 1]))?;
    let start = declaration[..name].iter().rposition(|byte| !is_space(byte))? + 1;
    let equals = name + NAME.len() + spaces(name + NAME.len());
    (text.get(equals) == Some(&b'=')).then_some(())?;
    let quote = equals + 1 + spaces(equals + 1);
    let mark = *text.get(quote).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let value = quote + 1..quote + 1 + memchr::memchr(mark, declaration.get(quote + 1..)?)?;
    Some((start..value.end + 1, value))
}

/// The text of a document without a byte order mark, and without the encoding that it declares, unless that is UTF-8: a text
/// has none.
pub(super) fn without_encoding(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    match declared(text.as_bytes()) {
        Some((attribute, value)) if !text[value.clone()].eq_ignore_ascii_case("utf-8") => {
            [&text[..attribute.start], &text[attribute.end..]].concat().into()
        }
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, is_big_endian: bool, has_mark: bool) -> Vec<u8> {
        Encoding::Utf16 { is_big_endian, has_mark }.encode(text).into_owned()
    }

    fn decoded(bytes: &[u8]) -> (String, Encoding) {
        let Decoded { text, encoding } = decode(bytes).expect("agrees");
        assert_eq!(encoding.encode(&text), bytes, "the same bytes again");
        (text.into_owned(), encoding)
    }

    #[test]
    fn what_is_declared_and_there_is_read() {
        for (text, without) in [
            ("<A>ä€😀</A>", "<A>ä€😀</A>"),
            ("<?xml version='1.0' encoding='utf8'?><A>ä</A>", "<?xml version='1.0'?><A>ä</A>"),
            (
                "<?xml version=\"1.0\" encoding=\"UTF8\" standalone=\"no\"?>\n<A/>",
                "<?xml version=\"1.0\" standalone=\"no\"?>\n<A/>",
            ),
            ("<?xml version='1.0'\n\tencoding = 'UTF-8' ?><A/>", "<?xml version='1.0'\n\tencoding = 'UTF-8' ?><A/>"),
            ("<?xml version='1.0' encoding='utf-8'?><A/>", "<?xml version='1.0' encoding='utf-8'?><A/>"),
            ("\u{feff}<?xml version='1.0' encoding='utf8'?><A/>", "<?xml version='1.0'?><A/>"),
            ("\u{feff}<A>ä</A>", "<A>ä</A>"),
            ("<?xml version='1.0' encoding='iso-8859-1'?><A/>", "<?xml version='1.0'?><A/>"),
            ("<?xml version='1.0' encoding='us-ascii'?><A/>", "<?xml version='1.0'?><A/>"),
            ("<A encoding='utf-16'>encoding='utf-16'</A>", "<A encoding='utf-16'>encoding='utf-16'</A>"),
            ("<?xml-stylesheet encoding='utf-16'?><A/>", "<?xml-stylesheet encoding='utf-16'?><A/>"),
        ] {
            assert_eq!(decoded(text.as_bytes()), (text.to_owned(), Encoding::Utf8));
            assert_eq!(without_encoding(text), without);
        }
        for encoding in ["UTF-16", "utf-16", "ISO-10646-UCS-2"] {
            let text = format!("<?xml version='1.0' encoding='{encoding}'?><A>ä€😀</A>");
            for is_big_endian in [false, true] {
                let (read, how) = decoded(&utf16(&text, is_big_endian, true));
                assert_eq!((read, how), (text.clone(), Encoding::Utf16 { is_big_endian, has_mark: true }));
            }
            assert_eq!(without_encoding(&text), "<?xml version='1.0'?><A>ä€😀</A>");
        }
        for (label, is_big_endian) in [("UTF-16LE", false), ("utf-16be", true)] {
            let text = format!("<?xml version='1.0' encoding='{label}'?><A>ä</A>");
            for has_mark in [false, true] {
                assert_eq!(decoded(&utf16(&text, is_big_endian, has_mark)).0, text);
            }
        }
        assert_eq!(decoded(&utf16("<A/>", false, true)).0, "<A/>");
        let latin1 = b"<?xml version='1.0' encoding='ISO-8859-1'?><A>\xe4\x80</A>";
        assert_eq!(
            decoded(latin1),
            ("<?xml version='1.0' encoding='ISO-8859-1'?><A>ä\u{80}</A>".to_owned(), Encoding::Latin1)
        );
        let windows = b"<?xml version='1.0' encoding='windows-1252'?><A>\xe4\x80</A>";
        assert_eq!(decoded(windows).0, "<?xml version='1.0' encoding='windows-1252'?><A>ä€</A>");
        let japanese = b"<?xml version='1.0' encoding='Shift_JIS'?><A>\x93\xfa\x96{</A>";
        assert_eq!(decoded(japanese).0, "<?xml version='1.0' encoding='Shift_JIS'?><A>日本</A>");
    }

    #[test]
    fn what_does_not_agree_is_an_error_that_names_both() {
        let declare =
            |label: &str, rest: &[u8]| [format!("<?xml version='1.0' encoding='{label}'?>").as_bytes(), rest].concat();
        let both = |label: &str, is: &str| {
            format!("line 1, column 1: the document declares encoding `{label}`, but its bytes are {is}")
        };
        for (bytes, expected) in [
            (declare("utf-16", b"<A/>"), both("utf-16", "UTF-8; declare UTF-8")),
            (declare("UTF-16LE", b"<A/>"), both("UTF-16LE", "UTF-8")),
            (declare("ISO-8859-1", "<A>ä</A>".as_bytes()), both("ISO-8859-1", "UTF-8")),
            ([UTF8_BOM, &declare("ISO-8859-1", b"<A/>")].concat(), both("ISO-8859-1", "UTF-8")),
            (declare("us-ascii", "<A>ä</A>".as_bytes()), both("us-ascii", "UTF-8")),
            (declare("us-ascii", b"<A>\xe4</A>"), both("us-ascii", "neither that nor UTF-8")),
            (declare("UTF-16", b"<A>\xe4</A>"), both("UTF-16", "neither that nor UTF-8")),
            (declare("Shift_JIS", b"<A>\x93</A>"), both("Shift_JIS", "not in it")),
            (
                declare("klingon", b"<A/>"),
                "line 1, column 1: the document declares encoding `klingon`, which is not read".to_owned(),
            ),
            (
                declare("UTF-7", b"<A/>"),
                "line 1, column 1: the document declares encoding `UTF-7`, which is not read".to_owned(),
            ),
            (
                declare("iso-2022-jp", b"<A/>"),
                "line 1, column 1: the document declares encoding `iso-2022-jp`, which is".to_owned(),
            ),
            (declare("\u{e4}", b"<A/>"), "line 1, column 1: the document declares encoding `".to_owned()),
            (
                declare("utf8", b"\n<A>\xe4</A>"),
                "line 2, column 4: the document declares encoding `utf8`, but its bytes are not UTF-8".to_owned(),
            ),
            (
                b"<A>\n\xe4</A>".to_vec(),
                "line 2, column 1: not UTF-8, and the document declares no other encoding".to_owned(),
            ),
            (utf16("<?xml version='1.0' encoding='utf-8'?><A/>", false, true), both("utf-8", "UTF-16")),
            (utf16("<?xml version='1.0' encoding='iso-8859-1'?><A/>", true, false), both("iso-8859-1", "UTF-16")),
            (utf16("<?xml version='1.0' encoding='UTF-16LE'?><A/>", true, true), both("UTF-16LE", "UTF-16BE")),
            (utf16("<?xml version='1.0' encoding='UTF-16BE'?><A/>", false, true), both("UTF-16BE", "UTF-16LE")),
            (utf16("<?xml version='1.0' encoding='UTF-16BE'?><A/>", false, false), both("UTF-16BE", "UTF-16LE")),
            (
                utf16("<?xml version='1.0' encoding='UTF-16'?><A/>", false, false),
                "line 1, column 1: the document is UTF-16 without a byte order mark".to_owned(),
            ),
            (
                utf16("<A/>", true, false),
                "line 1, column 1: the document is UTF-16 without a byte order mark".to_owned(),
            ),
            ([utf16("<A>\n", true, true), vec![0xd8]].concat(), "line 2, column 1: not UTF-16".to_owned()),
            ([utf16("<A>", true, true), vec![0xd8, 0x3d, 0, b'a']].concat(), "line 1, column 4: not UTF-16".to_owned()),
            (b"\xff\xfe\0\0<\0\0\0".to_vec(), "line 1, column 1: the document is UTF-32".to_owned()),
            (Vec::new(), "line 1, column 1: the document is empty".to_owned()),
        ] {
            let error = decode(&bytes).expect_err(&expected).to_string();
            assert!(error.starts_with(&expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn a_character_that_an_encoding_lacks_becomes_a_reference() {
        assert_eq!(Encoding::Latin1.encode("ä€"), b"\xe4&#8364;".as_slice());
        assert_eq!(Encoding::Other(encoding_rs::WINDOWS_1252).encode("ä€😀"), b"\xe4\x80&#128512;".as_slice());
    }
}
