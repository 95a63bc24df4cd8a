//! The note after a change that can be undone with one click.

use connectory_model::ScriptName;
use connectory_store::RevisionNumber;
use maud::{Markup, html};

use super::icon::{Icon, icon};
use super::view::View;
use crate::urls::connector_url;

/// The note: what was done, and a button that restores a revision. `base` is the tag of the connector as it is after the
/// change and the page to come back to, or none if the change deleted it. If something else is stored by then, nothing is
/// restored.
pub fn undo_note(
    view: &View,
    done: &str,
    script_name: &ScriptName,
    number: RevisionNumber,
    base: Option<(&str, &str)>,
) -> Markup {
    html! {
        form.done.undo method="post" action=(connector_url(script_name, &format!("/history/{number}/restore"))) {
            (view.csrf_input())
            @if let Some((base, back)) = base {
                input type="hidden" name="base" value=(base);
                input type="hidden" name="back" value=(back);
            }
            span role="status" { (done) }
            button type="submit" { (icon(Icon::Undo)) (view.text("action.undo")) }
        }
    }
}
