//! Fingerprints of texts. A form sends one, to show whether the text has changed since it was opened. The address of an
//! asset has one, so that browsers load a changed file.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The fingerprint of a text.
pub fn fingerprint(text: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}
