//! Translations: a Java `.properties` text for each locale, kept byte for byte.
//!
//! Such files come as UTF-8 or as ISO-8859-1 with `\uXXXX` escapes. ISO-8859-1 maps bytes to the first 256
//! characters one to one, so a text and its encoding are enough to give back the very bytes that were stored.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::string::FromUtf8Error;

use java_properties::{LineContent, PropertiesIter};
use serde::{Deserialize, Serialize};

use crate::Locale;
use crate::lines::Lines;

/// The translation key of a connector's short description.
pub const SHORT_DESCRIPTION: &str = "ShortDesc";

/// A checked `.properties` text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Properties {
    /// A text that was stored in UTF-8.
    Utf8(String),
    /// A text that was stored in ISO-8859-1.
    Latin1 {
        /// The decoded text.
        #[serde(rename = "iso-8859-1")]
        text: String,
    },
}

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
}

impl Properties {
    /// Checks a `.properties` text in UTF-8 or, where it is not valid UTF-8, in ISO-8859-1.
    pub fn parse(bytes: &[u8]) -> Result<Self, PropertiesError> {
        if let Some(offset) = memchr::memchr(0, bytes) {
            return Err(PropertiesError::Binary(offset));
        }
        let properties = match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.to_owned()),
            Err(_) => Self::Latin1 { text: bytes.iter().copied().map(char::from).collect() },
        };
        properties.read(drop)?;
        Ok(properties)
    }

    /// A text that was checked before it was stored. In UTF-8 the bytes are taken as they are.
    pub fn stored(bytes: Vec<u8>, is_latin1: bool) -> Result<Self, FromUtf8Error> {
        if is_latin1 {
            return Ok(Self::Latin1 { text: encoding_rs::mem::decode_latin1(&bytes).into_owned() });
        }
        String::from_utf8(bytes).map(Self::Utf8)
    }

    /// The decoded text.
    pub fn text(&self) -> &str {
        match self {
            Self::Utf8(text) | Self::Latin1 { text } => text,
        }
    }

    /// The same, without a copy.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Utf8(text) | Self::Latin1 { text } => text,
        }
    }

    /// The bytes as they were stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Utf8(text) => text.clone().into_bytes(),
            Self::Latin1 { text } => encoding_rs::mem::encode_latin1_lossy(text).into_owned(),
        }
    }

    /// The `charset` under which [`Self::to_bytes`] is to be read.
    pub const fn charset(&self) -> &'static str {
        match self {
            Self::Utf8(_) => "utf-8",
            Self::Latin1 { .. } => "iso-8859-1",
        }
    }

    /// Keys and values; of a key that stands twice, the last value counts, as in Java.
    pub fn entries(&self) -> HashMap<String, String> {
        let mut entries = HashMap::new();
        self.each(|Property { key, value, .. }| {
            entries.insert(key, value);
        });
        entries
    }

    /// Keys and values in the order of their lines.
    pub fn lines(&self) -> Vec<Property> {
        let mut entries = Vec::new();
        self.each(|entry| entries.push(entry));
        entries
    }

    /// Each key and value in the order of their lines, so that they need not all be kept.
    pub fn each(&self, each: impl FnMut(Property)) {
        self.read(each).expect("the text was checked when it was made");
    }

    /// How many keys the text has, each as often as it stands there; or any number up to `most`, if it has no more.
    pub(crate) fn count_over(&self, most: usize) -> usize {
        let ends = memchr::memchr2_iter(b'\n', b'\r', self.text().as_bytes()).count();
        if ends < most {
            return ends;
        }
        let mut count = 0;
        self.each(|_| count += 1);
        count
    }

    /// The short description, without reading all else: lists ask for it at every change.
    pub fn short_description(&self) -> Option<String> {
        let candidates = lines_that_may_have(SHORT_DESCRIPTION, self.text());
        let mut found = None;
        let read = Self::Utf8(candidates).read(|Property { key, value, .. }| {
            if key == SHORT_DESCRIPTION {
                found = Some(value);
            }
        });
        read.expect("lines of a checked text were checked with it");
        found
    }

    /// The text with a key's value replaced or added, or without the key. Every other line stays as it is.
    #[must_use]
    pub fn with(&self, key: &str, value: Option<&str>) -> Self {
        let text = self.text();
        let (mut expected, mut of_key) = (HashMap::new(), Vec::new());
        self.each(|entry| {
            if entry.key == key {
                of_key.push(entry.line);
            }
            expected.insert(entry.key, entry.value);
        });
        match value {
            Some(value) => expected.insert(key.to_owned(), value.to_owned()),
            None => expected.remove(key),
        };
        let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let written = value.map(|value| self.written(key, value) + ending);
        // The last line of a key counts, so it is the one to change; without a value all of them go.
        let changed = if value.is_some() { &of_key[of_key.len().saturating_sub(1)..] } else { &of_key };
        let lines = Lines::of(text);
        let (mut edited, mut copied) = (String::with_capacity(text.len() + 64), 0);
        for line in changed {
            let mut range = lines.logical(*line);
            if *line == 1 && text.starts_with('\u{feff}') {
                range.start += '\u{feff}'.len_utf8();
            }
            let start = range.start.max(copied);
            edited.push_str(&text[copied..start]);
            edited.push_str(written.as_deref().unwrap_or_default());
            copied = range.end.max(start);
        }
        edited.push_str(&text[copied..]);
        if let (Some(written), true) = (&written, changed.is_empty()) {
            if !edited.is_empty() && !edited.ends_with(['\n', '\r']) {
                edited.push_str(ending);
            }
            edited.push_str(written);
        }
        let edited = self.of_text(edited);
        let mut found = HashMap::new();
        let read = edited.read(|Property { key, value, .. }| {
            found.insert(key, value);
        });
        if read.is_ok() && found == expected {
            return edited;
        }
        // Lines that end in a lone carriage return are not found by number: the text is written anew.
        let mut entries: Vec<_> = expected.into_iter().collect();
        entries.sort();
        self.of_text(entries.iter().map(|(key, value)| self.written(key, value) + ending).collect())
    }

    fn of_text(&self, text: String) -> Self {
        match self {
            Self::Utf8(_) => Self::Utf8(text),
            Self::Latin1 { .. } => Self::Latin1 { text },
        }
    }

    /// A line of a key and its value, escaped for this text's encoding. Not by the parser's own writer, which escapes
    /// every space and writes `\u` with fewer than four digits.
    fn written(&self, key: &str, value: &str) -> String {
        let mut line = String::new();
        let is_utf8 = matches!(self, Self::Utf8(_));
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

    fn read(&self, mut each: impl FnMut(Property)) -> Result<(), PropertiesError> {
        let text = self.text();
        let text = join_surrogates(text.strip_prefix('\u{feff}').unwrap_or(text));
        for line in PropertiesIter::new_with_encoding(text.as_bytes(), encoding_rs::UTF_8) {
            let line = line.map_err(|error| PropertiesError::Line {
                line: error.line_number().unwrap_or(1),
                reason: format!("{error}; expected Java properties, such as `menuLabel_Settings=Settings`"),
            })?;
            let number = line.line_number();
            if let LineContent::KVPair(key, value) = line.consume_content() {
                each(Property { line: number, key, value });
            }
        }
        Ok(())
    }
}

