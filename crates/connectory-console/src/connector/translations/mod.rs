//! The translations as a grid: a row for each key and a column for each locale. Missing texts are marked.

mod add;
mod cell;
mod fill;
mod grid;
mod import;
mod query;
mod texts;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use connectory_model::limits::KEYS_PER_PAGE;
use connectory_model::{Locale, visible};
use maud::{Markup, html};

use super::coverage::{Keys, choice_count};
use super::page::{ConnectorPage, Tab};
use super::undoable::{After, undoable_note};
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::keys::IN_TRANSLATIONS;
use crate::frame::locales::{in_order, locale_name};
use crate::frame::notes;
use crate::frame::search::search_field;
use crate::frame::success::success_note;
use crate::state::Console;

use add::{NewKey, add_menu};
use grid::grid;
use query::GridQuery;

/// The pages of the translations.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/translations", get(show).post(import::import))
        .route("/translations/keys", post(add::add))
        .route("/translations/fill", get(fill::show).post(fill::fill))
        .route("/translations/{locale}", get(import::export))
        .route("/translations/{locale}/text", post(cell::save))
}

/// The changes that can be undone: the parameter with the revision that one made, and the key of the note.
const UNDOABLE: [(&str, &str); 2] = [("filled", "translations.filled"), ("imported", "translations.imported")];

/// Shows the grid.
async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    let after = After {
        view: &page.view,
        caller: &page.caller,
        script_name: &page.connector.script_name,
        source: Some(page.entry.source),
        query: &query,
        back: page.url("/translations"),
    };
    let undo = undoable_note(&console, after, &UNDOABLE).await?;
    let above = html! { (success_note(&page.view, &query)) (undo) };
    grid_page(&console, page, GridQuery::parse(&query), above, NewKey::default()).await
}

/// The page, with something above the grid.
async fn grid_page(
    console: &Console,
    page: ConnectorPage,
    query: GridQuery,
    above: Markup,
    new: NewKey,
) -> Result<Response, PageError> {
    let size = page.connector.size();
    Ok(console.server.work.run(size, move |_| render(&page, &query, &above, &new)).await?)
}

fn render(page: &ConnectorPage, query: &GridQuery, above: &Markup, new: &NewKey) -> Response {
    let view = &page.view;
    let keys = Keys::of(&page.connector);
    let shown = query.shown(page);
    let selected = query.select(&page.connector, &keys, &shown);
    let last = selected.len().div_ceil(KEYS_PER_PAGE).max(1);
    let number = query.page.min(last);
    let first = (number - 1) * KEYS_PER_PAGE;
    let on_page = &selected[first..selected.len().min(first + KEYS_PER_PAGE)];
    let all = query.with(|query| (query.search, query.is_missing_only) = (String::new(), false));
    let content = html! {
        (above)
        (doubts(page, &shown))
        (notes::cell_drafts(view, &page.url("/translations/")))
        @if page.is_writable() { p.note.no-script { (view.text("translations.no_script")) } }
        @else { (page.read_only_note()) }
        (tools(page, query, &keys, &shown, new))
        @if on_page.is_empty() {
            p.empty { (view.text("translations.nothing_found")) " " a href=(all.url(page)) { (view.text("list.reset")) } }
        } @else {
            @if last > 1 {
                p.count { (view.format("translations.count", &[&(first + 1), &(first + on_page.len()), &selected.len()])) }
            }
            (grid(page, &keys, on_page, &shown, !query.locales.is_empty()))
            @if last > 1 { (page_links(page, query, number, last)) }
            @if page.is_writable() { (help(page)) }
        }
    };
    page.render(Tab::Translations, &content)
}

/// What is in doubt of the texts that are shown, as the API says it of an upload (D75).
fn doubts(page: &ConnectorPage, shown: &[Locale]) -> Markup {
    let doubt = |locale: &Locale| {
        let texts = page.connector.translations.0.get(locale)?;
        let doubt = texts.format_doubt().or_else(|| texts.encoding_doubt())?;
        let reason = format!("line {}: {}", doubt.line, doubt.reason);
        Some(page.view.format("translations.doubt", &[&locale_name(&page.view, *locale), &reason]))
    };
    html! { @for doubt in shown.iter().filter_map(doubt) { p.note { (visible(&doubt)) } } }
}

