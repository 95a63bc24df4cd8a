//! One change: all connectors that one request changed.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use connectory_server::registry::RevisionsWanted;
use connectory_store::RevisionNumber;
use maud::html;

use super::ADDRESS;
use super::rows::{author, change_url};
use crate::frame::badges::timestamp;
use crate::frame::error::PageError;
use crate::frame::layout::Place;
use crate::frame::older::{PAGE_SIZE, parse_before};
use crate::frame::revision_table::{RevisionsOf, revision_page};
use crate::frame::texts::Message;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// Shows the revisions of a change.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    Path(number): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let unknown = || PageError::not_found(Message::new("error.no_such_revision"));
    let change = number.parse().ok().and_then(RevisionNumber::new).ok_or_else(unknown)?;
    let before = parse_before(&query.unwrap_or_default())?;
    let wanted = RevisionsWanted { change: Some(change), ..RevisionsWanted::default() };
    let page = console.server.registry.revisions(caller.tenant(), &wanted, before, PAGE_SIZE as usize).await?;
    let first = page.revisions.first().ok_or_else(unknown)?;
    let title = view.format("activity.change", &[&change]);
    let content = html! {
        nav.crumbs aria-label=(view.text("connector.crumbs")) { span { a href=(ADDRESS) { (view.text("nav.activity")) } } }
        div.top { h1 { (title) } p.muted { (timestamp(first.created_at)) " · " (author(&view, &first.author)) } }
        (revision_page(&view, &change_url(change), before, &page.revisions, RevisionsOf::Tenant))
    };
    Ok(view.render(Place::Activity, &title, &content))
}
