//! The activity of a tenant: changes of connectors, and for those who may manage clients, changes of access, sign-ins and
//! refused sign-ins. The filters are in the URL, so that a view can be shared.

pub mod change;
pub mod csv;
mod filters;
mod rows;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::access::Permission;
use connectory_model::limits::ACTIVITY_SCANNED;
use connectory_server::registry::{ActivityDetails, ActivityPage, What};
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use self::filters::Filters;
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::older::PAGE_SIZE;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// The address of the page.
const ADDRESS: &str = "/console/activity";
/// The address of the file.
pub const CSV: &str = "/console/activity.csv";
/// The word for refused sign-ins in the URL.
const REFUSED_WORD: &str = "refused";
/// What the page of changes of access was, until these were part of the activity.
pub const ACCESS: &str = "/console/activity?what=access";
/// What the page of refused sign-ins was.
pub const REFUSED: &str = "/console/activity?what=refused";

/// Shows the activity.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let filters = Filters::read(&query.unwrap_or_default());
    let (wanted, errors) = filters.wanted();
    if wanted.what.as_ref().is_some_and(What::is_access) {
        caller.has(Permission::ManageClients)?;
    }
    let cursor = filters.cursor()?;
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let is_first = cursor.is_none();
    let title = view.text("nav.activity");
    if errors.is_empty() {
        let with_access = view.may(Permission::ManageClients);
        let registry = &console.server.registry;
        let page = registry.activity(caller.tenant(), &wanted, with_access, cursor, PAGE_SIZE as usize).await?;
        let details = registry.activity_details(caller.tenant(), &page.items).await?;
        let content = html! {
            div.top {
                h1 { (title) }
                a.button.spacer href=(filters.csv_url()) download="connectory-activity.csv" { (icon(Icon::Down)) "CSV" }
            }
            (filters.form(&view, &errors, &page.items, today))
            (found(&view, &filters, &page, &details, is_first))
        };
        return Ok(view.render(Place::Activity, title, &content));
    }
    let content = html! {
        div.top { h1 { (title) } }
        (filters.form(&view, &errors, &[], today))
    };
    Ok(view.render_with_status(StatusCode::BAD_REQUEST, Place::Activity, title, &content))
}

/// What was found, and links to other pages.
fn found(view: &View, filters: &Filters, page: &ActivityPage, details: &ActivityDetails, is_first: bool) -> Markup {
    let none = if filters.is_empty() { "activity.none" } else { "activity.nothing_found" };
    html! {
        @if !page.items.is_empty() { (rows::table(view, &page.items, details)) }
        @else if !page.is_cut { p.empty { (view.text(none)) } }
        @if page.is_cut { p.note role="status" { (view.format("activity.cut", &[&ACTIVITY_SCANNED])) } }
        nav.pages aria-label=(view.text("list.pages")) {
            @if !is_first { a.button href=(filters.url(None)) { (view.text("activity.newest")) } }
            @if let Some(next) = &page.next {
                a.button rel="next" href=(filters.url(Some(next))) {
                    (view.text(if page.is_cut { "activity.go_on" } else { "activity.older" }))
                }
            }
        }
    }
}
