//! The three documents: read, edited with what the API would say under each line, downloaded and uploaded.
//!
//! An editor sends a fingerprint of the text that it began with. Where the stored text is another by then, nothing is
//! saved: whoever saves second sees the other's change beside their own and chooses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::document::{Document, DocumentError, DocumentKind, SourceConfig};
use connectory_model::folder::{Files, Folder};
use connectory_model::lint::{Level, lint};
use connectory_model::{Connector, Locale, ScriptName};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};
use serde::Serialize;

use super::connector::{Subject, Tab, url};
use super::diff;
use super::form::Submitted;
use super::page::{SignedIn, done};
use super::preview;
use crate::api::edit;
use crate::app::App;
use crate::error::ApiError;

/// A document of a path, and whose it is.
pub struct DocumentPath(ScriptName, DocumentKind);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for DocumentPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((script_name, kind)) = path.map_err(|_| ApiError::not_found("there is no such page"))?;
        let kind = DocumentKind::ALL.into_iter().find(|known| known.name() == kind);
        let kind = kind.ok_or_else(|| ApiError::not_found("there is no such document"))?;
        Ok(Self(script_name.parse().map_err(|_| ApiError::no_connector(&script_name))?, kind))
    }
}

/// What stands for a text when it is asked whether it is still the same.
pub fn fingerprint(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The page of a document.
pub async fn page(
    State(app): State<Arc<App>>,
    SignedIn { view, caller }: SignedIn,
    DocumentPath(script_name, kind): DocumentPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let subject = Subject::find(&app, &view, &caller, &script_name).await?;
    let text = subject.connector.document(kind).to_owned();
    let content = html! {
        (done(&view, &query.unwrap_or_default()))
        (editor(&subject, kind, &text, &[]))
    };
    Ok(subject.page(Tab::Document(kind), &content))
}

/// The editor with a text in it that may not be the stored one.
fn editor(subject: &Subject, kind: DocumentKind, text: &str, problems: &[Problem]) -> Markup {
    let view = &subject.view;
    let of_document = |rest: &str| subject.url(&format!("/documents/{}{rest}", kind.name()));
    let is_form = kind == DocumentKind::SourceConfig;
    let title = view.t(Tab::Document(kind).title());
    html! {
        @if !subject.is_writable() { p.note { (view.t(if view.may_write() { "document.built_in" } else { "document.read_only" })) } }
        @for Problem { line, message, .. } in problems {
            p.problem role="alert" { (view.f("document.line", &[line])) ": " (message) }
        }
        div.editing[is_form] {
            form.editor method="post" action=(of_document("")) {
                (view.token())
                input type="hidden" name="base" value=(fingerprint(subject.connector.document(kind)));
                label.visually-hidden for="text" { (title) }
                textarea #text name="text" rows="24" spellcheck="false" autocapitalize="none" autocomplete="off" wrap="off"
                    readonly[!subject.is_writable()]
                    data-editor=(title)
                    data-check=(of_document("/check"))
                    data-error=(view.t("document.error")) data-warning=(view.t("document.warning"))
                { "\n" (text) }
                p.verdict #verdict role="status" data-fine=(view.t("document.fine")) data-problems=(view.t("document.problems")) {}
                div.actions {
                    @if subject.is_writable() { button.primary type="submit" { (view.t("action.save")) } }
                    a.button href=(of_document("/file")) download=(kind.file_name()) { (view.t("action.download")) }
                }
            }
            @if is_form { (preview::pane(subject, view.locale())) }
        }
        @if subject.is_writable() {
            form.upload method="post" action=(of_document("/file")) enctype="multipart/form-data" {
                (view.token())
                label { (view.f("document.upload", &[&title])) input type="file" name="file" accept=".xml,application/xml,text/xml" required; }
                button type="submit" { (view.t("action.upload")) }
            }
        }
    }
}

/// Saves what was edited.
pub async fn save(
    State(app): State<Arc<App>>,
    DocumentPath(script_name, kind): DocumentPath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    let before = Subject::find(&app, &view, &caller, &script_name).await?;
    let text = form.lines("text", before.connector.document(kind));
    if text.len() > app.options.max_document {
        return Err(ApiError::too_large("the document", app.options.max_document));
    }
    let bytes = text.clone().into_bytes();
    let parsed = edit::checked(bytes.len() > edit::MAX_INLINE, move || Document::parse(kind, &bytes)).await?;
    let document = match parsed {
        Ok(document) => document,
        Err(error) => {
            let problems = [Problem::of(&error)];
            let mut response = before.page(Tab::Document(kind), &editor(&before, kind, &text, &problems));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(response);
        }
    };
    let base = form.get("base").to_owned();
    let saved = replace(&app, &caller, &script_name, kind, document, Some(base)).await;
    match saved {
        Err(error) if error.status == StatusCode::CONFLICT => {
            let theirs = Subject::find(&app, &view, &caller, &script_name).await?;
            let content = html! {
                section.conflict role="alert" {
                    h2 { (view.t("conflict.title")) }
                    p { (view.t("conflict.lead")) }
                    (diff::side_by_side(&view, theirs.connector.document(kind), &text, "conflict.theirs", "conflict.mine"))
                    p { a.button href=(theirs.url(&format!("/documents/{}", kind.name()))) { (view.t("conflict.take_theirs")) } }
                    p { (view.t("conflict.keep_mine")) }
                }
                (editor(&theirs, kind, &text, &[]))
            };
            let mut response = theirs.page(Tab::Document(kind), &content);
            *response.status_mut() = StatusCode::CONFLICT;
            Ok(response)
        }
        saved => {
            let word = saved?;
            Ok(Redirect::to(&url(&script_name, &format!("/documents/{}?done={word}", kind.name()))).into_response())
        }
    }
}

/// Puts a document in the place of the one of this fingerprint, or of any. Returns what was done, as a word for the
/// next page.
async fn replace(
    app: &App,
    caller: &crate::auth::Caller,
    script_name: &ScriptName,
    kind: DocumentKind,
    document: Document,
    base: Option<String>,
) -> Result<&'static str, ApiError> {
    let next = move |connector: &Connector| {
        let mut next = connector.clone();
        next.set_document(document.clone());
        if next.document(kind) == connector.document(kind) {
            return Ok(None);
        }
        if base.as_ref().is_some_and(|base| *base != fingerprint(connector.document(kind))) {
            return Err(ApiError::conflict());
        }
        Ok(Some((next, vec![kind.file_name().to_owned()])))
    };
    Ok(match edit::edit(app, caller, script_name, next).await? {
        edit::Edited::Changed(_) => "saved",
        edit::Edited::Unchanged(_) => "unchanged",
    })
}

