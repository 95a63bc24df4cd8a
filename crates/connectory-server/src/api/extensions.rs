//! The operations on connectors that the specification does not have, under `/connectory/v1/connectors`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use connectory_model::patch::PatchScope;
use connectory_model::wire::ConnectorDetail;

use super::connectors::{JsonPatchOperation, apply_patch};
use super::once::IdempotencyKey;
use super::openapi::{Refusals, Reused};
use super::parameters::expect_no_parameters;
use crate::auth::Caller;
use crate::http::error::ApiError;
use crate::http::path::ScriptNamePath;
use crate::state::ServerState;

/// Updates a custom connector with a JSON Patch, in place
///
/// As the operation of the Connectors API, with five more paths: `/name`, `/type`, `/className`, `/directConnect` and
/// `/status`. The script name and the documents stay as they are. The type stays too, unless the patch changes it. A name
/// that another connector has is 400.
#[utoipa::path(
    patch, path = "/{scriptName}", operation_id = "updateConnector", tag = "Extensions",
    params(("scriptName" = String, Path, description = "The connector's script name."), IdempotencyKey),
    request_body(content = Vec<JsonPatchOperation>, content_type = "application/json-patch+json"),
    responses(
        (status = 200, description = "The connector as it is now.", body = ConnectorDetail,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn patch(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    request: Request,
) -> Result<Response, ApiError> {
    expect_no_parameters(request.uri())?;
    apply_patch(&server, &caller, &script_name, PatchScope::Whole, request).await
}
