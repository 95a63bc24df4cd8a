//! Checks the header `Host`.
//!
//! Two programs on the way of a request could understand an ambiguous host differently. So a server must refuse it
//! (RFC 9112, section 3.2). HTTP/2 has `:authority` in its place, which the library checks.

use std::net::Ipv6Addr;

use connectory_model::limits::QUOTED_CHARS;
use connectory_model::shown;
use http::{Request, Version, header};

use super::error::ApiError;

/// Refuses a request that does not have exactly one host. A request of HTTP/1.0 may have none.
pub fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    if request.version() > Version::HTTP_11 {
        return Ok(());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.to_str().is_ok_and(is_host) => Ok(()),
        (Some(host), None) => {
            let host = String::from_utf8_lossy(host.as_bytes());
            let host = shown(&host, QUOTED_CHARS);
            Err(ApiError::bad_request(format!("the header `Host` must be a host and optionally a port, got `{host}`")))
        }
        (Some(_), Some(_)) => Err(ApiError::bad_request("the request has several `Host` headers; expected one")),
        (None, _) if request.version() < Version::HTTP_11 => Ok(()),
        (None, _) => Err(ApiError::bad_request("the header `Host` is missing; HTTP/1.1 requires it")),
    }
}

/// Whether a text is a host, optionally with a port (RFC 3986, section 3.2). `http::uri::Authority` would copy the text,
/// and accepts more.
fn is_host(text: &str) -> bool {
    let (is_host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(None) => return false,
        Some(Some((address, port))) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (!name.is_empty() && name.bytes().all(is_of_name), port)
        }
    };
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit())))
}

/// Whether a name of a host may contain a byte.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["a", "registry.example.com", "a_b:8080", "127.0.0.1:80", "[::1]", "[2001:db8::1]:443", "a:"] {
            assert!(is_host(host), "{host}");
        }
        for other in ["", ":80", "a b", "a/b", "user@a", "a:b", "a:80:80", "::1", "[::1", "[a]", "[::1]80", "ä", "a\t"]
        {
            assert!(!is_host(other), "{other}");
        }
    }
}
