//! The translations as a grid: a row for each key, a column for each locale, and what is missing.
//!
//! A text is saved when its field is left. The text that was there before is sent along, so that nobody overwrites what
//! they have not seen.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::limits::{GRID_BYTES, KEYS_PER_PAGE, MEMBER_CHARS, TEXT_CHARS};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_server::http::error::ApiError;
use connectory_server::http::path::{ScriptNamePath, path_parameter};
use connectory_server::registry::{Given, RegistryError};
use http::request::Parts;
use http::{HeaderValue, header};
use maud::{Markup, html};
use serde_json::json;

use super::coverage::Keys;
use super::download::attachment;
use super::page::{ConnectorPage, Tab};
use crate::frame::form::Submitted;
use crate::frame::query::parameter;
use crate::frame::success::{outcome, success_note};
use crate::frame::view::View;
use crate::state::Console;
use crate::urls::connector_url;

/// How many characters of a text are shown that is too long to be edited.
const SHOWN_CHARS: usize = 200;

/// The texts of some keys, which are in alphabetical order, in some locales; by the key's position.
fn texts_of(connector: &Connector, keys: &[String], locales: &[Locale]) -> HashMap<(Locale, usize), String> {
    let mut texts = HashMap::new();
    for locale in locales {
        if let Some(properties) = connector.translations.0.get(locale) {
            properties.each(|entry| {
                if let Ok(at) = keys.binary_search(&entry.key) {
                    texts.insert((*locale, at), entry.value);
                }
            });
        }
    }
    texts
}

/// The page.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    Ok(console.server.work.run(page.connector.size(), move |_| render_translations(&page, &query)).await?)
}

fn render_translations(page: &ConnectorPage, query: &str) -> Response {
    let keys = Keys::of(&page.connector);
    let asked: Vec<Locale> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "locale")
        .filter_map(|(_, tag)| tag.parse().ok())
        .collect();
    let asked: Vec<_> = Locale::ALL.iter().copied().filter(|locale| asked.contains(locale)).collect();
    // English is what all others are translated from.
    let shown: Vec<_> = std::iter::once(Locale::En)
        .chain(Locale::ALL.iter().copied().filter(|locale| {
            *locale != Locale::En
                && if asked.is_empty() { keys.translated.contains_key(locale) } else { asked.contains(locale) }
        }))
        .collect();
    let last = keys.all.len().div_ceil(KEYS_PER_PAGE).max(1);
    let page_number = parameter(query, "page").parse().unwrap_or(1).clamp(1, last);
    let first = (page_number - 1) * KEYS_PER_PAGE;
    let on_page = &keys.all[first..keys.all.len().min(first + KEYS_PER_PAGE)];
    let content = html! {
        (success_note(&page.view, query))
        (locale_choice(page, &keys, &shown))
        @if last > 1 {
            p.count { (page.view.format("translations.count", &[&(first + 1), &(first + on_page.len()), &keys.all.len()])) }
        }
        (grid(page, on_page, &shown))
        @if last > 1 { (page_links(page, &asked, page_number, last)) }
        @if page.is_writable() { (import_form(page, &shown)) }
    };
    page.render(Tab::Translations, &content)
}

/// The ways to the pages before and after, in the locales that were asked for.
fn page_links(page: &ConnectorPage, asked: &[Locale], page_number: usize, last: usize) -> Markup {
    let view = &page.view;
    let locales: Vec<_> = asked.iter().map(|locale| format!("locale={locale}&")).collect();
    let at = |number: usize| page.url(&format!("/translations?{}page={number}", locales.concat()));
    html! {
        nav.pages aria-label=(view.text("list.pages")) {
            @if page_number > 1 { a.button rel="prev" href=(at(page_number - 1)) { (view.text("list.previous")) } }
            @if page_number < last { a.button rel="next" href=(at(page_number + 1)) { (view.text("list.next")) } }
        }
    }
}

