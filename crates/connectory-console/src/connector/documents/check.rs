//! Checks a text while it is typed, as the linter and the API do.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use connectory_folder::lint::{Level, Rule, lint_file};
use connectory_folder::{Files, Folder};
use connectory_model::document::{Document, DocumentError, DocumentKind, SourceConfig};
use connectory_model::limits::FINDINGS;
use connectory_model::lines::Lines;
use connectory_model::{Connector, Locale};
use serde::Serialize;

use super::typed_text;
use crate::connector::form_preview;
use crate::connector::page::ConnectorPage;
use crate::connector::path::KindPath;
use crate::frame::error::PageError;
use crate::frame::findings::finding_text;
use crate::frame::form::Submitted;
use crate::frame::view::View;
use crate::state::Console;

/// The result of a check.
#[derive(Serialize)]
pub struct CheckResult {
    findings: Vec<Finding>,
    /// The form as HTML, if the text is a form.
    preview: Option<String>,
}

/// What is wrong in a line.
#[derive(Serialize)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// `error` or `warning`.
    level: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Finding {
    /// The error for which the API refuses a document.
    pub fn of(view: &View, error: &DocumentError) -> Self {
        let (line, reason) = match error {
            DocumentError::Malformed(malformed) => (malformed.line, &malformed.reason),
            DocumentError::Unacceptable(unacceptable) => (unacceptable.line as usize, &unacceptable.reason),
        };
        Self { line, level: "error", message: finding_text(view, Rule::of_document(error), reason) }
    }
}

/// Answers what is wrong in a text.
pub async fn check(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    KindPath(kind): KindPath,
    Submitted { view, form, .. }: Submitted,
) -> Result<Json<CheckResult>, PageError> {
    let text = typed_text(&console, kind, &form, "")?;
    let locale = Locale::or_english(Some(form.get("locale")?));
    let result = console.server.work.run(text.len() + page.connector.size(), move |stop| {
        let findings = findings(&view, &page.connector, kind, &text);
        let preview = (kind == DocumentKind::SourceConfig && !stop.is_due())
            .then(|| SourceConfig::parse(text.as_bytes()).ok())
            .flatten()
            .map(|config| {
                form_preview::preview_form(&view, config.form(&page.connector.translations, locale)).into_string()
            });
        CheckResult { findings, preview }
    });
    Ok(Json(result.await?))
}

fn findings(view: &View, connector: &Connector, kind: DocumentKind, text: &str) -> Vec<Finding> {
    let mut files: Files<'_> =
        Folder::from(connector.clone()).files().into_iter().map(|(path, bytes)| (path, Cow::from(bytes))).collect();
    files.insert(kind.file_name().to_owned(), text.as_bytes().into());
    let findings = lint_file(connector.script_name.as_str(), &files, kind.file_name(), FINDINGS);
    let (mut by_line, lines) = (BTreeMap::new(), Lines::of(text));
    for finding in findings {
        let line = lines.number(finding.span.start.min(text.len()));
        let level = if finding.rule.level == Level::Error { "error" } else { "warning" };
        by_line.entry((line, finding_text(view, finding.rule, &finding.message))).or_insert(level);
    }
    // The API may refuse what the linter does not check.
    if !by_line.values().any(|level| *level == "error")
        && let Err(error) = Document::parse(kind, text.as_bytes())
    {
        let Finding { line, message, .. } = Finding::of(view, &error);
        by_line.insert((line, message), "error");
    }
    by_line.into_iter().map(|((line, message), level)| Finding { line, level, message }).collect()
}
