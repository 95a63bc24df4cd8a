//! The errors of authentication and authorization.

use std::borrow::Cow;

use connectory_model::access::Denied;
use connectory_store::StoreError;

/// The reason why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The token is missing or not valid.
    #[error("JWT validation failed: {0}")]
    Token(Cow<'static, str>),
    /// The client made too many requests. The number is the seconds to wait.
    #[error("too many requests; try again in {}", seconds(*.0))]
    RateLimit(u64),
    /// The client does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The client cannot be read from the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The reason why the id and the secret of a client are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The client does not exist, or the secret is wrong.
    #[error("the client id or the client secret is wrong")]
    Wrong,
    /// Too many wrong secrets were sent for the client from this address. The number is the seconds to wait.
    #[error("too many wrong secrets were sent for this client from this address; try again in {}", seconds(*.0))]
    Delayed(u64),
    /// Too many other secrets are being verified.
    #[error("too many clients are signing in at the moment; try again")]
    Busy,
    /// The client cannot be read from the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A number of seconds in words.
fn seconds(number: u64) -> String {
    format!("{number} second{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_written_as_people_say_it() {
        assert_eq!(AuthError::RateLimit(1).to_string(), "too many requests; try again in 1 second");
        assert!(CredentialsError::Delayed(2).to_string().ends_with("try again in 2 seconds"));
    }
}
