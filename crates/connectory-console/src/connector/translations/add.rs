//! The form that adds a key with its English text.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::limits::{MEMBER_CHARS, TEXT_CHARS};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_server::registry::{Given, RegistryError};
use http::StatusCode;
use maud::{Markup, html};

use super::super::page::ConnectorPage;
use super::cell::check;
use super::query::GridQuery;
use super::texts::text_of;
use crate::frame::error::PageError;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::icon::{Icon, icon};
use crate::frame::texts::Message;
use crate::state::Console;

/// What is in the form.
#[derive(Default)]
pub struct NewKey {
    key: String,
    text: String,
    /// Why it was not added.
    error: Option<Message>,
}

/// The menu with the form.
pub fn add_menu(page: &ConnectorPage, query: &GridQuery, new: &NewKey) -> Markup {
    let view = &page.view;
    let error = new.error.as_ref().map(|error| error.text(view.language));
    html! {
        details.menu-of name="tools" open[error.is_some()] {
            summary.button { (icon(Icon::Plus)) (view.text("translations.add_menu")) }
            form.panel method="post" action=(page.url("/translations/keys")) {
                (view.csrf_input())
                @for locale in &query.locales { input type="hidden" name="locale" value=(locale); }
                @if let Some(error) = &error { p.problem #new-key-problem role="alert" { (error) } }
                label { (view.text("translations.key"))
                    input.code name="key" value=(new.key) required maxlength=(MEMBER_CHARS) autocomplete="off" spellcheck="false"
                        aria-invalid=[error.as_ref().map(|_| "true")] aria-describedby=[error.as_ref().map(|_| "new-key-problem")];
                }
                label { (view.text("translations.english")) textarea name="text" rows="2" maxlength=(TEXT_CHARS) required { "\n" (new.text) } }
                button.primary type="submit" { (view.text("translations.add")) }
            }
        }
    }
}

/// The view that the form came from: its locales.
fn view_of(form: &PostedForm) -> Result<GridQuery, PageError> {
    let tags = form.all("locale").collect::<Result<Vec<_>, _>>()?;
    let pairs = tags.into_iter().map(|tag| ("locale", tag));
    Ok(GridQuery::parse(&form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()))
}

/// Adds a key. One that has an English text is refused, because that text would be lost.
pub async fn add(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { caller, form, .. }: Submitted,
) -> Result<Response, PageError> {
    let query = view_of(&form)?;
    let (key, text) = (form.get("key")?.trim().to_owned(), form.lines("text", "", TEXT_CHARS)?);
    let added = match check(&key, &text) {
        Err(message) => Err(message),
        Ok(()) if text.is_empty() => Err(Message::new("error.required")),
        Ok(()) => {
            let (sought, typed) = (key.clone(), text.clone());
            let next = move |connector: &Connector| {
                if text_of(connector, &sought, Locale::En).is_some() {
                    return Err(RegistryError::Conflict);
                }
                let mut next = connector.clone();
                let english = next.translations.0.entry(Locale::En).or_insert(Properties::Utf8(String::new()));
                *english = english.with(&sought, Some(&typed));
                Ok(Some(next))
            };
            let (given, script_name) = (Given::bytes(key.len() + text.len()), &page.connector.script_name);
            match console.server.registry.edit(caller.tenant(), &caller.origin(), script_name, given, next).await {
                Ok(_) => Ok(()),
                Err(RegistryError::Conflict) => Err(Message::new("translations.key_exists").with(&key)),
                Err(error) => return Err(error.into()),
            }
        }
    };
    match added {
        Ok(()) => {
            let address = query.with(|query| query.search = key).url(&page);
            Ok(Redirect::to(&format!("{address}&done=key_added")).into_response())
        }
        Err(message) => {
            let page = page.again(&console).await?;
            let new = NewKey { key, text, error: Some(message) };
            let response = super::grid_page(&console, page, query, html! {}, new).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, response).into_response())
        }
    }
}
