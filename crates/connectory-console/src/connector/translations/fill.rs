//! Copying the English texts to the keys of a locale that have none, after a page that says how many there are.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_server::http::conditional::Condition;
use connectory_server::registry::{Expected, Given, RegistryError};
use http::StatusCode;
use maud::{Markup, html};

use super::super::coverage::Keys;
use super::super::life_cycle::revision_tag;
use super::super::page::{ConnectorPage, Tab};
use super::super::path::unknown_locale;
use super::super::undoable::done_parameter;
use super::import::{chosen_locale, locale_select};
use super::texts::texts_of;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::locales::locale_name;
use crate::frame::query::parameter;
use crate::state::Console;

/// What leads to the page: a link if one locale is shown besides English, and a choice if there are several.
pub fn fill_menu(page: &ConnectorPage, shown: &[Locale]) -> Markup {
    let view = &page.view;
    let address = page.url("/translations/fill");
    // English is the first one.
    let others = shown.get(1..).unwrap_or_default();
    html! {
        @match others {
            [] => {},
            [locale] => a.button href=(format!("{address}?locale={locale}")) { (view.text("translations.fill")) },
            others => details.menu-of name="tools" {
                summary.button { (view.text("translations.fill")) }
                form.panel method="get" action=(address) {
                    label { (view.text("translations.fill_into")) (locale_select(view, others, None)) }
                    button.primary type="submit" { (view.text("translations.go_on")) }
                }
            }
        }
    }
}

/// The keys that have an English text and none in a locale, with the English texts.
fn missing(connector: &Connector, locale: Locale) -> Vec<(String, String)> {
    let keys = Keys::of(connector).all;
    let names: Vec<_> = keys.iter().map(String::as_str).collect();
    let mut texts = texts_of(connector, &names, &[Locale::En, locale]);
    let mut missing = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let english = texts.remove(&(Locale::En, at)).filter(|english| !english.is_empty());
        if let (Some(english), None) = (english, texts.get(&(locale, at))) {
            missing.push((key.clone(), english));
        }
    }
    missing
}

/// Shows the question.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let tag = parameter(&query.unwrap_or_default(), "locale");
    let locale = tag.parse().map_err(|_| PageError::bad_request(unknown_locale(&tag)))?;
    question(&console, page, locale, html! {}).await
}

async fn question(
    console: &Console,
    page: ConnectorPage,
    locale: Locale,
    above: Markup,
) -> Result<Response, PageError> {
    let response = console.server.work.run(page.connector.size(), move |_| {
        let view = &page.view;
        let (count, name) = (missing(&page.connector, locale).len(), locale_name(view, locale));
        let back = page.url(&format!("/translations?locale={locale}"));
        let content = html! {
            (page.read_only_note())
            (above)
            h2 { (view.format("translations.fill_title", &[&name])) }
            @if count == 0 {
                p { (view.format("translations.fill_none", &[&name])) }
                p { a.button href=(back) { (view.text("action.cancel")) } }
            } @else {
                p.lead { (view.format("translations.fill_lead", &[&count, &name])) }
                form method="post" action=(page.url("/translations/fill")) {
                    (view.csrf_input())
                    input type="hidden" name="base" value=[revision_tag(page.entry.source)];
                    input type="hidden" name="locale" value=(locale);
                    div.actions {
                        @if page.is_writable() {
                            button.primary type="submit" { (view.format("translations.fill_submit", &[&count])) }
                        }
                        a.button href=(back) { (view.text("action.cancel")) }
                    }
                }
            }
        };
        page.render(Tab::Translations, &content)
    });
    Ok(response.await?)
}

/// Copies the texts, unless someone changed the connector since the question.
pub async fn fill(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    let locale = chosen_locale(&form)?;
    let next = move |connector: &Connector| {
        let missing = missing(connector, locale);
        if missing.is_empty() {
            return Ok(None);
        }
        let mut next = connector.clone();
        let texts = next.translations.0.entry(locale).or_insert(Properties::Utf8(String::new()));
        *texts = texts.with_added(missing.iter().map(|(key, text)| (key.as_str(), text.as_str())));
        Ok(Some(next))
    };
    let english = page.connector.translations.0.get(&Locale::En).map_or(0, |texts| texts.text().len());
    let expected = Expected { condition: Condition::if_match(form.get("base")?), part: None };
    let given = Given::bytes(english).expecting(expected);
    let script_name = &page.connector.script_name;
    match console.server.registry.edit(caller.tenant(), &caller.origin(), script_name, given, next).await {
        Ok(edited) => {
            let done = done_parameter("filled", &edited);
            Ok(Redirect::to(&page.url(&format!("/translations?locale={locale}&{done}"))).into_response())
        }
        Err(RegistryError::Unexpected(_)) => {
            let above = html! { p.problem role="alert" { (view.text("translations.fill_late")) } };
            let response = question(&console, page.again(&console).await?, locale, above).await?;
            Ok((StatusCode::CONFLICT, response).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
