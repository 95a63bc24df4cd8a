//! Pages of what is shown with the newest first.

use std::fmt::Display;

use connectory_store::RevisionNumber;
use maud::{Markup, html};

use super::error::PageError;
use super::query::parameter;
use super::texts::Message;
use super::view::View;

/// The number of rows on a page (D29).
pub const PAGE_SIZE: u32 = 50;

/// The number of the parameter `before`: the page shows older rows only.
pub fn parse_before(query: &str) -> Result<Option<RevisionNumber>, PageError> {
    let before = parameter(query, "before");
    if before.is_empty() {
        return Ok(None);
    }
    let number = before.parse().ok().and_then(RevisionNumber::new);
    number.map(Some).ok_or_else(|| PageError::bad_request(Message::new("error.before")))
}

/// Links to the newest rows and to older ones. `last` is the number of the last of the rows.
pub fn older_and_newest(view: &View, address: &str, is_older: bool, rows: usize, last: Option<impl Display>) -> Markup {
    html! {
        nav.pages aria-label=(view.text("list.pages")) {
            @if is_older { a.button href=(address) { (view.text("activity.newest")) } }
            @if let Some(last) = last.filter(|_| rows == PAGE_SIZE as usize) {
                a.button rel="next" href=(format!("{address}?before={last}")) { (view.text("activity.older")) }
            }
        }
    }
}
