//! Signing in at an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0; RFC 7636).
//!
//! A person whom the provider knows needs a group: one is for administrators, one for readers. All others are denied.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectory_model::access::{Scope, Scopes, UserLevel};
use connectory_model::limits::PROVIDER_REQUESTS;
use connectory_model::reason;
use connectory_server::auth::keys::Keys;
use connectory_server::options::OidcOptions;
use connectory_server::work::WorkError;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, ClientId, ClientSecret, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, RedirectUrl, StandardErrorResponse, StandardTokenResponse,
};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::attempt::Seal;
use crate::frame::error::PageError;
use crate::frame::texts::Message;

/// The time for which the metadata and keys of the provider are cached.
const CACHED_FOR: Duration = Duration::from_mins(10);
/// The longest time for a response of the provider.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The path to which the provider redirects after a sign-in.
const CALLBACK: &str = "/console/oidc/callback";

/// Claims beyond the standard ones.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Claims(pub(super) HashMap<String, Value>);

impl AdditionalClaims for Claims {}

pub type Fields = IdTokenFields<
    Claims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

pub type Client = openidconnect::Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The reason why no provider can be asked: this system has no certificates to recognize it by.
#[derive(Debug, thiserror::Error)]
#[error("the certificates of this system, by which the provider is recognized, cannot be read: {0}")]
pub struct NoCertificates(String);

/// An OpenID provider.
pub struct Oidc {
    options: OidcOptions,
    /// The address under which clients reach this server.
    public_url: String,
    http: reqwest::Client,
    provider: Mutex<Option<(Instant, CoreProviderMetadata)>>,
    /// The requests to the provider that may run.
    requests: Semaphore,
    /// Seals the sign-ins that have begun.
    pub(super) seal: Seal,
}

impl Oidc {
    /// The provider of these options.
    pub fn new(options: OidcOptions, public_url: String, keys: &Keys) -> Result<Self, NoCertificates> {
        let seal = Seal::new(&keys.derive("sign-ins at an OpenID provider"));
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .tls_backend_preconfigured(tls().map_err(|error| NoCertificates(error.to_string()))?)
            // A redirect could lead to a server that is not the provider.
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(PROVIDER_REQUESTS)
            .build()
            .expect("these settings make a client");
        Ok(Self {
            options,
            public_url,
            http,
            provider: Mutex::default(),
            requests: Semaphore::new(PROVIDER_REQUESTS),
            seal,
        })
    }

    /// The options.
    pub fn options(&self) -> &OidcOptions {
        &self.options
    }

    /// The HTTP client for requests to the provider.
    pub fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// Takes the turn of a request to the provider, or refuses it: strangers can begin sign-ins.
    pub fn turn(&self) -> Result<SemaphorePermit<'_>, PageError> {
        self.requests.try_acquire().map_err(|_| WorkError::Busy.into())
    }

    async fn provider(&self) -> Result<CoreProviderMetadata, PageError> {
        let cached = self.provider.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, provider)) = cached
            && read.elapsed() < CACHED_FOR
        {
            return Ok(provider);
        }
        let _turn = self.turn()?;
        let issuer = IssuerUrl::new(self.options.issuer.clone()).map_err(|error| unreachable_provider(&error))?;
        let http = |request| send(self.http.clone(), request);
        let provider =
            CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| unreachable_provider(&error))?;
        *self.provider.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), provider.clone()));
        Ok(provider)
    }

    /// This server as the provider's client.
    pub async fn client(&self) -> Result<Client, PageError> {
        let redirect = RedirectUrl::new(format!("{}{CALLBACK}", self.public_url));
        let redirect = redirect.map_err(|error| PageError::internal(&error))?;
        let secret = self.options.client_secret.clone().map(ClientSecret::new);
        let id = ClientId::new(self.options.client_id.clone());
        Ok(Client::from_provider_metadata(self.provider().await?, id, secret).set_redirect_uri(redirect))
    }

    /// The level and scopes of a person with these claims.
    pub fn rights(&self, claims: &Claims) -> Option<(UserLevel, Scopes)> {
        let groups = match claims.0.get(&self.options.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![group.as_str()],
            _ => Vec::new(),
        };
        let is_in = |group: &Option<String>| group.as_deref().is_some_and(|group| groups.contains(&group));
        if is_in(&self.options.admin_group) {
            Some((UserLevel::OrgAdmin, [Scope::All].into()))
        } else if is_in(&self.options.reader_group) {
            Some((UserLevel::OrgAdmin, [Scope::ReadConnectors].into()))
        } else {
            None
        }
    }
}

/// TLS with the certificates of the platform. Uses the cryptography that the program has chosen, or else ring, without
/// choosing it for the rest of the program.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut tls = builder.with_platform_verifier()?.with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

/// 502: the provider does not answer as it should.
pub fn unreachable_provider(error: &dyn std::error::Error) -> PageError {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let chain = causes.map(reason).collect::<Vec<_>>().join(": ");
    PageError::bad_gateway(Message::new("oidc.unreachable"), chain)
}

/// Sends a request to the provider.
pub async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let answer = http.execute(request.try_into()?).await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}
