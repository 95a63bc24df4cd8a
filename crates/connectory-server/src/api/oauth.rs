//! The OAuth endpoints: tokens for client credentials (RFC 6749, section 4.4), information about the tenant for
//! clients, and the public keys (RFC 7517).

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use connectory_model::access::{Scopes, UnknownWord, UserLevel};
use connectory_model::limits::{ANONYMOUS_FIELDS, MEMBER_CHARS, RETRY_AFTER};
use connectory_model::shown;
use connectory_store::{ApiClient, StoreError};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::once;
use crate::auth::keys::Claims;
use crate::auth::{CredentialsError, bearer, secret};
use crate::http::error::ApiError;
use crate::http::form::FormLimits;
use crate::http::response::{facts_of, json_response};
use crate::options::Options;
use crate::state::ServerState;
use crate::work;

/// The code of a temporary error (RFC 6749, section 4.1.2.1, which defines it for another endpoint).
const UNAVAILABLE: &str = "temporarily_unavailable";
/// The path at which tokens are issued.
pub const TOKEN_PATH: &str = "/oauth/token";
/// The vendor's name for the place that serves a tenant. Here there is only one place.
const POD: &str = "local";

/// A token request, as it is documented: in a form, a multipart form or the query.
#[derive(ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `token` reads")]
pub struct TokenRequest {
    /// `client_credentials`, in any case.
    #[schema(example = "client_credentials")]
    grant_type: Option<String>,
    /// The client's id, unless it is sent as HTTP Basic.
    client_id: Option<String>,
    /// The client's secret, unless it is sent as HTTP Basic.
    client_secret: Option<String>,
    /// The scopes to have, separated by spaces; all that the client has by default.
    scope: Option<String>,
}

/// A token and what it is good for.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// The token, a JWT.
    access_token: String,
    /// Always `bearer`.
    token_type: &'static str,
    /// For how many seconds it is valid.
    expires_in: u64,
    /// Its scopes, separated by spaces.
    scope: String,
    /// The tenant's id.
    tenant_id: String,
    /// The tenant's name.
    org: String,
    /// Where the tenant is served.
    pod: &'static str,
    /// The client's id.
    user_id: String,
    /// The client's id.
    identity_id: String,
    /// The client's name.
    user_name: String,
    /// The user level.
    #[schema(value_type = Vec<String>)]
    authorities: [UserLevel; 1],
    /// The token's id.
    jti: String,
}

/// A refusal of RFC 6749, section 5.2.
#[derive(Serialize, ToSchema)]
pub struct TokenError {
    /// The error's code.
    #[schema(example = "invalid_client")]
    pub(crate) error: &'static str,
    /// What was wrong, and what would be right.
    error_description: String,
    /// The seconds to wait, where the client must wait because of wrong secrets.
    #[serde(skip)]
    delay: Option<u64>,
}