/// The lines whose key may be this one, with those that continue them: a key may be written with escapes, so what
/// begins like the key up to a backslash may be it.
fn lines_that_may_have(key: &str, text: &str) -> String {
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

/// Whether the next line continues the last one of these.
fn continues(lines: &str) -> bool {
    let line = lines.strip_suffix('\n').unwrap_or(lines);
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Java writes a character beyond U+FFFF as two escapes (`\ud83d\ude00`); the parser takes one at a time and
/// refuses halves, so pairs become their character first.
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

/// The UTF-16 unit that `\uXXXX` at this offset stands for.
fn escaped_unit(text: &str, offset: usize) -> Option<u16> {
    let digits = text.as_bytes().get(offset..offset + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

/// The translations of a connector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Translations(pub BTreeMap<Locale, Properties>);

impl Translations {
    /// What a locale shows for each key: its own text, or else the English one.
    pub fn texts(&self, locale: Locale) -> HashMap<String, String> {
        let mut texts = self.0.get(&Locale::En).map(Properties::entries).unwrap_or_default();
        if locale != Locale::En
            && let Some(own) = self.0.get(&locale)
        {
            texts.extend(own.entries());
        }
        texts
    }

    /// The properties text that `GET …/translations/{locale}` answers: the locale's, or else the English one.
    pub fn shown(&self, locale: Locale) -> Option<&Properties> {
        self.0.get(&locale).or_else(|| self.0.get(&Locale::En))
    }

    /// The short description of every locale that has one.
    pub fn short_descriptions(&self) -> BTreeMap<Locale, String> {
        self.0.iter().filter_map(|(locale, properties)| Some((*locale, properties.short_description()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn java_syntax_is_read() {
        let text = "# comment\n! another\na=1\nb : 2\nc 3\nlong=one \\\n  two\n\\u00fc=\\u00dc\nemoji=\\ud83d\\ude00\n\
                    path=C\\:\\\\users\\\\u0041\nempty\n";
        let entries = Properties::parse(text.as_bytes()).expect("valid").entries();
        let get = |key: &str| entries[key].as_str();
        assert_eq!((get("a"), get("b"), get("c"), get("long")), ("1", "2", "3", "one two"));
        assert_eq!((get("ü"), get("emoji"), get("path"), get("empty")), ("Ü", "😀", "C:\\users\\u0041", ""));
    }

    #[test]
    fn bytes_come_back_as_they_were_in_either_encoding() {
        for (bytes, charset) in [(&b"a=\xe4\r\n"[..], "iso-8859-1"), ("\u{feff}a=ä".as_bytes(), "utf-8")] {
            let properties = Properties::parse(bytes).expect("valid");
            assert_eq!((properties.to_bytes().as_slice(), properties.charset()), (bytes, charset));
            assert_eq!(properties.entries()["a"], "ä");
        }
    }

    #[test]
    fn a_bad_escape_is_refused_with_its_line() {
        for bad in ["a=1\nb=\\u12", "a=1\nb=\\uzzzz", "a=1\nb=\\ud83d"] {
            let refusal = Properties::parse(bad.as_bytes()).expect_err(bad).to_string();
            assert!(refusal.starts_with("line 2: "), "{refusal}");
        }
        assert_eq!(Properties::parse(b"a=\0"), Err(PropertiesError::Binary(2)));
    }

    #[test]
    fn a_locale_falls_back_to_english_key_by_key() {
        let properties = |text: &str| Properties::parse(text.as_bytes()).expect("valid");
        let translations = Translations(BTreeMap::from([
            (Locale::En, properties("a=one\nb=two\nShortDesc=d")),
            (Locale::De, properties("a=eins")),
        ]));
        let german = translations.texts(Locale::De);
        assert_eq!((german["a"].as_str(), german["b"].as_str()), ("eins", "two"));
        assert_eq!(translations.shown(Locale::Fr), translations.0.get(&Locale::En));
        assert_eq!(translations.short_descriptions(), BTreeMap::from([(Locale::En, "d".to_owned())]));
    }

    #[test]
    fn one_key_is_changed_and_all_else_stays() {
        let text = Properties::parse("\u{feff}# texts\na=1\nb : two \\\n  lines\nc=3".as_bytes()).expect("valid");
        assert_eq!(text.with("b", Some(" x\ny")).text(), "\u{feff}# texts\na=1\nb=\\ x\\ny\nc=3");
        assert_eq!(text.with("b", None).text(), "\u{feff}# texts\na=1\nc=3");
        assert!(text.with("d e", Some("ł")).text().ends_with("c=3\nd\\ e=ł\n"));
        let latin1 = Properties::parse(b"a=\xe4\r\n").expect("valid");
        assert_eq!(latin1.with("b", Some("ł😀")).to_bytes(), b"a=\xe4\r\nb=\\u0142\\ud83d\\ude00\r\n");
    }

    #[test]
    fn a_key_that_stands_on_many_lines_is_removed_in_time() {
        let text = Properties::parse("a=1\n".repeat(100_000).as_bytes()).expect("valid");
        let start = std::time::Instant::now();
        assert_eq!(text.with("a", None).text(), "");
        assert!(text.with("a", Some("2")).text().ends_with("a=1\na=2\n"));
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    #[test]
    fn a_short_description_is_found_without_reading_all_lines() {
        let text = "a=\\u00e4 \\\n  b\n".repeat(50_000) + "ShortDesc=x\n";
        let text = Properties::Utf8(text);
        let start = std::time::Instant::now();
        assert_eq!(text.short_description().as_deref(), Some("x"));
        let some = start.elapsed();
        let start = std::time::Instant::now();
        assert_eq!(text.entries().len(), 2);
        let all = start.elapsed();
        assert!(some < all / 3, "{some:?} {all:?}");
    }

    proptest! {
        #[test]
        fn the_short_description_is_what_all_entries_have(
            text in r"(\u{feff})?(ShortDesc|Sh\\u006frtDesc|Short\\[\r\n]{1,2}|Desc|[ #!:=\t\f\r\n\\]|\\[\r\n]|ab|é|\r\n){0,14}",
        ) {
            if let Ok(properties) = Properties::parse(text.as_bytes()) {
                prop_assert_eq!(properties.short_description(), properties.entries().remove(SHORT_DESCRIPTION));
            }
        }

        #[test]
        fn a_changed_key_reads_back_and_no_other_changes(
            bytes in r"([ab=#: \r\n\\é]|\\u00e9){0,30}", key in "[ab =é]{1,3}", value: Option<String>,
        ) {
            if let Ok(before) = Properties::parse(bytes.as_bytes())
                && value.as_ref().is_none_or(|value| !value.contains('\0'))
            {
                let after = before.with(&key, value.as_deref());
                let mut expected = before.entries();
                match &value {
                    Some(value) => expected.insert(key, value.clone()),
                    None => expected.remove(&key),
                };
                prop_assert_eq!(after.entries(), expected);
                prop_assert_eq!(Properties::parse(&after.to_bytes()), Ok(after));
            }
        }

        #[test]
        fn any_bytes_are_refused_or_come_back_unchanged(bytes: Vec<u8>) {
            if let Ok(properties) = Properties::parse(&bytes) {
                prop_assert_eq!(properties.to_bytes(), bytes);
                properties.entries();
                let json = serde_json::to_string(&properties).expect("text");
                prop_assert_eq!(serde_json::from_str::<Properties>(&json).expect("back"), properties);
            }
        }

        #[test]
        fn texts_full_of_escapes_never_panic(text in r"([a-z=: \n]|\\|\\u[0-9a-f]{0,4}|\\ud83d|\\ude00|é|😀){0,40}") {
            if let Ok(properties) = Properties::parse(text.as_bytes()) {
                properties.entries();
            }
        }
    }
}
