//! Answers for programs in browsers that come from other origins (the Fetch standard, section 3.3; D83).
//!
//! A browser shows a program only what the server allows its origin to see. Tokens are in headers that the program sets, so
//! no cookie and no other credential of the browser is ever allowed.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, Request, StatusCode, header};

/// Every origin.
const ANY: &str = "*";
/// The headers of answers that a program may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "X-Total-Count, Retry-After, SLPT-Request-ID, ETag, Link, Idempotency-Replayed, Connectory-Idempotency-Key, \
     Connectory-Revision, Connectory-Unknown-Parameter, Connectory-Fault",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// The headers of requests, if a preflight names none.
const HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type");
/// How long a browser keeps the answer to a preflight, in seconds: as long as the strictest one does at most.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// What the origin of a request may do.
pub struct CrossOrigin {
    /// The origin, or `*`. None if it is none of the allowed ones, or there is none.
    allowed: Option<HeaderValue>,
    /// Whether every origin is allowed, so that the answer does not depend on it.
    is_any: bool,
}

impl CrossOrigin {
    /// Compares the origin of a request with the allowed ones.
    pub fn of<B>(origins: &[HeaderValue], request: &Request<B>) -> Self {
        let is_any = origins.iter().any(|origin| origin == ANY);
        let origin = request.headers().get(header::ORIGIN);
        let allowed = match origin {
            Some(_) if is_any => Some(HeaderValue::from_static(ANY)),
            Some(origin) => origins.iter().find(|allowed| *allowed == origin).cloned(),
            None => None,
        };
        Self { allowed, is_any }
    }

    /// The answer to a preflight of an allowed origin, which has no token. None for all other requests.
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response> {
        let asked = request.headers();
        let is_preflight =
            request.method() == Method::OPTIONS && asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || self.allowed.is_none() {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        // What a request may have is decided when it is made.
        let allowed = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(HEADERS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        headers.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        Some(response)
    }

    /// Allows the origin to see an answer.
    pub fn allow(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if !self.is_any {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(allowed) = self.allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        response
    }
}

/// Whether a text is `*` or an origin as browsers write it (RFC 6454, section 6.2): a scheme, a host in lower case and a port
/// that is not the one of the scheme.
pub fn is_origin(text: &str) -> bool {
    let Some((scheme, place)) = text.split_once("://") else { return text == ANY };
    let is_word = |text: &str, marks: &str| {
        let mut characters = text.chars();
        !text.is_empty() && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || marks.contains(c))
    };
    let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        Some((address, port)) => (address, port),
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some("80") => scheme != "http",
        Some("443") => scheme != "https",
        Some(port) => port.parse::<u16>().is_ok_and(|number| number.to_string() == port),
    };
    let marks = if place.starts_with('[') { ":." } else { "-._" };
    is_word(scheme, "+-.") && is_word(host, marks) && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for origin in ["*", "http://localhost:4200", "https://a.example.com", "http://[::1]:8080", "tauri://localhost"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "null",
            "localhost",
            "localhost:4200",
            "http://localhost:4200/",
            "https://a.example/b",
            "https://A.example",
            "http://a:80",
            "https://a:443",
            "https://*.a.example",
            "http://a:b",
            "http://a:070",
            "http://u@a",
            "://a",
            "http://",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
