//! The redirect to the OpenID provider, and the response that comes back from it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_store::{Author, AuthorKind};
use http::{HeaderMap, header};
use openidconnect::core::CoreAuthenticationFlow;
use openidconnect::{AuthorizationCode, CsrfToken, Nonce, PkceCodeChallenge, TokenResponse};

use super::back::local_path;
use super::cookie::cookie_value;
use super::oidc::{ATTEMPT_LIFETIME, Attempt, CALLBACK, Oidc, send, unreachable_provider};
use super::session::{Identity, Person};
use crate::frame::error::PageError;
use crate::frame::query::parameter;
use crate::frame::texts::Message;
use crate::state::Console;
use connectory_model::{reason, shown};

/// The name of the cookie that has the `state` of a sign-in.
const COOKIE: &str = "connectory_oidc";
/// The number of characters that a page repeats of the provider's error.
const ERROR_CHARS: usize = 100;

/// Redirects to the provider.
pub async fn start(State(console): State<Arc<Console>>, RawQuery(query): RawQuery) -> Result<Response, PageError> {
    let oidc = configured(&console)?;
    let client = oidc.client().await?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email"].map(|scope| openidconnect::Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let back = local_path(&parameter(&query.unwrap_or_default(), "back"));
    let state = state.into_secret();
    oidc.begin(state.clone(), Attempt { nonce, verifier, back, began: Instant::now() })?;
    let cookie = console.cookies.set(COOKIE, state, CALLBACK, ATTEMPT_LIFETIME);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response())
}

/// Finishes a sign-in after the redirect from the provider.
pub async fn callback(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let oidc = configured(&console)?;
    let query = query.unwrap_or_default();
    let sent: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let state = sent.get("state").filter(|state| cookie_value(&headers, COOKIE).as_ref() == Some(state));
    let attempt = state.and_then(|state| oidc.take(state));
    let attempt = attempt.ok_or_else(|| PageError::bad_request(Message::new("oidc.unknown_attempt")))?;
    if let Some(error) = sent.get("error") {
        return Err(PageError::forbidden(Message::new("oidc.refused").with(shown(error, ERROR_CHARS))));
    }
    let code = sent.get("code").ok_or_else(|| PageError::bad_request(Message::new("oidc.no_code")))?;
    let client = oidc.client().await?;
    let http_client = oidc.http();
    let http = |request| send(http_client.clone(), request);
    let exchange = client.exchange_code(AuthorizationCode::new(code.clone())).map_err(|e| unreachable_provider(&e))?;
    let exchange = exchange.set_pkce_verifier(attempt.verifier).request_async(&http);
    let token = exchange.await.map_err(|error| unreachable_provider(&error))?;
    let token = token.id_token().ok_or_else(|| PageError::bad_request(Message::new("oidc.no_token")))?;
    let claims = token.claims(&client.id_token_verifier(), &attempt.nonce).map_err(|error| {
        let error = reason(&error);
        tracing::warn!(error, "an ID token was refused");
        PageError::forbidden(Message::new("oidc.token"))
    })?;
    let (level, scopes) = oidc
        .rights(claims.additional_claims())
        .ok_or_else(|| PageError::forbidden(Message::new("oidc.group").with(&oidc.options().groups_claim)))?;
    let name = claims.preferred_username().map(|name| name.as_str());
    let name = name.or_else(|| claims.email().map(|email| email.as_str())).unwrap_or(claims.subject().as_str());
    let tenant = console.server.store.tenant(Some(oidc.options().tenant.clone())).await?.ok_or_else(|| {
        PageError::internal(&format!("there is no tenant `{}` for OpenID sign-ins", oidc.options().tenant))
    })?;
    // A name may change, and belong to someone else later. Issuer and subject never change.
    let id = format!("{}#{}", claims.issuer().as_str(), claims.subject().as_str());
    let author = Author { kind: AuthorKind::Person, id, name: Some(name.to_owned()) };
    let person = Person { author, level, scopes, tenant };
    let session = console.sessions.begin(Identity::Person(person)).await?;
    let used = console.cookies.remove(COOKIE, CALLBACK);
    let mut response = Redirect::to(&attempt.back).into_response();
    response.headers_mut().append(header::SET_COOKIE, session);
    response.headers_mut().append(header::SET_COOKIE, used);
    Ok(response)
}

fn configured(console: &Console) -> Result<&Oidc, PageError> {
    console.oidc.as_ref().ok_or_else(|| PageError::not_found(Message::new("oidc.none")))
}
