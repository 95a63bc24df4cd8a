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
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
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

/// Whether bytes are a host, optionally with a port (RFC 3986, section 3.2). `http::uri::Authority` would copy them, and
/// accepts more.
fn is_host(host: &[u8]) -> bool {
    let port = if host.starts_with(b"[") {
        let text = std::str::from_utf8(host).ok().and_then(|host| host[1..].split_once(']'));
        let Some((_, port)) = text.filter(|(address, _)| address.parse::<Ipv6Addr>().is_ok()) else { return false };
        port.as_bytes()
    } else {
        let end = host.iter().position(|byte| !OF_NAME[usize::from(*byte)]).unwrap_or(host.len());
        if end == 0 {
            return false;
        }
        &host[end..]
    };
    port.is_empty() || port.strip_prefix(b":").is_some_and(|port| port.iter().all(u8::is_ascii_digit))
}

/// The bytes that a name of a host may contain. A table, because every request has a host.
const OF_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"-._~%!$&'()*+,;=";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128_u8 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = true;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["a", "registry.example.com", "a_b:8080", "127.0.0.1:80", "[::1]", "[2001:db8::1]:443", "a:"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for other in ["", ":80", "a b", "a/b", "user@a", "a:b", "a:80:80", "::1", "[::1", "[a]", "[::1]80", "ä", "a\t"]
        {
            assert!(!is_host(other.as_bytes()), "{other}");
        }
    }
}
