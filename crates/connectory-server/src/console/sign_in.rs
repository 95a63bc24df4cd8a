//! Signing in with an API client's id and secret, signing out, and how someone wants to see the console.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, header};
use maud::{Markup, html};

use super::form::Form;
use super::page::{PREFERENCES, Place, Theme, View, Visitor, parameter};
use super::session::{Who, cookie};
use super::texts::Language;
use crate::app::App;
use crate::auth::oauth;
use crate::error::ApiError;

/// The page for signing in.
pub async fn page(State(app): State<Arc<App>>, Visitor(view): Visitor, RawQuery(query): RawQuery) -> Response {
    let back = local(&parameter(&query.unwrap_or_default(), "back"));
    let content = form(&app, &view, &back, "", None);
    view.page(Place::Elsewhere, view.t("sign_in.title"), &content)
}

/// Signs in.
pub async fn submit(
    State(app): State<Arc<App>>,
    Visitor(view): Visitor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let sent = Form::anonymous(&app, &headers, body).await?;
    let (id, back) = (sent.get("client_id").trim(), local(sent.get("back")));
    let credentials = vec![(id.to_owned(), sent.get("client_secret").trim().to_owned())];
    match oauth::authenticate(&app, credentials).await {
        Ok(client) => {
            let cookie = app.sessions.begin(&app, Who::Client(client.id)).await?;
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&back)).into_response())
        }
        Err(refused) => {
            let wrong = refused.error == "invalid_client";
            let text = if wrong { view.t("sign_in.wrong") } else { view.t("sign_in.unreadable") };
            let content = form(&app, &view, &back, id, Some(text));
            let mut response = view.page(Place::Elsewhere, view.t("sign_in.title"), &content);
            *response.status_mut() = if wrong { StatusCode::UNAUTHORIZED } else { StatusCode::SERVICE_UNAVAILABLE };
            Ok(response)
        }
    }
}

fn form(app: &App, view: &View, back: &str, id: &str, wrong: Option<&str>) -> Markup {
    let oidc = form_urlencoded::Serializer::new("/console/oidc?".to_owned()).append_pair("back", back).finish();
    html! {
        section.sign-in {
            h1 { (view.t("sign_in.title")) }
            p.faint { (view.t("sign_in.lead")) }
            @if let Some(wrong) = wrong { p.problem role="alert" { (wrong) } }
            @if app.oidc.is_some() {
                p { a.button.wide href=(oidc) { (view.t("sign_in.oidc")) } }
                p.or { span { (view.t("sign_in.or")) } }
            }
            form method="post" action="/console/sign-in" {
                input type="hidden" name="back" value=(back);
                label { (view.t("sign_in.id"))
                    input name="client_id" value=(id) required autocomplete="username" autocapitalize="none" spellcheck="false" autofocus;
                }
                label { (view.t("sign_in.secret"))
                    input name="client_secret" type="password" required autocomplete="current-password";
                }
                button.primary.wide type="submit" { (view.t("sign_in.submit")) }
            }
            details {
                summary { (view.t("sign_in.help")) }
                p { (view.t("sign_in.help_text")) }
                pre { code { "connectory client create NAME" } }
            }
        }
    }
}

/// Signs out.
pub async fn sign_out(
    State(app): State<Arc<App>>,
    Visitor(view): Visitor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let form = Form::anonymous(&app, &headers, body).await?;
    if !view.is_own_token(form.get("csrf")) {
        return Ok(Redirect::to("/").into_response());
    }
    let cookie = app.sessions.end(&app, &headers);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/console/sign-in")).into_response())
}

/// Keeps language and theme.
pub async fn preferences(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let form = Form::anonymous(&app, &headers, body).await?;
    let language = Language::of_tag(form.get("language")).unwrap_or(Language::En);
    let value = format!("{}.{}", language.tag(), Theme::of_word(form.get("theme")).word());
    let year = Duration::from_hours(365 * 24);
    let cookie = cookie(&app, PREFERENCES, value, "/", year);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&local(form.get("back")))).into_response())
}

/// A path of this server: never another site, to which a made-up link could lead after signing in.
pub fn local(path: &str) -> String {
    let base = url::Url::parse("http://console.invalid/").expect("an address");
    let joined = base.join(path).ok().filter(|joined| joined.origin() == base.origin());
    let Some(joined) = joined else { return "/".to_owned() };
    let query = joined.query().map(|query| format!("?{query}")).unwrap_or_default();
    // A path with two slashes at its start would name a host.
    format!("/{}{query}", joined.path().trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_way_back_leads_nowhere_else() {
        for (asked, led) in [
            ("/console/activity?before=3", "/console/activity?before=3"),
            ("", "/"),
            ("https://evil.example/x", "/"),
            ("//evil.example/x", "/"),
            ("/\\evil.example", "/"),
            ("/.//evil.example", "/evil.example"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x=y", "/aSet-Cookie:%20x=y"),
        ] {
            assert_eq!(local(asked), led, "{asked}");
        }
    }
}
