//! The note at the top of a page that a change succeeded.

use connectory_server::registry::Edited;
use maud::{Markup, html};

use super::query::parameter;
use super::view::View;

/// The word for an edit that changed nothing.
pub const UNCHANGED: &str = "unchanged";

/// The result of an edit, as the word that [`success_note`] reads from the address of the next page.
pub fn outcome(edited: &Edited) -> &'static str {
    match edited {
        Edited::Changed(..) => "saved",
        Edited::Unchanged(_) => UNCHANGED,
    }
}

/// The note for the word of a query, if there is one.
pub fn success_note(view: &View, query: &str) -> Markup {
    let text = view.language.text(&format!("done.{}", parameter(query, "done")));
    html! { @if let Some(text) = text { p.done role="status" data-done { (text) } } }
}
