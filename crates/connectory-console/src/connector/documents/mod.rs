//! The three documents: reading, editing, download and upload.
//!
//! The editor sends the entity tag of the text that it started with. If the stored text has changed since then, nothing is
//! saved: the page shows both changes side by side, and the user chooses.

mod check;
mod completion;
mod format;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use connectory_folder::lint::Text;
use connectory_model::document::{Document, DocumentError, DocumentKind};
use connectory_model::limits::EDITOR_TIMES;
use connectory_server::catalog::Tagged;
use connectory_server::http::conditional::Condition;
use connectory_server::http::response::attachment;
use connectory_server::registry::RegistryError;
use connectory_server::work::{Stop, reserve};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};

use self::check::Finding;
use super::form_preview;
use super::page::{ConnectorPage, Tab};
use super::path::KindPath;
use crate::frame::diff;
use crate::frame::error::PageError;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::html_bytes::html_bytes;
use crate::frame::icon::{Icon, icon};
use crate::frame::notes;
use crate::frame::success::{UNCHANGED, outcome, success_note};
use crate::frame::view::View;
use crate::state::Console;

pub use self::check::check;
pub use self::completion::completion;
pub use self::format::format;

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
    /// The line with the reason why it was refused, from 1.
    line: Option<usize>,
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
    let (view, is_form) = (&page.view, kind == DocumentKind::SourceConfig);
    let upload_address = page.url(&format!("/documents/{}/file", kind.name()));
    let title = view.text(Tab::Document(kind).title_key());
    html! {
        (page.read_only_note())
        (notes::draft(view))
        div.editing.with-form[is_form] {
            @match text {
                Some(text) => (card(page, kind, text, typed)),
                None => div.card.editor {
                    header { (file_name(kind)) span.spacer {} (download_link(page, kind)) }
                    p.long { (view.text("document.long")) }
                },
            }
            @if is_form { (form_preview::preview_pane(page, view.locale())) }
        }
        @if page.is_writable() {
            form.upload #upload method="post" action=(upload_address) enctype="multipart/form-data" {
                (view.csrf_input())
                p #upload-reason hidden role="alert" {}
                label { (view.format("document.upload", &[&title])) input type="file" name="file" accept=".xml,application/xml,text/xml" required; }
                button type="submit" { (view.text("action.upload")) }
            }
        }
    }
}

fn file_name(kind: DocumentKind) -> Markup {
    html! { span.mono.small { (kind.file_name()) } }
}

fn download_link(page: &ConnectorPage, kind: DocumentKind) -> Markup {
    let address = page.url(&format!("/documents/{}/file", kind.name()));
    html! {
        a.button.quiet.icon href=(address) title=(page.view.text("action.download")) download=(kind.file_name()) { (icon(Icon::Down)) span.visually-hidden { (page.view.text("action.download")) " " (kind.file_name()) } }
    }
}

