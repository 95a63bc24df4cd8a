//! Importing connectors: files are sent, a page shows what they would change, and a form applies it.
//!
//! Nothing is kept between the two: the wanted connectors travel in the form ([`parcel`]), and are checked again. So any
//! server can answer, and nobody has to clean up.

mod page;
mod parcel;
mod plan;

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use connectory_folder::local::LocalFolders;
use connectory_folder::upload::{self, SentFile, UploadError};
use connectory_model::access::Permission;
use connectory_model::import::{ImportError, ObjectError};
use connectory_model::limits::{IMPORT_BYTES, IMPORT_FILES, IMPORT_TIMEOUT, WORK_TIMEOUT};
use connectory_model::{Connector, ScriptName};
use connectory_server::auth::Caller;
use connectory_server::registry::{ApplyError, Import, StepKind};
use connectory_server::work::{Stop, Turn, apart};
use connectory_store::RevisionNumber;
use http::StatusCode;

use self::plan::{Noted, Plan};
use crate::frame::error::{PageError, member_message};
use crate::frame::form::{PostedForm, Submitted, SubmittedImport};
use crate::frame::success::{UNCHANGED, imported};
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{IMPORT, connector_url};

/// Where a plan is applied.
pub const APPLY: &str = "/console/import/apply";

/// Shows the form for files.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    caller.has(Permission::Write)?;
    Ok(page::form(&view, &console, &query.unwrap_or_default(), None))
}

/// Shows what the files of a form would change.
pub async fn plan(
    State(console): State<Arc<Console>>,
    SubmittedImport(Submitted { view, caller, form }): SubmittedImport,
) -> Result<Response, PageError> {
    let planned = async {
        let files = sent(&form)?;
        let limits = console.server.options.folder_limits();
        let turn = console.server.registry.apply_turn(true).await?;
        let read = move |_: &Stop| {
            let files: Vec<_> = files.iter().map(|(path, bytes)| SentFile { path, bytes }).collect();
            (turn, upload::read(&files, limits))
        };
        let (turn, folders) = apart((), IMPORT_TIMEOUT, read).await?;
        show_plan(&console, &view, &caller, turn, folders.map_err(|error| upload_error(&error))?, None).await
    };
    match planned.await {
        Err(error) if error.status().is_client_error() => Ok(page::form(&view, &console, "", Some(&error))),
        planned => planned,
    }
}

/// The files of a form by their paths. A script sends the paths of files that were dropped, because a browser would not.
fn sent(form: &PostedForm) -> Result<Vec<(String, Bytes)>, PageError> {
    let files = form.files();
    if files.is_empty() {
        return Err(upload_error(&UploadError::Nothing));
    }
    let paths = form.get_up_to("paths", usize::MAX)?;
    if paths.is_empty() {
        return Ok(files.iter().map(|file| (file.name.clone(), file.bytes.clone())).collect());
    }
    let paths: Vec<_> = paths.lines().collect();
    if paths.len() != files.len() {
        return Err(PageError::bad_request(Message::new("import.error.paths")));
    }
    Ok(paths.into_iter().zip(files).map(|(path, file)| (path.to_owned(), file.bytes.clone())).collect())
}

/// Checks folders, and shows the plan under a note.
async fn show_plan(
    console: &Arc<Console>,
    view: &Arc<View>,
    caller: &Caller,
    turn: Turn,
    folders: LocalFolders,
    note: Option<&'static str>,
) -> Result<Response, PageError> {
    let limits = console.server.options.folder_limits();
    let lint = move |stop: &Stop| {
        let noted = Noted::of(&folders, limits, stop);
        (turn, folders, noted)
    };
    let (turn, folders, noted) = apart((), WORK_TIMEOUT, lint).await?;
    let names = folders.folders.iter().map(|folder| folder.name.clone()).collect();
    let registry = &console.server.registry;
    let import = registry.check_import(turn, caller.tenant(), folders, None).await?;
    let plan = Plan::new(names, noted, import).with_stored(console, caller).await?;
    let status = if note.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    let (view, most) = (Arc::clone(view), console.server.options.max_request);
    let bytes = plan.applicable().map(Connector::size).sum();
    let work = move |stop: &Stop| page::plan(&view, &plan, (note, status), most, stop);
    console.server.work.run(bytes, work).await?
}

