//! The deleted connectors of a tenant. Each can be restored with its history.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::{shown, visible};
use connectory_server::catalog::TenantCatalog;
use connectory_store::{Deleted, DeletedKind, RevisionNumber};
use maud::{Markup, html};

use crate::frame::badges::{author_name, mark, time_ago};
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::list_tabs::{DELETED, ListTab, deleted_count, list_tabs, long_search};
use crate::frame::older::{PAGE_SIZE, parse_before};
use crate::frame::query::parameter;
use crate::frame::search::search_field;
use crate::frame::taken::taken;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::connector_url;

/// Shows the deleted connectors.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    let search = parameter(&query, "q");
    let search = shown(search.trim(), MEMBER_CHARS);
    let before = parse_before(&query)?;
    let (registry, wanted) = (&console.server.registry, search.parse().ok());
    let page = registry.deleted(caller.tenant(), DeletedKind::All, wanted.as_ref(), before, PAGE_SIZE as usize).await?;
    let count = if search.is_empty() { Some(deleted_count(&console, &caller).await?) } else { None };
    let is_narrowed = wanted.is_some() || before.is_some();
    let content = html! {
        (long_search(&view, &query))
        form #filters method="get" action=(DELETED) role="search" hx-get=(DELETED) hx-trigger="input delay:150ms, submit"
            hx-target="#results" hx-select="#results" hx-select-oob="#lists" hx-swap="outerHTML" hx-sync="this:replace" hx-replace-url="true" {
            div.top {
                h1 { (view.text("nav.connectors")) }
                (search_field(&view, search, "deleted.search_hint"))
                button.no-script type="submit" { (view.text("list.search")) }
            }
            div.top { (list_tabs(&view, ListTab::Deleted, |tab| (tab.address(search), count.clone().filter(|_| tab == ListTab::Deleted)))) }
        }
        section #results aria-live="polite" {
            @if page.deleted.is_empty() {
                p.empty { (view.text(if is_narrowed { "deleted.nothing_found" } else { "deleted.none" })) }
            } @else { (table(&view, caller.tenant(), &page.deleted)) }
            nav.pages aria-label=(view.text("list.pages")) {
                @if before.is_some() { a.button href=(ListTab::Deleted.address(search)) { (view.text("activity.newest")) } }
                @if let Some(next) = page.next { a.button rel="next" href=(older(search, next)) { (view.text("list.next")) } }
            }
        }
    };
    Ok(view.render(Place::Connectors, view.text("deleted.title"), &content))
}

/// The address of the page with connectors that were deleted before a revision.
fn older(search: &str, before: RevisionNumber) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !search.is_empty() {
        query.append_pair("q", search);
    }
    format!("{DELETED}?{}", query.append_pair("before", &before.to_string()).finish())
}

fn table(view: &View, tenant: &TenantCatalog, deleted: &[Deleted]) -> Markup {
    html! {
        div.card.scrolls { table.connectors {
            thead { tr {
                th scope="col" { (view.text("column.name")) }
                th.hide-m scope="col" { (view.text("overview.script_name")) }
                th.hide-s scope="col" { (view.text("column.type")) }
                th.hide-s scope="col" { (view.text("deleted.when")) }
                @if view.may_write() { th scope="col" { span.visually-hidden { (view.text("deleted.restore")) } } }
            } }
            tbody { @for connector in deleted { (row(view, tenant, connector)) } }
        } }
    }
}

fn row(view: &View, tenant: &TenantCatalog, deleted: &Deleted) -> Markup {
    let Deleted { deletion, name, connector_type, .. } = deleted;
    let taken = taken(view, tenant, deleted);
    let script_name = &deletion.script_name;
    let restore = || connector_url(script_name, &format!("/history/{}/restore", deletion.number));
    let name = name.as_deref().unwrap_or(script_name.as_str());
    html! {
        tr {
            th scope="row" {
                div.named {
                    (mark(name))
                    div {
                        a.name href=(connector_url(script_name, "/history")) { (visible(name)) }
                        @if let Some(taken) = &taken { p.sub { (taken) } }
                    }
                }
            }
            td.hide-m { code.script-name title=(visible(script_name.as_str())) { (visible(script_name.as_str())) } }
            td.hide-s.one-line { (visible(connector_type.as_deref().unwrap_or_default())) }
            td.hide-s.who-and-when { (author_name(&deletion.author)) (time_ago(view, deletion.created_at)) }
            @if view.may_write() {
                td.row-action { @if deletion.has_body && taken.is_none() {
                    form method="post" action=(restore()) {
                        (view.csrf_input())
                        button type="submit" aria-label=(view.format("deleted.restore_name", &[&name])) { (icon(Icon::Undo)) (view.text("deleted.restore")) }
                    }
                } }
            }
        }
    }
}
