//! Reads the bearer token from the headers of a request (RFC 6750).

use http::{HeaderMap, header};

/// Returns the token of a request, or the error text.
pub fn bearer(headers: &HeaderMap) -> Result<&str, &'static str> {
    let value = headers.get(header::AUTHORIZATION).ok_or("JWT is missing")?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer".len()).ok_or("JWT is malformed")?;
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err("JWT is missing");
    }
    // White space separates the scheme and the token (RFC 9110, section 11.4). A token contains no white space.
    let token = token.strip_prefix(b" ").ok_or("JWT is malformed")?.trim_ascii();
    std::str::from_utf8(token).map_err(|_| "JWT is malformed")
}
