//! The console's cookies.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

/// How the cookies of a console are set.
#[derive(Clone, Copy)]
pub struct Cookies {
    is_https: bool,
}

impl Cookies {
    /// The cookies of a console at this address.
    pub fn at(public_url: &str) -> Self {
        Self { is_https: public_url.starts_with("https:") }
    }

    /// The header that sets a cookie. Scripts cannot read it, and browsers do not send it with forms of other sites. If
    /// the console has an HTTPS address, they send it over HTTPS only.
    pub fn set(self, name: &'static str, value: String, path: &'static str, lifetime: Duration) -> HeaderValue {
        let cookie = Cookie::build((name, value))
            .path(path)
            .http_only(true)
            // Not `Strict`, because the redirect from an OpenID provider comes from another site.
            .same_site(SameSite::Lax)
            .secure(self.is_https)
            .max_age(lifetime.try_into().unwrap_or(cookie::time::Duration::ZERO))
            .build();
        HeaderValue::try_from(cookie.encoded().to_string()).expect("an encoded cookie is a header value")
    }

    /// The header that removes a cookie.
    pub fn remove(self, name: &'static str, path: &'static str) -> HeaderValue {
        self.set(name, String::new(), path, Duration::ZERO)
    }
}

/// The value of a cookie that a request has.
pub fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(Cookie::split_parse_encoded)
        .flatten()
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
        .filter(|value| !value.is_empty())
}
