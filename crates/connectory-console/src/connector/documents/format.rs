//! Indents the text of the editor.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use connectory_model::document::{DocumentError, formatted};
use serde::Serialize;

use super::check::Finding;
use super::{too_large, typed_text};
use crate::connector::path::KindPath;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::state::Console;

/// The text with other white space, or why it cannot be read.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Formatted {
    /// The text.
    Text {
        /// The whole of it.
        text: String,
    },
    /// What has to be mended first.
    Fault(Finding),
}

/// Answers a text with one element on a line.
pub async fn format(
    State(console): State<Arc<Console>>,
    KindPath(kind): KindPath,
    Submitted { view, form, .. }: Submitted,
) -> Result<Json<Formatted>, PageError> {
    let text = typed_text(&console, kind, &form, "")?;
    let max = console.server.options.max_document;
    let result = console.server.work.run(text.len(), move |_| formatted(&text, max)).await?;
    match result {
        Ok(Some(text)) => Ok(Json(Formatted::Text { text })),
        Ok(None) => Err(too_large(&console, kind)),
        Err(malformed) => Ok(Json(Formatted::Fault(Finding::of(&view, &DocumentError::Malformed(malformed))))),
    }
}
