//! Signing in at an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0; RFC 7636).
//!
//! Whoever the provider knows gets in only by a group: one for administrators, one for readers (deny by default).
//! What is on the way is kept here under its `state`, and the browser that began has the same in a cookie, so that
//! nobody can be made to finish what another began.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::{Scope, UserLevel};
use connectory_store::{Author, AuthorKind};
use http::{HeaderMap, header};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::page::parameter;
use super::session::{Person, Who, cookie, cookie_value};
use super::sign_in::local;
use crate::app::App;
use crate::error::ApiError;

/// For how long someone may take to sign in at the provider (our decision).
const PATIENCE: Duration = Duration::from_mins(10);
/// How many may be on the way.
const MOST: usize = 10_000;
/// For how long what the provider says of itself, with its keys, is kept.
const KEPT: Duration = Duration::from_mins(10);
/// How long an answer of the provider may take.
const TIMEOUT: Duration = Duration::from_secs(20);
const COOKIE: &str = "connectory_oidc";
const CALLBACK: &str = "/console/oidc/callback";

/// The provider, and who gets in.
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
    /// Whoever is in this group manages connectors and API clients.
    pub admin_group: Option<String>,
    /// Whoever is in this group sees connectors.
    pub reader_group: Option<String>,
    /// The tenant that they see.
    pub tenant: String,
}

/// Claims beyond the standard ones.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Claims(HashMap<String, Value>);

impl AdditionalClaims for Claims {}

type Fields = IdTokenFields<
    Claims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type Client = openidconnect::Client<
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
struct Attempt {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    back: String,
    began: Instant,
}

/// Signing in at a provider.
pub struct Oidc {
    options: OidcOptions,
    http: reqwest::Client,
    provider: Mutex<Option<(Instant, CoreProviderMetadata)>>,
    attempts: Mutex<HashMap<String, Attempt>>,
}

impl Oidc {
    /// Signing in at the provider of these options.
    pub fn new(options: OidcOptions) -> Self {
        // Whoever was first has chosen.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // The provider's answers are taken from the provider alone.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("these settings make a client");
        Self { options, http, provider: Mutex::default(), attempts: Mutex::default() }
    }

    async fn provider(&self) -> Result<CoreProviderMetadata, ApiError> {
        let kept = self.provider.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, provider)) = kept
            && read.elapsed() < KEPT
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
    async fn client(&self, app: &App) -> Result<Client, ApiError> {
        let redirect = RedirectUrl::new(format!("{}{CALLBACK}", app.options.public_url));
        let redirect = redirect.map_err(|error| ApiError::internal(&error))?;
        let secret = self.options.client_secret.clone().map(ClientSecret::new);
        let id = ClientId::new(self.options.client_id.clone());
        Ok(Client::from_provider_metadata(self.provider().await?, id, secret).set_redirect_uri(redirect))
    }

    fn remember(&self, state: String, attempt: Attempt) -> Result<(), ApiError> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, attempt| attempt.began.elapsed() < PATIENCE);
        if attempts.len() >= MOST {
            return Err(ApiError::bad_request("too many are signing in at the moment; try again in a few minutes"));
        }
        attempts.insert(state, attempt);
        Ok(())
    }

    fn take(&self, state: &str) -> Option<Attempt> {
        let taken = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(state);
        taken.filter(|attempt| attempt.began.elapsed() < PATIENCE)
    }

    /// What someone of these groups may do.
    fn rights(&self, claims: &Claims) -> Option<(UserLevel, Vec<Scope>)> {
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

/// Sends someone to the provider.
pub async fn start(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let oidc = configured(&app)?;
    let client = oidc.client(&app).await?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email"].map(|scope| openidconnect::Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let back = local(&parameter(&query.unwrap_or_default(), "back"));
    let state = state.into_secret();
    oidc.remember(state.clone(), Attempt { nonce, verifier, back, began: Instant::now() })?;
    let cookie = cookie(&app, COOKIE, state, CALLBACK, PATIENCE);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response())
}

/// Takes someone back from the provider.
pub async fn callback(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let oidc = configured(&app)?;
    let query = query.unwrap_or_default();
    let sent: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let state = sent.get("state").filter(|state| cookie_value(&headers, COOKIE).as_ref() == Some(state));
    let attempt = state.and_then(|state| oidc.take(state));
    let attempt = attempt.ok_or_else(|| ApiError::bad_request("this sign-in was not begun here, or long ago"))?;
    if let Some(error) = sent.get("error") {
        let error: String = error.chars().take(100).collect();
        return Err(ApiError::forbidden(format!("the OpenID provider refused: {error}")));
    }
    let code = sent.get("code").ok_or_else(|| ApiError::bad_request("the OpenID provider sent no code"))?;
    let client = oidc.client(&app).await?;
    let http = |request| send(oidc.http.clone(), request);
    let exchange = client.exchange_code(AuthorizationCode::new(code.clone())).map_err(|e| unreachable_provider(&e))?;
    let exchange = exchange.set_pkce_verifier(attempt.verifier).request_async(&http);
    let token = exchange.await.map_err(|error| unreachable_provider(&error))?;
    let token = token.id_token().ok_or_else(|| ApiError::bad_request("the OpenID provider sent no ID token"))?;
    let claims = token.claims(&client.id_token_verifier(), &attempt.nonce).map_err(|error| {
        tracing::warn!(%error, "an ID token was refused");
        ApiError::forbidden("the OpenID provider's ID token is not valid")
    })?;
    let (level, scopes) = oidc.rights(claims.additional_claims()).ok_or_else(|| {
        ApiError::forbidden(format!("you are in no group of the claim `{}` that gets in", oidc.options.groups_claim))
    })?;
    let name = claims.preferred_username().map(|name| name.as_str());
    let name = name.or_else(|| claims.email().map(|email| email.as_str())).unwrap_or(claims.subject().as_str());
    let tenants = app.store.tenants().await?;
    let tenant = tenants.into_iter().find(|tenant| tenant.name == oidc.options.tenant).ok_or_else(|| {
        ApiError::internal(&format!("there is no tenant `{}` for OpenID sign-ins", oidc.options.tenant))
    })?;
    // Names change and may be given to someone else later; issuer and subject do not.
    let id = format!("{}#{}", claims.issuer().as_str(), claims.subject().as_str());
    let author = Author { kind: AuthorKind::Person, id, name: Some(name.to_owned()) };
    let person = Person { author, level, scopes, tenant };
    let session = app.sessions.begin(&app, Who::Person(person)).await?;
    let used = cookie(&app, COOKIE, String::new(), CALLBACK, Duration::ZERO);
    let mut response = Redirect::to(&attempt.back).into_response();
    response.headers_mut().append(header::SET_COOKIE, session);
    response.headers_mut().append(header::SET_COOKIE, used);
    Ok(response)
}

fn configured(app: &App) -> Result<&Oidc, ApiError> {
    app.oidc.as_ref().ok_or_else(|| ApiError::not_found("this server has no OpenID provider; see `--oidc-issuer`"))
}

/// 502: the provider does not answer as it should.
fn unreachable_provider(error: &dyn std::error::Error) -> ApiError {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    ApiError::bad_gateway("the OpenID provider cannot be reached or does not answer as it should", chain)
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let answer = http.execute(request.try_into()?).await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}
