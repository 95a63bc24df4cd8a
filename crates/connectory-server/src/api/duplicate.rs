//! Duplicating a connector, under `/connectory/v1` (D114).

use std::pin::pin;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use connectory_model::create::NewDuplicate;
use connectory_model::wire::ConnectorItem;
use connectory_model::{Locale, Summary};
use http::StatusCode;
use utoipa::ToSchema;

use super::connectors::CreateStatus;
use super::history::number;
use super::once::{self, IdempotencyKey, Outcome};
use super::openapi::{Refusals, Reused};
use super::parameters::expect_no_parameters;
use crate::auth::Caller;
use crate::catalog::Source;
use crate::http::conditional::Condition;
use crate::http::error::ApiError;
use crate::http::path::ScriptNamePath;
use crate::http::response::json_of;
use crate::registry::At;
use crate::state::ServerState;

/// What a request for a duplicate holds, as it is documented; [`NewDuplicate`] reads it.
#[derive(ToSchema)]
#[schema(as = DuplicateRequest)]
#[expect(dead_code, reason = "documents what `NewDuplicate` reads")]
pub struct DuplicateRequest {
    /// The duplicate's name, unique in the tenant without case; its script name is derived from it.
    #[schema(example = "Active Directory copy", max_length = 255)]
    name: String,
    /// How far the duplicate is; `DEVELOPMENT` by default.
    status: Option<CreateStatus>,
    /// Duplicates the connector as it was at this revision. Without it, as it is now.
    #[schema(minimum = 1, example = 42)]
    revision: Option<u64>,
}

/// Duplicates a connector
///
/// The duplicate has the documents, the texts of all locales, the metadata, the type and the class name of the other connector,
/// custom or built-in. It has its own name in all places that name the connector. Documents are copied as they are, also
/// those of a built-in connector that an upload would not be allowed to have. With `revision`, also a deleted connector is
/// duplicated.
#[utoipa::path(
    post, path = "/{scriptName}/duplicate", operation_id = "duplicateConnector", tag = "Extensions",
    params(("scriptName" = String, Path, description = "The script name of the connector to duplicate."), IdempotencyKey),
    request_body(content = DuplicateRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "The duplicate.", body = ConnectorItem,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        (status = 410, description = "The retention of the server removed the connector at this revision."),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn duplicate(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    request: Request,
) -> Result<Response, ApiError> {
    expect_no_parameters(request.uri())?;
    let (head, body) = server.bodies.json(request, &["application/json"]).await?;
    Condition::expect_none(&head.headers)?;
    let once = once::read(&server, &caller, &head, &body).await?;
    let duplicate = pin!(async {
        let request = server.bodies.parse(body).await?;
        let new = NewDuplicate::from_request(&request).map_err(|error| ApiError::bad_request(error.to_string()))?;
        let revision = new.revision.map(|revision| number("revision", &revision.to_string())).transpose()?;
        let original = At { script_name, revision };
        let (tenant, origin) = (caller.tenant(), caller.origin());
        let duplicate = server.registry.duplicate(tenant, &origin, once, &original, (new.name, new.status)).await?;
        Ok(Outcome::Committed(created(&duplicate)))
    });
    let repeat = async |id, _| {
        let connector = server.catalog.connector(caller.tenant(), Source::Stored(id)).await?;
        Ok(created(&connector.summary()))
    };
    once::respond(&server, &caller, once, duplicate, repeat).await
}

fn created(summary: &Summary) -> Response {
    let mut response = json_of(&ConnectorItem::new(summary, Locale::En));
    *response.status_mut() = StatusCode::CREATED;
    response
}
