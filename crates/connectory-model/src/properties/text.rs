//! A checked `.properties` text and its encoding, which together give back the bytes that were uploaded.

use std::collections::HashMap;
use std::string::FromUtf8Error;

use encoding_rs::mem::{decode_latin1, encode_latin1_lossy};
use serde::{Deserialize, Serialize};

use super::read::{self, PropertiesError, Property, lines_that_may_have};
use super::write;

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

impl Properties {
    /// A key as it is written in a text, with its spaces, `=` and `:` escaped.
    pub fn escaped_key(key: &str) -> String {
        write::escaped_key(key)
    }

    /// Checks a `.properties` text in UTF-8 or, where it is not valid UTF-8, in ISO-8859-1.
    pub fn parse(bytes: &[u8]) -> Result<Self, PropertiesError> {
        if let Some(offset) = memchr::memchr(0, bytes) {
            let is_utf16 = [[0xff, 0xfe], [0xfe, 0xff]].iter().any(|mark| bytes.starts_with(mark));
            return Err(if is_utf16 { PropertiesError::Utf16 } else { PropertiesError::Binary(offset) });
        }
        let properties = match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.to_owned()),
            Err(_) => Self::Latin1 { text: decode_latin1(bytes).into_owned() },
        };
        read::each(properties.text(), drop)?;
        Ok(properties)
    }

    /// Checks a text whose bytes are ISO-8859-1. None if no bytes in ISO-8859-1 are read as this text.
    pub fn in_latin1(text: &str) -> Option<Result<Self, PropertiesError>> {
        let has_bytes = encoding_rs::mem::is_str_latin1(text) && !is_utf8_too(text);
        has_bytes.then(|| Self::parse(&encode_latin1_lossy(text)))
    }

    /// A text that was checked before it was stored. UTF-8 bytes are not copied.
    pub fn stored(bytes: Vec<u8>, is_latin1: bool) -> Result<Self, FromUtf8Error> {
        if is_latin1 {
            return Ok(Self::Latin1 { text: decode_latin1(&bytes).into_owned() });
        }
        String::from_utf8(bytes).map(Self::Utf8)
    }

    /// The decoded text.
    pub fn text(&self) -> &str {
        match self {
            Self::Utf8(text) | Self::Latin1 { text } => text,
        }
    }

    /// The decoded text, without a copy.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Utf8(text) | Self::Latin1 { text } => text,
        }
    }

    /// The bytes as they were stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Utf8(text) => text.clone().into_bytes(),
            Self::Latin1 { text } => encode_latin1_lossy(text).into_owned(),
        }
    }

    /// Whether the bytes are ISO-8859-1.
    pub const fn is_latin1(&self) -> bool {
        matches!(self, Self::Latin1 { .. })
    }

    /// The `charset` of [`Self::to_bytes`].
    pub const fn charset(&self) -> &'static str {
        match self {
            Self::Utf8(_) => "utf-8",
            Self::Latin1 { .. } => "iso-8859-1",
        }
    }

    /// Keys and values. If a key appears twice, the last value counts, as in Java.
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

    /// Calls a function with each key and value in the order of their lines, so that they are not all in memory.
    pub fn each(&self, each: impl FnMut(Property)) {
        read::each(self.text(), each).expect("the text was checked when it was made");
    }

    /// How many keys the text has, repeated keys included. If the text has no more than `max`, the answer may be any
    /// number up to `max`.
    pub(crate) fn count_over(&self, max: usize) -> usize {
        let ends = memchr::memchr2_iter(b'\n', b'\r', self.text().as_bytes()).count();
        if ends < max {
            return ends;
        }
        let mut count = 0;
        self.each(|_| count += 1);
        count
    }

    /// The short description. It reads no other lines, because every change asks for it.
    pub fn short_description(&self) -> Option<String> {
        let candidates = lines_that_may_have(SHORT_DESCRIPTION, self.text());
        let mut found = None;
        let read = read::each(&candidates, |Property { key, value, .. }| {
            if key == SHORT_DESCRIPTION {
                found = Some(value);
            }
        });
        read.expect("lines of a checked text were checked with it");
        found
    }

    /// Another text, in the same encoding if its bytes read back the same.
    pub(super) fn with_text(&self, text: String) -> Self {
        match self {
            Self::Latin1 { .. } if !is_utf8_too(&text) => Self::Latin1 { text },
            Self::Latin1 { .. } | Self::Utf8(_) => Self::Utf8(text),
        }
    }
}

/// Whether the bytes of a text in ISO-8859-1 are UTF-8 by chance, or because no other character is left. They would be read as UTF-8.
fn is_utf8_too(text: &str) -> bool {
    std::str::from_utf8(&encode_latin1_lossy(text)).is_ok()
}
