//! Access to a tenant: who changed it, who signed in, and who was refused. Only those who may manage clients see it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::access::Permission;
use connectory_model::limits::REFUSED_SIGN_INS;
use connectory_model::visible;
use connectory_store::{AccessEvent, AuthorKind, RefusedSignIns, RevisionNumber};
use maud::{Markup, html};

use crate::frame::activity_tabs::{ActivityTab, activity_tabs};
use crate::frame::badges::{author_name, timestamp};
use crate::frame::error::PageError;
use crate::frame::layout::Place;
use crate::frame::older::{PAGE_SIZE, older_and_newest, parse_before};
use crate::frame::query::parameter;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// Shows changes of access, and sign-ins.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    caller.has(Permission::ManageClients)?;
    let before = parse_before(&query.unwrap_or_default());
    let tenant = caller.tenant_record().id;
    let events = console.server.store.access_events(tenant, before.map(RevisionNumber::get), PAGE_SIZE).await?;
    let content = html! {
        h1 { (view.text("nav.activity")) }
        (activity_tabs(&view, ActivityTab::Access))
        p.lead { (view.text("access.lead")) }
        @if events.is_empty() { p.empty { (view.text("access.none")) } }
        @else { (event_table(&view, &events)) }
        (older_and_newest(&view, ActivityTab::Access.address(), before.is_some(), events.len(), events.last().map(|last| last.number)))
    };
    Ok(view.render(Place::Activity, view.text("tab.access"), &content))
}

fn event_table(view: &View, events: &[AccessEvent]) -> Markup {
    html! {
        table.revisions {
            thead { tr {
                th scope="col" { (view.text("history.when")) }
                th scope="col" { (view.text("history.who")) }
                th scope="col" { (view.text("access.address")) }
                th scope="col" { (view.text("history.what")) }
                th scope="col" { (view.text("access.tracking")) }
            } }
            tbody {
                @for event in events {
                    @let author = &event.by.origin.author;
                    tr {
                        th scope="row" { (timestamp(event.created_at)) }
                        td data-label=(view.text("history.who")) {
                            (author_name(author)) " " span.faint { (view.text(kind_key(author.kind))) }
                        }
                        td data-label=(view.text("access.address")) {
                            @match event.by.address {
                                Some(address) => code { (address) },
                                None => span.faint { (view.text("access.command_line")) },
                            }
                        }
                        td data-label=(view.text("history.what")) {
                            span.change { (view.text(&format!("action.{}", event.action.as_str()))) }
                            @if let Some(subject) = &event.subject { " " code { (visible(subject)) } }
                        }
                        td data-label=(view.text("access.tracking")) {
                            @if let Some(id) = event.by.origin.tracking_id { code.faint { (id.simple()) } }
                        }
                    }
                }
            }
        }
    }
}

fn kind_key(kind: AuthorKind) -> &'static str {
    match kind {
        AuthorKind::Client => "access.client",
        AuthorKind::Person => "access.person",
        AuthorKind::Operator => "access.operator",
    }
}

/// Shows refused sign-ins.
pub async fn refused(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    caller.has(Permission::ManageClients)?;
    // No tenant has more pages.
    let page =
        parameter(&query.unwrap_or_default(), "page").parse().unwrap_or(1_u32).clamp(1, REFUSED_SIGN_INS / PAGE_SIZE);
    let tenant = caller.tenant_record().id;
    let mut refused = console.server.store.refused_sign_ins(tenant, (page - 1) * PAGE_SIZE, PAGE_SIZE + 1).await?;
    let has_more = refused.len() > PAGE_SIZE as usize;
    refused.truncate(PAGE_SIZE as usize);
    let address = |page: u32| format!("{}?page={page}", ActivityTab::Refused.address());
    let content = html! {
        h1 { (view.text("nav.activity")) }
        (activity_tabs(&view, ActivityTab::Refused))
        p.lead { (view.text("refused.lead")) }
        @if refused.is_empty() { p.empty { (view.text("refused.none")) } }
        @else { (refused_table(&view, &refused)) }
        nav.pages aria-label=(view.text("list.pages")) {
            @if page > 1 { a.button rel="prev" href=(address(page - 1)) { (view.text("list.previous")) } }
            @if has_more { a.button rel="next" href=(address(page + 1)) { (view.text("list.next")) } }
        }
    };
    Ok(view.render(Place::Activity, view.text("tab.refused"), &content))
}

fn refused_table(view: &View, refused: &[RefusedSignIns]) -> Markup {
    html! {
        table.revisions {
            thead { tr {
                th scope="col" { (view.text("history.when")) }
                th scope="col" { (view.text("refused.who")) }
                th scope="col" { (view.text("access.address")) }
                th scope="col" { (view.text("refused.count")) }
            } }
            tbody {
                @for refused in refused {
                    tr {
                        th scope="row" { (timestamp(refused.minute.saturating_mul(60_000))) }
                        td data-label=(view.text("refused.who")) { code { (visible(&refused.client_id)) } }
                        td data-label=(view.text("access.address")) { code { (refused.address) } }
                        td data-label=(view.text("refused.count")) { (refused.count) }
                    }
                }
            }
        }
    }
}
