//! The reset of a server for tests.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use connectory_model::access::Permission;
use connectory_model::limits::RESET_TIMEOUT;
use connectory_model::wire::RESET_PATH;
use http::StatusCode;
use http::request::Parts;

use super::parameters::expect_no_fields;
use crate::http::error::ApiError;
use crate::http::response::facts_of;
use crate::options::Resets;
use crate::state::ServerState;
use crate::version::VersionName;

/// Brings a server for tests back to what it was started with
///
/// Only a server that was started with `--ephemeral` has this operation. The caller needs the right to change connectors.
/// Tokens stay valid. Everything else begins anew: connectors, revisions, clients, sessions, rate limits and faults.
#[utoipa::path(
    post, path = RESET_PATH, operation_id = "reset", tag = "Service",
    responses(
        (status = 204, description = "Further requests see what the server was started with."),
        (status = 400, description = "The request has a parameter or a body. This operation has none."),
        (status = 401, description = "There is no valid token."),
        (status = 403, description = "The caller may not change connectors."),
        (status = 404, description = "The server was not started with `--ephemeral`."),
        (status = 503, description = "Other resets wait; `Retry-After` says when to try again."),
    )
)]
pub async fn reset(State(server): State<Arc<ServerState>>, parts: Parts, body: Body) -> Result<Response, ApiError> {
    expect_no_fields(&server, &parts, body).await?;
    let Some(resets) = &server.options.resets else {
        return Err(ApiError::not_found("only a server that was started with --ephemeral can be reset"));
    };
    let caller = match server.auth.caller(VersionName::V3.version(), &parts.headers).await {
        Ok(caller) => caller,
        Err(error) => return Ok(error.into_response()),
    };
    let done = match caller.has(Permission::Write) {
        Ok(()) => request(resets).await,
        Err(denied) => Err(denied.into()),
    };
    let mut response = done.map(|()| StatusCode::NO_CONTENT).into_response();
    // A reset that waits for others is no failure.
    facts_of(&mut response).is_planned = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    facts_of(&mut response).author = Some(Arc::clone(caller.author()));
    Ok(response)
}

async fn request(resets: &Resets) -> Result<(), ApiError> {
    let busy = || ApiError::unavailable("other resets wait for their turn; try again");
    let done = resets.request().ok_or_else(busy)?;
    let done = tokio::time::timeout(RESET_TIMEOUT, done).await.map_err(|_| busy())?;
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(ApiError::unavailable("the server ends")),
    }
}
