//! The three documents: reading, editing with findings under each line, download and upload.
//!
//! The editor sends the entity tag of the text that it started with. If the stored text has changed since then, nothing is
//! saved: the page shows both changes side by side, and the user chooses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use connectory_folder::lint::{Level, Text, lint_file};
use connectory_folder::{Files, Folder};
use connectory_model::document::{Document, DocumentError, DocumentKind, SourceConfig};
use connectory_model::limits::{EDITOR_TIMES, FINDINGS};
use connectory_model::lines::Lines;
use connectory_model::{Connector, Locale};
use connectory_server::catalog::Tagged;
use connectory_server::http::conditional::Condition;
use connectory_server::registry::RegistryError;
use connectory_server::work::{Stop, reserve};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};
use serde::Serialize;

use super::download::attachment;
use super::form_preview;
use super::page::{ConnectorPage, Tab};
use super::path::KindPath;
use crate::frame::diff;
use crate::frame::error::PageError;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::html_bytes::html_bytes;
use crate::frame::notes;
use crate::frame::success::{UNCHANGED, outcome, success_note};
use crate::state::Console;

/// Shows a document in the editor.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    KindPath(kind): KindPath,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    editor_page(&console, page, kind, None, move |page, _, _| success_note(&page.view, &query)).await
}

/// What was typed and is not saved.
struct Typed {
    text: String,
    /// The entity tag that the form began with. None if its sender has seen what is stored now.
    base: Option<String>,
}

/// A page with something above the editor. The editor has the stored text, or else what was typed. The page is counted
/// before it is made, because a text may be six times as long in it.
async fn editor_page(
    console: &Console,
    page: ConnectorPage,
    kind: DocumentKind,
    typed: Option<Typed>,
    above: impl FnOnce(&ConnectorPage, &str, &Stop) -> Markup + Send + 'static,
) -> Result<Response, PageError> {
    let typed_text = typed.as_ref().map(|typed| typed.text.as_str());
    let bytes = html_bytes(typed_text.unwrap_or(page.connector.document(kind)));
    let is_shown = bytes <= EDITOR_TIMES * console.server.options.max_document;
    let bytes = if is_shown { bytes } else { 0 };
    reserve(&console.server.answers, bytes)?;
    let response = console.server.work.run(page.connector.size() + bytes, move |stop| {
        let text = typed.as_ref().map_or(page.connector.document(kind), |typed| &typed.text);
        let content = html! {
            (above(&page, text, stop))
            (editor(&page, kind, is_shown.then_some(text), typed.as_ref()))
        };
        page.render(Tab::Document(kind), &content)
    });
    Ok(response.await?)
}

/// The editor with a text, or without one that is too long.
fn editor(page: &ConnectorPage, kind: DocumentKind, text: Option<&str>, typed: Option<&Typed>) -> Markup {
    let view = &page.view;
    let of_document = |rest: &str| page.url(&format!("/documents/{}{rest}", kind.name()));
    let is_form = kind == DocumentKind::SourceConfig;
    let tag = Tagged::Document(kind).tag(&page.connector);
    let base = typed.and_then(|typed| typed.base.as_deref()).unwrap_or(tag.as_str());
    let title = view.text(Tab::Document(kind).title_key());
    let download = html! {
        a.button href=(of_document("/file")) download=(kind.file_name()) { (view.text("action.download")) }
    };
    html! {
        (page.read_only_note())
        (notes::draft(view))
        div.editing[is_form] {
            @if let Some(text) = text { form.editor method="post" action=(of_document(""))
                data-draft=[page.is_writable().then(|| of_document(""))] data-compare=(of_document("/compare"))
                data-typed[typed.is_some()]
            {
                (view.csrf_input())
                input type="hidden" name="base" value=(base);
                label.visually-hidden for="text" { (title) }
                textarea #text name="text" rows="24" spellcheck="false" autocapitalize="none" autocomplete="off" wrap="off"
                    readonly[!page.is_writable()]
                    data-editor=(title)
                    data-check=(of_document("/check"))
                    data-error=(view.text("document.error")) data-warning=(view.text("document.warning"))
                { "\n" (text) }
                p.verdict #verdict role="status" data-fine=(view.text("document.fine")) data-problems=(view.text("document.problems"))
                    data-checking=(view.text("document.checking")) data-unchecked=(view.text("document.unchecked")) {}
                div.actions {
                    @if page.is_writable() { button.primary type="submit" { (view.text("action.save")) } }
                    (download)
                }
            } }
            @else { div { p.note { (view.text("document.long")) } div.actions { (download) } } }
            @if is_form { (form_preview::preview_pane(page, view.locale())) }
        }
        @if page.is_writable() {
            form.upload method="post" action=(of_document("/file")) enctype="multipart/form-data" {
                (view.csrf_input())
                label { (view.format("document.upload", &[&title])) input type="file" name="file" accept=".xml,application/xml,text/xml" required; }
                button type="submit" { (view.text("action.upload")) }
            }
        }
    }
}

/// Saves the text of the editor.
pub async fn save(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    KindPath(kind): KindPath,
    Submitted { form, .. }: Submitted,
) -> Result<Response, PageError> {
    let text = typed_text(&console, kind, &form, page.connector.document(kind))?;
    store(&console, page, kind, text.into(), Some(form.get("base")?)).await
}

/// Stores an uploaded document.
pub async fn upload(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    KindPath(kind): KindPath,
    Submitted { form, .. }: Submitted,
) -> Result<Response, PageError> {
    let bytes = form.file(console.server.options.max_document)?;
    store(&console, page, kind, bytes, None).await
}

