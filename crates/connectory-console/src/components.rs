//! Every component of the console on one page, for those who change it, and for the tests that look at it.
//!
//! The texts are examples, in English only.

use axum::response::Response;
use connectory_model::Status;
use maud::{Markup, html};

use crate::frame::badges::{face, mark, status_badge};
use crate::frame::copy::copy_button;
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::search::search_field;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;

/// The colours of the tokens: the names, and the classes of their swatches.
const COLOURS: [&str; 12] = [
    "ground",
    "surface",
    "raised",
    "sunken",
    "line",
    "line-strong",
    "accent",
    "accent-soft",
    "good",
    "warn",
    "bad",
    "info",
];

/// Shows the components.
pub async fn show(SignedIn { view, .. }: SignedIn) -> Result<Response, PageError> {
    let content = html! {
        div.top { h1 { "Components" } p.muted { "The parts that all pages are made of" } }
        div.columns {
            div.stack { (tables(&view)) (cards(&view)) (notes()) }
            div.stack { (colours()) (type_sizes()) (buttons(&view)) (fields(&view)) }
        }
    };
    Ok(view.render(Place::Elsewhere, "Components", &content))
}

fn card(title: &str, content: &Markup) -> Markup {
    html! { section.card { header { h2 { (title) } } div.body { (content) } } }
}

fn colours() -> Markup {
    let swatches = html! { ul.swatches { @for name in COLOURS { li { span class=(format!("swatch of-{name}")) {} code { (name) } } } } };
    card("Colours", &swatches)
}

fn type_sizes() -> Markup {
    let sizes = html! {
        h1 { "Heading 20/28" }
        h2 { "Heading 15/20" }
        p { "Text 14/20, with " b { "strong" } ", " a href="#content" { "a link" } ", " code { "code 12.5" } " and " kbd { "Ctrl S" } "." }
        p.small.muted { "Small text 12.5/18. Übergröße, Źdźbło, Подключение, 接続, 연결, 连接." }
        pre { code { "$ connectory serve --environment-name Production" } }
    };
    card("Type", &sizes)
}

fn buttons(view: &View) -> Markup {
    let buttons = html! {
        div.actions {
            button.primary type="button" { (icon(Icon::Plus)) "Primary" }
            button type="button" { "Button" }
            button.quiet type="button" { "Quiet" }
            button.danger type="button" { "Danger" }
            button.only-icon type="button" aria-label="More" { (icon(Icon::More)) }
            (copy_button(view, "copied"))
        }
        div.actions.after {
            details.menu-of {
                summary.button.quiet.only-icon aria-label="Actions" { (icon(Icon::More)) }
                div { a.button href="#content" { "Duplicate" } hr; a.button.danger href="#content" { (icon(Icon::Trash)) "Delete…" } }
            }
        }
        p.after { @for of in Icon::ALL { (icon(*of)) " " } }
        div.chips.after {
            label.chosen { span.visually-hidden { "Status" } select.filter { option value="" { "Status" } option value="a" { "Released" } } }
            label.chosen { span.visually-hidden { "Category" } select.filter { option value="" { "Category" } option value="a" selected { "Directory (12)" } } }
            a.filter href="#content" { "Chip" }
            a.filter.on href="#content" { "Chosen" }
        }
        nav.segments.after aria-label="Segments" { a href="#content" aria-current="page" { "Custom" span.tab-count { "202" } } a href="#content" { "Built-in" span.tab-count { "12" } } }
    };
    card("Buttons and choices", &buttons)
}

fn fields(view: &View) -> Markup {
    let fields = html! {
        (search_field(view, "", "list.search_hint"))
        label.after { span.needed { "Name" } input name="a" value="Payroll North" required; }
        label { "Type" input name="b" value="" placeholder="custom HR system" aria-invalid="true"; }
        p.problem.of-field { "Write the type." }
        label { "Status" select name="c" { option { "Development" } } }
        label { "Description" textarea name="d" rows="2" { "" } }
        label.check { input type="checkbox" checked; "Direct connect" }
        label.check { input type="radio" name="e" checked; "Token" }
        p.hint { "A hint says what the field is for." }
        div.pair { @for side in ["Left", "Right"] {
            fieldset {
                legend { (side) }
                div.with-number { label { "Script name" input name="f" value="hr-system"; } label { "Revision" input name="g" value="12"; } }
            }
        } }
    };
    card("Fields", &fields)
}

