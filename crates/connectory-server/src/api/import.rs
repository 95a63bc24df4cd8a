//! Importing connectors: as folders in a zip file, or as an export has them.

use std::pin::pin;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use connectory_folder::folder_name::script_name;
use connectory_folder::lint::Level;
use connectory_folder::local::LocalFolders;
use connectory_folder::upload::{self, SentFile, UploadError};
use connectory_model::access::Permission;
use connectory_model::limits::{BODY_TIMEOUT, IMPORT_TIMEOUT, QUOTED_CHARS};
use connectory_model::wire::{
    Applied, ConnectorDetail, ConnectorLine, IMPORT_PATH, ImportResult, Imported, ImportedConnector, LINES_TYPE,
    ZIP_TYPE,
};
use connectory_model::{ScriptName, shown};
use connectory_store::{Action, RevisionId, RevisionNumber};
use http::request::Parts;
use utoipa::IntoParams;

use super::once::{self, IdempotencyKey, Outcome};
use super::openapi::{Refusals, Reused};
use super::parameters::flag;
use crate::auth::Caller;
use crate::http::body::content_type;
use crate::http::conditional::Condition;
use crate::http::drain::drain;
use crate::http::error::ApiError;
use crate::http::response::json_of;
use crate::registry::{Changes, Import, StepKind};
use crate::state::ServerState;
use crate::work::{Stop, apart};

/// The media types of an import.
const MEDIA_TYPES: [&str; 3] = [ZIP_TYPE, "application/json", LINES_TYPE];

/// The query of an import, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "kebab-case")]
#[expect(dead_code, reason = "documents what `Asked::read` reads")]
pub struct ImportParameters {
    /// Checks the connectors, and changes nothing. This needs only the right to read connectors.
    #[param(default = false)]
    dry_run: Option<bool>,
    /// The tenant's revision as of which the caller knows the connectors, such as that of a dry run. If someone changed one of
    /// them after it, the answer is 409.
    #[param(minimum = 0)]
    revision: Option<u64>,
}

/// Imports connectors in one commit
///
/// The body is a zip file of connector folders, an array of whole connectors as `connectory export` writes it, or the lines of an
/// export. Each connector is wanted as it is there; all others stay as they are. All changes are made or none. A document that a
/// folder lacks stays as it is, and is made as on create for a new connector. If connectors are refused, `causes` has the reason
/// for each of them.
#[utoipa::path(
    post, path = IMPORT_PATH, operation_id = "importConnectors", tag = "Extensions",
    params(ImportParameters, IdempotencyKey),
    request_body(content((Vec<u8> = ZIP_TYPE), (Vec<ConnectorDetail> = "application/json"), (ConnectorLine = LINES_TYPE))),
    responses(
        (status = 200, description = "All changes are made.", body = Imported,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        (status = 409, description = "Someone else changed a connector after the given revision; nothing was changed."),
        Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn import(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let asked = match Asked::read(&head, &caller) {
        Ok(asked) => asked,
        Err(error) => {
            drain(body).await;
            return Err(error);
        }
    };
    let bytes = server.bodies.read_in(BODY_TIMEOUT, body, server.bodies.max_request).await?;
    let busy =
        |_| ApiError::unavailable("other changes to several connectors are being applied at the moment; try again");
    let turn = server.registry.apply_turn(asked.is_dry_run).await.map_err(busy)?;
    let (sent, limits) = (bytes.clone(), server.options.folder_limits());
    // An import has its turn among those that change several connectors. Those who work on one connector do not wait for it.
    let read = move |_: &Stop| (turn, upload::read(&[SentFile { path: "", bytes: &sent }], limits));
    let (turn, folders) = apart((), IMPORT_TIMEOUT, read).await?;
    let folders = folders?;
    expect_nothing_beside(&folders)?;
    let names: Vec<_> = folders.folders.iter().filter_map(|folder| script_name(&folder.name).ok()).collect();
    let Import { changes, .. } = server.registry.check_import(turn, caller.tenant(), folders, asked.revision).await?;
    let connectors = imported(&changes);
    if asked.is_dry_run {
        return Ok(json_of(&Imported { applied: changes.dry_run()?, connectors }));
    }
    let once = once::read(&server, &caller, &head, &bytes).await?;
    let apply = pin!(async {
        let applied = server.registry.apply(caller.tenant(), &caller.origin(), once, changes).await?;
        let is_nothing = applied.before == applied.revision;
        let response = json_of(&Imported { applied, connectors });
        Ok(if is_nothing { Outcome::Nothing(response) } else { Outcome::Committed(response) })
    });
    let repeat = async |first: RevisionId, count: usize| repeated(&server, first, count, names).await;
    once::respond(&server, &caller, once, apply, repeat).await
}

/// What an import is asked for.
struct Asked {
    is_dry_run: bool,
    revision: Option<RevisionNumber>,
}

impl Asked {
    fn read(head: &Parts, caller: &Caller) -> Result<Self, ApiError> {
        let (mut is_dry_run, mut revision) = (None, None);
        for (name, value) in form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()) {
            let is_given = match &*name {
                "dry-run" => is_dry_run.replace(flag("dry-run", &value)?).is_some(),
                "revision" => revision.replace(number(&value)?).is_some(),
                unknown => {
                    let unknown = shown(unknown, QUOTED_CHARS);
                    let text = format!("the parameter `{unknown}` is unknown; an import has `dry-run` and `revision`");
                    return Err(ApiError::bad_request(text));
                }
            };
            if is_given {
                return Err(ApiError::bad_request(format!("`{name}` is given twice")));
            }
        }
        Condition::expect_none(&head.headers)?;
        let asked = Self { is_dry_run: is_dry_run.unwrap_or_default(), revision };
        if !asked.is_dry_run {
            caller.has(Permission::Write)?;
        }
        let media_type = content_type(&head.headers);
        let essence = media_type.map(|value| value.split(';').next().unwrap_or_default().trim());
        if essence.is_some_and(|essence| !MEDIA_TYPES.iter().any(|known| known.eq_ignore_ascii_case(essence))) {
            return Err(ApiError::unsupported_media_type(media_type, &MEDIA_TYPES.join(" or ")));
        }
        Ok(asked)
    }
}

fn number(value: &str) -> Result<RevisionNumber, ApiError> {
    value.parse().ok().and_then(RevisionNumber::new).ok_or_else(|| {
        let value = shown(value, QUOTED_CHARS);
        ApiError::bad_request(format!(
            "`revision` must be the number of a revision, such as that of a dry run; got `{value}`"
        ))
    })
}

/// Refuses what is beside the connector folders and may be meant as part of one.
fn expect_nothing_beside(folders: &LocalFolders) -> Result<(), ApiError> {
    let errors = folders.findings.iter().filter(|finding| finding.rule.level == Level::Error);
    let causes: Vec<_> = errors.map(|finding| format!("{}: {}", finding.file, finding.message)).collect();
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::bad_request("files beside the connector folders are refused, and nothing was changed")
        .with_causes(causes))
}

