//! The texts of a locale as a file.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::Locale;
use connectory_model::translations::Properties;
use connectory_server::catalog::Source;
use connectory_server::http::conditional::Condition;
use connectory_server::registry::Edited;
use http::{HeaderValue, header};
use maud::{Markup, html};

use super::super::page::ConnectorPage;
use super::super::path::{LocalePath, ScriptNamePath, unknown_locale};
use crate::frame::download::attachment;
use crate::frame::error::PageError;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::icon::{Icon, icon};
use crate::frame::locales::{in_order, locale_name};
use crate::frame::success::UNCHANGED;
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::state::Console;
use crate::urls::connector_url;

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

/// Replaces the texts of a locale with those of a file.
pub async fn import(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    Submitted { caller, form, .. }: Submitted,
) -> Result<Response, PageError> {
    let locale = chosen_locale(&form)?;
    let bytes = form.file(console.server.options.max_document)?;
    let size = bytes.len();
    let parsed = console.server.work.run(size, move |_| Properties::parse(&bytes)).await?;
    let properties = parsed.map_err(|error| PageError::bad_request(Message::new("error.properties").with(&error)))?;
    let (tenant, origin) = (caller.tenant(), caller.origin());
    let (registry, condition) = (&console.server.registry, Condition::default());
    let replaced = registry.replace_translations(tenant, &origin, &script_name, locale, Some(properties), condition);
    let done = done_parameter("imported", &replaced.await?);
    Ok(Redirect::to(&connector_url(&script_name, &format!("/translations?{done}"))).into_response())
}

/// The parameter of the next page that says what was done: the revision that an edit made, under a name, or that there was
/// nothing to do.
pub fn done_parameter(name: &str, edited: &Edited) -> String {
    match edited {
        Edited::Changed(Source::Stored(id), _) => format!("{name}={}", id.number),
        Edited::Changed(Source::BuiltIn(_), _) | Edited::Unchanged(_) => format!("done={UNCHANGED}"),
    }
}
