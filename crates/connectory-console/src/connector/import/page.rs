//! The pages of an import: the form for files, and the plan.

use axum::response::Response;
use connectory_folder::lint::Level;
use connectory_model::limits::IMPORT_DIFFERENCES;
use connectory_model::visible;
use connectory_server::work::Stop;
use http::StatusCode;
use maud::{Markup, html};

use super::APPLY;
use super::parcel;
use super::plan::{Note, Notes, Plan, Row, What};
use crate::connector::differences::differences;
use crate::frame::diff::{DiffBudget, side_by_side};
use crate::frame::error::PageError;
use crate::frame::findings::finding_text;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::sentence::member_names;
use crate::frame::success::success_note;
use crate::frame::view::View;
use crate::state::Console;
use crate::urls::{IMPORT, connector_url};

/// Bytes of a form beside the connectors: the choice of them.
const FORM_BYTES: usize = 128 * 1024;

/// The form for files, with the error of those that were sent.
pub fn form(view: &View, console: &Console, query: &str, error: Option<&PageError>) -> Response {
    let most = console.server.options.max_request;
    let content = html! {
        (head(view))
        (success_note(view, query))
        @if let Some(error) = error { p.problem role="alert" { (error.text(view.language)) } }
        section.card.narrow { div.body { form #import method="post" action=(IMPORT) enctype="multipart/form-data" data-most=(most) {
            (view.csrf_input())
            p { (view.text("import.lead")) }
            div.drop-zone hidden data-busy=(view.text("import.reading")) data-large=(view.format("error.form_too_large", &[&most])) {
                (icon(Icon::Up)) p { (view.text("import.drop")) }
            }
            label { (view.text("import.file")) input type="file" name="file" accept=".zip,.json,.ndjson,application/zip,application/json,application/x-ndjson"; }
            p.hint { (view.text("import.file_hint")) }
            label { (view.text("import.folder")) input type="file" name="file" webkitdirectory multiple; }
            p.hint { (view.text("import.folder_hint")) }
            p.problem role="alert" hidden data-problem {}
            button.primary type="submit" { (icon(Icon::Compare)) (view.text("import.plan")) }
            p.hint.after { (view.text("import.nothing_yet")) }
        } } }
    };
    let status = error.map_or(StatusCode::OK, PageError::status);
    view.render_with_status(status, Place::Connectors, view.text("import.title"), &content)
}

fn head(view: &View) -> Markup {
    html! {
        nav.crumbs aria-label=(view.text("connector.crumbs")) { span { a href="/" { (view.text("nav.connectors")) } } }
        div.top { h1 { (view.text("import.title")) } }
    }
}

