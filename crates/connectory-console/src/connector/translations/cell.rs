//! A cell of the grid. Its text is saved when the user leaves it.
//!
//! The request also has the text that was there before. If the stored text is another one, nothing is saved, and the cell
//! shows both, so no change is overwritten unseen.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use connectory_model::limits::{GRID_BYTES, MEMBER_CHARS, TEXT_CHARS};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale, shown, visible};
use connectory_server::registry::{Given, RegistryError};
use maud::{Markup, html};
use serde_json::json;

use super::super::coverage::Keys;
use super::super::coverage::coverage_counts;
use super::super::page::ConnectorPage;
use super::super::path::{LocalePath, ScriptNamePath};
use super::texts::text_of;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::icon::{Icon, icon};
use crate::frame::locales::locale_name;
use crate::frame::texts::Message;
use crate::state::Console;

/// The number of characters that are shown of a text that is too long to be edited here.
const SHOWN_CHARS: usize = 200;
/// The most lines that a field begins with.
const LINES: usize = 8;

/// A text, or the beginning of a long one.
pub fn beginning(text: &str) -> Cow<'_, str> {
    match shown(text, SHOWN_CHARS) {
        start if start.len() < text.len() => Cow::Owned(format!("{start}…")),
        all => Cow::Borrowed(all),
    }
}

/// Whether the texts of a key can be edited here.
pub fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().count() <= MEMBER_CHARS
}

/// Refuses a key or a text that cannot be saved here.
pub fn check(key: &str, text: &str) -> Result<(), Message> {
    if is_key(key) && text.chars().count() <= TEXT_CHARS && ![key, text].iter().any(|part| part.contains('\0')) {
        return Ok(());
    }
    Err(Message::new("error.text").with(&MEMBER_CHARS).with(&TEXT_CHARS))
}

/// What became of the text that a cell sent.
pub enum Sent<'a> {
    /// None was sent: the cell is part of a page.
    Nothing,
    /// It is saved.
    Saved,
    /// It is not saved, because the stored text has changed.
    Late(&'a str),
}

/// A cell of the grid.
pub struct Cell<'a> {
    /// The key.
    pub key: &'a str,
    /// The locale.
    pub locale: Locale,
    /// The stored text.
    pub stored: Option<&'a str>,
    /// What became of the text that it sent.
    pub sent: Sent<'a>,
}

impl Cell<'_> {
    /// Renders the cell. The page has `room` for this number of bytes of texts.
    pub fn render(&self, page: &ConnectorPage, room: &mut usize) -> Markup {
        let &Self { key, locale, stored: text, ref sent } = self;
        let view = &page.view;
        let stored = text.unwrap_or_default();
        let is_editable = is_key(key) && stored.chars().count() <= TEXT_CHARS;
        let left = if is_editable { room.checked_sub(stored.len()) } else { None };
        let content = if let Some(left) = left {
            *room = left;
            self.content(page)
        } else {
            html! {
                p { (beginning(stored)) " " span.faint { (view.text("translations.long")) } }
                @if matches!(sent, Sent::Late(_)) { p.problem role="alert" { (late(page, &beginning(stored))) } }
            }
        };
        html! { td.cell.miss[text.is_none()] lang=(locale) data-label=(locale_name(view, locale)) { (content) } }
    }

    fn content(&self, page: &ConnectorPage) -> Markup {
        let &Self { key, locale, stored: text, ref sent } = self;
        let view = &page.view;
        let missing = view.text("translations.missing");
        if !page.is_writable() {
            return html! { p { @if let Some(text) = text { (visible(text)) } @else { span.faint { (missing) } } } };
        }
        let stored = text.unwrap_or_default();
        let typed = if let Sent::Late(typed) = sent { Some(*typed) } else { None };
        let address = page.url(&format!("/translations/{locale}/text"));
        html! {
            textarea rows=(stored.lines().count().clamp(1, LINES)) name="text" maxlength=(TEXT_CHARS)
                aria-label=(format!("{key}, {}", locale_name(view, locale))) placeholder=[text.is_none().then_some(missing)]
                hx-post=(address) hx-trigger="change" hx-target="closest td" hx-swap="outerHTML"
                hx-vals=(json!({"key": key, "was": stored}))
                data-draft=(format!("{address} {key}")) data-typed[typed.is_some()]
            { "\n" (typed.unwrap_or(stored)) }
            @if matches!(sent, Sent::Saved) {
                span.saved role="status" { (icon(Icon::Check)) span.visually-hidden { (view.text("translations.saved")) } }
            }
            @if typed.is_some() {
                div.cell-conflict role="alert" {
                    p { (late(page, stored)) }
                    div.actions {
                        button type="button" data-discards data-take=(stored) { (view.text("translations.take_theirs")) }
                        button.primary type="button" data-saves { (view.text("translations.save_mine")) }
                    }
                }
            }
        }
    }
}

/// Says that someone else changed a text to what is stored now.
fn late(page: &ConnectorPage, stored: &str) -> String {
    match stored {
        "" => page.view.text("translations.late_removed").to_owned(),
        stored => page.view.format("translations.late", &[&stored]),
    }
}

/// Saves one text. An empty one removes the key from the locale.
pub async fn save(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    LocalePath(locale): LocalePath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    // A browser ends each line of the text before with two characters.
    let (key, was) = (form.get("key")?.to_owned(), form.get_up_to("was", 2 * TEXT_CHARS)?.to_owned());
    let text = form.lines("text", &was, TEXT_CHARS)?;
    check(&key, &text).map_err(PageError::bad_request)?;
    let (sought, typed) = (key.clone(), text.clone());
    let next = move |connector: &Connector| {
        let current = text_of(connector, &sought, locale).unwrap_or_default();
        if current == typed {
            return Ok(None);
        }
        if current.replace("\r\n", "\n") != was.replace("\r\n", "\n") {
            return Err(RegistryError::Conflict);
        }
        let stored = connector.translations.0.get(&locale);
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
    let is_saved = match console.server.registry.edit(tenant, &origin, &script_name, given, next).await {
        Ok(_) => true,
        Err(RegistryError::Conflict) => false,
        Err(error) => return Err(error.into()),
    };
    let page = ConnectorPage::find(&console, &view, &caller, &script_name).await?;
    let fragment = console.server.work.run(page.connector.size(), move |_| {
        let (stored, mut room) = (text_of(&page.connector, &key, locale), GRID_BYTES);
        let sent = if is_saved { Sent::Saved } else { Sent::Late(&text) };
        html! {
            (Cell { key: &key, locale, stored: stored.as_deref(), sent }.render(&page, &mut room))
            (coverage_counts(&page.view, &Keys::of(&page.connector), locale))
        }
    });
    Ok(fragment.await?.into_response())
}
