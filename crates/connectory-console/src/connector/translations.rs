//! The translations as a grid: a row for each key and a column for each locale. Missing texts are marked.
//!
//! A text is saved when the user leaves its field. The request also has the text that was there before. If the stored text
//! is another one, nothing is saved, so no change is overwritten unseen.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::limits::{GRID_BYTES, KEYS_PER_PAGE, MEMBER_CHARS, TEXT_CHARS};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale, visible};
use connectory_server::http::conditional::Condition;
use connectory_server::registry::{Given, RegistryError};
use http::{HeaderValue, header};
use maud::{Markup, html};
use serde_json::json;

use super::coverage::Keys;
use super::download::attachment;
use super::page::{ConnectorPage, Tab};
use super::path::{LocalePath, ScriptNamePath, unknown_locale};
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::notes;
use crate::frame::query::parameter;
use crate::frame::success::{outcome, success_note};
use crate::frame::texts::Message;
use crate::state::Console;
use crate::urls::connector_url;
use connectory_model::shown;

/// The number of characters that are shown of a text that is too long to be edited here.
const SHOWN_CHARS: usize = 200;

/// The texts of some keys in some locales, by locale and position of the key. The keys are in alphabetical order.
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

/// Shows the grid.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
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
    // English is always shown: all others are translated from it.
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
        (doubts(page, &shown))
        (notes::cell_drafts(&page.view, &page.url("/translations/")))
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

/// What is in doubt of the texts that are shown, as the API says it of an upload (D75).
fn doubts(page: &ConnectorPage, shown: &[Locale]) -> Markup {
    let doubt = |locale: &Locale| {
        let texts = page.connector.translations.0.get(locale)?;
        let doubt = texts.format_doubt().or_else(|| texts.encoding_doubt())?;
        Some(page.view.format("translations.doubt", &[locale, &format!("line {}: {}", doubt.line, doubt.reason)]))
    };
    html! { @for doubt in shown.iter().filter_map(doubt) { p.note { (visible(&doubt)) } } }
}

/// Links to the pages before and after, with the locales that were asked for.
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
                            th scope="row" { code { (visible(&beginning(key))) } }
                            @for locale in shown {
                                @let stored = texts.get(&(*locale, at)).map(String::as_str);
                                (Cell { key, locale: *locale, stored, conflicting: None }.render(page, &mut room))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A text, or the beginning of a long one.
fn beginning(text: &str) -> Cow<'_, str> {
    match shown(text, SHOWN_CHARS) {
        start if start.len() < text.len() => Cow::Owned(format!("{start}…")),
        all => Cow::Borrowed(all),
    }
}

/// A cell of the grid.
struct Cell<'a> {
    key: &'a str,
    locale: Locale,
    /// The stored text.
    stored: Option<&'a str>,
    /// A text that was typed, but is not saved because the stored text has changed.
    conflicting: Option<&'a str>,
}

impl Cell<'_> {
    /// Renders the cell. The page has `room` for this number of bytes of texts.
    fn render(&self, page: &ConnectorPage, room: &mut usize) -> Markup {
        let &Self { key, locale, stored: text, conflicting } = self;
        let view = &page.view;
        let stored = text.unwrap_or_default();
        let is_editable = is_key(key) && stored.chars().count() <= TEXT_CHARS;
        let left = if is_editable { room.checked_sub(stored.len()) } else { None };
        let Some(left) = left else {
            return html! {
                td.missing[text.is_none()] lang=(locale) {
                    (beginning(stored)) " " span.faint { (view.text("translations.long")) }
                    @if conflicting.is_some() { p.problem role="alert" { (view.format("translations.late", &[&beginning(stored)])) } }
                }
            };
        };
        *room = left;
        let address = page.url(&format!("/translations/{locale}/text"));
        html! {
            td.missing[text.is_none()] lang=(locale) {
                @if page.is_writable() {
                    textarea rows="1" name="text" aria-label=(format!("{key}, {locale}")) maxlength=(TEXT_CHARS)
                        placeholder=(view.text("translations.missing"))
                        hx-post=(address) hx-trigger="change" hx-target="closest td" hx-swap="outerHTML"
                        hx-vals=(json!({"key": key, "was": stored}))
                        data-draft=(format!("{address} {key}")) data-typed[conflicting.is_some()]
                    { "\n" (conflicting.unwrap_or(stored)) }
                    @if conflicting.is_some() {
                        p.problem role="alert" { (view.format("translations.late", &[&stored])) }
                        button.quiet type="button" data-discards data-take=(stored) { (view.text("conflict.take_theirs")) }
                    }
                } @else if let Some(text) = text { (visible(text)) }
                @else { span.faint { (view.text("translations.missing")) } }
            }
        }
    }
}

/// Whether the texts of a key can be edited here.
fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().count() <= MEMBER_CHARS
}

/// Saves one text. An empty one removes the key from the locale.
pub async fn save_text(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    LocalePath(locale): LocalePath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    // A browser ends each line of the text before with two characters.
    let (key, was) = (form.get("key")?.to_owned(), form.get_up_to("was", 2 * TEXT_CHARS)?.to_owned());
    let text = form.lines("text", &was, TEXT_CHARS)?;
    if !is_key(&key) || text.chars().count() > TEXT_CHARS || text.contains('\0') {
        return Err(PageError::bad_request(Message::new("error.text").with(&MEMBER_CHARS).with(&TEXT_CHARS)));
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
    let conflicting = match edited.await {
        Ok(_) => None,
        Err(RegistryError::Conflict) => Some(text),
        Err(error) => return Err(error.into()),
    };
    let page = ConnectorPage::find(&console, &view, &caller, &script_name).await?;
    let fragment = console.server.work.run(page.connector.size(), move |_| {
        let texts = texts_of(&page.connector, std::slice::from_ref(&key), &[locale]);
        let (stored, mut room) = (texts.get(&(locale, 0)).map(String::as_str), GRID_BYTES);
        let keys = Keys::of(&page.connector);
        html! {
            (Cell { key: &key, locale, stored, conflicting: conflicting.as_deref() }.render(&page, &mut room))
            small id=(format!("coverage-{locale}")) hx-swap-oob="true" { (percent(&keys, locale)) }
        }
    });
    Ok(fragment.await?.into_response())
}

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

/// Replaces the texts of a locale with those of a file.
pub async fn import(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    Submitted { caller, form, .. }: Submitted,
) -> Result<Response, PageError> {
    let tag = form.get("locale")?;
    let locale: Locale = tag.parse().map_err(|_| PageError::bad_request(unknown_locale(tag)))?;
    let bytes = form.file(console.server.options.max_document)?;
    let size = bytes.len();
    let parsed = console.server.work.run(size, move |_| Properties::parse(&bytes)).await?;
    let properties = parsed.map_err(|error| PageError::bad_request(Message::new("error.properties").with(&error)))?;
    let (tenant, origin) = (caller.tenant(), caller.origin());
    let (registry, condition) = (&console.server.registry, Condition::default());
    let replaced = registry.replace_translations(tenant, &origin, &script_name, locale, Some(properties), condition);
    let word = outcome(&replaced.await?);
    Ok(Redirect::to(&connector_url(&script_name, &format!("/translations?done={word}&locale={locale}")))
        .into_response())
}
