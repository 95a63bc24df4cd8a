//! Changes that can be taken back: the note after a change to several connectors, the button that undoes it, and what is
//! refused.

use connectory_model::limits::{EXPORT_NAMES, LIST_BACK_BYTES};
use connectory_model::visible;
use connectory_server::auth::Caller;
use connectory_server::catalog::{Source, TenantCatalog};
use connectory_server::registry::{RefusalReason, Refusals, RevisionsWanted};
use connectory_store::{Action, Revision, RevisionNumber};
use maud::{Markup, html};

use super::error::{PageError, refusal_message};
use super::icon::{Icon, icon};
use super::query::parameter;
use super::view::View;
use crate::sign_in::back::local_path_up_to;
use crate::state::Console;

/// The word for a change that was taken back.
pub const UNDONE: &str = "undone";
/// The word for deleted connectors.
pub const DELETED: &str = "deleted";
/// The word for connectors with other labels.
pub const LABELLED: &str = "labelled";

/// The keys of the note for a word: for one connector, and for several.
fn done_keys(word: &str) -> Option<[&'static str; 2]> {
    Some(match word {
        UNDONE => ["many.undone_one", "many.undone_more"],
        DELETED => ["many.deleted_one", "many.deleted_more"],
        LABELLED => ["many.labelled_one", "many.labelled_more"],
        "DEVELOPMENT" => ["many.in_development_one", "many.in_development_more"],
        "DEMO" => ["many.in_demo_one", "many.in_demo_more"],
        "RELEASED" => ["many.released_one", "many.released_more"],
        "DEPRECATED" => ["many.deprecated_one", "many.deprecated_more"],
        _ => return None,
    })
}

/// The end of an address at which [`change_note`] shows what a change did.
pub fn note_query(change: u64, word: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("change", &change.to_string())
        .append_pair("many", word)
        .finish()
}

/// The address of the list in a text, with its search, filters and order. The whole list for any other text.
pub fn list_address(text: &str) -> String {
    let path = local_path_up_to(text, LIST_BACK_BYTES);
    if path == "/" || path.starts_with("/?") { path } else { "/".to_owned() }
}

/// An address whose page shows a note.
pub fn with_note(address: &str, note: &str) -> String {
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{note}")
}

/// The note of a query after a change to several connectors. In a list, whose address is given, it has a button that undoes
/// the change while nobody changed one of them.
pub async fn change_note(
    console: &Console,
    view: &View,
    caller: &Caller,
    query: &str,
    list: Option<&str>,
) -> Result<Markup, PageError> {
    let change = parameter(query, "change").parse().ok().and_then(RevisionNumber::new);
    let (Some(change), Some([one, more])) = (change, done_keys(&parameter(query, "many"))) else {
        return Ok(html! {});
    };
    let wanted = RevisionsWanted { change: Some(change), ..RevisionsWanted::default() };
    // A larger change has no such note.
    let page = console.server.registry.revisions(caller.tenant(), &wanted, None, EXPORT_NAMES).await?;
    let count = page.revisions.len();
    let done = if count == 1 { view.text(one).to_owned() } else { view.format(more, &[&count]) };
    let is_newest = page.revisions.iter().all(|revision| is_newest(caller.tenant(), revision));
    Ok(html! {
        // Of what was changed since, the note would not be true any more.
        @if count > 0 && page.next.is_none() && is_newest {
            @if let Some(list) = list.filter(|_| view.may_write()) { (undo_form(view, change, Some((&done, list)))) }
            @else { p.done role="status" { (done) } }
        }
    })
}

/// Whether a connector is as a revision left it.
pub fn is_newest(tenant: &TenantCatalog, revision: &Revision) -> bool {
    match tenant.entry(&revision.script_name).map(|entry| entry.source) {
        Some(Source::Stored(id)) => id.number == revision.number,
        Some(Source::BuiltIn(_)) | None => revision.action == Action::Delete,
    }
}

/// A button that takes a change back: beside a note and back to the list at an address, or alone and back to the page of the change.
pub fn undo_form(view: &View, change: RevisionNumber, done: Option<(&str, &str)>) -> Markup {
    html! {
        form.inline[done.is_none()].done[done.is_some()].undo[done.is_some()] method="post" action=(format!("/console/activity/changes/{change}/undo")) {
            (view.csrf_input())
            @if let Some((done, list)) = done {
                input type="hidden" name="back" value=(list);
                span role="status" { (done) }
            }
            button type="submit" { (icon(Icon::Undo)) (view.text(if done.is_some() { "action.undo" } else { "many.undo" })) }
        }
    }
}

/// Why nothing was changed: which connectors are refused, and why.
pub fn refused_note(view: &View, refusals: &Refusals) -> Markup {
    html! {
        div.problem role="alert" {
            p { (view.text("many.refused")) }
            ul { @for refused in refusals.refused.values() {
                @let name = visible(refused.script_name.as_deref().unwrap_or_default());
                li { @match &refused.reason {
                    RefusalReason::Moved { now, .. } | RefusalReason::Since(now) => (view.format("many.refused_changed", &[&name, now])),
                    RefusalReason::Gone => (view.format("many.refused_gone", &[&name])),
                    other => (view.format("many.refused_other", &[&name, &refusal_message(other).text(view.language)])),
                } }
            } }
            @if refusals.count > refusals.refused.len() { p { (view.format("many.refused_more", &[&(refusals.count - refusals.refused.len())])) } }
        }
    }
}
