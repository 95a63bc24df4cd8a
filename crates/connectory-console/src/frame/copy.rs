//! Buttons that copy a text. They are shown to browsers with scripts only.

use maud::{Markup, html};

use super::icon::{Icon, icon};
use super::view::View;

/// A button that copies a text.
pub fn copy_button(view: &View, text: &str) -> Markup {
    button(view, "action.copy", text, None)
}

/// A button that copies a text that is not shown. It has the name of what it copies.
pub fn copy_named(view: &View, name_key: &str, text: &str) -> Markup {
    button(view, name_key, text, Some(text))
}

fn button(view: &View, name_key: &str, text: &str, title: Option<&str>) -> Markup {
    html! {
        button.copy type="button" title=[title] data-copy=(text) data-copied=(view.text("action.copied")) { (icon(Icon::Copy)) span { (view.text(name_key)) } }
    }
}
