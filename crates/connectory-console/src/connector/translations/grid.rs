//! The table: a row for each key and a column for each locale.

use connectory_model::limits::GRID_BYTES;
use connectory_model::{Locale, visible};
use maud::{Markup, html};

use super::super::coverage::{Keys, column_count};
use super::super::page::ConnectorPage;
use super::cell::{Cell, Sent, beginning, is_key};
use super::texts::texts_of;
use crate::frame::icon::{Icon, icon};
use crate::frame::locales::locale_name;

/// The table of some keys, which are places in [`Keys::all`]. `is_choice` says whether the reader chose the locales.
pub fn grid(page: &ConnectorPage, keys: &Keys, on_page: &[usize], shown: &[Locale], is_choice: bool) -> Markup {
    let view = &page.view;
    let names: Vec<_> = on_page.iter().map(|at| keys.all[*at].as_str()).collect();
    let texts = texts_of(&page.connector, &names, shown);
    let mut room = GRID_BYTES;
    html! {
        div.card.texts-frame tabindex="0" role="region" aria-label=(view.text("tab.translations")) {
            table.texts data-default[!is_choice] {
                thead { tr {
                    th scope="col" { (view.text("translations.key")) }
                    @for locale in shown { th scope="col" { (column_head(page, keys, *locale)) } }
                } }
                tbody {
                    @for (at, key) in names.iter().enumerate() {
                        tr {
                            th scope="row" { (key_head(page, key, keys.in_form[on_page[at]].is_some())) }
                            @for locale in shown {
                                @let stored = texts.get(&(*locale, at)).map(String::as_str);
                                (Cell { key, locale: *locale, stored, sent: Sent::Nothing }.render(page, &mut room))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn column_head(page: &ConnectorPage, keys: &Keys, locale: Locale) -> Markup {
    let name = locale_name(&page.view, locale);
    let export = page.view.format("translations.export", &[&name]);
    html! {
        div {
            b { (name) } small { (locale) } (column_count(&page.view, keys, locale, false))
            a href=(page.url(&format!("/translations/{locale}"))) download=(format!("{locale}.properties"))
                title=(export) aria-label=(export) { (icon(Icon::Down)) }
        }
    }
}

/// A key, with a link to its place in the form.
fn key_head(page: &ConnectorPage, key: &str, is_in_form: bool) -> Markup {
    html! {
        code { (visible(&beginning(key))) }
        @if is_in_form && is_key(key) {
            @let query = form_urlencoded::Serializer::new(String::new()).append_pair("find", key).finish();
            " " a.in-form href=(page.url(&format!("/documents/source-config?{query}"))) { (page.view.text("translations.in_form")) }
        }
    }
}
