//! The operations on connectors that the specification does not have, under `/connectory/v1`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_folder::folder_name::folder_name;
use connectory_model::access::Permission;
use connectory_model::limits::{APPLY_BYTES_PER_SECOND, APPLY_PAUSE, APPLY_TIMEOUT, EXPORT_NAMES, QUOTED_CHARS};
use connectory_model::patch::PatchScope;
use connectory_model::wire::{APPLY_PATH, Applied, ConnectorDetail, ConnectorLine, LINES_TYPE, Origin, ZIP_TYPE};
use connectory_model::{ScriptName, Status, shown};
use connectory_store::RevisionNumber;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::connectors::{JsonPatchOperation, apply_patch};
use super::many::respond;
use super::once::{self, IdempotencyKey};
use super::openapi::{IfMatch, Refusals, Reused, Unexpected};
use super::parameters::{expect_no_parameters, flag, list_query};
use crate::auth::Caller;
use crate::http::body::{broken, content_type};
use crate::http::coding::{Accepted, name_coding};
use crate::http::conditional::Condition;
use crate::http::drain::{drain, drain_stream};
use crate::http::error::ApiError;
use crate::http::path::ScriptNamePath;
use crate::http::response::{json_of, zip_response};
use crate::registry::{ApplyError, Changes, ExportParts, Exported, Form, Moment};
use crate::state::ServerState;

/// The query of an export, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `exported` reads")]
pub struct ExportParameters {
    /// As for lists.
    #[param(example = r#"name sw "SCIM" and directConnect eq true"#)]
    filters: Option<String>,
    /// As for lists. Descriptions are searched in English.
    #[param(example = "directory", max_length = 255)]
    q: Option<String>,
    /// `all`, or a comma-separated list of statuses.
    #[param(default = "all", example = "DEVELOPMENT,DEMO")]
    statuses: Option<String>,
    /// Only the tenant's own connectors (`true`) or only the built-in ones (`false`).
    #[param(default = true)]
    custom: Option<bool>,
    /// Only the connector with this script name, custom or built-in. The parameter can be repeated, and excludes the others.
    #[param(example = "hr-system")]
    script_name: Option<String>,
    /// The custom connectors as they were: after the change that holds the revision of this number, or at a time (RFC 3339).
    /// It excludes all other parameters.
    #[param(example = "2026-05-04T00:00:00Z")]
    at: Option<String>,
}

/// Exports whole connectors
///
/// All that a tenant has at one revision, or a selection of it, as lines of JSON: `{"revision": …, "builtInCatalog": …}`, a
/// line for each connector in the order of their names, and `{"count": …}`. An export without its last line broke off.
///
/// A client that sends `Accept: application/zip` gets a zip file with a connector folder for each instead.
#[utoipa::path(
    get, path = "/", operation_id = "exportConnectors", tag = "Extensions", params(ExportParameters),
    responses(
        (status = 200, description = "The connectors. Compressed with zstd or gzip for a client that accepts it.",
         content((ConnectorLine = LINES_TYPE), (Vec<u8> = ZIP_TYPE))),
        Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn export(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let exported = exported(request.uri().query().unwrap_or_default())?;
    if accepts_zip(request.headers()) {
        let name = zip_name(&exported);
        let parts = server.registry.export(caller.tenant(), exported, Form::Zip).await?;
        return Ok(zip_response(streamed(parts), &name));
    }
    let coding = Accepted::of(request.headers()).coding();
    let parts = server.registry.export(caller.tenant(), exported, Form::Lines(coding)).await?;
    let mut response = Response::new(streamed(parts));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES_TYPE));
    name_coding(headers, coding);
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The body of an export. If the export breaks off, so does the connection.
pub fn streamed(mut parts: ExportParts) -> Body {
    Body::from_stream(futures_util::stream::poll_fn(move |context| parts.poll_recv(context)))
}

/// The name of a zip file with an export.
pub fn zip_name(exported: &Exported) -> String {
    let only = match exported {
        Exported::Named(names) if names.len() == 1 => names.iter().next(),
        _ => None,
    };
    let folder = only.and_then(|script_name| folder_name(script_name).ok());
    format!("{}.zip", folder.as_deref().unwrap_or("connectors"))
}

