//! The texts of a locale as a file.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::Locale;
use connectory_model::translations::Properties;
use connectory_server::auth::Caller;
use connectory_server::http::conditional::Condition;
use connectory_server::http::response::attachment;
use connectory_server::registry::Edited;
use http::{HeaderValue, header};
use maud::{Markup, html};

use super::super::page::ConnectorPage;
use super::super::path::{LocalePath, unknown_locale};
use super::super::undoable::done_parameter;
use super::add::NewKey;
use super::grid_page;
use super::query::GridQuery;
use crate::frame::error::PageError;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::icon::{Icon, icon};
use crate::frame::locales::{in_order, locale_name};
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::state::Console;

/// Serves the texts of a locale as a file.
pub async fn export(page: ConnectorPage, LocalePath(locale): LocalePath) -> Response {
    let texts = page.connector.translations.0.get(&locale);
    let name = format!("{}-{locale}.properties", page.connector.script_name);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CONTENT_DISPOSITION, attachment(&name)),
    ];
    (headers, texts.map(Properties::to_bytes).unwrap_or_default()).into_response()
}

/// A list of locales to choose one from.
pub fn locale_select(view: &View, locales: &[Locale], chosen: Option<Locale>) -> Markup {
    html! {
        select name="locale" {
            @for locale in locales {
                option value=(locale) selected[chosen == Some(*locale)] { (locale_name(view, *locale)) " (" (locale) ")" }
            }
        }
    }
}

/// The menu with the form that replaces the texts of a locale by a file. A script also takes a file that is dropped on the page.
pub fn import_menu(page: &ConnectorPage, shown: &[Locale]) -> Markup {
    let view = &page.view;
    html! {
        details.menu-of name="tools" data-takes-files {
            summary.button { (icon(Icon::Up)) (view.text("translations.import")) }
            form.panel method="post" action=(page.url("/translations")) enctype="multipart/form-data" {
                (view.csrf_input())
                label { (view.text("translations.file")) input type="file" name="file" accept=".properties,text/plain" required; }
                label { (view.text("translations.import_into")) (locale_select(view, &in_order(view), shown.last().copied())) }
                p.hint { (view.text("translations.import_hint")) }
                button.primary type="submit" { (view.text("translations.import")) }
            }
        }
    }
}

/// The locale that a form has chosen.
pub fn chosen_locale(form: &PostedForm) -> Result<Locale, PageError> {
    let tag = form.get("locale")?;
    tag.parse().map_err(|_| PageError::bad_request(unknown_locale(tag)))
}

/// Replaces the texts of a locale with those of a file. A file that is refused changes nothing, and the page says why.
pub async fn import(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { caller, form, .. }: Submitted,
) -> Result<Response, PageError> {
    match replaced(&console, &page, &caller, &form).await {
        Ok(edited) => {
            let done = done_parameter("imported", &edited);
            Ok(Redirect::to(&page.url(&format!("/translations?{done}"))).into_response())
        }
        Err(error) if error.status().is_client_error() => {
            let above = html! { p.problem role="alert" { (error.text(page.view.language)) } };
            let response = grid_page(&console, page, GridQuery::parse(""), above, NewKey::default()).await?;
            Ok((error.status(), response).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn replaced(
    console: &Console,
    page: &ConnectorPage,
    caller: &Caller,
    form: &PostedForm,
) -> Result<Edited, PageError> {
    let locale = chosen_locale(form)?;
    let bytes = form.file(console.server.options.max_document)?;
    let size = bytes.len();
    let parsed = console.server.work.run(size, move |_| Properties::parse(&bytes)).await?;
    let properties = parsed.map_err(|error| PageError::bad_request(Message::new("error.properties").with(&error)))?;
    let (tenant, origin, script_name) = (caller.tenant(), caller.origin(), &page.connector.script_name);
    let (registry, condition) = (&console.server.registry, Condition::default());
    Ok(registry.replace_translations(tenant, &origin, script_name, locale, Some(properties), condition).await?)
}
