//! Tables of revisions.

use connectory_store::{Revision, RevisionNumber};
use maud::{Markup, html};

use super::badges::timestamp;
use super::query::parameter;
use super::view::View;
use crate::urls::connector_url;

/// The number of revisions on a page (D29).
pub const PAGE_SIZE: u32 = 50;

/// Which revisions a table has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RevisionsOf {
    /// Those of one connector.
    Connector,
    /// Those of a tenant. The table has a column with the connectors.
    Tenant,
}

/// A table of revisions.
pub fn revision_table(view: &View, revisions: &[Revision], of: RevisionsOf) -> Markup {
    html! {
        table.revisions {
            thead { tr {
                th scope="col" { (view.text("history.revision")) }
                th scope="col" { (view.text("history.when")) }
                th scope="col" { (view.text("history.who")) }
                @if of == RevisionsOf::Tenant { th scope="col" { (view.text("history.connector")) } }
                th scope="col" { (view.text("history.what")) }
            } }
            tbody {
                @for revision in revisions {
                    tr {
                        th scope="row" { a href=(connector_url(&revision.script_name, &format!("/history/{}", revision.number))) { (revision.number) } }
                        td data-label=(view.text("history.when")) { (timestamp(revision.created_at)) }
                        td data-label=(view.text("history.who")) {
                            @let author = &revision.author;
                            span title=(author.id) { (author.name.as_ref().unwrap_or(&author.id)) }
                        }
                        @if of == RevisionsOf::Tenant {
                            td data-label=(view.text("history.connector")) { a href=(connector_url(&revision.script_name, "/history")) { (revision.script_name) } }
                        }
                        td data-label=(view.text("history.what")) {
                            span.change data-action=(revision.action.as_str()) { (view.text(&format!("action.{}", revision.action.as_str()))) }
                            " " (revision.changed.join(", "))
                        }
                    }
                }
            }
        }
    }
}

/// A page of revisions, with links to the newest and to the older ones.
pub fn revision_page(
    view: &View,
    address: &str,
    before: Option<RevisionNumber>,
    revisions: &[Revision],
    of: RevisionsOf,
) -> Markup {
    html! {
        (revision_table(view, revisions, of))
        nav.pages aria-label=(view.text("list.pages")) {
            @if before.is_some() { a.button href=(address) { (view.text("activity.newest")) } }
            @if let Some(last) = revisions.last().filter(|_| revisions.len() == PAGE_SIZE as usize) {
                a.button rel="next" href=(format!("{address}?before={}", last.number)) { (view.text("activity.older")) }
            }
        }
    }
}

/// The revision number of the parameter `before`: the page shows older revisions only.
pub fn parse_before(query: &str) -> Option<RevisionNumber> {
    parameter(query, "before").parse().ok().and_then(RevisionNumber::new)
}
