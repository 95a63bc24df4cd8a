//! Tables of revisions.

use connectory_model::visible;
use connectory_store::{Action, Revision, RevisionNumber};
use maud::{Markup, html};

use super::badges::{author_name, called, face, time_ago};
use super::older::older_and_newest;
use super::sentence::{done_to, member_names, revision_sentence};
use super::view::View;
use crate::urls::connector_url;

/// Which revisions a table has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RevisionsOf {
    /// Those of one connector.
    Connector,
    /// Those of one connector, of which two can be chosen, to be compared.
    Chosen,
    /// Those of a tenant. Their rows name the connectors.
    Tenant,
}

/// Whether there is a connector at a revision, to be compared.
pub fn is_comparable(revision: &Revision) -> bool {
    revision.has_body && revision.action != Action::Delete
}

/// A table of revisions, as sentences.
pub fn revision_table(view: &View, revisions: &[Revision], of: RevisionsOf) -> Markup {
    // The newest one and the one before it are chosen at first.
    let mut comparable = revisions.iter().filter(|revision| is_comparable(revision)).map(|revision| revision.number);
    let chosen = [comparable.next(), comparable.next()];
    html! {
        div.card { table.revisions {
            caption.visually-hidden { (view.text("tab.changes")) }
            tbody { @for revision in revisions { (row(view, revision, of, chosen)) } }
        } }
    }
}

/// The two choices of a row: the revision is that on the left, or that on the right.
fn choices(view: &View, number: RevisionNumber, [right, left]: [Option<RevisionNumber>; 2]) -> Markup {
    let sides = [("left-revision", "compare.left_revision", left), ("right-revision", "compare.right_revision", right)];
    html! {
        @for (name, label, chosen) in sides {
            input type="radio" name=(name) value=(number) checked[chosen == Some(number)] aria-label=(view.format(label, &[&number]));
        }
    }
}

fn row(view: &View, revision: &Revision, of: RevisionsOf, chosen: [Option<RevisionNumber>; 2]) -> Markup {
    let author = &revision.author;
    let connector = html! {
        a href=(connector_url(&revision.script_name, "/history")) { (visible(revision.script_name.as_str())) }
    };
    let members = member_names(view, &revision.changed);
    html! {
        tr {
            @if of == RevisionsOf::Chosen { td.choices { @if is_comparable(revision) { (choices(view, revision.number, chosen)) } } }
            td.narrow-column.hide-s[of == RevisionsOf::Chosen] { (face(called(author))) }
            th scope="row" {
                b { (author_name(author)) } " "
                @match of {
                    RevisionsOf::Connector | RevisionsOf::Chosen => (revision_sentence(view, revision)),
                    RevisionsOf::Tenant => (done_to(view, revision.action, &connector)),
                }
                p.sub {
                    a href=(connector_url(&revision.script_name, &format!("/history/{}", revision.number))) { (view.format("list.revision", &[&revision.number])) }
                    @if !members.is_empty() && (of == RevisionsOf::Tenant || revision.action != Action::Update) { " · " (visible(&members)) }
                }
            }
            td.when { (time_ago(view, revision.created_at)) }
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
