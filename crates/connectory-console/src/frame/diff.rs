//! Two texts side by side, with the differences within a line marked.
//!
//! To find the smallest difference of two long texts takes long. After a deadline a larger difference is shown.

use std::time::Instant;

use axum::response::{IntoResponse, Response};
use connectory_model::limits::{DIFF_BYTES, DIFF_LINES, DIFF_TIMEOUT};
use connectory_model::visible;
use connectory_server::work::Stop;
use http::StatusCode;
use maud::{Markup, html};
use similar::{ChangeTag, DiffOp, TextDiff};

use super::view::View;

/// The number of lines that are shown around a difference.
const AROUND: usize = 3;

/// A line on one side: its number, and its parts, each with whether it differs.
type Line<'a> = (usize, Vec<(bool, &'a str)>);

/// How much text a page may still compare, over all its differences.
pub struct DiffBudget {
    bytes: usize,
    lines: usize,
    deadline: Instant,
}

impl DiffBudget {
    /// The budget of a page that must be ready by a deadline.
    pub fn of(stop: &Stop) -> Self {
        let deadline = stop.deadline().min(Instant::now() + DIFF_TIMEOUT);
        Self { bytes: DIFF_BYTES, lines: DIFF_LINES, deadline }
    }

    /// Takes what two texts need. Says whether there was enough.
    fn take(&mut self, old: &str, new: &str) -> bool {
        let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let Some(bytes) = self.bytes.checked_sub(old.len() + new.len()) else { return false };
        let Some(lines) = self.lines.checked_sub(lines(old) + lines(new)) else { return false };
        (self.bytes, self.lines) = (bytes, lines);
        true
    }
}

/// Both texts, under these titles. `name` tells a difference from others of the page.
pub fn side_by_side(
    view: &View,
    name: &str,
    [old, new]: [&str; 2],
    titles: [&str; 2],
    budget: &mut DiffBudget,
) -> Markup {
    if !budget.take(old, new) {
        return html! { p.note { (view.text("diff.too_large")) } };
    }
    let deadline = budget.deadline;
    let diff = TextDiff::configure().deadline(deadline).diff_lines(old, new);
    let groups = diff.grouped_ops(AROUND);
    html! {
        div.diff-frame tabindex="0" role="region" aria-label=(view.format("diff.region", &[&name])) {
            table.diff {
                colgroup { col.number; col.side; col.number; col.side; }
                thead { tr {
                    @for title in titles { th scope="col" colspan="2" { (visible(title)) } }
                } }
                @for (at, group) in groups.iter().enumerate() {
                    tbody {
                        @if at > 0 || group.first().is_some_and(|op| op.old_range().start > 0) {
                            tr.gap { td colspan="4" { "⋯" } }
                        }
                        @for op in group { (rows(&diff, op, deadline)) }
                    }
                }
            }
        }
    }
}

/// What a script shows of a draft: its difference to what is stored, or 204 if there is none.
pub fn draft_difference(view: &View, stored: &str, typed: &str, stop: &Stop) -> Response {
    if stored == typed {
        return StatusCode::NO_CONTENT.into_response();
    }
    let titles = ["draft.stored", "draft.typed"].map(|key| view.text(key));
    side_by_side(view, view.text("draft.title"), [stored, typed], titles, &mut DiffBudget::of(stop)).into_response()
}

/// The note for a user whose change conflicts with one that was saved first: both changes, and a link to keep the saved
/// one.
pub fn conflict(view: &View, theirs: &str, mine: &str, keep_theirs: &str, stop: &Stop) -> Markup {
    let mut budget = DiffBudget::of(stop);
    let titles = ["conflict.theirs", "conflict.mine"].map(|key| view.text(key));
    html! {
        section.conflict role="alert" {
            h2 { (view.text("conflict.title")) }
            p { (view.text("conflict.lead")) }
            (side_by_side(view, view.text("conflict.title"), [theirs, mine], titles, &mut budget))
            p { a.button href=(keep_theirs) data-discards { (view.text("conflict.take_theirs")) } }
            p { (view.text("conflict.keep_mine")) }
        }
    }
}

fn rows<'a>(diff: &TextDiff<'a, 'a, str>, op: &DiffOp, deadline: Instant) -> Markup {
    let (mut left, mut right) = (Vec::<Line<'_>>::new(), Vec::<Line<'_>>::new());
    for change in diff.iter_inline_changes_deadline(op, Some(deadline)) {
        let line = |index: Option<usize>| {
            let values = change.values().iter().map(|(differs, text)| (*differs, *text)).collect();
            (index.map_or(0, |index| index + 1), values)
        };
        match change.tag() {
            ChangeTag::Equal => {
                left.push(line(change.old_index()));
                right.push(line(change.new_index()));
            }
            ChangeTag::Delete => left.push(line(change.old_index())),
            ChangeTag::Insert => right.push(line(change.new_index())),
        }
    }
    let changed = !matches!(op, DiffOp::Equal { .. });
    html! {
        @for at in 0..left.len().max(right.len()) {
            tr {
                (side(left.get(at), changed.then_some("removed")))
                (side(right.get(at), changed.then_some("added")))
            }
        }
    }
}

/// One side of a row. Only changed lines have a class.
fn side(line: Option<&Line<'_>>, class: Option<&str>) -> Markup {
    html! {
        @if let Some((number, parts)) = line {
            td.number { (number) }
            td class=[class] {
                @for (differs, text) in parts {
                    @let text = text.trim_end_matches(['\n', '\r']);
                    @if *differs && class.is_some() { mark { (text) } } @else { (text) }
                }
            }
        } @else {
            td.number {} td.nothing {}
        }
    }
}
