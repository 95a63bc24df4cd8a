//! Changes of a connector that one click undoes: the parameter that says which revision one made, and the note.

use connectory_model::ScriptName;
use connectory_server::auth::Caller;
use connectory_server::catalog::Source;
use connectory_server::registry::Edited;
use connectory_store::RevisionNumber;
use maud::{Markup, html};

use super::life_cycle::revision_tag;
use crate::frame::error::PageError;
use crate::frame::query::parameter;
use crate::frame::success::UNCHANGED;
use crate::frame::undo::undo_note;
use crate::frame::view::View;
use crate::state::Console;

/// The parameter of the history with the revision that a restore made.
pub const RESTORED: &str = "restored";

/// The parameter of the next page that says what was done: the revision that an edit made, under a name, or that there was
/// nothing to do.
pub fn done_parameter(name: &str, edited: &Edited) -> String {
    match edited {
        Edited::Changed(Source::Stored(id), _) => format!("{name}={}", id.number),
        Edited::Changed(Source::BuiltIn(_), _) | Edited::Unchanged(_) => format!("done={UNCHANGED}"),
    }
}

/// A page after such a change: its reader, its connector, its query, and the address that an undo leads back to.
pub struct After<'a> {
    /// How the page is shown.
    pub view: &'a View,
    /// The caller.
    pub caller: &'a Caller,
    /// The script name.
    pub script_name: &'a ScriptName,
    /// Where the connector is. None if it was deleted.
    pub source: Option<Source>,
    /// The query.
    pub query: &'a str,
    /// The address.
    pub back: String,
}

/// The note after one of these changes, as long as the connector is at the revision that it made. Each has the parameter
/// with that revision, and the key of the note.
pub async fn undoable_note(
    console: &Console,
    After { view, caller, script_name, source, query, back }: After<'_>,
    changes: &[(&str, &str)],
) -> Result<Markup, PageError> {
    let Some(source @ Source::Stored(current)) = source else { return Ok(html! {}) };
    let is_current =
        |name: &str| parameter(query, name).parse().ok().and_then(RevisionNumber::new) == Some(current.number);
    let made = changes.iter().find(|(name, _)| is_current(name)).filter(|_| view.may_write());
    let Some((_, done)) = made else { return Ok(html! {}) };
    let before = console.server.registry.history(caller.tenant(), script_name, Some(current.number), 1).await?;
    let (before, done) = (before.first().filter(|before| before.has_body), view.text(done));
    let base = revision_tag(source);
    Ok(html! {
        @if let Some(before) = before {
            (undo_note(view, done, script_name, before.number, base.as_deref().map(|base| (base, back.as_str()))))
        } @else { p.done role="status" { (done) } }
    })
}
