//! What a server is started with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use connectory_model::limits;

use crate::clock::Clock;
use crate::rate_limit::RateLimit;
use crate::trusted_proxies::TrustedProxies;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Further catalogues of built-in connectors.
    pub catalogs: Vec<PathBuf>,
    /// How often a client may call, if there is a limit.
    pub rate_limit: Option<RateLimit>,
    /// How long a token is valid.
    pub token_lifetime: Duration,
    /// How large a request's body may be, in bytes.
    pub max_request: usize,
    /// How large a document may be, in bytes.
    pub max_document: usize,
    /// How large a whole connector may be, in bytes of JSON.
    pub max_connector: usize,
    /// How many bytes request bodies may have together.
    pub max_bodies: usize,
    /// How many bytes answers on the way may have together.
    pub max_answers: usize,
    /// The proxies that are believed when they say whom they speak for.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The time.
    pub clock: Clock,
    /// The address under which clients reach the server, without a slash at its end.
    pub public_url: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            catalogs: Vec::new(),
            rate_limit: Some(RateLimit::STANDARD),
            token_lifetime: Duration::from_mins(12),
            max_request: limits::REQUEST_BYTES,
            max_document: limits::DOCUMENT_BYTES,
            max_connector: limits::CONNECTOR_BYTES,
            max_bodies: limits::BODIES_BYTES,
            max_answers: limits::ANSWERS_BYTES,
            trusted_proxies: Arc::default(),
            clock: Clock::default(),
            public_url: "http://127.0.0.1:8080".to_owned(),
        }
    }
}

/// The OpenID provider at which people may sign in to the console, and who of them gets in.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// The provider's issuer.
    pub issuer: String,
    /// This server's id at the provider.
    pub client_id: String,
    /// This server's secret there; none for a public client.
    pub client_secret: Option<String>,
    /// The claim that holds someone's groups.
    pub groups_claim: String,
    /// Members of this group manage connectors and API clients.
    pub admin_group: Option<String>,
    /// Members of this group see connectors.
    pub reader_group: Option<String>,
    /// The tenant that they see.
    pub tenant: String,
}
