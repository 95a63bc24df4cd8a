//! What a page says first: that something was done.

use connectory_server::registry::Edited;
use maud::{Markup, html};

use super::query::parameter;
use super::view::View;

/// What came of a change, as the word that [`done`] reads on the next page.
pub fn outcome(edited: &Edited) -> &'static str {
    match edited {
        Edited::Changed(..) => "saved",
        Edited::Unchanged(_) => "unchanged",
    }
}

/// A message that something was done, where the query names one.
pub fn success_note(view: &View, query: &str) -> Markup {
    let text = view.language.text(&format!("done.{}", parameter(query, "done")));
    html! { @if let Some(text) = text { p.done role="status" { (text) } } }
}
