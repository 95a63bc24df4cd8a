//! Connectors as a zip file of their folders.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::ScriptName;
use connectory_model::limits::EXPORT_NAMES;
use connectory_server::api::extensions::{streamed, zip_name};
use connectory_server::auth::Caller;
use connectory_server::http::response::zip_response;
use connectory_server::registry::{Exported, Form};

use super::path::ScriptNamePath;
use crate::frame::error::PageError;
use crate::frame::texts::Message;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// Serves the folder of a connector.
pub async fn connector(
    State(console): State<Arc<Console>>,
    SignedIn { caller, .. }: SignedIn,
    ScriptNamePath(script_name): ScriptNamePath,
) -> Result<Response, PageError> {
    zip(&console, &caller, HashSet::from([script_name])).await
}

/// Serves the folders of the connectors that the address names.
pub async fn several(
    State(console): State<Arc<Console>>,
    SignedIn { caller, .. }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    let mut names = HashSet::new();
    for (_, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "scriptName") {
        names.insert(value.parse().map_err(|_| PageError::no_connector(&value))?);
    }
    match names.len() {
        0 => Err(PageError::bad_request(Message::new("error.export_nothing"))),
        1..=EXPORT_NAMES => zip(&console, &caller, names).await,
        _ => Err(PageError::bad_request(Message::new("error.export_many").with(&EXPORT_NAMES))),
    }
}

async fn zip(console: &Console, caller: &Caller, names: HashSet<ScriptName>) -> Result<Response, PageError> {
    for script_name in &names {
        console.server.registry.entry(caller.tenant(), script_name)?;
    }
    let exported = Exported::Named(names);
    let name = zip_name(&exported);
    let parts = console.server.registry.export(caller.tenant(), exported, Form::Zip).await?;
    Ok(zip_response(streamed(parts), &name))
}
