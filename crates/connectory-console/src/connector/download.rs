//! Answers that a browser stores as a file.

use http::HeaderValue;

/// The header that makes a browser store an answer as a file of this name.
pub fn attachment(name: &str) -> HeaderValue {
    let value = format!("attachment; filename=\"{name}\"");
    HeaderValue::try_from(value).expect("script names, locales and our file names are plain")
}
