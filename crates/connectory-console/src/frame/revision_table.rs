//! Tables of revisions.

use connectory_model::visible;
use connectory_store::{Revision, RevisionNumber};
use maud::{Markup, html};

use super::badges::{author_name, timestamp};
use super::older::older_and_newest;
use super::view::View;
use crate::urls::connector_url;

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
                        td data-label=(view.text("history.who")) { (author_name(&revision.author)) }
                        @if of == RevisionsOf::Tenant {
                            td data-label=(view.text("history.connector")) { a href=(connector_url(&revision.script_name, "/history")) { (visible(revision.script_name.as_str())) } }
                        }
                        td data-label=(view.text("history.what")) {
                            span.change data-action=(revision.action.as_str()) { (view.text(&format!("action.{}", revision.action.as_str()))) }
                            " " (visible(&revision.changed.join(", ")))
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
        (older_and_newest(view, address, before.is_some(), revisions.len(), revisions.last().map(|last| last.number)))
    }
}
