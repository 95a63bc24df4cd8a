//! Signing in at an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0; RFC 7636).
//!
//! Whoever the provider knows gets in only by a group: one for administrators, one for readers (deny by default).
//! What is on the way is cached here under its `state`, and the browser that began has the same in a cookie, so that
//! nobody can be made to finish what another began.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectory_model::access::{Scope, UserLevel};
use connectory_server::http::error::ApiError;
use connectory_server::options::OidcOptions;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, ClientId, ClientSecret, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, Nonce, PkceCodeVerifier, RedirectUrl, StandardErrorResponse,
    StandardTokenResponse,
};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// For how long someone may take to sign in at the provider (our decision).
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);
/// How many may be on the way.
const MAX_ATTEMPTS: usize = 10_000;
/// For how long what the provider says of itself, with its keys, is cached.
const CACHED_FOR: Duration = Duration::from_mins(10);
/// How long an answer of the provider may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The path to which the provider sends someone back.
pub const CALLBACK: &str = "/console/oidc/callback";

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

/// A sign-in on the way.
pub struct Attempt {
    /// What the ID token has to repeat.
    pub nonce: Nonce,
    /// The proof that the same server finishes it.
    pub verifier: PkceCodeVerifier,
    /// Where to go then.
    pub back: String,
    /// When it began.
    pub began: Instant,
}

/// Signing in at a provider.
pub struct Oidc {
    options: OidcOptions,
    /// The address under which clients reach this server.
    public_url: String,
    http: reqwest::Client,
    provider: Mutex<Option<(Instant, CoreProviderMetadata)>>,
    attempts: Mutex<HashMap<String, Attempt>>,
}

impl Oidc {
    /// Signing in at the provider of these options.
    pub fn new(options: OidcOptions, public_url: String) -> Self {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .tls_backend_preconfigured(tls().expect("the platform has certificates"))
            // The provider's answers are taken from the provider alone.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("these settings make a client");
        Self { options, public_url, http, provider: Mutex::default(), attempts: Mutex::default() }
    }

    /// The options.
    pub fn options(&self) -> &OidcOptions {
        &self.options
    }

    /// The client that speaks to the provider.
    pub fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    async fn provider(&self) -> Result<CoreProviderMetadata, ApiError> {
        let cached = self.provider.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, provider)) = cached
            && read.elapsed() < CACHED_FOR
        {
            return Ok(provider);
        }
        let issuer = IssuerUrl::new(self.options.issuer.clone()).map_err(|error| unreachable_provider(&error))?;
        let http = |request| send(self.http.clone(), request);
        let provider =
            CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| unreachable_provider(&error))?;
        *self.provider.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), provider.clone()));
        Ok(provider)
    }

    /// This server as the provider's client.
    pub async fn client(&self) -> Result<Client, ApiError> {
        let redirect = RedirectUrl::new(format!("{}{CALLBACK}", self.public_url));
        let redirect = redirect.map_err(|error| ApiError::internal(&error))?;
        let secret = self.options.client_secret.clone().map(ClientSecret::new);
        let id = ClientId::new(self.options.client_id.clone());
        Ok(Client::from_provider_metadata(self.provider().await?, id, secret).set_redirect_uri(redirect))
    }

    /// Keeps a sign-in until it is finished.
    pub fn begin(&self, state: String, attempt: Attempt) -> Result<(), ApiError> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, attempt| attempt.began.elapsed() < ATTEMPT_LIFETIME);
        if attempts.len() >= MAX_ATTEMPTS {
            return Err(ApiError::bad_request("too many are signing in at the moment; try again in a few minutes"));
        }
        attempts.insert(state, attempt);
        Ok(())
    }

    /// Takes the sign-in of a state, which can be finished once.
    pub fn take(&self, state: &str) -> Option<Attempt> {
        let taken = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(state);
        taken.filter(|attempt| attempt.began.elapsed() < ATTEMPT_LIFETIME)
    }

    /// What someone of these groups may do.
    pub fn rights(&self, claims: &Claims) -> Option<(UserLevel, Vec<Scope>)> {
        let groups = match claims.0.get(&self.options.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![group.as_str()],
            _ => Vec::new(),
        };
        let is_in = |group: &Option<String>| group.as_deref().is_some_and(|group| groups.contains(&group));
        if is_in(&self.options.admin_group) {
            Some((UserLevel::OrgAdmin, vec![Scope::All]))
        } else if is_in(&self.options.reader_group) {
            Some((UserLevel::OrgAdmin, vec![Scope::ReadConnectors]))
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
pub fn unreachable_provider(error: &dyn std::error::Error) -> ApiError {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    ApiError::bad_gateway("the OpenID provider cannot be reached or does not answer as it should", chain)
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
