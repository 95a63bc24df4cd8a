//! The redirect to the OpenID provider, and the response that comes back from it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_store::{Author, AuthorKind, StoreError};
use http::{HeaderMap, header};
use openidconnect::core::CoreAuthenticationFlow;
use openidconnect::{AuthorizationCode, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, TokenResponse};

use super::arrival::{let_in, refused};
use super::attempt::Attempt;
use super::back::local_path_up_to;
use super::cookie::OPENID;
use super::oidc::{Oidc, send, unreachable_provider};
use super::session::Arrival;
use crate::frame::error::PageError;
use crate::frame::query::parameter;
use crate::frame::texts::Message;
use crate::state::Console;
use connectory_model::limits::{OPENID_BACK_BYTES, OPENID_TIME};
use connectory_model::{reason, shown};

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
    let attempt = Attempt {
        state: state.into_secret(),
        nonce: nonce.secret().clone(),
        verifier: verifier.into_secret(),
        back: local_path_up_to(&parameter(&query.unwrap_or_default(), "back"), OPENID_BACK_BYTES),
        began: console.server.options.clock.unix_seconds(),
    };
    let cookie = console.cookies.set(OPENID, oidc.seal.close(&attempt), OPENID_TIME);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response())
}

/// Finishes a sign-in after the redirect from the provider. Its cookie is removed, whatever comes of it.
pub async fn callback(State(console): State<Arc<Console>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let mut response =
        finish(&console, &headers, &query.unwrap_or_default()).await.unwrap_or_else(PageError::into_response);
    response.headers_mut().append(header::SET_COOKIE, console.cookies.remove(OPENID));
    response
}

async fn finish(console: &Console, headers: &HeaderMap, query: &str) -> Result<Response, PageError> {
    let oidc = configured(console)?;
    let sent: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let now = console.server.options.clock.unix_seconds();
    let sealed = console.cookies.value(headers, OPENID).zip(sent.get("state"));
    let attempt = sealed.and_then(|(sealed, state)| oidc.seal.open(sealed, state, now));
    let attempt = attempt.ok_or_else(|| PageError::bad_request(Message::new("oidc.unknown_attempt")))?;
    if let Some(error) = sent.get("error") {
        return Err(PageError::forbidden(Message::new("oidc.refused").with(shown(error, ERROR_CHARS))));
    }
    let code = sent.get("code").ok_or_else(|| PageError::bad_request(Message::new("oidc.no_code")))?;
    let client = oidc.client().await?;
    let http_client = oidc.http();
    let http = |request| send(http_client.clone(), request);
    let exchange = client.exchange_code(AuthorizationCode::new(code.clone())).map_err(|e| unreachable_provider(&e))?;
    let verifier = PkceCodeVerifier::new(attempt.verifier);
    let turn = oidc.turn()?;
    let token = exchange.set_pkce_verifier(verifier).request_async(&http).await;
    drop(turn);
    let token = token.map_err(|error| unreachable_provider(&error))?;
    let token = token.id_token().ok_or_else(|| PageError::bad_request(Message::new("oidc.no_token")))?;
    let claims = token.claims(&client.id_token_verifier(), &Nonce::new(attempt.nonce)).map_err(|error| {
        let error = reason(&error);
        tracing::warn!(error, "an ID token was refused");
        PageError::forbidden(Message::new("oidc.token"))
    })?;
    let tenant = console.server.store.tenant(Some(oidc.options().tenant.clone())).await?.ok_or_else(|| {
        PageError::internal(&format!("there is no tenant `{}` for OpenID sign-ins", oidc.options().tenant))
    })?;
    // A name may change, and belong to someone else later. Issuer and subject never change.
    let id = format!("{}#{}", claims.issuer().as_str(), claims.subject().as_str());
    if tenant.suspended_at.is_some() {
        return Ok(refused(console, tenant.id, id, PageError::from(StoreError::Suspended).into_response()));
    }
    let Some(rights) = oidc.rights(claims.additional_claims()) else {
        let error = PageError::forbidden(Message::new("oidc.group").with(&oidc.options().groups_claim));
        return Ok(refused(console, tenant.id, id, error.into_response()));
    };
    let name = claims.preferred_username().map(|name| name.as_str());
    let name = name.or_else(|| claims.email().map(|email| email.as_str())).unwrap_or(claims.subject().as_str());
    let author = Author { kind: AuthorKind::Person, id, name: Some(name.to_owned()) };
    let_in(console, headers, Arrival { author, tenant: tenant.id, rights: Some(rights) }, &attempt.back).await
}

fn configured(console: &Console) -> Result<&Oidc, PageError> {
    console.oidc.as_ref().ok_or_else(|| PageError::not_found(Message::new("oidc.none")))
}
