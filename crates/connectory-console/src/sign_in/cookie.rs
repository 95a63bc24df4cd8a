//! The console's cookies.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

/// A cookie that scripts cannot read and other sites' forms do not send; a secure one is sent over HTTPS only.
pub fn cookie(is_secure: bool, name: &'static str, value: String, path: &'static str, lives: Duration) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path(path)
        .http_only(true)
        // Not Strict: someone who comes back from an OpenID provider comes from another site.
        .same_site(SameSite::Lax)
        .secure(is_secure)
        .max_age(lives.try_into().unwrap_or(cookie::time::Duration::ZERO))
        .build();
    HeaderValue::try_from(cookie.encoded().to_string()).expect("an encoded cookie is a header value")
}

/// A cookie's value.
pub fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(Cookie::split_parse_encoded)
        .flatten()
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
        .filter(|value| !value.is_empty())
}
