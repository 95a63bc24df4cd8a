//! The operations on connectors: list, create, get, delete and patch.

use std::pin::pin;
use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::create::NewConnector;
use connectory_model::patch::{PatchScope, PatchSet};
use connectory_model::wire::{ConnectorDetail, ConnectorItem};
use connectory_model::{Locale, ScriptName};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use utoipa::ToSchema;

use super::errors;
use super::once::{self, IdempotencyKey, Outcome};
use super::openapi::{IfMatch, IfNoneMatch, NotModified, Refusals, Reused, Unexpected};
use super::parameters::{DetailLocale, ListParameters, LocaleParameter, OF_DETAIL, OF_LIST, list_query, tell_unknown};
use crate::auth::Caller;
use crate::catalog::{Detail, ListPage, Source};
use crate::http::coding::Accepted;
use crate::http::conditional::Condition;
use crate::http::error::ApiError;
use crate::http::path::ScriptNamePath;
use crate::http::response::{coded_json, json_of, tagged_json};
use crate::registry::Edited;
use crate::state::ServerState;

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Lists connectors
///
/// Lists the connectors that are released, ordered by name without case.
#[utoipa::path(
    get, path = "/", operation_id = "getConnectorList", tag = "Connectors",
    params(ListParameters, IfNoneMatch),
    responses(
        (status = 200, description = "A page of connectors.", body = Vec<ConnectorItem>,
         headers(
            ("X-Total-Count" = i64, description = "How many connectors there are; only with `count=true`."),
            ("ETag" = String, description = "Extension: the entity tag of the page and the number."),
         )),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn list(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    accepted: Accepted,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    if let Some(page) = server.catalog.cached_page(caller.tenant(), &query, accepted) {
        return Ok(list_response(page, &query));
    }
    let (selection, window) = list_query(&query)?;
    Ok(list_response(server.catalog.page(caller.tenant(), &query, selection, window, accepted).await?, &query))
}

/// Makes the response for a list page and its query.
pub fn list_response(page: ListPage, query: &str) -> Response {
    let mut response = coded_json(page.json, page.etag, page.coding);
    if let Some(total) = page.total {
        response.headers_mut().insert(TOTAL_COUNT, HeaderValue::from(total));
    }
    tell_unknown(&mut response, query, OF_LIST);
    response
}

/// Makes the response for a detail.
pub fn detail_response(detail: Detail, query: &str) -> Response {
    let mut response = coded_json(detail.json, detail.etag, detail.coding);
    tell_unknown(&mut response, query, OF_DETAIL);
    response
}

/// What a create request holds, as it is documented; [`NewConnector`] reads it.
#[derive(ToSchema)]
#[schema(as = V3CreateConnectorDto, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `NewConnector` reads")]
pub struct CreateRequest {
    /// The connector's name, unique in the tenant without case; its script name is derived from it.
    #[schema(example = "HR system", max_length = 255)]
    name: String,
    /// The connector's type; `custom ` and the name by default.
    #[schema(example = "custom HR system", max_length = 255)]
    r#type: Option<String>,
    /// The class that implements the connector.
    #[schema(example = "sailpoint.connector.OpenConnectorAdapter", max_length = 255)]
    class_name: String,
    /// Whether the connector reaches its source directly.
    #[schema(default = true)]
    direct_connect: Option<bool>,
    /// How far the connector is.
    status: Option<CreateStatus>,
}

/// The statuses that a new connector may have; `RELEASED` by default.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "documents what `NewConnector` reads")]
pub(super) enum CreateStatus {
    Development,
    Demo,
    Released,
}

/// Creates a custom connector
///
/// The new connector is complete: it has a scaffolded source config, source template and correlation config.
#[utoipa::path(
    post, path = "/", operation_id = "createCustomConnector", tag = "Connectors",
    params(IdempotencyKey), request_body(content = CreateRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The new connector.", body = ConnectorItem,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn create(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = server.bodies.json(request, &["application/json"]).await?;
    Condition::expect_none(&head.headers)?;
    let once = once::read(&server, &caller, &head, &body).await?;
    let created = |summary: &_| json_of(&ConnectorItem::new(summary, Locale::En));
    let create = pin!(async {
        let request = server.bodies.parse(body).await?;
        let new = NewConnector::from_request(&request).map_err(|error| ApiError::bad_request(error.to_string()))?;
        let summary = server.registry.create(caller.tenant(), &caller.origin(), once, new).await?;
        Ok(Outcome::Committed(created(&summary)))
    });
    let repeat = async |id, _| {
        let connector = server.catalog.connector(caller.tenant(), Source::Stored(id)).await?;
        Ok(created(&connector.summary()))
    };
    once::respond(&server, &caller, once, create, repeat).await
}

/// Gets a connector
#[utoipa::path(
    get, path = "/{scriptName}", operation_id = "getConnector", tag = "Connectors",
    params(("scriptName" = String, Path, description = "The connector's script name."), LocaleParameter, IfNoneMatch),
    responses(
        (status = 200, description = "The connector with its documents.", body = ConnectorDetail,
         headers(("ETag" = String, description = "Extension: `\"<revision>.<hash of the answer>\"`; the revision is 0 for a built-in connector."))),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn get(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    DetailLocale(locale): DetailLocale,
    accepted: Accepted,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let entry = server.registry.entry(caller.tenant(), &script_name)?;
    let key = (entry.source, locale, caller.version().detail_shape);
    let detail = server.catalog.coded_detail(caller.tenant(), key, accepted).await?;
    Ok(detail_response(detail, &query.unwrap_or_default()))
}

/// Deletes a custom connector
#[utoipa::path(
    delete, path = "/{scriptName}", operation_id = "deleteCustomConnector", tag = "Connectors",
    params(("scriptName" = String, Path, description = "The connector's script name."), IfMatch, IdempotencyKey),
    responses(
        (status = 204, description = "The connector is gone.",
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        Unexpected, Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn delete(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    head: Parts,
) -> Result<Response, ApiError> {
    let condition = Condition::of_change(&head.headers)?;
    let once = once::read(&server, &caller, &head, &Bytes::new()).await?;
    let deleted = || StatusCode::NO_CONTENT.into_response();
    let delete = pin!(async {
        match server.registry.delete(caller.tenant(), &caller.origin(), once, &script_name, condition).await {
            Ok(()) => Ok(Outcome::Committed(deleted())),
            Err(error) => Err(Box::pin(errors::of_change(&server, &caller, error)).await),
        }
    });
    once::respond(&server, &caller, once, delete, async |_, _| Ok(deleted())).await
}

/// An operation of a JSON Patch, as it is documented; [`PatchSet`] reads it.
#[derive(ToSchema)]
#[schema(as = JsonPatchOperation)]
#[expect(dead_code, reason = "documents what `PatchSet` reads")]
pub struct JsonPatchOperation {
    /// What to do.
    op: PatchOp,
    /// A JSON pointer (RFC 6901) to what it is done to.
    #[schema(example = "/connectorMetadata/shortDesc")]
    path: String,
    /// A JSON pointer to where the value comes from; for `move` and `copy`.
    from: Option<String>,
    /// The value; for `add`, `replace` and `test`.
    #[schema(value_type = Object)]
    value: Option<serde_json::Value>,
}

/// The operations of RFC 6902.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what `PatchSet` reads")]
enum PatchOp {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// Updates a custom connector with a JSON Patch
///
/// RFC 6902, all or nothing. Patchable are `/connectorMetadata` and what is below it, `/applicationXml`,
/// `/correlationConfigXml` and `/sourceConfigXml`; `test` and the `from` of `copy` may read any member.
#[utoipa::path(
    patch, path = "/{scriptName}", operation_id = "updateConnector", tag = "Connectors",
    params(("scriptName" = String, Path, description = "The connector's script name."), IfMatch, IdempotencyKey),
    request_body(content = Vec<JsonPatchOperation>, content_type = "application/json-patch+json"),
    responses(
        (status = 200, description = "The connector as it is now.", body = ConnectorDetail,
         headers(
            ("ETag" = String, description = "Extension: the entity tag that a read of the connector has now."),
            ("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."),
         )),
        Unexpected, Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn patch(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    request: Request,
) -> Result<Response, ApiError> {
    apply_patch(&server, &caller, &script_name, PatchScope::Specified, request).await
}

/// Patches a connector in a scope, and answers its detail.
pub(super) async fn apply_patch(
    server: &ServerState,
    caller: &Caller,
    script_name: &ScriptName,
    scope: PatchScope,
    request: Request,
) -> Result<Response, ApiError> {
    let media_types = ["application/json-patch+json", "application/json"];
    let (head, body) = server.bodies.json(request, &media_types).await?;
    let condition = Condition::of_change(&head.headers)?;
    let once = once::read(server, caller, &head, &body).await?;
    let (tenant, shape) = (caller.tenant(), caller.version().detail_shape);
    let patched = |detail: Detail| tagged_json(detail.json, detail.etag);
    let patch = pin!(async {
        let request = server.bodies.parse(body).await?;
        let patch = PatchSet::from_json(request, scope).map_err(|error| ApiError::bad_request(error.to_string()))?;
        match server.registry.patch(tenant, &caller.origin(), once, script_name, (patch, shape), condition).await {
            Ok(Edited::Changed(source, connector)) => {
                let detail = server.catalog.render(tenant, (source, Locale::En, shape), connector).await?;
                Ok(Outcome::Committed(patched(detail)))
            }
            Ok(Edited::Unchanged(source)) => {
                let detail = server.catalog.detail(tenant, (source, Locale::En, shape)).await?;
                Ok(Outcome::Nothing(patched(detail)))
            }
            Err(error) => Err(Box::pin(errors::of_change(server, caller, error)).await),
        }
    });
    let repeat = async |id, _| {
        let detail = server.catalog.detail(tenant, (Source::Stored(id), Locale::En, shape)).await?;
        Ok(patched(detail))
    };
    once::respond(server, caller, once, patch, repeat).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_path<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    fn with_path<A, B, C, D, F: Future>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// The router copies the future of a handler several times.
    #[test]
    fn the_futures_of_changes_are_small() {
        let sizes = [without_path(create), with_path(delete), with_path(patch)];
        assert!(sizes.iter().all(|size| *size < 6 * 1024), "{sizes:?}");
    }
}