/// The plan under a note, with the form that applies it.
pub fn plan(
    view: &View,
    plan: &Plan,
    (note, status): (Option<&'static str>, StatusCode),
    most: usize,
    stop: &Stop,
) -> Result<Response, PageError> {
    let packed = parcel::pack(plan.applicable()).map_err(|error| PageError::internal(&error))?;
    let is_empty = plan.applicable().next().is_none();
    let fits = packed.len() + FORM_BYTES <= most;
    let mut budget = DiffBudget::of(stop);
    let [created, changed, unchanged, refused] = plan.totals();
    let content = html! {
        (head(view))
        @if let Some(note) = note { p.problem role="alert" { (view.text(note)) } }
        p.import-totals {
            (view.format("import.totals", &[&created, &changed, &unchanged]))
            @if refused > 0 { " " b { (view.format("import.totals_refused", &[&refused])) } }
            " " span.muted { (view.format("import.as_of", &[&plan.revision])) }
        }
        @if plan.is_cut { p.note { (view.text("import.cut")) } }
        @if !plan.beside.shown.is_empty() {
            section.card { header { h2 { (view.text("import.beside")) } } div.body { (notes_list(view, &plan.beside)) } }
        }
        form method="post" action=(APPLY) {
            (view.csrf_input())
            @if fits && !is_empty {
                input type="hidden" name="revision" value=(plan.revision);
                input type="hidden" name="connectors" value=(packed);
            }
            section.card { table.import-plan {
                caption.visually-hidden { (view.text("import.caption")) }
                thead { tr {
                    td.choice {}
                    th scope="col" { (view.text("column.name")) }
                    th scope="col" { (view.text("import.what")) }
                } }
                tbody { @for row in &plan.rows { (plan_row(view, row, fits, &mut budget)) } }
            } }
            @if changed > IMPORT_DIFFERENCES { p.muted { (view.format("import.differences_left_out", &[&IMPORT_DIFFERENCES])) } }
            @if is_empty { p.note { (view.text(if refused > 0 { "import.nothing_applicable" } else { "import.all_as_they_are" })) } }
            @else if !fits { p.problem { (view.text("import.too_large_to_apply")) } }
            div.actions.after {
                @if fits && !is_empty { button.primary type="submit" { (icon(Icon::Check)) (view.text("import.apply")) } }
                a.button href=(IMPORT) { (view.text("import.other_files")) }
            }
        }
    };
    Ok(view.render_with_status(status, Place::Connectors, view.text("import.title"), &content))
}

/// A row, and a row with what can be opened.
fn plan_row(view: &View, row: &Row, may_choose: bool, budget: &mut DiffBudget) -> Markup {
    let is_applicable = matches!(row.what, What::New | What::Changed(_));
    let name = row.wanted.as_ref().map_or(row.folder.as_str(), |connector| connector.name.as_str());
    let compared = row.stored.as_deref().zip(row.wanted.as_ref());
    html! {
        tr {
            td.choice { @if is_applicable && may_choose {
                input type="checkbox" name="take" value=(row.folder) checked aria-label=(view.format("import.take", &[&visible(name)]));
            } }
            th scope="row" {
                @match (&row.what, &row.wanted) {
                    (What::Changed(_) | What::Unchanged, Some(wanted)) => { a.name href=(connector_url(&wanted.script_name, "")) { (visible(name)) } }
                    _ => { span.name { (visible(name)) } }
                }
                p.sub { code { (visible(row.wanted.as_ref().map_or(row.folder.as_str(), |wanted| wanted.script_name.as_str()))) } }
            }
            td {
                (badge(view, &row.what))
                @match &row.what {
                    What::Changed(members) => { p.sub { (visible(&member_names(view, members))) } }
                    What::Refused(reason) => { p.sub { (reason.text(view.language)) } }
                    _ => {}
                }
            }
        }
        @if !row.notes.shown.is_empty() || compared.is_some() {
            tr.opens { td colspan="3" {
                @if !row.notes.shown.is_empty() {
                    details { summary { (found(view, &row.notes)) } (notes_list(view, &row.notes)) }
                }
                @if let Some((stored, wanted)) = compared {
                    details { summary { (view.text("import.differences")) }
                        @for part in differences(Some(stored), Some(wanted)) {
                            @let title = format!("{name}, {}", part.name);
                            h2 { (part.name) }
                            (side_by_side(view, &title, [&*part.old, &*part.new], [view.text("import.stored"), view.text("import.wanted")], budget))
                        }
                    }
                }
            } }
        }
    }
}

fn badge(view: &View, what: &What) -> Markup {
    let (class, key) = match what {
        What::New => ("status good", "import.new"),
        What::Changed(_) => ("status info", "import.changed"),
        What::Unchanged => ("status", "import.unchanged"),
        What::Refused(_) => ("status bad", "import.refused"),
    };
    html! { span class=(class) { (view.text(key)) } }
}

/// How much the linter found.
fn found(view: &View, notes: &Notes) -> Markup {
    html! {
        @if notes.errors > 0 { span.status.bad { (view.format("import.errors", &[&notes.errors])) } " " }
        @if notes.warnings > 0 { span.status.warn { (view.format("import.warnings", &[&notes.warnings])) } }
    }
}

fn notes_list(view: &View, notes: &Notes) -> Markup {
    let left_out = notes.errors + notes.warnings - notes.shown.len();
    html! {
        ul.findings { @for note in &notes.shown { (note_item(view, note)) } }
        @if left_out > 0 { p.muted { (view.format("import.more_findings", &[&left_out])) } }
    }
}

fn note_item(view: &View, Note { rule, file, line, message }: &Note) -> Markup {
    let class = if rule.level == Level::Error { "bad" } else { "warn" };
    html! {
        li class=(class) {
            code { (visible(file)) }
            @if let Some(line) = line { ", " (view.format("import.line", &[line])) }
            ": " (visible(&finding_text(view, rule, message)))
        }
    }
}