/// Replaces the document and redirects to its page, or shows why that failed. With a base, nothing is saved if what is
/// stored has another entity tag.
async fn store(
    console: &Console,
    page: ConnectorPage,
    kind: DocumentKind,
    bytes: Bytes,
    base: Option<&str>,
) -> Result<Response, PageError> {
    let text = Text::decode(&bytes).text.into_owned();
    let size = bytes.len();
    let parsed = console.server.work.run(size, move |_| Document::parse(kind, &bytes)).await?;
    let document = match parsed {
        Ok(document) if document.text().measure() > console.server.options.max_document => {
            return Err(too_large(console, kind));
        }
        Ok(document) => document,
        Err(error) => {
            let Finding { line, message, .. } = Finding::of(&error);
            let typed = Typed { text, base: base.map(str::to_owned) };
            let response = editor_page(console, page, kind, Some(typed), move |page, _, _| {
                html! { p.problem role="alert" { (page.view.format("document.line", &[&line, &message])) } }
            });
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, response.await?).into_response());
        }
    };
    let address = page.url(&format!("/documents/{}", kind.name()));
    let done = |word: &str| Ok(Redirect::to(&format!("{address}?done={word}")).into_response());
    let (registry, tenant, script_name) = (&console.server.registry, page.caller.tenant(), &page.connector.script_name);
    let origin = page.caller.origin();
    let condition = base.map(Condition::if_match).unwrap_or_default();
    match registry.replace_document(tenant, &origin, script_name, document, size, condition).await {
        Ok(edited) => done(outcome(&edited)),
        Err(RegistryError::Unexpected(_)) => {
            let theirs = page.again(console).await?;
            if theirs.connector.document(kind) == text {
                return done(UNCHANGED);
            }
            let typed = Typed { text, base: None };
            let response = editor_page(console, theirs, kind, Some(typed), move |theirs, text, stop| {
                diff::conflict(&theirs.view, theirs.connector.document(kind), text, &address, stop)
            });
            Ok((StatusCode::CONFLICT, response.await?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Serves the stored document as a file.
pub async fn download(page: ConnectorPage, KindPath(kind): KindPath) -> Response {
    let name = format!("{}-{}", page.connector.script_name, kind.file_name());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/xml")),
        (header::CONTENT_DISPOSITION, attachment(&name)),
    ];
    (headers, page.connector.document_text(kind).bytes().to_vec()).into_response()
}

/// The text of the editor. Its limit is in bytes.
fn typed_text(console: &Console, kind: DocumentKind, form: &PostedForm, before: &str) -> Result<String, PageError> {
    let text = form.lines("text", before, usize::MAX)?;
    if text.len() > console.server.options.max_document { Err(too_large(console, kind)) } else { Ok(text) }
}

fn too_large(console: &Console, kind: DocumentKind) -> PageError {
    RegistryError::DocumentTooLarge { kind, limit: console.server.options.max_document }.into()
}

/// Answers the difference of a draft to the stored document.
pub async fn compare(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    KindPath(kind): KindPath,
    Submitted { form, .. }: Submitted,
) -> Result<Response, PageError> {
    let text = typed_text(&console, kind, &form, page.connector.document(kind))?;
    let answer = console.server.work.run(text.len() + page.connector.size(), move |stop| {
        diff::draft_difference(&page.view, page.connector.document(kind), &text, stop)
    });
    Ok(answer.await?)
}

/// The result of a check.
#[derive(Serialize)]
pub struct CheckResult {
    findings: Vec<Finding>,
    /// The form as HTML, if the text is a form.
    preview: Option<String>,
}

/// What is wrong in a line.
#[derive(Serialize)]
struct Finding {
    /// The line, from 1.
    line: usize,
    /// `error` or `warning`.
    level: &'static str,
    message: String,
}

impl Finding {
    /// The error for which the API refuses a document.
    fn of(error: &DocumentError) -> Self {
        let (line, message) = match error {
            DocumentError::Malformed(malformed) => (malformed.line, malformed.reason.clone()),
            DocumentError::Unacceptable(reason) => (1, reason.to_string()),
        };
        Self { line, level: "error", message }
    }
}

/// Checks a text while it is typed, as the linter and the API do.
pub async fn check(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    KindPath(kind): KindPath,
    Submitted { view, form, .. }: Submitted,
) -> Result<Json<CheckResult>, PageError> {
    let text = typed_text(&console, kind, &form, "")?;
    let locale = Locale::or_english(Some(form.get("locale")?));
    let result = console.server.work.run(text.len() + page.connector.size(), move |stop| {
        let findings = findings(&page.connector, kind, &text);
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

fn findings(connector: &Connector, kind: DocumentKind, text: &str) -> Vec<Finding> {
    let mut files: Files<'_> =
        Folder::from(connector.clone()).files().into_iter().map(|(path, bytes)| (path, Cow::from(bytes))).collect();
    files.insert(kind.file_name().to_owned(), text.as_bytes().into());
    let findings = lint_file(connector.script_name.as_str(), &files, kind.file_name(), FINDINGS);
    let (mut by_line, lines) = (BTreeMap::new(), Lines::of(text));
    for finding in findings {
        let line = lines.number(finding.span.start.min(text.len()));
        let level = if finding.rule.level == Level::Error { "error" } else { "warning" };
        by_line.entry((line, finding.message)).or_insert(level);
    }
    // The API may refuse what the linter does not check.
    if !by_line.values().any(|level| *level == "error")
        && let Err(error) = Document::parse(kind, text.as_bytes())
    {
        let Finding { line, message, .. } = Finding::of(&error);
        by_line.insert((line, message), "error");
    }
    by_line.into_iter().map(|((line, message), level)| Finding { line, level, message }).collect()
}