/// The form with the editor: its buttons, the text, and what is found in it. A script shows what needs one.
fn card(page: &ConnectorPage, kind: DocumentKind, text: &str, typed: Option<&Typed>) -> Markup {
    let view = &page.view;
    let of_document = |rest: &str| page.url(&format!("/documents/{}{rest}", kind.name()));
    let is_writable = page.is_writable();
    let tag = Tagged::Document(kind).tag(&page.connector);
    let base = typed.and_then(|typed| typed.base.as_deref()).unwrap_or(tag.as_str());
    let title = view.text(Tab::Document(kind).title_key());
    html! {
        form.card.editor method="post" action=(of_document(""))
            data-draft=[is_writable.then(|| of_document(""))] data-compare=(of_document("/compare"))
            data-typed[typed.is_some()]
        {
            (view.csrf_input())
            input type="hidden" name="base" value=(base);
            header {
                (file_name(kind))
                span.status.warn #unsaved hidden { (view.text("document.unsaved")) }
                span.spacer {}
                button.button.quiet type="button" data-editing="wrap" title=(view.text("editor.wrap")) aria-pressed="false" aria-keyshortcuts="Alt+Z" hidden { (icon(Icon::Wrap)) span { (view.text("editor.wrap")) } }
                @if is_writable {
                    button.button.quiet type="button" data-editing="format" title=(view.text("editor.format")) aria-keyshortcuts="Shift+Alt+F" hidden { (icon(Icon::Lines)) span { (view.text("editor.format")) } }
                    button.button.quiet type="button" data-editing="replace" title=(view.text("editor.replace_file")) hidden { (icon(Icon::Up)) span { (view.text("editor.replace_file")) } }
                }
                (download_link(page, kind))
                @if is_writable {
                    button.button.primary type="submit" aria-keyshortcuts="Control+S Meta+S" { (view.text("action.save")) " " kbd.needs-script aria-hidden="true" { (view.key_name("Ctrl S")) } }
                }
            }
            (search_panel(view, is_writable))
            label.visually-hidden for="text" { (title) }
            textarea #text name="text" rows="24" spellcheck="false" autocapitalize="none" autocomplete="off" wrap="off"
                readonly[!is_writable]
                data-editor=(title)
                data-line=[typed.and_then(|typed| typed.line)]
                data-check=(of_document("/check")) data-format=(of_document("/format")) data-completion=(of_document("/completion"))
                data-translations=[(kind == DocumentKind::SourceConfig).then(|| page.url(Tab::Translations.path().as_str()))]
                data-error=(view.text("document.error")) data-warning=(view.text("document.warning"))
                data-key=(view.text("editor.key")) data-no-text=(view.text("editor.no_text")) data-show-text=(view.text("editor.show_text"))
                data-words=(view.text("editor.words")) data-unformatted=(view.text("editor.unformatted"))
                data-unread=(view.text("editor.unread"))
            { "\n" (text) }
            div.standing {
                p.verdict #verdict role="status" data-fine=(view.text("document.fine")) data-problems=(view.text("document.problems"))
                    data-checking=(view.text("document.checking")) data-unchecked=(view.text("document.unchecked")) {}
                span #problem-keys hidden {
                    button.button.quiet.icon.upwards type="button" data-editing="previous" title=(view.text("editor.previous_problem")) aria-label=(view.text("editor.previous_problem")) aria-keyshortcuts="Shift+F8" { (icon(Icon::Right)) }
                    button.button.quiet.icon.downwards type="button" data-editing="next" title=(view.text("editor.next_problem")) aria-label=(view.text("editor.next_problem")) aria-keyshortcuts="F8" { (icon(Icon::Right)) }
                }
                span #key-text {}
                span.place #place title=(view.text("editor.place")) {}
            }
        }
    }
}

/// The search of the editor, which a script opens.
fn search_panel(view: &View, is_writable: bool) -> Markup {
    html! {
        div.search-panel #search hidden role="search" aria-label=(view.text("editor.search")) {
            label { span.visually-hidden { (view.text("editor.search")) } input #search-for type="search" placeholder=(view.text("editor.search")) autocomplete="off" spellcheck="false"; }
            button.button.quiet.icon.upwards type="button" data-editing="search-previous" title=(view.text("editor.previous")) aria-label=(view.text("editor.previous")) { (icon(Icon::Right)) }
            button.button.quiet.icon.downwards type="button" data-editing="search-next" title=(view.text("editor.next")) aria-label=(view.text("editor.next")) { (icon(Icon::Right)) }
            @if is_writable {
                label { span.visually-hidden { (view.text("editor.replace_with")) } input #search-by type="text" placeholder=(view.text("editor.replace_with")) autocomplete="off" spellcheck="false"; }
                button.button.quiet type="button" data-editing="search-replace" { (view.text("editor.replace")) }
                button.button.quiet type="button" data-editing="search-replace-all" { (view.text("editor.replace_all")) }
            }
            span.found #found role="status" data-found=(view.text("editor.found")) {}
            button.button.quiet.icon type="button" data-editing="search-close" title=(view.text("editor.close")) aria-label=(view.text("editor.close")) { (icon(Icon::Cross)) }
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
            let Finding { line, message, .. } = Finding::of(&page.view, &error);
            let typed = Typed { text, line: Some(line), base: base.map(str::to_owned) };
            // Other errors name their place themselves, as the API answers them.
            let names_place = matches!(error, DocumentError::Unacceptable(_));
            let response = editor_page(console, page, kind, Some(typed), move |page, _, _| {
                let problem = if names_place { message } else { page.view.format("document.line", &[&line, &message]) };
                html! { p.problem role="alert" { (problem) } }
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
            let typed = Typed { text, line: None, base: None };
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
