//! Notes that only a script shows: of a session that has ended, and of what was typed and not saved. The page has them
//! hidden, in the language of the reader.

use maud::{Markup, html};

use super::view::View;

/// The note above every page that a request of a script was refused or not answered.
pub fn interruption(view: &View) -> Markup {
    html! {
        div.interruption #interruption hidden role="alert"
            data-signed-out=(view.text("session.signed_out"))
            data-unreachable=(view.text("session.unreachable"))
            data-failed=(view.text("session.failed"))
            data-kept=(view.text("session.kept"))
            data-not-kept=(view.text("session.not_kept"))
            data-sign-in=(view.text("sign_in.title"))
            data-open=(view.text("session.open"))
        { p {} a.button {} }
    }
}

/// The note above a form that has a draft.
pub fn draft(view: &View) -> Markup {
    html! {
        section.draft #draft hidden aria-labelledby="draft-title" {
            h2 #draft-title { (view.text("draft.title")) }
            p data-when=(view.text("draft.when")) role="status" {}
            p data-changed hidden { (view.text("draft.changed")) }
            div data-difference {}
            p.faint data-uncompared=(view.text("draft.uncompared")) hidden {}
            div.actions { button type="button" data-discards { (view.text("draft.discard")) } }
        }
    }
}

/// The note above a table whose cells have drafts, and the note in such a cell.
/// `table` is what the addresses of all cells begin with.
pub fn cell_drafts(view: &View, table: &str) -> Markup {
    html! {
        section.draft #draft hidden aria-labelledby="draft-title" {
            h2 #draft-title { (view.text("draft.cells_title")) }
            p data-shown=(view.text("draft.cells")) role="status" {}
            p data-elsewhere=(view.text("draft.elsewhere")) data-table=(table) hidden {}
        }
        template #cell-draft {
            div.cell-draft data-when=(view.text("draft.cell")) data-new=(view.text("draft.cell_new")) data-failed=(view.text("draft.cell_failed")) {
                p {}
                div.actions {
                    button.primary type="button" data-saves { (view.text("action.save")) }
                    button type="button" data-discards { (view.text("draft.discard")) }
                }
            }
        }
    }
}
