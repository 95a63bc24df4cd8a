//! The history of a connector: its revisions, what each changed, and restoring one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::create::NewConnector;
use connectory_model::document::DocumentKind;
use connectory_model::file_names::locale_file;
use connectory_model::limits::BACK_BYTES;
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale, ScriptName, visible};
use connectory_server::catalog::Source;
use connectory_server::http::conditional::Condition;
use connectory_server::registry::{self, RegistryError};
use connectory_store::Action;
use http::StatusCode;
use maud::{Markup, html};

use super::life_cycle::{Subject, actions, revision_tag};
use super::page::{Head, Tab, connector_document};
use super::path::{RevisionPath, ScriptNamePath};
use super::pretty::pretty;
use crate::frame::diff;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::list_tabs::DELETED;
use crate::frame::older::{PAGE_SIZE, parse_before};
use crate::frame::revision_table::{RevisionsOf, revision_page, revision_table};
use crate::frame::success::success_note;
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::sign_in::back::local_path;
use crate::state::Console;
use crate::urls::connector_url;

/// Renders a page of the history of a connector that exists or existed.
fn render_history(past: &registry::Past, view: &View, content: &Markup) -> Response {
    let (script_name, status) = (&past.newest.script_name, past.newest.status);
    let source = past.current.filter(|source| view.may_write() && matches!(source, Source::Stored(_)));
    let head = Head {
        name: &past.newest.name,
        script_name,
        status: past.current.map(|_| status),
        actions: source.map(|source| actions(&Subject { view, script_name, status, source })),
    };
    connector_document(view, &head, Tab::History, content)
}

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
    let content = html! {
        (success_note(&view, &query))
        @if revisions.is_empty() { p.empty { (view.text("overview.no_revisions")) } }
        @else { (revision_page(&view, &connector_url(&script_name, "/history"), before, &revisions, RevisionsOf::Connector)) }
    };
    Ok(render_history(&past, &view, &content))
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
    let can_restore = view.may_write() && !is_current && !matches!(past.current, Some(Source::BuiltIn(_)));
    let bytes = after.size() + before.as_ref().map_or(0, |before| before.size());
    let response = console.server.work.run(bytes, move |stop| {
        let mut budget = diff::DiffBudget::of(stop);
        let differences =
            if deleted { differences(Some(&after), None) } else { differences(before.as_deref(), Some(&after)) };
        let content = html! {
            div.top {
                a.button.only-icon href=(connector_url(&script_name, "/history")) aria-label=(view.text("tab.history")) title=(view.text("tab.history")) { (icon(Icon::Back)) }
                h2 { (view.format("list.revision", &[&number])) }
                @if is_current { span.status.good { (view.text("history.current")) } }
                @if can_restore {
                    form.spacer method="post" action=(connector_url(&script_name, &format!("/history/{number}/restore"))) {
                        (view.csrf_input())
                        input type="hidden" name="base" value=(past.current.and_then(revision_tag).unwrap_or_default());
                        button type="submit" { (icon(Icon::Undo)) (view.format("history.restore", &[&number])) }
                    }
                }
            }
            (revision_table(&view, std::slice::from_ref(&revision), RevisionsOf::Connector))
            @if differences.is_empty() { p.empty { (view.text("history.no_difference")) } }
            @for (part, old, new) in differences.iter().take_while(|_| !stop.has_left()) {
                section.part-of-diff {
                    h3 { (part) }
                    (diff::side_by_side(&view, old, new, ["history.before", "history.after"], &mut budget))
                }
            }
        };
        render_history(&past, &view, &content)
    });
    Ok(response.await?)
}

/// A part of a connector, and its text before and after.
type Difference<'a> = (String, Cow<'a, str>, Cow<'a, str>);

/// The parts in which two states of a connector differ, as texts. A state that is `None` has no parts.
fn differences<'a>(old: Option<&'a Connector>, new: Option<&'a Connector>) -> Vec<Difference<'a>> {
    let document = |connector: Option<&'a Connector>, kind| -> Cow<'a, str> {
        connector.map(|connector| connector.document(kind)).unwrap_or_default().into()
    };
    let metadata = |connector: Option<&Connector>| -> Cow<'a, str> {
        connector.map(|connector| pretty(&connector.connector_metadata)).unwrap_or_default().into()
    };
    let texts = |connector: Option<&'a Connector>, locale: Locale| -> Cow<'a, str> {
        let properties = connector.and_then(|connector| connector.translations.0.get(&locale));
        properties.map(Properties::text).unwrap_or_default().into()
    };
    let settings = |connector: Option<&Connector>| -> Cow<'a, str> {
        connector.map(|connector| pretty(&NewConnector::of(connector))).unwrap_or_default().into()
    };
    let parts = [
        ("settings".to_owned(), settings(old), settings(new)),
        ("connectorMetadata".to_owned(), metadata(old), metadata(new)),
    ]
    .into_iter();
    let documents = DocumentKind::ALL
        .into_iter()
        .map(|kind| (kind.file_name().to_owned(), document(old, kind), document(new, kind)));
    let locales: BTreeSet<Locale> =
        [old, new].into_iter().flatten().flat_map(|connector| connector.translations.0.keys().copied()).collect();
    let translations = locales.into_iter().map(|locale| (locale_file(locale), texts(old, locale), texts(new, locale)));
    parts.chain(documents).chain(translations).filter(|(_, old, new)| old != new).collect()
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
        Ok(_) if !back.is_empty() => Ok(Redirect::to(&format!("{}?done=undone", local_path(back))).into_response()),
        Ok(_) => Ok(Redirect::to(&connector_url(&script_name, "/history?done=restored")).into_response()),
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
