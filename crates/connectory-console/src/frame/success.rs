//! The note at the top of a page that a change succeeded.

use connectory_server::registry::Edited;
use maud::{Markup, html};

use super::query::parameter;
use super::view::View;

/// The word for an edit that changed nothing.
pub const UNCHANGED: &str = "unchanged";

/// The word for an import.
const IMPORTED: &str = "imported";

/// The result of an edit, as the word that [`success_note`] reads from the address of the next page.
pub fn outcome(edited: &Edited) -> &'static str {
    match edited {
        Edited::Changed(..) => "saved",
        Edited::Unchanged(_) => UNCHANGED,
    }
}

/// The parameters of the page after an import, which [`success_note`] reads.
pub fn imported(created: u64, changed: u64) -> String {
    format!("done={IMPORTED}&created={created}&changed={changed}")
}

/// The note for the word of a query, if there is one.
pub fn success_note(view: &View, query: &str) -> Markup {
    let text = match parameter(query, "done") {
        word if word == IMPORTED => {
            let [created, changed] = ["created", "changed"].map(|name| parameter(query, name).parse().unwrap_or(0_u64));
            Some(view.format("import.done", &[&created, &changed]))
        }
        word => view.language.text(&format!("done.{word}")).map(ToOwned::to_owned),
    };
    html! { @if let Some(text) = text { p.done role="status" data-done { (text) } } }
}