fn notes() -> Markup {
    let notes = html! {
        p.done { "The connector was saved." }
        p.problem { "The name is taken." }
        p.note { "Built-in connectors cannot be changed." }
        div.draft { h2 { "Your draft was not saved" } p { "It is in the form below." } }
        p.empty { "There is no connector here yet." }
    };
    card("Notes", &notes)
}

fn tables(view: &View) -> Markup {
    let rows = [
        ("Payroll North", "Employees, contracts and cost centres", "payroll-north", Status::Released, 100),
        ("HR system", "Accounts and groups over its REST interface", "hr-system", Status::Development, 62),
        ("Legacy LDAP", "Replaced by OpenLDAP", "legacy-ldap", Status::Deprecated, 90),
        ("Grade book", "Teachers, pupils and classes", "grade-book", Status::Demo, 40),
    ];
    html! {
        section.card {
            table.connectors {
                thead { tr { th.pick-box scope="col" { label { input type="checkbox"; span.visually-hidden { "Select all" } } } th scope="col" { "Name" } th.hide-m scope="col" { "Script name" } th scope="col" { "Status" } th.hide-s scope="col" { "Translations" } } }
                tbody { @for (name, description, script_name, status, percent) in rows {
                    tr {
                        td.pick-box { label { input type="checkbox"; span.visually-hidden { "Select " (name) } } }
                        th scope="row" { div.named { (mark(name)) div { a.name href="#content" { (name) } p.sub.clipped { (description) } } } }
                        td.hide-m { code.script-name { (script_name) } }
                        td { (status_badge(view, status)) }
                        td.hide-s.num.small.muted { progress.meter max="100" value=(percent) aria-label=(name) {} " " (percent) " %" }
                    }
                } }
            }
        }
        section.card { table.compared {
            thead { tr { td {} @for name in ["HR system", "HR system copy"] { th scope="col" { a.name href="#content" { (name) } p.sub { code { "hr-system" } " · Revision 12" } } } } }
            tbody { tr { th scope="row" { "Status" } td { (status_badge(view, Status::Released)) } td { (status_badge(view, Status::Development)) } } }
        } }
        section.card { table.activity { tbody {
            tr { td.narrow-column { (face("Platform admin")) } th scope="row" { b { "Platform admin" } " changed " a href="#content" { "hr-system" } p.sub { "Source config" } } td.when { "yesterday" } }
            tr { td.narrow-column { span.face.bad { (icon(Icon::Cross)) } } th scope="row" { b { code { "nobody" } } " was refused" } td.when { "yesterday" } }
        } } }
    }
}

fn cards(view: &View) -> Markup {
    html! {
        section.card {
            header { h2 { "Before you release" } span.small.muted { "2 of 4 done" } a.small.spacer href="#content" { "All" } }
            ul.todo {
                li { a href="#content" { span.ring.done { (icon(Icon::Check)) } span { "The form has fields" } span.go { (icon(Icon::Right)) } } }
                li { a href="#content" { span.ring.warn {} span { "Source config, line 3: a warning" } span.go { "Open" (icon(Icon::Right)) } } }
                li { a href="#content" { span.ring.bad {} span { "Source config, line 9: an error" } span.go { "Open" (icon(Icon::Right)) } } }
                li { a href="#content" { span.ring {} span { "German: 9 texts are missing." } span.go { "Translate" (icon(Icon::Right)) } } }
            }
        }
        section.card {
            header { h2 { "Details" } }
            div.body { dl.facts {
                dt { "Script name" } dd { code { "hr-system" } " " (copy_button(view, "hr-system")) }
                dt { "Features" } dd { span.chip { "PROVISIONING" } span.chip { "SEARCH" } }
            } }
        }
        section.card {
            header { h2 { "Recent changes" } }
            ol.line {
                li { b { "Platform admin" } " changed the source config" br; span.small.muted { "12 minutes ago · Revision 31" } }
                li { b { "nightly export" } " changed 3 texts" br; span.small.muted { "2 hours ago · Revision 30" } }
            }
        }
    }
}
