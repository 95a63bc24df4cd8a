//! The life cycle of a connector: its statuses, and the steps from one to the next.

use connectory_model::{ScriptName, Status};
use connectory_server::catalog::Source;
use connectory_server::http::etag::ETag;
use maud::{Markup, html};

use crate::frame::icon::{Icon, icon};
use crate::frame::view::View;
use crate::urls::connector_url;

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

/// A connector whose status may be changed.
pub struct Subject<'a> {
    /// How its page is shown.
    pub view: &'a View,
    /// The script name.
    pub script_name: &'a ScriptName,
    /// The status.
    pub status: Status,
    /// Where the connector is stored.
    pub source: Source,
}

/// The steps of a connector's life that its page offers.
pub struct Steps {
    /// The next step, as a button.
    pub next: Markup,
    /// The others, for a menu.
    pub others: Markup,
}

/// The steps of a connector's life. A release is a question first.
pub fn steps(subject: &Subject<'_>) -> Steps {
    let &Subject { view, script_name, status, .. } = subject;
    let [first, second] = next_statuses(status);
    let next = html! {
        @if first == Status::Released {
            a.button.primary href=(connector_url(script_name, "/release")) { (view.text("life.release_question")) }
        } @else { (status_form(subject, first, view.text(button_key(first)), false)) }
    };
    let others = html! {
        (status_form(subject, second, view.text(button_key(second)), false))
        a.button href=(connector_url(script_name, "/settings")) { (view.text("life.rename")) }
        hr;
        a.button.danger href=(connector_url(script_name, "/delete")) { (icon(Icon::Trash)) (view.text("delete.link")) }
    };
    Steps { next, others }
}

/// A button that gives a connector a status, unless someone changed the connector since this page was made.
pub fn status_form(subject: &Subject<'_>, status: Status, text: &str, is_primary: bool) -> Markup {
    html! {
        form method="post" action=(connector_url(subject.script_name, "/status")) {
            (subject.view.csrf_input())
            input type="hidden" name="revision" value=[revision_tag(subject.source)];
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