/// Whether a client names zip files in `Accept`. One that takes anything gets lines.
fn accepts_zip(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_zip = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(ZIP_TYPE));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        is_zip && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// Reads the query of an export.
fn exported(query: &str) -> Result<Exported, ApiError> {
    let mut names = Vec::new();
    let (mut others, mut has_statuses, mut has_custom) = (0, false, false);
    let mut at = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "scriptName" => {
                let name: ScriptName =
                    value.parse().map_err(|error| ApiError::bad_request(format!("`scriptName`: {error}")))?;
                names.push(name);
                continue;
            }
            "at" => {
                at = Some(moment(&value)?);
                continue;
            }
            "filters" | "q" => {}
            "statuses" => has_statuses = true,
            "custom" => has_custom = true,
            unknown => {
                let unknown = shown(unknown, QUOTED_CHARS);
                return Err(ApiError::bad_request(format!(
                    "the parameter `{unknown}` is unknown; an export has `filters`, `q`, `statuses`, `custom`, `scriptName` and `at`"
                )));
            }
        }
        others += 1;
    }
    if let Some(at) = at {
        return match (names.len(), others) {
            (0, 0) => Ok(Exported::At(at)),
            _ => Err(ApiError::bad_request("`at` excludes all other parameters of an export; leave those out")),
        };
    }
    match names.len() {
        0 => {}
        _ if others > 0 => {
            return Err(ApiError::bad_request(
                "`scriptName` excludes `filters`, `q`, `statuses` and `custom`; leave those out",
            ));
        }
        1..=EXPORT_NAMES => return Ok(Exported::Named(names.into_iter().collect())),
        _ => return Err(ApiError::bad_request(format!("`scriptName` is there more than {EXPORT_NAMES} times"))),
    }
    let (mut selection, _) = list_query(query)?;
    if !has_statuses {
        selection.statuses = Status::ALL.to_vec();
    }
    if !has_custom {
        selection.origin = Some(Origin::Custom);
    }
    Ok(Exported::Selected(selection))
}

/// Reads a moment: the number of a revision, or a time.
fn moment(value: &str) -> Result<Moment, ApiError> {
    if let Some(number) = value.parse().ok().and_then(RevisionNumber::new) {
        return Ok(Moment::Revision(number));
    }
    value.parse::<Timestamp>().map(|time| Moment::Time(time.as_millisecond())).map_err(|_| {
        let value = shown(value, QUOTED_CHARS);
        ApiError::bad_request(format!(
            "`at` must be the number of a revision, such as 42, or a time of RFC 3339 with its offset, such as \
             2026-05-04T03:02:01Z; got `{value}`"
        ))
    })
}

/// The query of an apply, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "kebab-case")]
#[expect(dead_code, reason = "documents what `is_dry_run` reads")]
pub struct ApplyParameters {
    /// Checks the lines, and changes nothing. This needs only the right to read connectors.
    #[param(default = false)]
    dry_run: Option<bool>,
}

/// Applies changes to several connectors in one commit
///
/// The body has a line of JSON for each change. `revision` is the one as of which the connector was read; 0 creates it under
/// the script name of the line, with any status. `connector` is the whole connector as it is wanted; null deletes it. All
/// changes are made or none: the revisions are consecutive, and the history shows them as one change. If lines are refused,
/// `causes` has the reason for each of them.
#[utoipa::path(
    post, path = APPLY_PATH, operation_id = "applyChanges", tag = "Extensions", params(ApplyParameters, IdempotencyKey),
    request_body(content = ConnectorLine, content_type = LINES_TYPE),
    responses(
        (status = 200, description = "All changes are made.", body = Applied,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        (status = 409, description = "Someone else changed a connector after the given revision; nothing was changed."),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn apply(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let begun = begin(&server, &caller, &head).await;
    let (is_dry_run, is_compressed, turn) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            drain(body).await;
            return Err(error);
        }
    };
    let (changes, digest) = read(&server, &caller, turn, body, is_compressed).await?;
    if is_dry_run {
        return Ok(json_of(&changes.dry_run()?));
    }
    // The lines took their time. Meanwhile the token may have expired, or the client may have lost its rights.
    match server.auth.caller(caller.version(), &head.headers).await {
        Ok(caller) => caller.has(Permission::Write)?,
        Err(error) => return Ok(error.into_response()),
    }
    let once = once::read(&server, &caller, &head, &Bytes::copy_from_slice(&digest)).await?;
    let repeated = changes.counts();
    respond(&server, &caller, once, async { Ok(changes) }, async || Ok(repeated)).await
}

