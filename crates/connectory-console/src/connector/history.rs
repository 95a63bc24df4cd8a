//! The history of a connector: its revisions, and what each changed.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_server::catalog::Source;
use connectory_server::registry;
use connectory_store::{Action, Revision};
use maud::{Markup, html};

use super::differences::{self, differences};
use super::page::{Tab, past_document};
use super::path::{RevisionPath, ScriptNamePath};
use super::undoable::{After, RESTORED, undoable_note};
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::older::{PAGE_SIZE, parse_before};
use crate::frame::revision_table::{RevisionsOf, is_comparable, revision_page, revision_table};
use crate::frame::success::success_note;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{COMPARE, compare_url, connector_url};

/// Shows the revisions.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    ScriptNamePath(script_name): ScriptNamePath,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let past = console.server.registry.past(caller.tenant(), &script_name).await?;
    let query = query.unwrap_or_default();
    let before = parse_before(&query)?;
    let revisions = console.server.registry.history(caller.tenant(), &script_name, before, PAGE_SIZE).await?;
    let address = connector_url(&script_name, "/history");
    let rows = |of| revision_page(&view, &address, before, &revisions, of);
    let (script_name, source, back) = (&script_name, past.current, address.clone());
    let after = After { view: &view, caller: &caller, script_name, source, query: &query, back };
    let content = html! {
        (success_note(&view, &query))
        (undoable_note(&console, after, &[(RESTORED, "done.restored")]).await?)
        @if revisions.is_empty() { p.empty { (view.text("overview.no_revisions")) } }
        @else if revisions.iter().filter(|revision| is_comparable(revision)).count() < 2 { (rows(RevisionsOf::Connector)) }
        @else {
            form method="get" action=(COMPARE) {
                @for side in ["left", "right"] { input type="hidden" name=(side) value=(script_name); }
                div.top {
                    p.muted.small { (view.text("compare.choose")) }
                    button.spacer type="submit" { (icon(Icon::Compare)) (view.text("compare.submit")) }
                }
                (rows(RevisionsOf::Chosen))
            }
        }
    };
    Ok(past_document(&past, &view, Tab::History, &content))
}

/// Shows what a revision changed.
pub async fn revision(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    ScriptNamePath(script_name): ScriptNamePath,
    RevisionPath(number): RevisionPath,
) -> Result<Response, PageError> {
    let (registry, tenant) = (&console.server.registry, caller.tenant());
    let past = registry.past(tenant, &script_name).await?;
    let registry::Change { revision, before, after, source } = registry.change(tenant, &script_name, number).await?;
    let deleted = revision.action == Action::Delete;
    let is_current = past.current == Some(source);
    let bytes = after.size() + before.as_ref().map_or(0, |before| before.size());
    let response = console.server.work.run(bytes, move |stop| {
        let differences =
            if deleted { differences(Some(&after), None) } else { differences(before.as_deref(), Some(&after)) };
        let titles = ["history.before", "history.after"].map(|key| view.text(key));
        let content = html! {
            div.top {
                a.button.only-icon href=(connector_url(&script_name, "/history")) aria-label=(view.text("tab.history")) title=(view.text("tab.history")) { (icon(Icon::Back)) }
                h2 { (view.format("list.revision", &[&number])) }
                @if is_current { span.status.good { (view.text("history.current")) } }
                @else { (revision_actions(&view, &past, &revision)) }
            }
            (revision_table(&view, std::slice::from_ref(&revision), RevisionsOf::Connector))
            @if differences.is_empty() { p.empty { (view.text("history.no_difference")) } }
            (differences::show(&view, &differences, titles, stop))
        };
        past_document(&past, &view, Tab::History, &content)
    });
    Ok(response.await?)
}

/// What can be done with the connector as it was at a revision.
fn revision_actions(view: &View, past: &registry::Past, revision: &Revision) -> Markup {
    let (script_name, number) = (&revision.script_name, revision.number);
    let address = |rest: &str| connector_url(script_name, rest);
    let can_restore = view.may_write() && !matches!(past.current, Some(Source::BuiltIn(_)));
    let sides =
        [("left", script_name.as_str()), ("left-revision", &number.to_string()), ("right", script_name.as_str())];
    html! {
        div.actions.spacer {
            @if past.current.is_some() { a.button href=(compare_url(&sides)) { (icon(Icon::Compare)) (view.text("compare.with_now")) } }
            @if view.may_write() {
                a.button href=(address(&format!("/duplicate?revision={number}"))) { (icon(Icon::Copy)) (view.text("duplicate.link")) }
            }
            @if can_restore {
                a.button href=(address(&format!("/history/{number}/restore"))) { (icon(Icon::Undo)) (view.format("history.restore", &[&number])) }
            }
        }
    }
}
