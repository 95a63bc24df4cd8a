//! A source config as the form that administrators fill in, in any locale.
//!
//! The input is not sent. Translations may have markup: a sanitizer keeps `<br>` and `<strong>` only.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::Builder;
use connectory_model::Locale;
use connectory_model::document::form::{Condition, Field, Form, Section};
use connectory_model::limits::{MARKUP_BYTES, PREVIEW_BYTES, PREVIEW_PARTS};
use maud::{Markup, PreEscaped, html};

use super::page::ConnectorPage;
use crate::frame::locales::{in_order, locale_name};
use crate::frame::view::View;

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder.tags(HashSet::from(["br", "strong"])).generic_attributes(HashSet::new()).tag_attributes(HashMap::new());
    builder
});

/// A text of a translation, with the markup that is allowed.
fn markup(text: &str) -> Markup {
    if text.len() <= MARKUP_BYTES && text.contains(['<', '&']) {
        PreEscaped(SANITIZER.clean(text).to_string())
    } else {
        html! { (text) }
    }
}

/// The preview beside the editor. The editor renews it.
pub fn preview_pane(page: &ConnectorPage, locale: Locale) -> Markup {
    let view = &page.view;
    html! {
        section.card.as-seen aria-labelledby="as-seen" {
            header {
                h2 #as-seen { (view.text("preview.as_seen")) }
                span.spacer {}
                label { span.visually-hidden { (view.text("preview.locale")) } (locale_select(view, locale, LocaleSelect::RenewsPreview)) }
            }
            p.note #preview-earlier hidden { (view.text("preview.earlier")) }
            div.preview #preview { (preview_form(view, page.connector.source_config.form(&page.connector.translations, locale))) }
        }
    }
}

/// What happens when a locale is chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LocaleSelect {
    /// The form is sent.
    SendsForm,
    /// The script of the page renews the preview.
    RenewsPreview,
}

/// A select with all locales, by the names of their languages.
pub fn locale_select(view: &View, chosen: Locale, on_change: LocaleSelect) -> Markup {
    html! {
        select name="locale" data-submits[on_change == LocaleSelect::SendsForm] data-locale[on_change == LocaleSelect::RenewsPreview] {
            @for locale in in_order(view) { option value=(locale) selected[locale == chosen] { (locale_name(view, locale)) } }
        }
    }
}

/// The form, or the first part of a long one.
pub fn preview_form(view: &View, mut form: Form) -> Markup {
    let was_cut = form.cut(PREVIEW_PARTS, PREVIEW_BYTES);
    html! {
        @if form.fields().next().is_none() { p.empty { (view.text("preview.empty")) } }
        @for menu in &form.menus {
            section.menu {
                @if !menu.label.is_empty() { h3 { (markup(&menu.label)) } }
                @for of_menu in &menu.sections { (section_fields(view, of_menu)) }
            }
        }
        @if was_cut { p.note { (view.text("preview.cut")) } }
    }
}

/// A part of the form that is shown while another field has a value.
fn conditional_part(condition: Option<&Condition>, is_shown: bool, content: &Markup) -> Markup {
    html! {
        div.part data-parent=[condition.map(|condition| &condition.field)]
            data-value=[condition.map(|condition| &condition.value)]
            hidden[!is_shown]
        { (content) }
    }
}

fn section_fields(view: &View, section: &Section) -> Markup {
    let content = html! {
        fieldset {
            @if !section.label.is_empty() { legend { (markup(&section.label)) } }
            @if let Some(info) = &section.info { p.info { (markup(info)) } }
            @if let Some((address, text)) = &section.link {
                @if address.starts_with("https://") || address.starts_with("http://") {
                    p { a href=(address) target="_blank" rel="noopener noreferrer" { (markup(text)) } }
                } @else { p { (markup(text)) } }
            }
            @for field in section.fields.iter().filter(|field| !field.hidden) {
                (conditional_part(field.condition.as_ref(), field.is_shown, &field_input(view, field)))
            }
        }
    };
    conditional_part(section.condition.as_ref(), section.is_shown, &content)
}

fn field_input(view: &View, field: &Field) -> Markup {
    let label = html! {
        span.label { (markup(&field.label)) @if field.required { span.required title=(view.text("preview.required")) { " *" } } }
    };
    let help = html! { @if let Some(help) = &field.help { span.hint { (markup(help)) } } };
    let (name, initial) = (field.name.as_str(), field.initial());
    let one_line = |kind: &str| {
        html! {
            label.field { (label)
                input type=(kind) data-name=(name) value=(initial) placeholder=[field.placeholder.as_ref()]
                    maxlength=[field.max_length] autocomplete="off" aria-required=[field.required.then_some("true")];
                (help)
            }
        }
    };
    match field.field_type.as_str() {
        "textarea" | "list" | "keyValue" => html! {
            label.field { (label)
                textarea data-name=(name) rows="3" placeholder=[field.placeholder.as_ref()] maxlength=[field.max_length]
                    aria-required=[field.required.then_some("true")] { "\n" (initial) }
                @match field.field_type.as_str() {
                    "list" => span.hint { (view.text("preview.list")) },
                    "keyValue" => span.hint { (view.text("preview.key_value")) },
                    _ => {}
                }
                (help)
            }
        },
        "checkbox" | "toggle" | "boolean" => html! {
            label.field.check {
                input type="checkbox" data-name=(name) checked[initial == "true"] role=[(field.field_type == "toggle").then_some("switch")];
                (label) (help)
            }
        },
        "select" => html! {
            label.field { (label)
                select data-name=(name) aria-required=[field.required.then_some("true")] {
                    @if !field.options.iter().any(|choice| choice.value == initial) { option value="" { "" } }
                    @for choice in &field.options { option value=(choice.value) selected[choice.value == initial] { (choice.label) } }
                }
                (help)
            }
        },
        "radio" => html! {
            fieldset.field.radios {
                legend { (label) }
                @for choice in &field.options {
                    label.check { input type="radio" name=(format!("preview-{name}")) data-name=(name) value=(choice.value) checked[choice.value == initial]; (markup(&choice.label)) }
                }
                (help)
            }
        },
        "fileupload" => html! {
            label.field { (label) input type="file" data-name=(name); (help) }
        },
        "secret" => one_line("password"),
        "number" => one_line("number"),
        "url" => one_line("url"),
        "text" => one_line("text"),
        unknown => html! {
            (one_line("text"))
            p.hint { (view.format("preview.unknown_type", &[&unknown])) }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::markup;

    #[test]
    fn long_markup_is_shown_as_it_is_written() {
        let start = Instant::now();
        for text in ["<b a=1>", "<strong>", "<b><a>", "<table><b>", "<p><i></p>"] {
            let long = text.repeat(120_000 / text.len());
            assert!(markup(&long).into_string().starts_with("&lt;"));
            markup(&text.repeat(10_000 / text.len()));
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }

    #[test]
    fn only_line_breaks_and_strong_text_pass() {
        for (text, shown) in [
            ("a & b", "a &amp; b"),
            ("<b>x</b> <strong onclick=\"a()\">y</strong><br/>", "x <strong>y</strong><br>"),
            ("<script>alert(1)</script>z", "z"),
            ("<img src=x onerror=alert(1)>", ""),
            ("1 < 2", "1 &lt; 2"),
            ("<a href='javascript:alert(1)'>w</a>", "w"),
        ] {
            assert_eq!(markup(text).into_string(), shown);
        }
    }
}
