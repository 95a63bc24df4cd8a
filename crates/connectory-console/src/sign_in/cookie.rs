//! The console's cookies.
//!
//! Under HTTPS the names of cookies that let someone in begin with `__Host-`. Browsers accept such a cookie only over
//! HTTPS, for the whole host, and from the host itself. So no neighbour under the same domain can plant one. A cookie of
//! the other name is not read.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

/// The name of a cookie.
#[derive(Clone, Copy)]
pub struct CookieName {
    http: &'static str,
    https: &'static str,
}

/// The cookie with the id of the session.
pub const SESSION: CookieName = CookieName { http: "connectory_session", https: "__Host-connectory_session" };
/// The cookie with a sign-in at an OpenID provider that has begun.
pub const OPENID: CookieName = CookieName { http: "connectory_oidc", https: "__Host-connectory_oidc" };
/// The cookie with language and theme. It lets nobody in, so its name is always the same.
pub const PREFERENCES: CookieName = CookieName { http: "connectory_preferences", https: "connectory_preferences" };

/// How the cookies of a console are set and read.
#[derive(Clone, Copy)]
pub struct Cookies {
    is_https: bool,
}

impl Cookies {
    /// The cookies of a console at this address.
    pub fn at(public_url: &str) -> Self {
        Self { is_https: public_url.starts_with("https:") }
    }

    fn name(self, name: CookieName) -> &'static str {
        if self.is_https { name.https } else { name.http }
    }

    /// The header that sets a cookie. Scripts cannot read it, and browsers do not send it with forms of other sites. If
    /// the console has an HTTPS address, they send it over HTTPS only.
    pub fn set(self, name: CookieName, value: String, lifetime: Duration) -> HeaderValue {
        let cookie = Cookie::build((self.name(name), value))
            .path("/")
            .http_only(true)
            // Not `Strict`, because the redirect from an OpenID provider comes from another site.
            .same_site(SameSite::Lax)
            .secure(self.is_https)
            .max_age(lifetime.try_into().unwrap_or(cookie::time::Duration::ZERO))
            .build();
        HeaderValue::try_from(cookie.encoded().to_string()).expect("an encoded cookie is a header value")
    }

    /// The header that removes a cookie.
    pub fn remove(self, name: CookieName) -> HeaderValue {
        self.set(name, String::new(), Duration::ZERO)
    }

    /// The value of a cookie that a request has.
    pub fn value(self, headers: &HeaderMap, name: CookieName) -> Option<String> {
        let name = self.name(name);
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies
            .flat_map(Cookie::split_parse_encoded)
            .flatten()
            .find(|cookie| cookie.name() == name)
            .map(|cookie| cookie.value().to_owned())
            .filter(|value| !value.is_empty())
    }
}
