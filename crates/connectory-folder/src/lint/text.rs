//! The text of a file that is checked: findings point into it, and fixes change it.

use std::borrow::Cow;
use std::ops::Range;

use connectory_model::document::encoding::{self, Decoded, Encoding};
use connectory_model::lines::with_line_feeds;

/// A file's text. A document is decoded from what it declares (D23), other files from UTF-8 or, where the bytes are not UTF-8, from
/// ISO-8859-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The decoded text.
    pub text: Cow<'a, str>,
    encoding: Encoding,
}

/// A mechanical correction of a file's [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Replaces some bytes by another text.
    Replace {
        /// The bytes to replace.
        range: Range<usize>,
        /// The new text.
        text: String,
    },
    /// Ends each line in a line feed.
    LineFeeds,
}

impl<'a> Text<'a> {
    /// Decodes a file.
    pub fn decode(bytes: &'a [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes)
            && !text.contains('\0')
        {
            return Self { text: text.into(), encoding: Encoding::Utf8 };
        }
        match encoding::decode(bytes) {
            Ok(Decoded { text, encoding }) => Self { text, encoding },
            Err(_) => match std::str::from_utf8(bytes) {
                Ok(text) => Self { text: text.into(), encoding: Encoding::Utf8 },
                Err(_) => Self { text: encoding_rs::mem::decode_latin1(bytes), encoding: Encoding::Latin1 },
            },
        }
    }

    /// The bytes of the file with fixes applied, in the file's encoding. Of fixes that overlap, the first one is applied.
    pub fn fixed(&self, fixes: impl IntoIterator<Item = Fix>) -> Vec<u8> {
        let (mut replaced, mut has_line_feeds) = (Vec::new(), false);
        for fix in fixes {
            match fix {
                Fix::Replace { range, text } => replaced.push((range, text)),
                Fix::LineFeeds => has_line_feeds = true,
            }
        }
        replaced.sort_by_key(|(range, _)| range.start);
        let (mut fixed, mut copied) = (String::with_capacity(self.text.len()), 0);
        for (range, text) in replaced {
            if range.start >= copied {
                fixed.push_str(&self.text[copied..range.start]);
                fixed.push_str(&text);
                copied = range.end;
            }
        }
        fixed.push_str(&self.text[copied..]);
        if has_line_feeds {
            fixed = with_line_feeds(&fixed).into_owned();
        }
        self.encoding.encode(&fixed).into_owned()
    }
}
