//! The token in a request's head (RFC 6750).

use http::{HeaderMap, header};

/// The token of a request.
pub fn bearer(headers: &HeaderMap) -> Result<&str, &'static str> {
    let value = headers.get(header::AUTHORIZATION).ok_or("JWT is missing")?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer".len()).ok_or("JWT is malformed")?;
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err("JWT is missing");
    }
    // Between scheme and token is white space (RFC 9110, section 11.4), and a token has none.
    let token = token.strip_prefix(b" ").ok_or("JWT is malformed")?.trim_ascii();
    std::str::from_utf8(token).map_err(|_| "JWT is malformed")
}