/// Issues a token
#[utoipa::path(
    post, path = TOKEN_PATH, operation_id = "token", tag = "OAuth", params(TokenRequest),
    request_body(content((TokenRequest = "application/x-www-form-urlencoded"), (TokenRequest = "multipart/form-data"))),
    responses(
        (status = 200, description = "A token.", body = TokenResponse,
         headers(("Connectory-Idempotency-Key" = i64, description = "Extension: for how many seconds an `Idempotency-Key` is kept."))),
        (status = 400, description = "The request is wrong.", body = TokenError),
        (status = 401, description = "The client's id or secret is wrong.", body = TokenError),
        (status = 429, description = "Too many wrong secrets were sent for the client from this address; `Retry-After` says when to try again.",
         body = TokenError),
        (status = 503, description = "It cannot be done for the moment; `Retry-After` says when to try again.",
         body = TokenError),
    )
)]
pub async fn token(State(server): State<Arc<ServerState>>, parts: Parts, body: Body) -> Response {
    let basic = parts.headers.contains_key(header::AUTHORIZATION);
    let mut applicant = None;
    let mut response = match issue(&server, &parts, body, &mut applicant).await {
        Ok(token) => {
            let mut response = Json(token).into_response();
            once::offer(&mut response);
            response
        }
        Err(error) => {
            let status = match error.error {
                "invalid_client" => StatusCode::UNAUTHORIZED,
                UNAVAILABLE if error.delay.is_some() => StatusCode::TOO_MANY_REQUESTS,
                UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            let retry_after = (error.error == UNAVAILABLE).then(|| error.delay.unwrap_or(RETRY_AFTER));
            let mut response = (status, Json(&error)).into_response();
            facts_of(&mut response).reason = Some(error.error_description.into());
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            if status == StatusCode::UNAUTHORIZED && basic {
                let challenge = HeaderValue::from_static("Basic realm=\"connectory\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    };
    facts_of(&mut response).applicant = applicant;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Issues a token. Sets `applicant` to the id of the client that the request is for.
async fn issue(
    server: &ServerState,
    parts: &Parts,
    body: Body,
    applicant: &mut Option<String>,
) -> Result<TokenResponse, TokenError> {
    let fields = fields(server, parts, body).await?;
    let field = |name: &str| fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
    match field("grant_type") {
        None => return Err(refuse("invalid_request", "`grant_type` is missing; expected client_credentials")),
        Some(grant) if grant.eq_ignore_ascii_case("client_credentials") => {}
        Some(_) => return Err(refuse("unsupported_grant_type", "`grant_type` must be client_credentials")),
    }
    let credentials = match basic(parts)? {
        Some(credentials) => credentials,
        None => match (field("client_id"), field("client_secret")) {
            (Some(id), Some(secret)) => vec![(id.to_owned(), secret.to_owned())],
            _ => return Err(refuse("invalid_client", "`client_id` and `client_secret` are needed, or HTTP Basic")),
        },
    };
    *applicant = credentials.first().map(|(id, _)| shown(id, MEMBER_CHARS).to_owned());
    let client = server.auth.authenticate(credentials, work::address()).await.map_err(|error| match error {
        CredentialsError::Wrong => refuse("invalid_client", error.to_string()),
        CredentialsError::Delayed(seconds) => {
            TokenError { delay: Some(seconds), ..refuse(UNAVAILABLE, error.to_string()) }
        }
        CredentialsError::Busy => refuse(UNAVAILABLE, error.to_string()),
        CredentialsError::Store(error) => {
            tracing::error!(%error, "could not read a client");
            refuse(UNAVAILABLE, "the client could not be read; try again")
        }
    })?;
    *applicant = Some(client.id.clone());
    if client.tenant.suspended_at.is_some() {
        return Err(refuse("unauthorized_client", StoreError::Suspended.to_string()));
    }
    let scopes = match field("scope") {
        None => client.scopes.clone(),
        Some(asked) => narrow(&client, asked)?,
    };
    let lifetime = server.options.token_lifetime.as_secs();
    let now = server.options.clock.unix_seconds();
    let claims = Claims {
        iss: server.auth.keys().issuer().to_owned(),
        jti: secret::new_id(),
        client_id: client.id.clone(),
        sub: client.id.clone(),
        user_name: client.name.clone(),
        tenant_id: client.tenant.uuid.clone(),
        org: client.tenant.name.clone(),
        pod: POD.to_owned(),
        scope: scopes.clone(),
        authorities: vec![client.level],
        iat: now,
        exp: now + lifetime,
    };
    Ok(TokenResponse {
        access_token: server.auth.keys().sign(&claims),
        token_type: "bearer",
        expires_in: lifetime,
        scope: scopes.to_string(),
        tenant_id: client.tenant.uuid,
        org: client.tenant.name,
        pod: POD,
        user_id: client.id.clone(),
        identity_id: client.id,
        user_name: client.name,
        authorities: [client.level],
        jti: claims.jti,
    })
}

/// Reads the parameters of the query and of the body. If both have a parameter, the body's value is used.
async fn fields(server: &ServerState, parts: &Parts, body: Body) -> Result<HashMap<String, String>, TokenError> {
    let query = parts.uri.query().unwrap_or_default();
    let mut fields: HashMap<_, _> =
        form_urlencoded::parse(query.as_bytes()).into_owned().take(ANONYMOUS_FIELDS).collect();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    match server.bodies.form(content_type, body, FormLimits::ANONYMOUS).await {
        Ok(Some(form)) => fields.extend(form.fields),
        Ok(None) => {
            let expected = "the body must be a form: application/x-www-form-urlencoded or multipart/form-data";
            return Err(refuse("invalid_request", expected));
        }
        Err(error) if error.status.is_server_error() => return Err(refuse(UNAVAILABLE, error.text)),
        Err(error) => return Err(refuse("invalid_request", error.text)),
    }
    Ok(fields)
}

/// Reads the credentials of HTTP Basic. RFC 6749 requires the id and the secret to be form-encoded, but many clients do
/// not encode them. If the encoding makes a difference, both readings are tried.
fn basic(parts: &Parts) -> Result<Option<Vec<(String, String)>>, TokenError> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let malformed = || refuse("invalid_client", "the Authorization header must be `Basic` with id:secret in Base64");
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let bytes = BASE64_STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut readings = vec![(id.to_owned(), secret.to_owned())];
    let encoded_reading = (decoded(id), decoded(secret));
    if readings[0] != encoded_reading {
        readings.push(encoded_reading);
    }
    Ok(Some(readings))
}

fn narrow(client: &ApiClient, asked: &str) -> Result<Scopes, TokenError> {
    // RFC 6749, section 3.3: at least one scope, separated by single spaces.
    asked
        .split(' ')
        .map(|word| {
            let scope = word.parse().map_err(|unknown: UnknownWord| refuse("invalid_scope", unknown.to_string()))?;
            if client.scopes.grant(scope) {
                return Ok(scope);
            }
            let granted = &client.scopes;
            Err(refuse("invalid_scope", format!("the client does not have the scope {scope}; it has {granted}")))
        })
        .collect()
}

/// Makes the answer of a fault with this status, in the shape of this endpoint's errors.
pub fn fault(status: StatusCode, message: &str, retry_after: u64) -> Response {
    let error = match status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => UNAVAILABLE,
        _ => "invalid_request",
    };
    let mut response = (status, Json(&refuse(error, message))).into_response();
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refuse(error: &'static str, description: impl Into<String>) -> TokenError {
    TokenError { error, error_description: description.into(), delay: None }
}

/// What clients need to know of a tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// The tenant's id.
    tenant_id: String,
    /// The tenant's name.
    tenant_name: String,
    /// Where people sign in to the console. There is no authorization endpoint of OAuth.
    authorize_endpoint: String,
    /// Where tokens are issued.
    token_endpoint: String,
    /// The address of this server.
    cloud_domain_url: String,
    /// Where people sign out of the console.
    logout_url: String,
    /// Where the tenant is served.
    pod: &'static str,
}

/// Tells what clients need to know of the tenant
///
/// Of the token's tenant; without a token, of the first one.
#[utoipa::path(
    get, path = "/oauth/info", operation_id = "info", tag = "OAuth",
    responses((status = 200, description = "The tenant.", body = Info))
)]
pub async fn info(State(server): State<Arc<ServerState>>, parts: Parts) -> Result<Json<Info>, ApiError> {
    let caller = match bearer(&parts.headers) {
        Ok(token) => server.auth.principal(token).await.ok().map(|(principal, _)| principal.tenant_record().clone()),
        Err(_) => None,
    };
    let tenant = match caller {
        Some(tenant) => tenant,
        None => {
            server.store.tenant(None).await?.ok_or_else(|| ApiError::not_found("there is no tenant yet; create one"))?
        }
    };
    let Options { public_url: url, pages, .. } = &server.options;
    Ok(Json(Info {
        tenant_id: tenant.uuid,
        tenant_name: tenant.name,
        authorize_endpoint: format!("{url}{}", pages.sign_in),
        token_endpoint: format!("{url}{TOKEN_PATH}"),
        cloud_domain_url: url.clone(),
        logout_url: format!("{url}{}", pages.sign_out),
        pod: POD,
    }))
}

/// Publishes the keys that tokens are signed with
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "OAuth",
    responses((status = 200, description = "A JSON Web Key Set (RFC 7517).", body = Object))
)]
pub async fn jwks(State(server): State<Arc<ServerState>>) -> Response {
    json_response(StatusCode::OK, server.auth.keys().published())
}
