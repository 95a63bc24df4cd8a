//! Entity tags (RFC 9110, section 8.8.3; D49).

use std::convert::Infallible;
use std::fmt;

use axum::response::{IntoResponseParts, ResponseParts};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use connectory_store::RevisionNumber;
use http::{HeaderValue, header};
use sha2::{Digest as _, Sha256};

use super::coding::Coding;

/// The first 128 bits of a SHA-256. They are the same in every process and on every machine, and enough that no two
/// representations share them.
pub type Digest = [u8; 16];

/// Hashes bytes.
pub fn digest(bytes: impl AsRef<[u8]>) -> Digest {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    *hash.first_chunk().expect("a SHA-256 is longer")
}

/// Writes a digest as text, with letters, digits, `-` and `_`.
pub fn digest_text(digest: Digest) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

/// A strong entity tag, ready to be sent. A clone copies no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(pub(super) HeaderValue);

impl ETag {
    /// The tag of a representation that is only its bytes: `"<hash>"`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self::of_digest(digest(bytes))
    }

    /// The tag of a representation with this digest.
    pub fn of_digest(digest: Digest) -> Self {
        Self::quoting(format_args!("{}", digest_text(digest)))
    }

    /// The tag of a representation of a connector at a revision: `"<revision>.<hash>"`. A built-in connector has no
    /// revision: it has [`RevisionNumber::ZERO`].
    pub fn of_revision(revision: RevisionNumber, bytes: impl AsRef<[u8]>) -> Self {
        Self::quoting(format_args!("{revision}.{}", digest_text(digest(bytes))))
    }

    fn quoting(text: fmt::Arguments<'_>) -> Self {
        Self(format!("\"{text}\"").try_into().expect("digits, letters and marks are a header value"))
    }

    /// The tag of the same representation in a content coding: each coding has its own (RFC 9110, section 8.8.3.3).
    #[must_use]
    pub fn coded(&self, coding: Coding) -> Self {
        match (coding.name(), self.as_str().strip_suffix('"')) {
            (Some(name), Some(start)) => {
                Self(format!("{start}-{name}\"").try_into().expect("a tag and a name are a header value"))
            }
            _ => self.clone(),
        }
    }

    /// The tag with its quotation marks.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("a tag is made of a text")
    }
}

impl From<ETag> for HeaderValue {
    fn from(tag: ETag) -> Self {
        tag.0
    }
}

/// Adds the header to a response.
impl IntoResponseParts for ETag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.headers_mut().insert(header::ETAG, self.0);
        Ok(parts)
    }
}