/// Reads what an apply is asked for, and waits for its turn.
async fn begin(
    server: &ServerState,
    caller: &Caller,
    head: &http::request::Parts,
) -> Result<(bool, bool, crate::work::Turn), ApiError> {
    let is_dry_run = is_dry_run(head.uri.query().unwrap_or_default())?;
    Condition::expect_none(&head.headers)?;
    if !is_dry_run {
        caller.has(Permission::Write)?;
    }
    let media_type = content_type(&head.headers);
    let essence = media_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|essence| !essence.eq_ignore_ascii_case(LINES_TYPE)) {
        return Err(ApiError::unsupported_media_type(media_type, LINES_TYPE));
    }
    // The others are decoded already.
    let is_compressed = head.headers.contains_key(header::CONTENT_ENCODING);
    let busy =
        |_| ApiError::unavailable("other changes to several connectors are being applied at the moment; try again");
    Ok((is_dry_run, is_compressed, server.registry.apply_turn(is_dry_run).await.map_err(busy)?))
}

/// Passes a body to the thread that reads it.
async fn read(
    server: &ServerState,
    caller: &Caller,
    turn: crate::work::Turn,
    body: Body,
    is_compressed: bool,
) -> Result<(Changes, [u8; 32]), ApiError> {
    let (sender, parts) = mpsc::channel(4);
    let mut stream = body.into_data_stream();
    let passing = async {
        let mut patience = APPLY_PAUSE;
        let pass = async {
            loop {
                // A body that does not arrive holds up those of others. Only the waits for it count.
                let began = tokio::time::Instant::now();
                let part = match tokio::time::timeout(patience, stream.next()).await {
                    Ok(Some(part)) => part,
                    Ok(None) => return,
                    Err(_) => {
                        let _reader_has_ended = sender.send(Err(ApplyError::Late)).await;
                        return;
                    }
                };
                let bytes = part.as_ref().map_or(0, Bytes::len) as u64;
                patience = patience.saturating_sub(began.elapsed());
                patience += Duration::from_micros(1_000_000 * bytes / APPLY_BYTES_PER_SECOND);
                let part = part.map_err(|error| ApplyError::Unreadable(broken(&error)));
                let is_last = part.is_err();
                if sender.send(part).await.is_err() || is_last {
                    return;
                }
            }
        };
        if tokio::time::timeout(APPLY_TIMEOUT, pass).await.is_err() {
            let _reader_has_ended = sender.send(Err(ApplyError::Late)).await;
        }
        drop(sender);
    };
    let reading = server.registry.read_changes(turn, caller.tenant(), parts, is_compressed);
    let (changes, ()) = futures_util::future::join(reading, passing).await;
    if changes.is_err() {
        drain_stream(&mut stream).await;
    }
    Ok(changes?)
}

fn is_dry_run(query: &str) -> Result<bool, ApiError> {
    let (mut is_dry_run, mut is_given) = (false, false);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "dry-run" {
            let name = shown(&name, QUOTED_CHARS);
            return Err(ApiError::bad_request(format!("the parameter `{name}` is unknown; an apply has `dry-run`")));
        }
        if std::mem::replace(&mut is_given, true) {
            return Err(ApiError::bad_request("`dry-run` is given twice"));
        }
        is_dry_run = flag("dry-run", &value)?;
    }
    Ok(is_dry_run)
}

/// Updates a custom connector with a JSON Patch, in place
///
/// As the operation of the Connectors API, with five more paths: `/name`, `/type`, `/className`, `/directConnect` and
/// `/status`. The script name and the documents stay as they are. The type stays too, unless the patch changes it. A name
/// that another connector has is 400.
#[utoipa::path(
    patch, path = "/{scriptName}", operation_id = "updateConnector", tag = "Extensions",
    params(("scriptName" = String, Path, description = "The connector's script name."), IfMatch, IdempotencyKey),
    request_body(content = Vec<JsonPatchOperation>, content_type = "application/json-patch+json"),
    responses(
        (status = 200, description = "The connector as it is now.", body = ConnectorDetail,
         headers(
            ("ETag" = String, description = "The entity tag that a read of the connector under `/connectors/v1` has now."),
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
    expect_no_parameters(request.uri())?;
    apply_patch(&server, &caller, &script_name, PatchScope::Whole, request).await
}
