//! The rows of the activity, as sentences.

use connectory_model::visible;
use connectory_server::registry::{ActivityChange, ActivityDetails, ActivityItem};
use connectory_store::{AccessEvent, Author, AuthorKind, Revision, RevisionNumber};
use maud::{Markup, html};

use super::ADDRESS;
use crate::frame::badges::{author_name, called, face, status_name, time_ago};
use crate::frame::copy::copy_named;
use crate::frame::icon::{Icon, icon};
use crate::frame::sentence::{done_to, member_names, with_object};
use crate::frame::view::View;
use crate::urls::connector_url;

/// The address of the page of a change.
pub fn change_url(change: RevisionNumber) -> String {
    format!("{ADDRESS}/changes/{change}")
}

/// A table of what happened, as sentences.
pub fn table(view: &View, items: &[ActivityItem], details: &ActivityDetails) -> Markup {
    html! {
        div.card { table.activity {
            caption.visually-hidden { (view.text("nav.activity")) }
            tbody {
                @for item in items {
                    tr {
                        (sentence(view, item, details))
                        td.hide-s.small.muted { (origin(view, item)) }
                        td.when { (time_ago(view, item.created_at())) }
                    }
                }
            }
        } }
    }
}

/// The mark of who did something, and what they did.
fn sentence(view: &View, item: &ActivityItem, details: &ActivityDetails) -> Markup {
    match item {
        ActivityItem::Change(change) => {
            let author = change.revisions.first().map(|revision| &revision.author);
            by(author, &what_changed(view, change, details))
        }
        ActivityItem::Access(event) => by(Some(&event.by.origin.author), &access(view, event, details)),
        ActivityItem::Refused(refused) => html! {
            td.narrow-column { span.face.bad aria-hidden="true" { (icon(Icon::Cross)) } }
            th scope="row" {
                (client(&refused.client_id, details)) " "
                span.refused {
                    @if refused.count == 1 { (view.text("refused.once")) }
                    @else { (view.format("refused.count", &[&refused.count])) }
                }
            }
        },
    }
}

fn by(author: Option<&Author>, what: &Markup) -> Markup {
    let name = author.map(called).unwrap_or_default();
    html! {
        td.narrow-column { (face(name)) }
        th scope="row" { @if let Some(author) = author { b { (author_name(author)) } " " } (what) }
    }
}

/// The name of an author with its kind.
pub fn author(view: &View, author: &Author) -> Markup {
    html! { (author_name(author)) " " span.faint { (author_kind(view, author)) } }
}

fn author_kind(view: &View, author: &Author) -> &'static str {
    view.text(match author.kind {
        AuthorKind::Client => "access.client",
        AuthorKind::Person => "access.person",
        AuthorKind::Operator => "access.operator",
    })
}

fn what_changed(view: &View, change: &ActivityChange, details: &ActivityDetails) -> Markup {
    match change.revisions.as_slice() {
        [part] if change.size == 1 => part_of(view, part, details),
        parts => {
            let more = change.size.saturating_sub(parts.len() as u64);
            html! {
                a href=(change_url(change.change)) { (view.format("activity.several", &[&change.size])) }
                ul.parts.sub {
                    @for part in parts { li { (part_of_many(view, part, details)) } }
                    @if more > 0 { li { a href=(change_url(change.change)) { (view.format("activity.more", &[&more])) } } }
                }
            }
        }
    }
}

/// What was done to the only connector of a change.
fn part_of(view: &View, part: &Revision, details: &ActivityDetails) -> Markup {
    let members = changed_members(view, part, details);
    html! {
        span data-action=(part.action.as_str()) { (done_to(view, part.action, &history_link(part))) }
        p.sub {
            @if !members.is_empty() { (visible(&members)) " · " }
            (revision_link(view, part))
        }
    }
}

/// What was done to one of several connectors.
fn part_of_many(view: &View, part: &Revision, details: &ActivityDetails) -> Markup {
    let members = changed_members(view, part, details);
    html! {
        (view.text(&format!("action.{}", part.action.as_str()))) ": " (history_link(part))
        @if !members.is_empty() { " · " (visible(&members)) }
        " · " (revision_link(view, part))
    }
}

/// What changed, and the status before and after.
fn changed_members(view: &View, part: &Revision, details: &ActivityDetails) -> String {
    let members = member_names(view, &part.changed);
    match details.statuses.get(&part.number) {
        Some((before, after)) => {
            view.format("activity.status", &[&members, &status_name(view, *before), &status_name(view, *after)])
        }
        None => members,
    }
}

fn history_link(part: &Revision) -> Markup {
    html! { a href=(connector_url(&part.script_name, "/history")) { (visible(part.script_name.as_str())) } }
}

fn revision_link(view: &View, part: &Revision) -> Markup {
    let address = connector_url(&part.script_name, &format!("/history/{}", part.number));
    html! { a.faint href=(address) { (view.format("list.revision", &[&part.number])) } }
}

/// A client by its name, or by its id if it has none any more.
fn client(id: &str, details: &ActivityDetails) -> Markup {
    html! {
        @match details.clients.get(id) {
            Some(name) => b title=(visible(id)) { (visible(name)) },
            None => code { (visible(id)) },
        }
    }
}

fn access(view: &View, event: &AccessEvent, details: &ActivityDetails) -> Markup {
    let subject = html! { @if let Some(subject) = &event.subject { (client(subject, details)) } };
    with_object(view, &format!("sentence.{}", event.action.as_str()), &subject)
}

/// What kind of author it was, where the request came from, and its id in the log.
fn origin(view: &View, item: &ActivityItem) -> Markup {
    match item {
        ActivityItem::Change(change) => {
            let author = change.revisions.first().map(|revision| &revision.author);
            html! { @if let Some(author) = author { (author_kind(view, author)) } }
        }
        ActivityItem::Access(AccessEvent { by, .. }) => html! {
            (author_kind(view, &by.origin.author)) " · "
            @match by.address {
                Some(address) => code { (address) },
                None => (view.text("access.command_line")),
            }
            @if let Some(id) = by.origin.tracking_id {
                " " (copy_named(view, "access.tracking", &id.simple().to_string()))
            }
        },
        ActivityItem::Refused(refused) => html! { code { (refused.address) } },
    }
}
