//! The text of a file that is checked: findings point into it, and fixes change it.

use std::borrow::Cow;
use std::ops::Range;

/// A file's text, decoded from UTF-8 or, where the bytes are not UTF-8, from ISO-8859-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The decoded text.
    pub text: Cow<'a, str>,
    is_latin1: bool,
}

/// A mechanical correction: it replaces some bytes of a file's [`Text`] by another text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The bytes to replace.
    pub range: Range<usize>,
    /// The new text.
    pub text: String,
}

impl<'a> Text<'a> {
    /// Decodes a file.
    pub fn decode(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.into(), is_latin1: false },
            Err(_) => Self { text: encoding_rs::mem::decode_latin1(bytes), is_latin1: true },
        }
    }

    /// The bytes of the file with fixes applied, in the file's encoding. Of fixes that overlap, the first one is applied.
    pub fn fixed(&self, fixes: impl IntoIterator<Item = Fix>) -> Vec<u8> {
        let mut fixes: Vec<_> = fixes.into_iter().collect();
        fixes.sort_by_key(|fix| fix.range.start);
        let (mut fixed, mut copied) = (String::with_capacity(self.text.len()), 0);
        for Fix { range, text } in fixes {
            if range.start >= copied {
                fixed.push_str(&self.text[copied..range.start]);
                fixed.push_str(&text);
                copied = range.end;
            }
        }
        fixed.push_str(&self.text[copied..]);
        if self.is_latin1 { encoding_rs::mem::encode_latin1_lossy(&fixed).into_owned() } else { fixed.into_bytes() }
    }
}
