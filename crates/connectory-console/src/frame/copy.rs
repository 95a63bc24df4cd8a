//! Buttons that copy a text. They are shown to browsers with scripts only.

use maud::{Markup, html};

use super::view::View;

/// A button that copies a text.
pub fn copy_button(view: &View, text: &str) -> Markup {
    html! {
        button.copy type="button" data-copy=(text) data-copied=(view.text("action.copied")) { (view.text("action.copy")) }
    }
}
