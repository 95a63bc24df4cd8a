//! Why a request is not authenticated or not allowed.

use connectory_model::access::Denied;
use connectory_store::StoreError;

/// Why a request is not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no token, or it is not valid.
    #[error("JWT validation failed: {0}")]
    Token(&'static str),
    /// The client made too many requests.
    #[error("too many requests; try again in {0} seconds")]
    RateLimit(u64),
    /// The client may not do this.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The client cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a client's id and secret are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// There is no such client, or the secret is another one.
    #[error("the client id or the client secret is wrong")]
    Wrong,
    /// The client cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