/// Applies the chosen connectors of a plan. If it can no longer be applied, shows it anew.
pub async fn apply(
    State(console): State<Arc<Console>>,
    SubmittedImport(Submitted { view, caller, form }): SubmittedImport,
) -> Result<Response, PageError> {
    let parcel = form.get_up_to("connectors", usize::MAX)?.to_owned();
    let limits = console.server.options.folder_limits();
    let revision = form.get("revision")?.parse().ok().and_then(RevisionNumber::new);
    let revision = revision.ok_or_else(|| PageError::bad_request(Message::new("import.error.parcel")))?;
    let taken: HashSet<String> = form.all("take").map(|name| name.map(str::to_owned)).collect::<Result<_, _>>()?;
    let registry = &console.server.registry;
    let turn = registry.apply_turn(false).await?;
    let open = move |_: &Stop| {
        let opened = parcel::open(&parcel, limits).map(|folders| {
            let mut chosen = folders.clone();
            chosen.folders.retain(|folder| taken.contains(&folder.name));
            (folders, chosen)
        });
        (turn, opened)
    };
    let (turn, opened) = apart((), IMPORT_TIMEOUT, open).await?;
    let (folders, chosen) = opened.ok_or_else(|| PageError::bad_request(Message::new("import.error.parcel")))?;
    if chosen.folders.is_empty() {
        return show_plan(&console, &view, &caller, turn, folders, Some("import.none_chosen")).await;
    }
    let checked = registry.check_import(turn, caller.tenant(), chosen, Some(revision)).await;
    let Import { changes, .. } = checked?;
    let steps = changes.steps().iter().filter(|step| !matches!(step.kind, StepKind::Unchanged(_)));
    let names: Vec<ScriptName> = steps.map(|step| step.script_name.clone()).collect();
    let applied = match registry.apply(caller.tenant(), &caller.origin(), None, changes).await {
        Err(ApplyError::Refused { .. }) => {
            let turn = registry.apply_turn(true).await?;
            return show_plan(&console, &view, &caller, turn, folders, Some("import.moved")).await;
        }
        applied => applied?,
    };
    let done = imported(applied.created, applied.changed);
    let address = match names.as_slice() {
        [] => format!("{IMPORT}?done={UNCHANGED}"),
        [only] => connector_url(only, &format!("?{done}")),
        _ => format!("/console/activity/changes/{}?{done}", applied.revision),
    };
    Ok(Redirect::to(&address).into_response())
}

/// Why files are not read, in the language of the reader.
fn upload_error(error: &UploadError) -> PageError {
    let message = match error {
        UploadError::Nothing => Message::new("import.error.nothing"),
        UploadError::Zip(reason) => Message::new("import.error.zip").with(reason),
        UploadError::Encrypted(name) => Message::new("import.error.encrypted").with(name),
        UploadError::TooMany => return PageError::too_large(Message::new("import.error.many").with(&IMPORT_FILES)),
        UploadError::TooLarge => return PageError::too_large(Message::new("import.error.large").with(&IMPORT_BYTES)),
        UploadError::Path(path) => Message::new("import.error.path").with(path),
        UploadError::Twice(path) => Message::new("import.error.twice").with(path),
        UploadError::Empty(None) => Message::new("import.error.empty"),
        UploadError::Empty(Some(path)) => Message::new("import.error.nested").with(path),
        UploadError::Export(error) => export_message(error),
    };
    PageError::bad_request(message)
}

/// Why an export is not read.
fn export_message(error: &ImportError) -> Message {
    match error {
        ImportError::Json(error) => Message::new("import.error.export").with(error),
        ImportError::Compressed(how) => Message::new("import.error.compressed").with(how),
        ImportError::NotAnArray(_) => Message::new("import.error.empty"),
        ImportError::Line { line, reason } => Message::new("import.error.line").with(line).with(reason),
        ImportError::BrokeOff => Message::new("import.error.broke_off"),
        ImportError::TooMany(most) => Message::new("import.error.connectors").with(most),
        ImportError::Object { index, error, .. } => {
            let message = match error {
                ObjectError::Member(error) => member_message(error),
                ObjectError::Incomplete(member) => Message::new("import.error.incomplete").with(*member),
                other => Message::new("error.invalid").with(other),
            };
            Message::new("import.error.object").with(index).with_message(message)
        }
    }
}
