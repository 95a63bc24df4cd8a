//! The status of several connectors.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::limits::{RELEASES_BYTES, RELEASES_LOOKED};
use connectory_model::{Connector, ScriptName, Status, visible};
use connectory_server::auth::Caller;
use maud::{Markup, html};

use super::{Found, Shown, asked, buttons, make, page, rendered};
use crate::connector::coverage::Keys;
use crate::connector::unfinished::{Unfinished, check_apart, step};
use crate::frame::badges::{STATUSES, status_badge};
use crate::frame::error::{PageError, no_choice};
use crate::frame::form::Submitted;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{MANY_STATUS, connector_url};

/// Shows the connectors, and asks for the status.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let asked = asked(&caller, &query.unwrap_or_default())?;
    let unfinished = look(&console, &caller, &asked.found).await?;
    let render = move |view: &View, shown: &Shown| {
        status_page(view, &html! {}, shown, None, &unfinished_list(view, &unfinished))
    };
    rendered(&console, &view, asked, render).await
}

/// What is unfinished in connectors that are not released.
struct Looked {
    /// Those in which something is: the script name, the name, how many steps are open, and how many of them are errors.
    open: Vec<(ScriptName, String, usize, usize)>,
    /// How many were looked into.
    count: usize,
    /// How many there are.
    all: usize,
}

/// Looks into the first of the connectors.
async fn look(console: &Console, caller: &Caller, found: &[Found]) -> Result<Looked, PageError> {
    let unreleased: Vec<_> = found.iter().filter(|found| found.entry.status != Status::Released).collect();
    let all = unreleased.len();
    let (mut connectors, mut bytes) = (Vec::new(), 0);
    for Found { entry, .. } in unreleased.into_iter().take(RELEASES_LOOKED) {
        let connector = console.server.catalog.connector(caller.tenant(), entry.source).await?;
        bytes += connector.size();
        if bytes > RELEASES_BYTES {
            break;
        }
        connectors.push(connector);
    }
    let looked = check_apart(&console.server.work, bytes, move |stop| {
        let (mut open, mut count) = (Vec::new(), 0);
        for connector in connectors.iter().take_while(|_| !stop.is_due()) {
            let (steps, errors) = Unfinished::of(connector, &Keys::of(connector), stop).counts();
            count += 1;
            if steps > 0 {
                open.push((connector.script_name.clone(), connector.name.clone(), steps, errors));
            }
        }
        Looked { open, count, all }
    });
    Ok(looked.await?)
}

/// The connectors that would be released unfinished. A style shows them when that status is chosen.
fn unfinished_list(view: &View, Looked { open, count, all }: &Looked) -> Markup {
    html! {
        @if *all > 0 {
            section.if-released aria-labelledby="unfinished" {
                h3 #unfinished { (view.text("many.unfinished")) }
                @if open.is_empty() { p.hint { (view.text("many.unfinished_none")) } }
                @else { ul.todo {
                    @for (script_name, name, steps, errors) in open {
                        (step(if *errors > 0 { "bad" } else { "warn" }, &connector_url(script_name, "/release"), view.text("unfinished.open"), &html! {
                            b { (visible(name)) } ": "
                            @if *errors > 0 { (view.format("many.unfinished_errors", &[steps, errors])) }
                            @else { (view.format("many.unfinished_steps", &[steps])) }
                        }))
                    }
                } }
                @if count < all { p.hint { (view.format("many.unfinished_some", &[count, all])) } }
            }
        }
    }
}

fn status_page(view: &View, above: &Markup, shown: &Shown, chosen: Option<Status>, unfinished: &Markup) -> Response {
    let card = html! {
        fieldset {
            legend.visually-hidden { (view.text("facet.status")) }
            @for status in STATUSES {
                label.check { input type="radio" name="status" value=(status) required checked[chosen == Some(status)]; (status_badge(view, status)) }
            }
        }
        p.hint { (view.text("many.status_hint")) }
        (unfinished)
        (buttons(view, &shown.back, view.text("many.set_status"), false))
    };
    page(view, view.text("many.set_status"), above, shown, MANY_STATUS, &card)
}

/// Sets the status.
pub async fn save(State(console): State<Arc<Console>>, submitted: Submitted) -> Result<Response, PageError> {
    let word = submitted.form.get("status")?;
    let status: Status = word.parse().map_err(|_| no_choice(word))?;
    let next = move |connector: &Connector| Ok(Some(Connector { status, ..connector.clone() }));
    let again =
        move |view: &View, above: &Markup, shown: &Shown| status_page(view, above, shown, Some(status), &html! {});
    make(&console, &submitted, &status.to_string(), next, again).await
}
