//! The recent changes of a tenant.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use maud::html;

use crate::frame::activity_tabs::{ActivityTab, activity_tabs};
use crate::frame::error::PageError;
use crate::frame::layout::Place;
use crate::frame::older::{PAGE_SIZE, parse_before};
use crate::frame::revision_table::{RevisionsOf, revision_page};
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// Shows the recent changes.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let before = parse_before(&query.unwrap_or_default());
    let revisions = console.server.registry.activity(caller.tenant(), before, PAGE_SIZE).await?;
    let content = html! {
        h1 { (view.text("nav.activity")) }
        (activity_tabs(&view, ActivityTab::Changes))
        @if revisions.is_empty() { p.empty { (view.text("activity.none")) } }
        @else { (revision_page(&view, ActivityTab::Changes.address(), before, &revisions, RevisionsOf::Tenant)) }
    };
    Ok(view.render(Place::Activity, view.text("nav.activity"), &content))
}
