//! Deleting several connectors. The user types how many they are: what goes wrong with several is that they are more than
//! one thought.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};

use super::{Asked, Shown, asked, back, buttons, chosen, find, make, page, rendered};
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::taken_back::DELETED;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{MANY_DELETE, connector_url};

/// Shows the connectors, and asks for their number. A single one has its own page.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let asked = asked(&caller, &query.unwrap_or_default())?;
    match &*asked.found {
        [one] => Ok(Redirect::to(&connector_url(&one.entry.script_name, "/delete")).into_response()),
        _ => rendered(&console, &view, asked, |view, shown| delete_page(view, &html! {}, shown)).await,
    }
}

fn delete_page(view: &View, above: &Markup, shown: &Shown) -> Response {
    let count = shown.picked.len();
    let card = html! {
        p { (view.text("many.delete_lead")) }
        label { (view.format("many.delete_count", &[&count])) input name="count" required inputmode="numeric" autocomplete="off"; }
        (buttons(view, &shown.back, &view.format("many.delete_submit", &[&count]), true))
    };
    page(view, &view.format("many.delete_title", &[&count]), above, shown, MANY_DELETE, &card)
}

/// Deletes the connectors, if their number is the typed one.
pub async fn delete(State(console): State<Arc<Console>>, submitted: Submitted) -> Result<Response, PageError> {
    let view = &submitted.view;
    let chosen = chosen(&submitted.form)?;
    if submitted.form.get("count")?.trim() != chosen.len().to_string() {
        let found = chosen.iter().map(|chosen| find(&submitted.caller, chosen.script_name.as_str()));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let above = html! { p.problem role="alert" { (view.format("many.delete_wrong", &[&found.len()])) } };
        let asked = Asked { found, back: back(&submitted.form)? };
        let page = rendered(&console, view, asked, move |view, shown| delete_page(view, &above, shown)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let again = |view: &View, above: &Markup, shown: &Shown| delete_page(view, above, shown);
    make(&console, &submitted, DELETED, |_| Ok(None), again).await
}
