//! The life cycle of a connector: its statuses, and the steps from one to the next.

use connectory_model::Status;
use connectory_server::catalog::Source;
use connectory_server::http::etag::ETag;
use maud::{Markup, html};

use super::page::ConnectorPage;

/// The statuses in the order of a connector's life.
pub const STATUSES: [Status; 4] = [Status::Development, Status::Demo, Status::Released, Status::Deprecated];

/// The statuses that a connector of a status usually gets next, the most usual first.
const fn next_statuses(status: Status) -> [Status; 2] {
    match status {
        Status::Development => [Status::Released, Status::Demo],
        Status::Demo | Status::Deprecated => [Status::Released, Status::Development],
        Status::Released => [Status::Deprecated, Status::Development],
    }
}

/// The key of the button that gives a connector a status.
const fn button_key(status: Status) -> &'static str {
    match status {
        Status::Development => "life.develop",
        Status::Demo => "life.demo",
        Status::Released => "life.release",
        Status::Deprecated => "life.deprecate",
    }
}

/// The word for a connector that got a status, of which the note on its page is made.
pub const fn done_word(status: Status) -> &'static str {
    match status {
        Status::Development => "in_development",
        Status::Demo => "in_demo",
        Status::Released => "released",
        Status::Deprecated => "deprecated",
    }
}

/// Buttons for the next statuses. A release with errors is a question first.
pub fn buttons(page: &ConnectorPage, has_errors: bool) -> Markup {
    let view = &page.view;
    html! {
        @for (at, status) in next_statuses(page.connector.status).into_iter().enumerate() {
            @let is_first = at == 0 && status == Status::Released;
            @if status == Status::Released && has_errors {
                a.button href=(page.url("/release")) { (view.text("life.release_question")) }
            } @else { (status_form(page, status, view.text(button_key(status)), is_first)) }
        }
    }
}

/// A button that gives a connector a status, unless someone changed the connector since this page was made.
pub fn status_form(page: &ConnectorPage, status: Status, text: &str, is_primary: bool) -> Markup {
    html! {
        form method="post" action=(page.url("/status")) {
            (page.view.csrf_input())
            input type="hidden" name="base" value=[revision_tag(page.entry.source)];
            input type="hidden" name="status" value=(status);
            button.primary[is_primary] type="submit" { (text) }
        }
    }
}

/// A tag of the connector at its revision.
pub fn revision_tag(source: Source) -> Option<String> {
    match source {
        Source::Stored(id) => Some(ETag::of_revision(id.number, "").as_str().to_owned()),
        Source::BuiltIn(_) => None,
    }
}