/// The bar above the grid: what is shown on the left, and what changes the texts on the right.
fn tools(page: &ConnectorPage, query: &GridQuery, keys: &Keys, shown: &[Locale], new: &NewKey) -> Markup {
    let view = &page.view;
    let toggle = |key: &str, is_on: bool, change: fn(&mut GridQuery)| {
        html! {
            a.filter.on[is_on] href=(query.with(change).url(page)) aria-current=[is_on.then_some("true")] {
                (view.text(key))
            }
        }
    };
    html! {
        div.top.text-tools {
            form method="get" action=(page.url("/translations")) role="search" {
                (query.fields_without("q"))
                (search_field(view, &query.search, "translations.search_hint"))
            }
            (toggle("translations.only_missing", query.is_missing_only, |query| query.is_missing_only = !query.is_missing_only))
            (toggle("translations.form_order", !query.is_by_key, |query| query.is_by_key = !query.is_by_key))
            (locale_menu(page, query, keys, shown))
            @if page.is_writable() {
                div.actions.spacer {
                    (new_locale_menu(page, query, shown))
                    (import::import_menu(page, shown))
                    (add_menu(page, query, new))
                    (fill::fill_menu(page, shown))
                }
            }
        }
    }
}

/// The choice of the locales that are shown.
fn locale_menu(page: &ConnectorPage, query: &GridQuery, keys: &Keys, shown: &[Locale]) -> Markup {
    let view = &page.view;
    html! {
        details.menu-of name="tools" {
            summary.filter.on[!query.locales.is_empty()] { (view.text("column.locales")) " " span.tab-count { (shown.len()) } }
            form.panel method="get" action=(page.url("/translations")) {
                (query.fields_without("locale"))
                fieldset.locales {
                    legend { (view.text("translations.shown")) }
                    @for locale in in_order(view) {
                        label.check {
                            input type="checkbox" name="locale" value=(locale) checked[shown.contains(&locale)];
                            (locale_name(view, locale)) " " (choice_count(view, keys, locale, false))
                        }
                    }
                }
                button.primary type="submit" { (view.text("translations.show")) }
            }
        }
    }
}

/// Links that show one more locale. It has texts as soon as one is typed.
fn new_locale_menu(page: &ConnectorPage, query: &GridQuery, shown: &[Locale]) -> Markup {
    let view = &page.view;
    let others: Vec<_> = in_order(view).into_iter().filter(|locale| !shown.contains(locale)).collect();
    let and = |locale: Locale| query.with(|query| query.locales = [shown, &[locale]].concat()).url(page);
    html! {
        @if !others.is_empty() {
            details.menu-of name="tools" {
                summary.button { (icon(Icon::Plus)) (view.text("preview.locale")) }
                div.panel.locales {
                    @for locale in others { a.button href=(and(locale)) { (locale_name(view, locale)) } }
                }
            }
        }
    }
}

/// Links to the pages before and after.
fn page_links(page: &ConnectorPage, query: &GridQuery, number: usize, last: usize) -> Markup {
    let view = &page.view;
    let at = |number: usize| query.at_page(number).url(page);
    html! {
        nav.pages aria-label=(view.text("list.pages")) {
            @if number > 1 { a.button rel="prev" href=(at(number - 1)) { (view.text("list.previous")) } }
            @if number < last { a.button rel="next" href=(at(number + 1)) { (view.text("list.next")) } }
        }
    }
}

/// The keys of the keyboard, which a script has.
fn help(page: &ConnectorPage) -> Markup {
    let view = &page.view;
    html! {
        p.text-help.hint.needs-script {
            (view.text("translations.saved_on_leaving"))
            @for (at, text) in IN_TRANSLATIONS { " " span.hide-s { kbd { (view.key_name(at)) } " " (view.text(text)) } }
        }
    }
}