fn locale_choice(page: &ConnectorPage, keys: &Keys, shown: &[Locale]) -> Markup {
    let view = &page.view;
    html! {
        form.locales method="get" action=(page.url("/translations")) {
            fieldset {
                legend { (view.text("translations.shown")) }
                @for locale in Locale::ALL {
                    label.check { input type="checkbox" name="locale" value=(locale) checked[shown.contains(locale)];
                        (locale) " " small id=(format!("coverage-{locale}")) { (percent(keys, *locale)) } }
                }
                button type="submit" { (view.text("nav.apply")) }
            }
        }
    }
}

fn percent(keys: &Keys, locale: Locale) -> Markup {
    html! { (keys.percent(locale)) " %" }
}

fn grid(page: &ConnectorPage, keys: &[String], shown: &[Locale]) -> Markup {
    let view = &page.view;
    let texts = texts_of(&page.connector, keys, shown);
    let mut room = GRID_BYTES;
    html! {
        div.grid-frame tabindex="0" role="region" aria-label=(view.text("tab.translations")) {
            table.grid {
                thead { tr {
                    th scope="col" { (view.text("translations.key")) }
                    @for locale in shown {
                        th scope="col" { (locale) " "
                            a href=(page.url(&format!("/translations/{locale}"))) download=(format!("{locale}.properties"))
                                aria-label=(view.format("translations.export", &[locale])) { "↓ .properties" } }
                    }
                } }
                tbody {
                    @for (at, key) in keys.iter().enumerate() {
                        tr {
                            th scope="row" { code { (beginning(key)) } }
                            @for locale in shown {
                                @let text = texts.get(&(*locale, at)).map(String::as_str);
                                (cell(page.is_writable().then_some(page), view, key, *locale, text, None, &mut room))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A text, or how a long one begins.
fn beginning(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A cell; with the connector it can be edited. `late` was typed over a text that has changed meanwhile. The page has
/// `room` for so many bytes of texts.
fn cell(
    editable: Option<&ConnectorPage>,
    view: &View,
    key: &str,
    locale: Locale,
    text: Option<&str>,
    late: Option<&str>,
    room: &mut usize,
) -> Markup {
    let stored = text.unwrap_or_default();
    let shown = late.unwrap_or(stored);
    let is_editable = is_key(key) && stored.chars().count() <= TEXT_CHARS;
    let left = if is_editable { room.checked_sub(stored.len()) } else { None };
    let Some(left) = left else {
        return html! {
            td.missing[text.is_none()] lang=(locale) {
                (beginning(stored)) " " span.faint { (view.text("translations.long")) }
                @if late.is_some() { p.problem role="alert" { (view.format("translations.late", &[&beginning(stored)])) } }
            }
        };
    };
    *room = left;
    html! {
        td.missing[text.is_none()] lang=(locale) {
            @if let Some(page) = editable {
                textarea rows="1" name="text" aria-label=(format!("{key}, {locale}")) maxlength=(TEXT_CHARS)
                    placeholder=(view.text("translations.missing"))
                    hx-post=(page.url(&format!("/translations/{locale}/text"))) hx-trigger="change" hx-target="closest td" hx-swap="outerHTML"
                    hx-vals=(json!({"key": key, "was": stored}))
                { "\n" (shown) }
                @if late.is_some() {
                    p.problem role="alert" { (view.format("translations.late", &[&stored])) }
                    button.quiet type="button" data-take=(stored) { (view.text("conflict.take_theirs")) }
                }
            } @else if let Some(text) = text { (text) }
            @else { span.faint { (view.text("translations.missing")) } }
        }
    }
}

/// Whether a text of a key can be edited here.
fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().count() <= MEMBER_CHARS
}

/// The locale of a path.
pub struct LocalePath(Locale);

impl<S: Send + Sync> FromRequestParts<S> for LocalePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let tag = path_parameter(parts, state, "locale").await;
        tag.parse().map(Self).map_err(|error| ApiError::not_found(format!("{error}")))
    }
}

/// Saves one text; an empty one removes the key from the locale.
pub async fn save_text(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    LocalePath(locale): LocalePath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    let (key, was) = (form.get("key").to_owned(), form.get("was").to_owned());
    let text = form.lines("text", &was);
    if !is_key(&key) || text.chars().count() > TEXT_CHARS || text.contains('\0') {
        let limit = format!("a key has 1 to {MEMBER_CHARS} characters, a text at most {TEXT_CHARS} and no NUL");
        return Err(ApiError::bad_request(limit));
    }
    let (sought, typed) = (key.clone(), text.clone());
    let next = move |connector: &Connector| {
        let stored = connector.translations.0.get(&locale);
        let mut current = texts_of(connector, std::slice::from_ref(&sought), &[locale]);
        let current = current.remove(&(locale, 0)).unwrap_or_default();
        if current == typed {
            return Ok(None);
        }
        if current.replace("\r\n", "\n") != was.replace("\r\n", "\n") {
            return Err(RegistryError::Conflict);
        }
        let changed = stored.cloned().unwrap_or(Properties::Utf8(String::new()));
        let changed = changed.with(&sought, (!typed.is_empty()).then_some(&typed));
        let mut next = connector.clone();
        if changed.text().trim().is_empty() {
            next.translations.0.remove(&locale);
        } else {
            next.translations.0.insert(locale, changed);
        }
        Ok(Some(next))
    };
    let given = Given::bytes(text.len());
    let (tenant, origin) = (caller.tenant(), caller.origin());
    let edited = console.server.registry.edit(tenant, &origin, &script_name, given, next);
    let conflict = match edited.await {
        Ok(_) => None,
        Err(RegistryError::Conflict) => Some(text),
        Err(error) => return Err(error.into()),
    };
    let page = ConnectorPage::find(&console, &view, &caller, &script_name).await?;
    let fragment = console.server.work.run(page.connector.size(), move |_| {
        let texts = texts_of(&page.connector, std::slice::from_ref(&key), &[locale]);
        let (text, mut room) = (texts.get(&(locale, 0)).map(String::as_str), GRID_BYTES);
        let keys = Keys::of(&page.connector);
        html! {
            (cell(Some(&page), &view, &key, locale, text, conflict.as_deref(), &mut room))
            small id=(format!("coverage-{locale}")) hx-swap-oob="true" { (percent(&keys, locale)) }
        }
    });
    Ok(fragment.await?.into_response())
}

/// Answers a locale's texts as a file.
pub async fn export(page: ConnectorPage, LocalePath(locale): LocalePath) -> Response {
    let texts = page.connector.translations.0.get(&locale);
    let name = format!("{}-{locale}.properties", page.connector.script_name);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CONTENT_DISPOSITION, attachment(&name)),
    ];
    (headers, texts.map(Properties::to_bytes).unwrap_or_default()).into_response()
}

fn import_form(page: &ConnectorPage, shown: &[Locale]) -> Markup {
    let view = &page.view;
    html! {
        form.upload method="post" action=(page.url("/translations")) enctype="multipart/form-data" {
            (view.csrf_input())
            label { (view.text("translations.import_into"))
                select name="locale" {
                    @for locale in Locale::ALL { option value=(locale) selected[shown.last() == Some(locale)] { (locale) } }
                }
            }
            label { (view.text("translations.file")) input type="file" name="file" accept=".properties,text/plain" required; }
            button type="submit" { (view.text("translations.import")) }
        }
    }
}

/// Replaces a locale's texts with those of a file.
pub async fn import(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    Submitted { caller, form, .. }: Submitted,
) -> Result<Response, ApiError> {
    let locale: Locale = form.get("locale").parse().map_err(|error| ApiError::bad_request(format!("{error}")))?;
    let bytes = form.file(console.server.options.max_document)?;
    let size = bytes.len();
    let parsed = console.server.work.run(size, move |_| Properties::parse(&bytes)).await?;
    let properties = parsed.map_err(|error| ApiError::bad_request(format!("the file, {error}")))?;
    let (tenant, origin) = (caller.tenant(), caller.origin());
    let replaced =
        console.server.registry.replace_translations(tenant, &origin, &script_name, locale, Some(properties));
    let word = outcome(&replaced.await?);
    Ok(Redirect::to(&connector_url(&script_name, &format!("/translations?done={word}&locale={locale}")))
        .into_response())
}
