//! One change to each of several connectors (D108), and the undo of a change (D109), under `/connectory/v1`. Each is one
//! commit: all or none.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use connectory_model::limits::{EXPORT_NAMES, QUOTED_CHARS};
use connectory_model::patch::{PatchScope, PatchSet};
use connectory_model::wire::{Applied, UNDO_PATH};
use connectory_model::{Connector, ScriptName, shown};
use connectory_store::{Once, RevisionId};
use http::request::Parts;
use utoipa::IntoParams;

use super::connectors::JsonPatchOperation;
use super::history::RevisionPath;
use super::once::{self, IdempotencyKey, Outcome};
use super::openapi::{Refusals, Reused};
use super::parameters::{expect_no_fields, expect_utf8};
use crate::auth::Caller;
use crate::http::conditional::Condition;
use crate::http::error::ApiError;
use crate::http::response::json_of;
use crate::registry::{Changes, Chosen, Counts, patched};
use crate::state::ServerState;
use crate::work::Turn;

/// The connectors, as they are documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `chosen` reads")]
pub struct ChosenParameters {
    /// The script name of a custom connector. The parameter is there once for each connector, 1 to 250 times.
    #[param(example = "hr-system")]
    script_name: String,
}

/// Updates several custom connectors with one JSON Patch
///
/// The patch is that of `PATCH /connectory/v1/connectors/{scriptName}`, and is made of each connector. All are changed in
/// one commit, or none is. If connectors are refused, `causes` has the reason for each of them.
#[utoipa::path(
    patch, path = "/", operation_id = "updateConnectors", tag = "Extensions", params(ChosenParameters, IdempotencyKey),
    request_body(content = Vec<JsonPatchOperation>, content_type = "application/json-patch+json"),
    responses(
        (status = 200, description = "All connectors are as the patch makes them.", body = Applied,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        (status = 409, description = "Someone else changed a connector meanwhile; nothing was changed."),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn patch(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let media_types = ["application/json-patch+json", "application/json"];
    let (head, body) = server.bodies.json(request, &media_types).await?;
    let chosen = chosen(&head, "updated")?;
    let counts = Counts::of(chosen.len(), false);
    let once = once_of(&server, &caller, &head, &body).await?;
    let changes = async {
        let request = server.bodies.parse(body).await?;
        let patch = PatchSet::from_json(request, PatchScope::Whole)
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        let (shape, limit) = (caller.version().detail_shape, server.options.max_document);
        let next = move |connector: &Connector| patched(&patch, connector, shape, limit).map(Some);
        let turn = turn(&server).await?;
        Ok(server.registry.check_each(turn, caller.tenant(), chosen, next).await?)
    };
    respond(&server, &caller, once, changes, async || Ok(counts)).await
}

/// Deletes several custom connectors
///
/// All are deleted in one commit, or none is. If connectors are refused, `causes` has the reason for each of them.
#[utoipa::path(
    delete, path = "/", operation_id = "deleteConnectors", tag = "Extensions", params(ChosenParameters, IdempotencyKey),
    responses(
        (status = 200, description = "All connectors are gone.", body = Applied,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        (status = 409, description = "Someone else changed a connector meanwhile; nothing was changed."),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn delete(State(server): State<Arc<ServerState>>, caller: Caller, head: Parts) -> Result<Response, ApiError> {
    let chosen = chosen(&head, "deleted")?;
    let counts = Counts::of(chosen.len(), true);
    let once = once_of(&server, &caller, &head, &Bytes::new()).await?;
    let changes = async {
        let turn = turn(&server).await?;
        Ok(server.registry.check_each(turn, caller.tenant(), chosen, |_| Ok(None)).await?)
    };
    respond(&server, &caller, once, changes, async || Ok(counts)).await
}

/// Takes a change back
///
/// All that one request did, with all its connectors, in one commit: what it created is deleted, what it changed is as it was
/// before, and what it deleted is there again. If a connector was changed since then, nothing is done, and `causes` has each
/// such connector. An undo is a change, which can be taken back too.
#[utoipa::path(
    post, path = UNDO_PATH, operation_id = "undoChange", tag = "History",
    params(
        ("revision" = u64, Path, description = "The number of the change: that of its last revision."),
        IdempotencyKey,
    ),
    responses(
        (status = 200, description = "The change is taken back.", body = Applied,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        (status = 409, description = "A connector was changed since then; nothing was changed."),
        (status = 410, description = "The retention of the server removed what a connector was before."),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn undo(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    RevisionPath(change): RevisionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    Condition::expect_none(&head.headers)?;
    expect_no_fields(&server, &head, body).await?;
    let once = once::read(&server, &caller, &head, &Bytes::new()).await?;
    let (registry, tenant) = (&server.registry, caller.tenant());
    let changes = async {
        let turn = turn(&server).await?;
        let undoable = registry.undoable(tenant, change).await?;
        Ok(registry.check_undo(turn, tenant, undoable).await?)
    };
    respond(&server, &caller, once, changes, async || Ok(registry.undoable(tenant, change).await?.counts())).await
}

/// Commits changes, and answers what they did. `counts` are those of the same request, for a repeat.
pub(super) async fn respond(
    server: &ServerState,
    caller: &Caller,
    once: Option<Once>,
    changes: impl Future<Output = Result<Changes, ApiError>>,
    counts: impl AsyncFnOnce() -> Result<Counts, ApiError>,
) -> Result<Response, ApiError> {
    let apply = pin!(async {
        let applied = server.registry.apply(caller.tenant(), &caller.origin(), once, changes.await?).await?;
        let is_nothing = applied.before == applied.revision;
        let response = json_of(&applied);
        Ok(if is_nothing { Outcome::Nothing(response) } else { Outcome::Committed(response) })
    });
    let repeat = async |first: RevisionId, revisions| {
        Ok(json_of(&counts().await?.applied(first.number.get().unsigned_abs() - 1, revisions)))
    };
    once::respond(server, caller, once, apply, repeat).await
}

/// Waits for a turn to change several connectors.
async fn turn(server: &ServerState) -> Result<Turn, ApiError> {
    let turn = server.registry.apply_turn(false).await;
    turn.map_err(|_| ApiError::unavailable("other changes to several connectors are made at the moment; try again"))
}

/// Reads the key of a request. The connectors are in the query, so it is a part of what the request asks for.
async fn once_of(server: &ServerState, caller: &Caller, head: &Parts, body: &Bytes) -> Result<Option<Once>, ApiError> {
    let query = head.uri.query().unwrap_or_default();
    once::read(server, caller, head, &Bytes::from([query.as_bytes(), b"\n", body].concat())).await
}

/// Reads which connectors are meant. Each counts once.
fn chosen(head: &Parts, done: &str) -> Result<Vec<Chosen>, ApiError> {
    Condition::expect_none(&head.headers)?;
    let query = head.uri.query().unwrap_or_default();
    let (mut chosen, mut seen) = (Vec::new(), HashSet::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "scriptName" {
            let name = shown(&name, QUOTED_CHARS);
            return Err(ApiError::bad_request(format!(
                "the parameter `{name}` is unknown; this operation has `scriptName`, once for each connector"
            )));
        }
        expect_utf8(query, "scriptName", &value)?;
        let script_name: ScriptName =
            value.parse().map_err(|error| ApiError::bad_request(format!("`scriptName`: {error}")))?;
        if seen.insert(script_name.clone()) {
            chosen.push(Chosen::from(script_name));
        }
        if chosen.len() > EXPORT_NAMES {
            return Err(ApiError::bad_request(format!("`scriptName` has more than {EXPORT_NAMES} connectors")));
        }
    }
    if chosen.is_empty() {
        return Err(ApiError::bad_request(format!(
            "name the connectors to be {done} with `?scriptName=…`, once for each connector; nothing was changed"
        )));
    }
    Ok(chosen)
}
