//! The layer in front of every operation of an API version. It checks the token, the rate limit and the permission, in
//! this order.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use connectory_model::wire::{APPLY_PATH, IMPORT_PATH};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::{Auth, AuthError, Caller};
use crate::catalog::Need;
use crate::http::IDEMPOTENCY_KEY;
use crate::http::drain::drain;
use crate::http::error::ApiError;
use crate::http::response::{facts_of, json_response};
use crate::version::ApiVersion;
use crate::work::made_by;

/// A caller that the fast path has already permitted and counted. Only the server sets this extension; a client cannot.
#[derive(Clone)]
pub struct LetIn(pub Caller);

/// A request that has waited in the fast path until the lists of its tenant were as current as it needs them.
#[derive(Clone)]
pub struct IsCurrent;

/// Passes a request on, or responds with the error.
pub async fn authorize(
    State((auth, version)): State<(Arc<Auth>, &'static ApiVersion)>,
    route: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let (caller, admitted) = match request.extensions_mut().remove::<LetIn>() {
        Some(LetIn(caller)) => (Some(caller), Ok(())),
        None => match auth.caller(version, request.headers()).await {
            Ok(caller) => {
                // A dry run only reads. The handler checks whether the caller may change connectors.
                let has_dry_run = [APPLY_PATH, IMPORT_PATH].contains(&route.as_str());
                let method = if has_dry_run { &Method::GET } else { request.method() };
                let admitted = auth.admit(&caller, method).await;
                (Some(caller), admitted)
            }
            Err(error) => (None, Err(error)),
        },
    };
    // A caller who is refused is in the log too.
    let author = caller.as_ref().map(|caller| Arc::clone(caller.author()));
    let ready = match admitted {
        Ok(()) => {
            if let Some(caller) = &caller {
                made_by(caller.share());
            }
            current(&auth, caller.as_ref(), route.as_str() == version.base, &mut request).await
        }
        Err(error) => Err(error.into_response()),
    };
    let mut response = match ready {
        Ok(()) => {
            let shared = caller.as_ref().filter(|_| auth.catalog.is_shared());
            let tenant = shared.map(|caller| Arc::clone(caller.tenant()));
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            let mut response = next.run(request).await;
            if let Some(tenant) = tenant {
                auth.catalog.note_revision(&tenant, &mut response);
            }
            response
        }
        Err(response) => {
            drain(request.into_body()).await;
            response
        }
    };
    let facts = facts_of(&mut response);
    facts.author = author;
    facts.route = Some(route.as_str().to_owned().into());
    response
}

/// Waits until a request can be answered from the lists of its tenant, unless the fast path has waited already, or the
/// request waits by itself.
async fn current(auth: &Auth, caller: Option<&Caller>, is_list: bool, request: &mut Request) -> Result<(), Response> {
    let Some(caller) = caller.filter(|_| auth.catalog.is_shared()) else { return Ok(()) };
    let need = Need::of(request.method(), request.headers()).map_err(IntoResponse::into_response)?;
    // A create is decided by the database, and `Registry::create` waits if it would be refused. One that may have been
    // done already is answered from the lists.
    let is_create = is_list && request.method() == Method::POST;
    let waits_itself = is_create && need.is_any_revision() && !request.headers().contains_key(IDEMPOTENCY_KEY);
    let has_waited = request.extensions_mut().remove::<IsCurrent>().is_some();
    if has_waited || waits_itself || auth.catalog.is_current(caller.tenant(), need) {
        return Ok(());
    }
    // In a box, so that the futures of requests that do not wait have no room for this.
    Box::pin(auth.catalog.current(caller.tenant(), need)).await.map_err(IntoResponse::into_response)
}

impl IntoResponse for AuthError {
    /// Makes the bodies that the specification defines for 401 and 429. They differ from its other error bodies.
    fn into_response(self) -> Response {
        let reason = match &self {
            Self::Token(reason) => Some(reason.clone()),
            Self::RateLimit(_) => Some(self.to_string().into()),
            // These are errors for the outermost layer, which logs their texts.
            Self::Denied(_) | Self::Store(_) => None,
        };
        let mut response = match self {
            Self::Token(_) => {
                let body = json!({"error": self.to_string()}).to_string();
                let mut response = json_response(StatusCode::UNAUTHORIZED, body);
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
            Self::RateLimit(seconds) => {
                let body = json!({"message": " Rate Limit Exceeded "}).to_string();
                let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, body);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::Denied(error) => ApiError::from(error).into_response(),
            Self::Store(error) => ApiError::from(error).into_response(),
        };
        facts_of(&mut response).reason = reason;
        response
    }
}
