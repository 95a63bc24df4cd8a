//! A sign-in at an OpenID provider that has begun. The browser keeps it in a sealed cookie, and the server keeps nothing.
//! So strangers who begin sign-ins take no room from others, and a restart does not interrupt a sign-in.
//!
//! The cookie can neither be read nor be made outside of the servers of this database. Its `state` must be the one that
//! the provider sends back, so a forged link cannot make a user finish the sign-in of another user. The cookie is removed
//! after its use. A copy of the cookie is worth nothing then: the provider takes each authorization code once (RFC 6749,
//! section 4.1.2), and the nonce in the cookie belongs to that code alone.

use connectory_model::limits::OPENID_TIME;
use cookie::{Cookie, CookieJar, Key};
use serde::{Deserialize, Serialize};

/// A sign-in that has begun.
#[derive(Serialize, Deserialize)]
pub struct Attempt {
    /// The value that the provider sends back with the browser.
    pub state: String,
    /// The value that the ID token must repeat.
    pub nonce: String,
    /// The proof that the server that began it finishes it (PKCE).
    pub verifier: String,
    /// The page to show after it.
    pub back: String,
    /// The time at which it began, in seconds since 1970-01-01 UTC.
    pub began: u64,
}

impl Attempt {
    /// Whether it may still be finished.
    fn is_current(&self, now: u64) -> bool {
        now.checked_sub(self.began).is_some_and(|seconds| seconds < OPENID_TIME.as_secs())
    }
}

/// The name that the jar seals with the value. It is not the name in the browser, which depends on the address.
const NAME: &str = "attempt";

/// Seals attempts, and opens them again.
pub struct Seal(Key);

impl Seal {
    /// The seal with a secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Key::derive_from(secret))
    }

    /// Makes the value of the cookie.
    pub fn close(&self, attempt: &Attempt) -> String {
        let text = serde_json::to_string(attempt).expect("texts are JSON");
        let mut jar = CookieJar::new();
        jar.private_mut(&self.0).add((NAME, text));
        jar.get(NAME).map(|cookie| cookie.value().to_owned()).unwrap_or_default()
    }

    /// Reads the value of a cookie, if it is the attempt with this `state` and not too old.
    pub fn open(&self, sealed: String, state: &str, now: u64) -> Option<Attempt> {
        let cookie = CookieJar::new().private(&self.0).decrypt(Cookie::new(NAME, sealed))?;
        let attempt: Attempt = serde_json::from_str(cookie.value()).ok()?;
        (attempt.state == state && attempt.is_current(now)).then_some(attempt)
    }
}

#[cfg(test)]
mod tests {
    use connectory_model::limits::OPENID_BACK_BYTES;
    use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge};

    use super::*;
    use crate::sign_in::cookie::{Cookies, OPENID};

    /// An attempt with values as long as they are, and the longest page to go back to.
    fn longest() -> Attempt {
        let (_, verifier) = PkceCodeChallenge::new_random_sha256();
        Attempt {
            state: CsrfToken::new_random().into_secret(),
            nonce: Nonce::new_random().secret().clone(),
            verifier: verifier.into_secret(),
            back: "\\".repeat(OPENID_BACK_BYTES),
            began: 1000,
        }
    }

    #[test]
    fn an_attempt_is_opened_with_its_state_by_the_same_secret_for_ten_minutes() {
        let (seal, attempt) = (Seal::new(&[1; 32]), longest());
        let sealed = seal.close(&attempt);
        assert!(!sealed.contains(&attempt.state));
        for (secret, state, now, is_open) in [
            ([1; 32], attempt.state.as_str(), 1000, true),
            ([1; 32], &attempt.state, 1599, true),
            ([1; 32], &attempt.state, 1600, false),
            ([1; 32], &attempt.state, 999, false),
            ([1; 32], "other", 1000, false),
            ([2; 32], &attempt.state, 1000, false),
        ] {
            assert_eq!(Seal::new(&secret).open(sealed.clone(), state, now).is_some(), is_open, "{state} {now}");
        }
        let back = seal.open(sealed.clone(), &attempt.state, 1000).map(|attempt| attempt.back);
        assert_eq!(back, Some(attempt.back));
        let changed = sealed.replacen(|char: char| char.is_ascii_lowercase(), "A", 1);
        assert!(seal.open(changed, &attempt.state, 1000).is_none() && seal.open(String::new(), "", 1000).is_none());
    }

    #[test]
    fn browsers_keep_the_longest_attempt() {
        let sealed = Seal::new(&[1; 32]).close(&longest());
        let cookie = Cookies::at("https://a.example").set(OPENID, sealed, OPENID_TIME);
        assert!(cookie.len() <= 4096, "{}", cookie.len());
    }
}
