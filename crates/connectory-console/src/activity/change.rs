//! One change: all connectors that one request changed.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::limits::LIST_BACK_BYTES;
use connectory_model::visible;
use connectory_server::auth::Caller;
use connectory_server::registry::{ApplyError, RevisionsWanted};
use connectory_store::RevisionNumber;
use http::StatusCode;
use maud::{Markup, html};

use super::ADDRESS;
use super::rows::{author, change_url};
use crate::frame::badges::timestamp;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::layout::Place;
use crate::frame::older::{PAGE_SIZE, parse_before};
use crate::frame::revision_table::{RevisionsOf, revision_page};
use crate::frame::success::success_note;
use crate::frame::taken_back::{
    UNDONE, change_note, is_newest, list_address, note_query, refused_note, undo_form, with_note,
};
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// Shows the revisions of a change.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    Path(number): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    change_page(&console, &view, &caller, number_of(&number)?, &query.unwrap_or_default(), &html! {}).await
}

fn unknown() -> PageError {
    PageError::not_found(Message::new("error.no_such_revision"))
}

fn number_of(text: &str) -> Result<RevisionNumber, PageError> {
    text.parse().ok().and_then(RevisionNumber::new).ok_or_else(unknown)
}

/// The page of a change, with what was refused above.
async fn change_page(
    console: &Console,
    view: &View,
    caller: &Caller,
    change: RevisionNumber,
    query: &str,
    refused: &Markup,
) -> Result<Response, PageError> {
    let before = parse_before(query)?;
    let wanted = RevisionsWanted { change: Some(change), ..RevisionsWanted::default() };
    let page = console.server.registry.revisions(caller.tenant(), &wanted, before, PAGE_SIZE as usize).await?;
    let first = page.revisions.first().ok_or_else(unknown)?;
    let title = view.format("activity.change", &[&change]);
    let changed = page.revisions.iter().find(|revision| !is_newest(caller.tenant(), revision));
    let content = html! {
        nav.crumbs aria-label=(view.text("connector.crumbs")) { span { a href=(ADDRESS) { (view.text("nav.activity")) } } }
        (success_note(view, query))
        (change_note(console, view, caller, query, None).await?)
        (refused)
        div.top {
            h1 { (title) }
            p.muted { (timestamp(first.created_at)) " · " (author(view, &first.author)) }
            @if view.may_write() { span.spacer {
                @if let Some(changed) = changed { span.small.muted { (view.format("many.undo_late", &[&visible(changed.script_name.as_str())])) } }
                @else { (undo_form(view, change, None)) }
            } }
        }
        (revision_page(view, &change_url(change), before, &page.revisions, RevisionsOf::Tenant))
    };
    Ok(view.render(Place::Activity, &title, &content))
}

/// Takes the change back, as far as nobody changed one of its connectors since.
pub async fn undo(
    State(console): State<Arc<Console>>,
    Path(number): Path<String>,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    let change = number_of(&number)?;
    let list = form.get_up_to("back", LIST_BACK_BYTES)?;
    let undone = async {
        let (registry, tenant) = (&console.server.registry, caller.tenant());
        let turn = registry.apply_turn(false).await?;
        let undoable = registry.undoable(tenant, change).await?;
        let changes = registry.check_undo(turn, tenant, undoable).await?;
        registry.apply(tenant, &caller.origin(), None, changes).await
    };
    match undone.await {
        Ok(applied) => {
            let number = RevisionNumber::try_from(i64::try_from(applied.revision).unwrap_or(i64::MAX)).ok();
            let page = number.filter(|_| list.is_empty()).map_or_else(|| list_address(list), change_url);
            Ok(Redirect::to(&with_note(&page, &note_query(applied.revision, UNDONE))).into_response())
        }
        Err(ApplyError::Refused { refusals, .. }) => {
            let refused = refused_note(&view, &refusals);
            let page = change_page(&console, &view, &caller, change, "", &refused).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
