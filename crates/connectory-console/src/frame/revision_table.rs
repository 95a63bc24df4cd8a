//! A table of revisions.

use connectory_store::{Revision, RevisionNumber};
use maud::{Markup, html};

use super::badges::timestamp;
use super::query::parameter;
use super::view::View;
use crate::urls::connector_url;

/// How many revisions a page has (our decision).
pub const PAGE_SIZE: u32 = 50;

/// A table of revisions, where they are of several connectors with their names.
pub fn revision_table(view: &View, revisions: &[Revision], of_several: bool) -> Markup {
    html! {
        table.revisions {
            thead { tr {
                th scope="col" { (view.text("history.revision")) }
                th scope="col" { (view.text("history.when")) }
                th scope="col" { (view.text("history.who")) }
                @if of_several { th scope="col" { (view.text("history.connector")) } }
                th scope="col" { (view.text("history.what")) }
            } }
            tbody {
                @for revision in revisions {
                    tr {
                        th scope="row" { a href=(connector_url(&revision.script_name, &format!("/history/{}", revision.number.0))) { (revision.number.0) } }
                        td data-label=(view.text("history.when")) { (timestamp(revision.created_at)) }
                        td data-label=(view.text("history.who")) {
                            @let author = &revision.author;
                            span title=(author.id) { (author.name.as_ref().unwrap_or(&author.id)) }
                        }
                        @if of_several {
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
    of: &str,
    before: Option<RevisionNumber>,
    revisions: &[Revision],
    of_several: bool,
) -> Markup {
    html! {
        (revision_table(view, revisions, of_several))
        nav.pages aria-label=(view.text("list.pages")) {
            @if before.is_some() { a.button href=(of) { (view.text("activity.newest")) } }
            @if let Some(last) = revisions.last().filter(|_| revisions.len() == PAGE_SIZE as usize) {
                a.button rel="next" href=(format!("{of}?before={}", last.number.0)) { (view.text("activity.older")) }
            }
        }
    }
}

/// The revision before which a query wants to see what was changed.
pub fn parse_before(query: &str) -> Option<RevisionNumber> {
    parameter(query, "before").parse().ok().map(RevisionNumber)
}
