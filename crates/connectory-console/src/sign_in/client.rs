//! Signing in with the id and secret of an API client, signing out, and the preferences.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::Permission;
use connectory_model::limits::{ANONYMOUS_BYTES, MEMBER_CHARS, RETRY_AFTER};
use connectory_model::shown;
use connectory_server::auth::CredentialsError;
use connectory_server::http::response::facts_of;
use connectory_server::work::{address, tracking_id};
use connectory_store::{Author, AuthorKind, StoreError};
use http::{HeaderMap, StatusCode, header};
use maud::{Markup, html};

use super::arrival::{let_in, refused};
use super::back::local_path;
use super::cookie::PREFERENCES;
use super::session::Arrival;
use crate::frame::error::PageError;
use crate::frame::form::PostedForm;
use crate::frame::layout::Place;
use crate::frame::query::parameter;
use crate::frame::texts::Language;
use crate::frame::view::{Theme, View};
use crate::frame::visitor::Visitor;
use crate::state::Console;

/// Shows the form for signing in.
pub async fn show(State(console): State<Arc<Console>>, Visitor(view): Visitor, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let back = local_path(&parameter(&query, "back"));
    let is_unsaved = parameter(&query, "unsaved") == "true";
    let content = html! {
        @if is_unsaved { p.note role="status" { (view.text("sign_in.unsaved")) } }
        (sign_in_form(&console, &view, &back, "", None))
    };
    view.render(Place::Elsewhere, view.text("sign_in.title"), &content)
}

/// Signs in with the id and secret of the form.
pub async fn submit(
    State(console): State<Arc<Console>>,
    Visitor(view): Visitor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PageError> {
    let sent = PostedForm::read_anonymous(&console, &headers, body).await?;
    // The whole form has few bytes, so any of its fields may have them all.
    let field = |name| sent.get_up_to(name, ANONYMOUS_BYTES);
    let (id, back) = (field("client_id")?.trim(), local_path(field("back")?));
    let credentials = vec![(id.to_owned(), field("client_secret")?.trim().to_owned())];
    match console.server.auth.authenticate(credentials, address()).await {
        Ok(client) if client.tenant.suspended_at.is_some() => {
            let response = PageError::from(StoreError::Suspended).into_response();
            Ok(refused(&console, client.tenant.id, client.id, response))
        }
        Ok(client) => {
            // A session that may not even read would show nothing but refusals.
            if let Err(denied) = Permission::Read.check(client.level, &client.scopes) {
                let reason = denied.to_string();
                let why = PageError::from(denied).text(view.language);
                let content = sign_in_form(&console, &view, &back, shown(id, MEMBER_CHARS), Some(&why));
                let title = view.text("sign_in.title");
                let mut response = view.render_with_status(StatusCode::FORBIDDEN, Place::Elsewhere, title, &content);
                facts_of(&mut response).reason = Some(reason.into());
                return Ok(refused(&console, client.tenant.id, client.id, response));
            }
            let author = Author { kind: AuthorKind::Client, id: client.id, name: Some(client.name) };
            let_in(&console, &headers, Arrival { author, tenant: client.tenant.id, rights: None }, &back).await
        }
        Err(error) => {
            let reason = error.to_string();
            let (status, key, retry_after) = match error {
                CredentialsError::Wrong => (StatusCode::UNAUTHORIZED, "sign_in.wrong", None),
                CredentialsError::Delayed(seconds) => (StatusCode::TOO_MANY_REQUESTS, "sign_in.delayed", Some(seconds)),
                CredentialsError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "sign_in.busy", Some(RETRY_AFTER)),
                CredentialsError::Store(error) => {
                    tracing::error!(%error, "could not read a client");
                    (StatusCode::SERVICE_UNAVAILABLE, "sign_in.unreadable", Some(RETRY_AFTER))
                }
            };
            let content = sign_in_form(&console, &view, &back, shown(id, MEMBER_CHARS), Some(view.text(key)));
            let mut response = view.render_with_status(status, Place::Elsewhere, view.text("sign_in.title"), &content);
            let facts = facts_of(&mut response);
            facts.reason = Some(reason.into());
            facts.applicant = Some(shown(id, MEMBER_CHARS).to_owned());
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            Ok(response)
        }
    }
}

fn sign_in_form(console: &Console, view: &View, back: &str, id: &str, error: Option<&str>) -> Markup {
    let oidc = form_urlencoded::Serializer::new("/console/oidc?".to_owned()).append_pair("back", back).finish();
    html! {
        section.sign-in {
            (view.brand())
            h1 { (view.text("sign_in.title")) }
            p.faint { (view.text("sign_in.lead")) }
            @if let Some(error) = error { p.problem role="alert" { (error) } }
            @if console.oidc.is_some() {
                p { a.button.wide href=(oidc) { (view.text("sign_in.oidc")) } }
                p.or { span { (view.text("sign_in.or")) } }
            }
            form method="post" action="/console/sign-in" {
                input type="hidden" name="back" value=(back);
                label { (view.text("sign_in.id"))
                    input name="client_id" value=(id) required autocomplete="username" autocapitalize="none" spellcheck="false" autofocus;
                }
                label { (view.text("sign_in.secret"))
                    input name="client_secret" type="password" required autocomplete="current-password";
                }
                button.primary.wide type="submit" { (view.text("sign_in.submit")) }
            }
            details {
                summary { (view.text("sign_in.help")) }
                p { (view.text("sign_in.help_text")) }
                pre { code { "connectory client create NAME" } }
            }
        }
    }
}

/// Shows the form for signing out. Only the form signs out: any site can make a browser send a GET.
pub async fn show_sign_out(Visitor(view): Visitor) -> Response {
    let content = html! {
        section.sign-in {
            (view.brand())
            h1 { (view.text("nav.sign_out")) }
            @if view.signed_in.is_some() {
                p.faint { (view.text("sign_out.lead")) }
                form method="post" action="/console/sign-out" data-signs-out {
                    (view.csrf_input())
                    button.primary.wide type="submit" { (view.text("nav.sign_out")) }
                }
            } @else {
                p.faint { (view.text("sign_out.nobody")) }
                p { a.button.wide href="/console/sign-in" { (view.text("sign_in.title")) } }
            }
        }
    };
    view.render(Place::Elsewhere, view.text("nav.sign_out"), &content)
}

/// Signs out.
pub async fn sign_out(
    State(console): State<Arc<Console>>,
    Visitor(view): Visitor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PageError> {
    let form = PostedForm::read_anonymous(&console, &headers, body).await?;
    let signed_in =
        view.signed_in.as_ref().filter(|(session, _)| form.get("csrf").is_ok_and(|sent| session.is_csrf_token(sent)));
    let Some((session, caller)) = signed_in else { return Ok(Redirect::to("/").into_response()) };
    let cookie = console.sessions.end(session, caller).await?;
    let tracking_id = tracking_id().map(|id| id.simple().to_string());
    let author = caller.author();
    tracing::info!(client = author.id, kind = author.kind.as_str(), peer = %address(), tracking_id, "signed out");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/console/sign-in")).into_response())
}

/// Sets the cookie with language and theme.
pub async fn preferences(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PageError> {
    let form = PostedForm::read_anonymous(&console, &headers, body).await?;
    let language = Language::from_tag(form.get("language")?).unwrap_or(Language::En);
    let value = format!("{}.{}", language.tag(), Theme::from_word(form.get("theme")?).word());
    let year = Duration::from_hours(365 * 24);
    let cookie = console.cookies.set(PREFERENCES, value, year);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&local_path(form.get_up_to("back", ANONYMOUS_BYTES)?)))
        .into_response())
}
