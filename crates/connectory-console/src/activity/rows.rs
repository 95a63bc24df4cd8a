//! The rows of the activity, as sentences.

use connectory_model::visible;
use connectory_server::registry::{ActivityChange, ActivityItem};
use connectory_store::{AccessEvent, Author, AuthorKind, RefusedSignIns, Revision, RevisionNumber};
use maud::{Markup, html};

use super::ADDRESS;
use crate::frame::badges::{author_name, timestamp};
use crate::frame::view::View;
use crate::urls::connector_url;

/// The address of the page of a change.
pub fn change_url(change: RevisionNumber) -> String {
    format!("{ADDRESS}/changes/{change}")
}

/// A table of what happened. It has a column of addresses if something has one.
pub fn table(view: &View, items: &[ActivityItem]) -> Markup {
    let with_address = items.iter().any(|item| !matches!(item, ActivityItem::Change(_)));
    html! {
        table.revisions.activity {
            thead { tr {
                th scope="col" { (view.text("history.when")) }
                th scope="col" { (view.text("history.who")) }
                th scope="col" { (view.text("history.what")) }
                @if with_address { th scope="col" { (view.text("access.address")) } }
            } }
            tbody {
                @for item in items {
                    tr {
                        th scope="row" { (timestamp(item.created_at())) }
                        td data-label=(view.text("history.who")) { (who(view, item)) }
                        td data-label=(view.text("history.what")) { (what(view, item)) }
                        @if with_address {
                            @let address = address(view, item);
                            td data-label=[address.is_some().then(|| view.text("access.address"))] { @if let Some(address) = address { (address) } }
                        }
                    }
                }
            }
        }
    }
}

fn who(view: &View, item: &ActivityItem) -> Markup {
    match item {
        ActivityItem::Change(change) => author(view, change.revisions.first().map(|revision| &revision.author)),
        ActivityItem::Access(event) => author(view, Some(&event.by.origin.author)),
        ActivityItem::Refused(refused) => html! { code { (visible(&refused.client_id)) } },
    }
}

/// An author with its kind.
pub fn author(view: &View, author: Option<&Author>) -> Markup {
    let kind = |kind| match kind {
        AuthorKind::Client => "access.client",
        AuthorKind::Person => "access.person",
        AuthorKind::Operator => "access.operator",
    };
    html! {
        @if let Some(author) = author { (author_name(author)) " " span.faint { (view.text(kind(author.kind))) } }
    }
}

fn what(view: &View, item: &ActivityItem) -> Markup {
    match item {
        ActivityItem::Change(change) if change.size == 1 => {
            html! { @for part in &change.revisions { (part_of(view, part)) } }
        }
        ActivityItem::Change(change) => parts(view, change),
        ActivityItem::Access(event) => access(view, event),
        ActivityItem::Refused(refused) => sign_ins(view, refused),
    }
}

/// A change of several connectors, with the parts of it that are wanted.
fn parts(view: &View, change: &ActivityChange) -> Markup {
    let more = change.size.saturating_sub(change.revisions.len() as u64);
    html! {
        span.change { (view.format("activity.several", &[&change.size])) }
        ul.parts {
            @for part in &change.revisions { li { (part_of(view, part)) } }
            @if more > 0 { li { a href=(change_url(change.change)) { (view.format("activity.more", &[&more])) } } }
        }
    }
}

/// What was done to one connector.
fn part_of(view: &View, part: &Revision) -> Markup {
    let number = connector_url(&part.script_name, &format!("/history/{}", part.number));
    let members: Vec<_> = part.changed.iter().map(|member| member_name(view, member)).collect();
    html! {
        span.change data-action=(part.action.as_str()) { (view.text(&format!("action.{}", part.action.as_str()))) } " "
        a href=(connector_url(&part.script_name, "/history")) { (visible(part.script_name.as_str())) }
        @if !members.is_empty() { ": " (visible(&members.join(", "))) }
        " " a.faint href=(number) { (view.format("list.revision", &[&part.number])) }
    }
}

/// The name of a member that changed, as the pages of a connector have it. Others have the name that the API has.
pub fn member_name(view: &View, member: &str) -> String {
    let key = match member {
        "sourceConfigXml" => "tab.source_config",
        "applicationXml" => "tab.source_template",
        "correlationConfigXml" => "tab.correlation_config",
        "connectorMetadata" => "tab.metadata",
        "translations" => "tab.translations",
        other => match other.strip_prefix("translations/") {
            Some(locale) => return format!("{} ({locale})", view.text("tab.translations")),
            None => return other.to_owned(),
        },
    };
    view.text(key).to_owned()
}

fn access(view: &View, event: &AccessEvent) -> Markup {
    html! {
        span.change { (view.text(&format!("action.{}", event.action.as_str()))) }
        @if let Some(subject) = &event.subject { " " code { (visible(subject)) } }
    }
}

fn sign_ins(view: &View, refused: &RefusedSignIns) -> Markup {
    html! { span.change.refused { (view.format("refused.count", &[&refused.count])) } }
}

/// Where a request came from, and its id in the log.
fn address(view: &View, item: &ActivityItem) -> Option<Markup> {
    match item {
        ActivityItem::Change(_) => None,
        ActivityItem::Access(AccessEvent { by, .. }) => Some(html! {
            @match by.address {
                Some(address) => code { (address) },
                None => span.faint { (view.text("access.command_line")) },
            }
            @if let Some(id) = by.origin.tracking_id {
                br; code.faint.tracking title=(view.text("access.tracking")) { (id.simple()) }
            }
        }),
        ActivityItem::Refused(refused) => Some(html! { code { (refused.address) } }),
    }
}
