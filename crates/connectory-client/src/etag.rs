//! Entity tags, as the service sends them and as programs keep them.

use std::fmt;
use std::str::FromStr;

use reqwest::header::{ETAG, HeaderMap, HeaderName};

/// The entity tag of something that was read (RFC 9110, section 8.8.3), as the service sends it, with its quotation marks.
/// It can be kept as a text, and read again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(String);

/// A text that is not an entity tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an entity tag: it is a text in quotation marks, such as `\"12.ungWv48Bz-pBQUDeXa4iIw\"`")]
pub struct InvalidETag(String);

impl ETag {
    /// The tag with its quotation marks.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(ETAG)?.to_str().ok()?.parse().ok()
    }
}

impl FromStr for ETag {
    type Err = InvalidETag;

    fn from_str(text: &str) -> Result<Self, InvalidETag> {
        let quoted = text.strip_prefix("W/").unwrap_or(text);
        let opaque = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let is_tag = opaque.is_some_and(|opaque| opaque.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'));
        if is_tag { Ok(Self(text.to_owned())) } else { Err(InvalidETag(text.to_owned())) }
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A condition of a call: the header and the tag.
pub(crate) type Condition<'a> = Option<(HeaderName, &'a ETag)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        for text in ["\"12.ungWv48Bz-pBQUDeXa4iIw\"", "W/\"a\"", "\"\""] {
            assert_eq!(text.parse::<ETag>().unwrap().to_string(), text);
        }
        for text in ["", "a", "\"", "\"a", "w/\"a\"", "\"a\"b\"", "\"a\nb\"", "\"\u{e4}\"", "\"a\", \"b\""] {
            let error = text.parse::<ETag>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not an entity tag")), "{error}");
        }
    }
}
