//! The status of several connectors.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::{Connector, Status};
use maud::{Markup, html};

use super::{Picked, buttons, found, make, page, rendered};
use crate::frame::badges::{STATUSES, status_badge};
use crate::frame::error::{PageError, no_choice};
use crate::frame::form::Submitted;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::MANY_STATUS;

/// Shows the connectors, and asks for the status.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let found = found(&caller, &query.unwrap_or_default())?;
    rendered(&console, &view, found, |view, picked| status_page(view, &html! {}, picked, None)).await
}

fn status_page(view: &View, above: &Markup, picked: &[Picked], chosen: Option<Status>) -> Response {
    let card = html! {
        fieldset {
            legend.visually-hidden { (view.text("facet.status")) }
            @for status in STATUSES {
                label.check { input type="radio" name="status" value=(status) required checked[chosen == Some(status)]; (status_badge(view, status)) }
            }
        }
        p.hint { (view.text("many.status_hint")) }
        (buttons(view, view.text("many.set_status"), false))
    };
    page(view, view.text("many.set_status"), above, picked, MANY_STATUS, &card)
}

/// Sets the status.
pub async fn save(State(console): State<Arc<Console>>, submitted: Submitted) -> Result<Response, PageError> {
    let word = submitted.form.get("status")?;
    let status: Status = word.parse().map_err(|_| no_choice(word))?;
    let next = move |connector: &Connector| Ok(Some(Connector { status, ..connector.clone() }));
    let again = move |view: &View, above: &Markup, picked: &[Picked]| status_page(view, above, picked, Some(status));
    make(&console, &submitted, &status.to_string(), next, again).await
}
