//! A form that a session's end made useless: its answer has all that was typed, and sends it again with one click. So nothing
//! is lost in a browser without a script. With one, the browser keeps a draft, and the form says so.
//!
//! Nothing is kept on the server, so any server can answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::limits::{ANONYMOUS_BODY_TIMEOUT, FORM_FIELDS, HELD_FORM_BYTES};
use connectory_model::visible;
use connectory_server::http::drain::drain;
use connectory_server::http::form::FormLimits;
use connectory_server::work::reserve;
use http::{HeaderMap, Method, StatusCode, header};
use maud::{Markup, html};
use url::{Position, Url};

use super::badges::called;
use super::error::PageError;
use super::form::PostedForm;
use super::icon::{Icon, icon};
use super::layout::Place;
use super::view::View;
use crate::sign_in::back::sign_in_url;
use crate::state::Console;
use crate::urls::{MANY_LABELS, NEW};

/// The pages of a connector on which someone types.
const TYPED: [&str; 5] = ["documents/", "metadata", "settings", "duplicate", "translations"];
/// The fields that nobody types: what a form began with, what it is for, and where it leads back.
const BESIDE: [&str; 7] = ["base", "began", "seen", "back", "was", "locale", "revision"];
/// Bytes of a page's fields. Markup takes more than the form has.
const HELD_FORM_PAGE_BYTES: usize = 2 * HELD_FORM_BYTES;
/// A longer value has a field of several lines.
const LINE_BYTES: usize = 80;

