//! Restoring a connector: the question, which shows what it changes, and the restore.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::Permission;
use connectory_model::limits::BACK_BYTES;
use connectory_model::{Connector, ScriptName, visible};
use connectory_server::catalog::Source;
use connectory_server::http::conditional::Condition;
use connectory_server::registry::{Past, RegistryError};
use connectory_store::{Revision, RevisionNumber};
use http::StatusCode;
use maud::{Markup, html};

use super::differences::{self, differences};
use super::life_cycle::revision_tag;
use super::page::{Tab, past_document};
use super::path::{RevisionPath, ScriptNamePath};
use super::undoable::{RESTORED, done_parameter};
use crate::frame::badges::status_name;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::list_tabs::DELETED;
use crate::frame::revision_table::{RevisionsOf, revision_table};
use crate::frame::taken_back::with_note;
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::sign_in::back::local_path;
use crate::state::Console;
use crate::urls::connector_url;

/// Shows what a restore changes, and asks.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    ScriptNamePath(script_name): ScriptNamePath,
    RevisionPath(number): RevisionPath,
) -> Result<Response, PageError> {
    caller.has(Permission::Write)?;
    let (registry, tenant) = (&console.server.registry, caller.tenant());
    let past = registry.past(tenant, &script_name).await?;
    if let Some(Source::BuiltIn(_)) = past.current {
        return Err(RegistryError::BuiltIn(script_name).into());
    }
    let (revision, source) = registry.revision(tenant, &script_name, number).await?;
    let then = console.server.catalog.connector(tenant, source).await?;
    let response = console.server.work.run(then.size() + past.newest.size(), move |stop| {
        // One that is there keeps its name.
        let name = if past.current.is_some() { &past.newest.name } else { &then.name };
        let restored = Connector { name: name.clone(), ..(*then).clone() };
        let differences = differences(Some(&past.newest), Some(&restored));
        let before = if past.current.is_some() { "restore.before" } else { "restore.deleted" };
        let titles = [before, "restore.after"].map(|key| view.text(key));
        let changes_nothing = past.current.is_some() && differences.is_empty();
        let content = html! {
            section.card.narrow {
                header { h2 { (view.format("restore.title", &[&number])) } }
                div.body {
                    @if changes_nothing { p { (view.text("restore.nothing")) } }
                    @else { (consequences(&view, &past, &then)) }
                    div.actions {
                        @if !changes_nothing { (restore_form(&view, &past, number)) }
                        a.button href=(connector_url(&script_name, &format!("/history/{number}"))) { (view.text("action.cancel")) }
                    }
                }
            }
            (restored_revision(&view, &revision))
            (differences::show(&view, &differences, titles, stop))
        };
        past_document(&past, &view, Tab::History, &content)
    });
    Ok(response.await?)
}

/// What a restore does, as sentences.
fn consequences(view: &View, past: &Past, then: &Connector) -> Markup {
    let now = &past.newest;
    html! {
        p { (view.text("restore.lead")) }
        @if past.current.is_none() { p { (view.text("restore.there_again")) } }
        @else if then.name != now.name { p { (view.format("restore.name_stays", &[&visible(&now.name)])) } }
        @if then.status != now.status {
            p { b { (view.format("restore.status", &[&status_name(view, now.status), &status_name(view, then.status)])) } }
        }
    }
}

/// The button. What the reader has not seen is never overwritten.
fn restore_form(view: &View, past: &Past, number: RevisionNumber) -> Markup {
    html! {
        form method="post" action=(connector_url(&past.newest.script_name, &format!("/history/{number}/restore"))) {
            (view.csrf_input())
            input type="hidden" name="base" value=(past.current.and_then(revision_tag).unwrap_or_default());
            button.primary type="submit" { (icon(Icon::Undo)) (view.format("history.restore", &[&number])) }
        }
    }
}

/// Which revision it is, and whose.
fn restored_revision(view: &View, revision: &Revision) -> Markup {
    html! { div.after { (revision_table(view, std::slice::from_ref(revision), RevisionsOf::Connector)) } }
}

/// Restores a connector to one of its revisions. This makes a new revision.
pub async fn restore(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    RevisionPath(number): RevisionPath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    let (tenant, origin) = (caller.tenant(), caller.origin());
    let (base, back) = (form.get("base")?, form.get_up_to("back", BACK_BYTES)?);
    let was_deleted = base.is_empty();
    // What the reader has not seen is never overwritten.
    let condition = if was_deleted { Condition::if_absent() } else { Condition::if_match(base) };
    match console.server.registry.restore(tenant, &origin, None, &script_name, (number, condition)).await {
        Ok(_) if was_deleted => Ok(Redirect::to(&connector_url(&script_name, "?done=there_again")).into_response()),
        Ok(_) if !back.is_empty() => Ok(Redirect::to(&with_note(&local_path(back), "done=undone")).into_response()),
        Ok(edited) => {
            let done = done_parameter(RESTORED, &edited);
            Ok(Redirect::to(&connector_url(&script_name, &format!("/history?{done}"))).into_response())
        }
        Err(RegistryError::Unexpected(_)) => Err(PageError::conflict(Message::new("error.restore_late"))),
        Err(RegistryError::NameTaken) => {
            let (_, source) = console.server.registry.revision(tenant, &script_name, number).await?;
            let name = console.server.catalog.connector(tenant, source).await?.name.clone();
            match tenant.snapshot().namesake(&name, &script_name) {
                Some(other) => Ok(name_taken(&view, &other)),
                None => Err(PageError::conflict(Message::new("error.conflict"))),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The page of a restore that is refused because another connector has the name.
fn name_taken(view: &View, other: &ScriptName) -> Response {
    let title = view.text("error.refused");
    let content = html! {
        h1 { (title) }
        p.problem role="alert" { (view.format("error.restore_name", &[other])) }
        p.actions {
            a.button.primary href=(connector_url(other, "")) { (visible(other.as_str())) }
            a.button href=(DELETED) { (view.text("deleted.title")) }
        }
    };
    view.render_with_status(StatusCode::CONFLICT, Place::Connectors, title, &content)
}
