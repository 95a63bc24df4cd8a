//! One change to several connectors of the list: their status, their labels, or their deletion. Each is one commit, and can
//! be taken back with one click.

pub mod delete;
pub mod labels;
pub mod status;

use std::collections::HashSet;
use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::Permission;
use connectory_model::limits::{EXPORT_NAMES, FOUND_SCRIPT_NAME_BYTES, LIST_BACK_BYTES};
use connectory_model::wire::{Applied, ConnectorItem};
use connectory_model::{Connector, ScriptName, visible};
use connectory_server::auth::Caller;
use connectory_server::catalog::{Entry, Source};
use connectory_server::registry::{ApplyError, Chosen, RegistryError};
use connectory_server::work::reserve;
use connectory_store::RevisionNumber;
use http::StatusCode;
use maud::{Markup, html};

use crate::frame::badges::{mark, status_badge};
use crate::frame::error::PageError;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::layout::Place;
use crate::frame::query::parameter;
use crate::frame::success::UNCHANGED;
use crate::frame::taken_back::{list_address, note_query, refused_note, with_note};
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::state::Console;
use crate::urls::connector_url;

/// What a form sends of one connector: a revision, a script name, and two separators.
const SEEN_CHARS: usize = 13 + FOUND_SCRIPT_NAME_BYTES + 2;

/// A connector that was selected.
struct Found {
    entry: Arc<Entry>,
    number: RevisionNumber,
}

/// The same, as its reader sees it.
struct Picked {
    entry: Arc<Entry>,
    number: RevisionNumber,
    item: ConnectorItem,
}

/// The connectors that a request names, and the address of the list to which it leads back.
struct Asked {
    found: Vec<Found>,
    back: String,
}

/// The same, as a page shows them.
struct Shown {
    picked: Vec<Picked>,
    back: String,
}

/// Finds a custom connector.
fn find(caller: &Caller, script_name: &str) -> Result<Found, PageError> {
    let name: ScriptName = script_name.parse().map_err(|_| PageError::no_connector(script_name))?;
    let entry = caller.tenant().entry(&name).ok_or_else(|| PageError::no_connector(script_name))?;
    match entry.source {
        Source::Stored(id) => Ok(Found { number: id.number, entry }),
        Source::BuiltIn(_) => Err(RegistryError::BuiltIn(name).into()),
    }
}

/// Finds the connectors of a query.
fn asked(caller: &Caller, query: &str) -> Result<Asked, PageError> {
    caller.has(Permission::Write)?;
    let names = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "scriptName");
    let mut seen = HashSet::new();
    let names: Vec<_> = names.map(|(_, value)| value).filter(|name| seen.insert(name.clone())).collect();
    expect_some(names.len())?;
    let found = names.iter().map(|name| find(caller, name)).collect::<Result<_, _>>()?;
    Ok(Asked { found, back: list_address(&parameter(query, "back")) })
}

/// Makes a page of connectors. Their metadata may be long.
async fn rendered(
    console: &Console,
    view: &Arc<View>,
    Asked { found, back }: Asked,
    render: impl FnOnce(&View, &Shown) -> Response + Send + 'static,
) -> Result<Response, PageError> {
    let bytes = found.iter().map(|found| found.entry.item_length()).sum();
    reserve(&console.server.answers, bytes)?;
    let view = Arc::clone(view);
    let response = console.server.work.run(bytes, move |_| {
        let locale = view.locale();
        let picked =
            found.into_iter().map(|Found { entry, number }| Picked { item: entry.item(locale), entry, number });
        render(&view, &Shown { picked: picked.collect(), back })
    });
    Ok(response.await?)
}

/// What a form sends of its connectors, as one field, because a form has few: each revision that its reader saw, and the
/// script name. A script name has no slash.
fn seen(picked: &[Picked]) -> String {
    let one = |picked: &Picked| [&picked.number.to_string(), " ", picked.entry.script_name.as_str()].concat();
    picked.iter().map(one).collect::<Vec<_>>().join("/")
}

/// Reads the connectors of a form, each with the revision that its reader saw.
fn chosen(form: &PostedForm) -> Result<Vec<Chosen>, PageError> {
    let seen = form.get_up_to("seen", EXPORT_NAMES * SEEN_CHARS)?;
    let seen: Vec<_> = seen.split('/').filter_map(|one| one.split_once(' ')).collect();
    expect_some(seen.len())?;
    let chosen = seen.into_iter().map(|(revision, name)| {
        let script_name = name.parse().map_err(|_| PageError::no_connector(name))?;
        // A connector that its reader saw has a revision. 0 is older than all of them.
        Ok(Chosen { script_name, revision: Some(revision.parse().unwrap_or(0)) })
    });
    chosen.collect()
}