/// What changes do with each connector.
fn imported(changes: &Changes) -> Vec<ImportedConnector> {
    let steps = changes.steps().iter().map(|step| ImportedConnector {
        script_name: step.script_name.clone(),
        result: match step.kind {
            StepKind::Created => ImportResult::Created,
            StepKind::Unchanged(_) => ImportResult::Unchanged,
            StepKind::Changed | StepKind::Deleted => ImportResult::Changed,
        },
        changed: step.changed.clone(),
    });
    steps.collect()
}

/// The answer to a repeat, from the revisions that the first request made.
async fn repeated(
    server: &ServerState,
    first: RevisionId,
    count: usize,
    names: Vec<ScriptName>,
) -> Result<Response, ApiError> {
    let before = first.number.get().unsigned_abs() - 1;
    let (most, end) = (u32::try_from(count).unwrap_or(u32::MAX), i64::try_from(count).unwrap_or(i64::MAX));
    let after = RevisionNumber::new(first.number.get().saturating_add(end));
    let revisions = server.store.revisions(first.tenant, None, after, most).await?;
    let connector = |script_name: ScriptName| {
        let made = revisions.iter().find(|revision| revision.script_name == script_name);
        let (result, changed) = match made {
            None => (ImportResult::Unchanged, Vec::new()),
            Some(made) if made.action == Action::Create => (ImportResult::Created, Vec::new()),
            Some(made) => (ImportResult::Changed, made.changed.clone()),
        };
        ImportedConnector { script_name, result, changed }
    };
    let connectors: Vec<_> = names.into_iter().map(connector).collect();
    let of = |result| connectors.iter().filter(|connector| connector.result == result).count() as u64;
    let applied = Applied {
        before,
        revision: before + count as u64,
        created: of(ImportResult::Created),
        changed: of(ImportResult::Changed),
        deleted: 0,
        unchanged: of(ImportResult::Unchanged),
    };
    Ok(json_of(&Imported { applied, connectors }))
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::TooMany | UploadError::TooLarge => Self::payload_too_large(error.to_string()),
            _ => Self::bad_request(error.to_string()),
        }
    }
}
