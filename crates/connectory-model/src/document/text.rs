//! The text of a document, and its bytes.
//!
//! A document is stored and served as the bytes that were sent. Everything else sees their text, without their byte order
//! mark and the encoding that they declare: a text has none. Most documents are UTF-8 and have no other bytes than their text.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::encoding::{Decoded, Encoding, decode, without_encoding};
use super::xml::Malformed;

/// The text of a document, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    text: Box<str>,
    /// The bytes, if they are others than those of the text. Few documents have any, and connectors are moved a lot.
    own: Option<Box<Own>>,
}

/// Bytes that are not those of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Own {
    bytes: Box<[u8]>,
    encoding: Encoding,
}

impl DocumentText {
    /// Reads bytes whose encoding is what they declare. Also returns the text as its author sees it, with the whole declaration.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, Cow<'_, str>), Malformed> {
        let Decoded { text, encoding } = decode(bytes)?;
        Ok((Self::of(&text, bytes, encoding), text))
    }

    /// The document of bytes that were stored. Those of older versions may declare another encoding than theirs: they were always
    /// UTF-8. `None` if no version stores such bytes.
    pub fn stored(bytes: Vec<u8>) -> Option<Self> {
        if let Ok(Decoded { text, encoding }) = decode(&bytes) {
            return Some(if text.as_bytes() == bytes && without_encoding(&text).len() == text.len() {
                drop(text);
                Self { text: String::from_utf8(bytes).ok()?.into(), own: None }
            } else {
                Self::of(&text, &bytes, encoding)
            });
        }
        let text = std::str::from_utf8(&bytes).ok()?;
        Some(Self::of(text, &bytes, Encoding::Utf8))
    }

    fn of(text: &str, bytes: &[u8], encoding: Encoding) -> Self {
        let text: Box<str> = without_encoding(text).into();
        let own = (text.as_bytes() != bytes).then(|| Own { bytes: bytes.into(), encoding }.into());
        Self { text, own }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, without a copy.
    pub fn into_text(self) -> String {
        self.text.into()
    }

    /// The bytes, as they were sent.
    pub fn bytes(&self) -> &[u8] {
        self.own_bytes().unwrap_or(self.text.as_bytes())
    }

    /// The charset of the bytes, for a `Content-Type`.
    pub fn charset(&self) -> &'static str {
        self.own.as_ref().map_or(Encoding::Utf8, |own| own.encoding).charset()
    }

    /// The bytes, if they are others than those of the text.
    pub fn own_bytes(&self) -> Option<&[u8]> {
        self.own.as_ref().map(|own| &*own.bytes)
    }

    /// Whether the bytes are UTF-8.
    pub fn is_utf8(&self) -> bool {
        self.own_bytes().is_none_or(|bytes| std::str::from_utf8(bytes).is_ok())
    }

    /// How many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.text.len() + self.own_bytes().map_or(0, <[u8]>::len)
    }

    /// The larger one of text and bytes, which is what the limit of a document is about.
    pub fn measure(&self) -> usize {
        self.text.len().max(self.bytes().len())
    }
}

impl From<String> for DocumentText {
    fn from(text: String) -> Self {
        Self::stored(text.into_bytes()).expect("a text is UTF-8")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Json<'a> {
    Text(Cow<'a, str>),
    Bytes { base64: String, text: Cow<'a, str> },
}

impl Serialize for DocumentText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Cow::from(self.as_str());
        match self.own_bytes() {
            None => Json::Text(text),
            Some(bytes) => Json::Bytes { base64: BASE64_STANDARD.encode(bytes), text },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DocumentText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Text(text) => Ok(text.into_owned().into()),
            Json::Bytes { base64, .. } => {
                let bytes = BASE64_STANDARD.decode(base64).map_err(de::Error::custom)?;
                Self::stored(bytes).ok_or_else(|| de::Error::custom("the bytes are not those of a document"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_older_versions_stored_stays_readable() {
        for (stored, text) in [
            ("<?xml version='1.0' encoding='utf-16'?><A/>", "<?xml version='1.0'?><A/>"),
            ("<?xml version='1.0' encoding='klingon'?><A/>", "<?xml version='1.0'?><A/>"),
            ("<A>ä</A>", "<A>ä</A>"),
            ("\u{feff}<A>ä</A>", "<A>ä</A>"),
            ("", ""),
        ] {
            let document = DocumentText::stored(stored.as_bytes().to_vec()).expect(stored);
            assert_eq!((document.as_str(), document.bytes()), (text, stored.as_bytes()));
            assert_eq!(document.own_bytes().is_some(), text != stored);
        }
        assert_eq!(DocumentText::stored(b"<A>\xe4</A>".to_vec()), None);
    }

    #[test]
    fn json_has_the_bytes_where_they_are_others() {
        for bytes in
            [b"<A/>".as_slice(), b"<?xml version='1.0' encoding='ISO-8859-1'?><A>\xe4</A>", b"\xff\xfe<\0A\0/\0>\0"]
        {
            let document = DocumentText::stored(bytes.to_vec()).expect("a document");
            let json = serde_json::to_string(&document).expect("JSON");
            assert_eq!(serde_json::from_str::<DocumentText>(&json).expect("a document"), document);
            assert_eq!(document.bytes(), bytes);
        }
    }
}
