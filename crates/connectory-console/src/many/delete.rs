//! Deleting several connectors. The user types how many they are: what goes wrong with several is that they are more than
//! one thought.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};

use super::{Picked, buttons, chosen, find, found, make, page, rendered};
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
    let found = found(&caller, &query.unwrap_or_default())?;
    match &*found {
        [one] => Ok(Redirect::to(&connector_url(&one.entry.script_name, "/delete")).into_response()),
        _ => rendered(&console, &view, found, |view, picked| delete_page(view, &html! {}, picked)).await,
    }
}

fn delete_page(view: &View, above: &Markup, picked: &[Picked]) -> Response {
    let card = html! {
        p { (view.text("many.delete_lead")) }
        label { (view.format("many.delete_count", &[&picked.len()])) input name="count" required inputmode="numeric" autocomplete="off"; }
        (buttons(view, &view.format("many.delete_submit", &[&picked.len()]), true))
    };
    page(view, &view.format("many.delete_title", &[&picked.len()]), above, picked, MANY_DELETE, &card)
}

/// Deletes the connectors, if their number is the typed one.
pub async fn delete(State(console): State<Arc<Console>>, submitted: Submitted) -> Result<Response, PageError> {
    let view = &submitted.view;
    let chosen = chosen(&submitted.form)?;
    if submitted.form.get("count")?.trim() != chosen.len().to_string() {
        let found = chosen.iter().map(|chosen| find(&submitted.caller, chosen.script_name.as_str()));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let above = html! { p.problem role="alert" { (view.format("many.delete_wrong", &[&found.len()])) } };
        let page = rendered(&console, view, found, move |view, picked| delete_page(view, &above, picked)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let again = |view: &View, above: &Markup, picked: &[Picked]| delete_page(view, above, picked);
    make(&console, &submitted, DELETED, |_| Ok(None), again).await
}