/// Answers forms that come without a session, in the place of their pages.
pub async fn hold_without_session(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let view = request.extensions().get::<Arc<View>>().cloned();
    let Some(view) = view.filter(|view| view.signed_in.is_none() && request.method() == Method::POST) else {
        return next.run(request).await;
    };
    let (head, body) = request.into_parts();
    match without_session(&console, &view, &head.headers, body).await {
        Ok(Some(held)) => held,
        // A script tells its reader, and leaves what they typed where it is.
        Ok(None) if view.is_from_script => StatusCode::UNAUTHORIZED.into_response(),
        // The address of the form may have no page.
        Ok(None) => Redirect::to(&sign_in_url(view.form_page.as_deref().unwrap_or("/"), true)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn without_session(
    console: &Console,
    view: &Arc<View>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<Response>, PageError> {
    // Nobody knows who sends it. So few are read at a time, and the others are answered as if nothing had been typed.
    let turn = console.held_forms.try_acquire().ok().filter(|_| may_be_held(console, view, headers));
    let Some(_turn) = turn else {
        drain(body).await;
        return Ok(None);
    };
    let bytes = console.server.options.max_request.min(HELD_FORM_BYTES);
    let limits = FormLimits { bytes, fields: FORM_FIELDS, files: 1, time: ANONYMOUS_BODY_TIMEOUT };
    match PostedForm::read_within(limits, console, headers, body).await {
        Ok(form) => page(console, view, form).await,
        Err(_) => Ok(None),
    }
}

/// The answer to a form with the token of an earlier session, if it can be held.
pub async fn of_earlier_session(
    console: &Console,
    view: &Arc<View>,
    headers: &HeaderMap,
    form: PostedForm,
) -> Result<Option<Response>, PageError> {
    if may_be_held(console, view, headers) { page(console, view, form).await } else { Ok(None) }
}

/// Whether a form may be one of this console in which someone typed.
fn may_be_held(console: &Console, view: &View, headers: &HeaderMap) -> bool {
    !view.is_from_script && has_typed(&view.path_and_query) && is_own(console, headers)
}

/// Whether the form of an address is one in which someone types more than a word. Nothing is lost of a deletion or a choice, and
/// nobody should send one again without a look at its page.
fn has_typed(path: &str) -> bool {
    let page = path.strip_prefix("/console/connectors/").and_then(|rest| rest.split_once('/'));
    match page {
        Some((_, page)) => TYPED.iter().any(|typed| page.starts_with(typed)),
        None => path == NEW || path == MANY_LABELS,
    }
}

/// Whether a browser says that a page of this server sends the form. Another site must not have a form shown here that looks
/// like one's own. What `Sec-Fetch-Site` says is looked at for every form; over HTTP, browsers send `Origin` alone.
fn is_own(console: &Console, headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| Url::parse(origin.to_str().ok()?).ok());
    let authority = |url: &Url| url[Position::BeforeHost..Position::AfterPort].to_owned();
    match origin.as_ref().map(authority) {
        Some(origin) => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let public = Url::parse(&console.server.options.public_url).ok();
            host == Some(origin.as_str()) || public.is_some_and(|public| authority(&public) == origin)
        }
        None => headers.contains_key("sec-fetch-site"),
    }
}

/// The page of a form. None if its browser has a draft, if nothing was typed, if it has a file, which is still where it was, or
/// if the page would be large.
async fn page(console: &Console, view: &Arc<View>, form: PostedForm) -> Result<Option<Response>, PageError> {
    let has_draft = !form.get("draft")?.is_empty();
    let has_token = !form.get("csrf")?.is_empty();
    let bytes = form.fields().iter().map(|(name, value)| name.len() + escaped(value)).sum();
    if has_draft || !has_token || form.fields().len() < 2 || !form.files().is_empty() || bytes > HELD_FORM_PAGE_BYTES {
        return Ok(None);
    }
    // The answers of strangers have a budget of their own, which is asked when the page is made.
    if view.signed_in.is_some() {
        reserve(&console.server.answers, bytes)?;
    }
    let view = Arc::clone(view);
    let response = console.server.work.run(bytes, move |_| {
        let is_signed_in = view.signed_in.is_some();
        let status = if is_signed_in { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
        let title = view.text(if is_signed_in { "held.earlier" } else { "held.ended" });
        view.render_with_status(status, Place::Held, title, &content(&view, title, &form))
    });
    Ok(Some(response.await?))
}

/// The bytes of a text in a page.
fn escaped(text: &str) -> usize {
    let bytes = |byte| match byte {
        b'"' => "&quot;".len(),
        b'&' => "&amp;".len(),
        b'<' | b'>' => "&lt;".len(),
        _ => 1,
    };
    text.bytes().map(bytes).sum()
}

fn content(view: &View, title: &str, form: &PostedForm) -> Markup {
    let typed = form.fields().iter().filter(|(name, _)| name != "csrf");
    let may_send = view.may_write();
    html! {
        div.top { h1 { (title) } }
        div.note role="status" {
            @match &view.signed_in {
                Some((_, caller)) if may_send => { p { (view.format("held.send_as", &[&called(caller.author())])) } }
                Some((_, caller)) => { p { (view.format("held.may_not", &[&called(caller.author())])) } }
                None => { p { (view.text("held.sign_in_first")) } }
            }
        }
        @if !may_send {
            p.actions { a.button.primary href=(sign_in_url(view.form_page.as_deref().unwrap_or("/"), false)) target="_blank" rel="noopener" {
                (view.text("held.sign_in"))
            } }
        }
        form method="post" action=(view.path_and_query) {
            p { (view.text("held.form")) " " code { (visible(&view.path_and_query)) } }
            // For whom may not send it, it is no token, so that the next answer is this page again.
            @if may_send { (view.csrf_input()) } @else { input type="hidden" name="csrf" value="ended"; }
            @for (name, value) in typed { (field(name, value)) }
            p.actions {
                button.primary[may_send] type="submit" { (icon(Icon::Check)) (view.text("held.go_on")) }
                @if let Some(page) = view.form_page.as_deref() { a.button href=(page) { (view.text("held.discard")) } }
            }
        }
    }
}

/// A field with what was typed, or one that its form has beside that.
fn field(name: &str, value: &str) -> Markup {
    html! {
        @if value.is_empty() || BESIDE.contains(&name) {
            input type="hidden" name=(name) value=(value);
        } @else {
            label { code { (visible(name)) }
                @if value.contains('\n') || value.len() > LINE_BYTES {
                    // The parser leaves out a line break at the beginning.
                    textarea readonly rows="12" name=(name) { "\n" (value) }
                } @else { input readonly name=(name) value=(value); }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_in_which_nobody_types_are_not_held() {
        for path in [
            "/console/new",
            "/console/many/labels",
            "/console/connectors/hr/documents/source-config",
            "/console/connectors/hr/metadata",
            "/console/connectors/hr/translations/add",
        ] {
            assert!(has_typed(path), "{path}");
        }
        for path in [
            "/",
            "/console/many/delete",
            "/console/many/status",
            "/console/activity/changes/1/undo",
            "/console/connectors/hr/delete",
            "/console/connectors/hr/history/1/restore",
            "/console/connectors/hr",
            "/console/connectors/metadata",
            "/console/clients",
        ] {
            assert!(!has_typed(path), "{path}");
        }
    }

    #[test]
    fn the_bytes_of_a_text_are_those_of_its_markup() {
        let text = "a \"b\" & <c> é";
        assert_eq!(escaped(text), html! { (text) }.into_string().len());
    }
}
