//! The deleted connectors of a tenant. Each can be restored with its history.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::{shown, visible};
use connectory_store::{Deleted, RevisionNumber};
use maud::{Markup, html};

use crate::frame::badges::{author_name, time_ago};
use crate::frame::error::PageError;
use crate::frame::layout::Place;
use crate::frame::list_tabs::{DELETED, ListTab, list_tabs};
use crate::frame::older::{PAGE_SIZE, parse_before};
use crate::frame::query::parameter;
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
    let before = parse_before(&query);
    let (registry, wanted) = (&console.server.registry, search.parse().ok());
    let page = registry.deleted(caller.tenant(), wanted.as_ref(), before, PAGE_SIZE as usize).await?;
    let is_narrowed = wanted.is_some() || before.is_some();
    let content = html! {
        div.heading { h1 { (view.text("nav.connectors")) } }
        (list_tabs(&view, ListTab::Deleted, |tab| (tab.address(search), None)))
        (search_form(&view, search))
        section #results aria-live="polite" {
            @if page.deleted.is_empty() {
                p.empty { (view.text(if is_narrowed { "deleted.nothing_found" } else { "deleted.none" })) }
            } @else { (table(&view, &page.deleted)) }
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

fn search_form(view: &View, search: &str) -> Markup {
    html! {
        form #filters.filters.only-search method="get" action=(DELETED) role="search" hx-get=(DELETED) hx-trigger="input delay:150ms, submit"
            hx-target="#results" hx-select="#results" hx-select-oob="#lists" hx-swap="outerHTML" hx-sync="this:replace" hx-replace-url="true" {
            label.search { (view.text("list.search"))
                input type="search" name="q" value=(search) placeholder=(view.text("deleted.search_hint")) autocomplete="off" spellcheck="false" data-search;
            }
            button.no-script type="submit" { (view.text("list.search")) }
        }
    }
}

fn table(view: &View, deleted: &[Deleted]) -> Markup {
    html! {
        table.connectors {
            thead { tr {
                @for title in ["column.name", "column.type", "deleted.who", "deleted.when"] { th scope="col" { (view.text(title)) } }
                @if view.may_write() { th scope="col" { span.visually-hidden { (view.text("deleted.restore")) } } }
            } }
            tbody { @for connector in deleted { (row(view, connector)) } }
        }
    }
}

fn row(view: &View, Deleted { deletion, name, connector_type }: &Deleted) -> Markup {
    let script_name = &deletion.script_name;
    let restore = || connector_url(script_name, &format!("/history/{}/restore", deletion.number));
    let name = name.as_deref().unwrap_or(script_name.as_str());
    html! {
        tr {
            th scope="row" {
                a.name href=(connector_url(script_name, "/history")) { (visible(name)) }
                " " code.script-name { (visible(script_name.as_str())) }
            }
            td data-label=(view.text("column.type")) { (visible(connector_type.as_deref().unwrap_or_default())) }
            td data-label=(view.text("deleted.who")) { (author_name(&deletion.author)) }
            td data-label=(view.text("deleted.when")) { (time_ago(view, deletion.created_at)) }
            @if view.may_write() {
                td.row-action { @if deletion.has_body {
                    form method="post" action=(restore()) {
                        (view.csrf_input())
                        button type="submit" aria-label=(view.format("deleted.restore_name", &[&name])) { (view.text("deleted.restore")) }
                    }
                } }
            }
        }
    }
}
