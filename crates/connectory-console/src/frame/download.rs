//! Responses that a browser saves as a file.

use http::HeaderValue;

/// The header that makes a browser save a response under a file name.
pub fn attachment(name: &str) -> HeaderValue {
    let value = format!("attachment; filename=\"{name}\"");
    HeaderValue::try_from(value).expect("script names, locales and our file names are plain")
}