/// Answers the stored document as a file.
pub async fn download(
    State(app): State<Arc<App>>,
    SignedIn { view, caller }: SignedIn,
    DocumentPath(script_name, kind): DocumentPath,
) -> Result<Response, ApiError> {
    let subject = Subject::find(&app, &view, &caller, &script_name).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/xml")),
        (header::CONTENT_DISPOSITION, attachment(&format!("{script_name}-{}", kind.file_name()))),
    ];
    Ok((headers, subject.connector.document(kind).to_owned()).into_response())
}

/// What makes a browser keep an answer as a file of this name.
pub fn attachment(name: &str) -> HeaderValue {
    let value = format!("attachment; filename=\"{name}\"");
    HeaderValue::try_from(value).expect("script names, locales and our file names are plain")
}

/// Stores an uploaded document.
pub async fn upload(
    State(app): State<Arc<App>>,
    DocumentPath(script_name, kind): DocumentPath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    let bytes = form.file(app.options.max_document)?;
    let is_large = bytes.len() > edit::MAX_INLINE;
    let parsed = {
        let bytes = bytes.clone();
        edit::checked(is_large, move || Document::parse(kind, &bytes)).await?
    };
    match parsed {
        Ok(document) => {
            let word = replace(&app, &caller, &script_name, kind, document, None).await?;
            Ok(Redirect::to(&url(&script_name, &format!("/documents/{}?done={word}", kind.name()))).into_response())
        }
        Err(error) => {
            let subject = Subject::find(&app, &view, &caller, &script_name).await?;
            let text = String::from_utf8_lossy(&bytes);
            let content = editor(&subject, kind, &text, &[Problem::of(&error)]);
            let mut response = subject.page(Tab::Document(kind), &content);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
    }
}

/// What is wrong with a text, and what its form looks like.
#[derive(Serialize)]
pub struct Verdict {
    problems: Vec<Problem>,
    /// The form as HTML, where the text is a form.
    preview: Option<String>,
}

/// Something that is wrong in a line.
#[derive(Serialize)]
struct Problem {
    /// The line, from 1.
    line: usize,
    /// `error` or `warning`.
    level: &'static str,
    message: String,
}

impl Problem {
    /// What the API refuses a document for.
    fn of(error: &DocumentError) -> Self {
        let (line, message) = match error {
            DocumentError::Malformed(malformed) => (malformed.line, malformed.reason.clone()),
            DocumentError::Unacceptable(reason) => (1, reason.to_string()),
        };
        Self { line, level: "error", message }
    }
}

/// Checks a text while it is typed: whether the API would take it, and what the linter says of it.
pub async fn check(
    State(app): State<Arc<App>>,
    DocumentPath(script_name, kind): DocumentPath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Json<Verdict>, ApiError> {
    let subject = Subject::find(&app, &view, &caller, &script_name).await?;
    let text = form.lines("text", "");
    let locale = Locale::or_english(Some(form.get("locale")));
    let is_large = text.len() + subject.connector.size() > edit::MAX_INLINE;
    let verdict = edit::checked(is_large, move || {
        let problems = problems(&subject.connector, kind, &text);
        let preview = (kind == DocumentKind::SourceConfig)
            .then(|| SourceConfig::parse(text.as_bytes()).ok())
            .flatten()
            .map(|config| preview::form(&view, &config.form(&subject.connector.translations, locale)).into_string());
        Verdict { problems, preview }
    });
    verdict.await.map(Json)
}

fn problems(connector: &Connector, kind: DocumentKind, text: &str) -> Vec<Problem> {
    let mut files: Files<'_> =
        Folder::from(connector.clone()).files().into_iter().map(|(path, bytes)| (path, Cow::from(bytes))).collect();
    files.insert(kind.file_name().to_owned(), text.as_bytes().into());
    let findings = lint(connector.script_name.as_str(), &files);
    let mut by_line = BTreeMap::new();
    for finding in findings.into_iter().filter(|finding| finding.file == kind.file_name()) {
        let line = text[..finding.span.start.min(text.len())].matches('\n').count() + 1;
        let level = if finding.rule.level == Level::Error { "error" } else { "warning" };
        by_line.entry((line, finding.message)).or_insert(level);
    }
    // What the linter does not know, the API may still refuse.
    if !by_line.values().any(|level| *level == "error")
        && let Err(error) = Document::parse(kind, text.as_bytes())
    {
        let Problem { line, message, .. } = Problem::of(&error);
        by_line.insert((line, message), "error");
    }
    by_line.into_iter().map(|((line, message), level)| Problem { line, level, message }).collect()
}