/// The address of the list to which a form leads back.
fn back(form: &PostedForm) -> Result<String, PageError> {
    Ok(list_address(form.get_up_to("back", LIST_BACK_BYTES)?))
}

fn expect_some(count: usize) -> Result<(), PageError> {
    match count {
        0 => Err(PageError::bad_request(Message::new("many.none"))),
        1..=EXPORT_NAMES => Ok(()),
        _ => Err(PageError::bad_request(Message::new("many.too_many").with(&EXPORT_NAMES))),
    }
}

/// The page of a change: the connectors, and the card that asks for it. What was refused is above.
fn page(view: &View, title: &str, above: &Markup, shown: &Shown, address: &str, card: &Markup) -> Response {
    let Shown { picked, back } = shown;
    let labels = |item: &ConnectorItem| -> Vec<String> {
        connectory_model::metadata::labels(&item.connector_metadata).map(str::to_owned).collect()
    };
    let content = html! {
        nav.crumbs aria-label=(view.text("connector.crumbs")) { span { a href=(back) { (view.text("nav.connectors")) } } }
        div.top { h1 { (title) } }
        (above)
        form.columns method="post" action=(address) {
            (view.csrf_input())
            input type="hidden" name="seen" value=(seen(picked));
            input type="hidden" name="back" value=(back);
            section.card aria-label=(view.text("nav.connectors")) { table.connectors {
                thead { tr {
                    th scope="col" { (view.text("column.name")) }
                    th scope="col" { (view.text("column.status")) }
                    th.hide-s scope="col" { (view.text("many.labels")) }
                } }
                tbody { @for Picked { entry, item, .. } in picked {
                    tr {
                        th scope="row" {
                            div.named {
                                (mark(&item.name))
                                div {
                                    a.name href=(connector_url(&entry.script_name, "")) { (visible(&item.name)) }
                                    p.sub { code { (visible(entry.script_name.as_str())) } }
                                }
                            }
                        }
                        td { (status_badge(view, entry.status)) }
                        td.hide-s { @for label in labels(item) { span.chip { (visible(&label)) } " " } }
                    }
                } }
            } }
            section.card { header { h2 { (title) } } div.body { (card) } }
        }
    };
    view.render(Place::Connectors, title, &content)
}

/// The buttons below the fields of a card.
fn buttons(view: &View, back: &str, submit: &str, is_danger: bool) -> Markup {
    html! {
        div.actions {
            button.primary[!is_danger].danger[is_danger] type="submit" { (submit) }
            a.button href=(back) { (view.text("action.cancel")) }
        }
    }
}

/// Makes a change to each of the chosen connectors, as their reader saw them. Leads back to the list, with a note. If one is
/// refused, nothing is changed, and `again` shows the page as it is now.
async fn make<F>(
    console: &Console,
    Submitted { view, caller, form }: &Submitted,
    word: &str,
    next: F,
    again: impl FnOnce(&View, &Markup, &Shown) -> Response + Send + 'static,
) -> Result<Response, PageError>
where
    F: Fn(&Connector) -> Result<Option<Connector>, RegistryError> + Send + 'static,
{
    let (chosen, back) = (chosen(form)?, back(form)?);
    let names: Vec<_> = chosen.iter().map(|chosen| chosen.script_name.clone()).collect();
    match applied(console, caller, chosen, next).await {
        Ok(Applied { before, revision, .. }) if before == revision => {
            Ok(Redirect::to(&with_note(&back, &format!("done={UNCHANGED}"))).into_response())
        }
        Ok(applied) => Ok(Redirect::to(&with_note(&back, &note_query(applied.revision, word))).into_response()),
        Err(ApplyError::Refused { refusals, .. }) => {
            // Those that are still there.
            let found = names.iter().filter_map(|name| find(caller, name.as_str()).ok()).collect();
            let status = if refusals.has_moved { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            let note = refused_note(view, &refusals);
            let page =
                rendered(console, view, Asked { found, back }, move |view, shown| again(view, &note, shown)).await?;
            Ok((status, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn applied<F>(console: &Console, caller: &Caller, chosen: Vec<Chosen>, next: F) -> Result<Applied, ApplyError>
where
    F: Fn(&Connector) -> Result<Option<Connector>, RegistryError> + Send + 'static,
{
    let registry = &console.server.registry;
    let turn = registry.apply_turn(false).await?;
    let changes = registry.check_each(turn, caller.tenant(), chosen, next).await?;
    registry.apply(caller.tenant(), &caller.origin(), None, changes).await
}
