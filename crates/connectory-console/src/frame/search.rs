//! The field for searching, to which the slash key moves.

use maud::{Markup, html};

use super::icon::{Icon, icon};
use super::view::View;

/// The field `q`, with what it searches as its hint.
pub fn search_field(view: &View, search: &str, hint_key: &str) -> Markup {
    html! {
        label.find {
            span.visually-hidden { (view.text("list.search")) }
            (icon(Icon::Search))
            input type="search" name="q" value=(search) placeholder=(view.text(hint_key)) autocomplete="off" spellcheck="false" data-search;
            kbd.hide-s aria-hidden="true" { "/" }
        }
    }
}
