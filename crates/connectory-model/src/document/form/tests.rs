use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::Locale;
use crate::document::{FORM_NAMESPACE, SourceConfig};
use crate::translations::{Properties, Translations};

fn form(body: &str, german: &str) -> Form {
    let text =
        format!("<Form xmlns=\"{FORM_NAMESPACE}\"><Menu label='m'><Section label='s'>{body}</Section></Menu></Form>");
    let german = Properties::parse(german.as_bytes()).expect("valid");
    let translations = Translations(BTreeMap::from([(Locale::De, german)]));
    SourceConfig::parse(text.as_bytes()).expect("a form").form(&translations, Locale::De)
}

#[test]
fn texts_and_choices_are_the_locales() {
    let form = form(
        "<Field name='a' displayName='k' type='select' defaultValue='2' required='true'>\
         <AllowedValues><Option label='one' value='1'/><Option value='2'/></AllowedValues></Field>",
        "k=Wahl\none=eins\nm=Menü",
    );
    assert_eq!((&*form.menus[0].label, &*form.menus[0].sections[0].label), ("Menü", "s"));
    let field = form.fields().next().expect("a field");
    assert_eq!((&*field.label, field.initial(), field.required), ("Wahl", "2", true));
    let choices: Vec<_> = field.options.iter().map(|choice| (&*choice.label, &*choice.value)).collect();
    assert_eq!(choices, [("eins", "1"), ("2", "2")]);
}

#[test]
fn a_field_is_shown_while_its_parent_is_shown_and_has_its_value() {
    let form = form(
        "<Field name='tls' type='toggle'/><Field name='start' type='toggle' parentKey='tls' parentValue='false'/>\
         <Field name='port' parentKey='start' parentValue='true, 1'/><Field name='x' parentKey='y' parentValue=''/>\
         <Field name='y' parentKey='x' parentValue=''/><Field name='z' parentKey='gone'/>",
        "",
    );
    assert_eq!(shown(&form), ["tls", "start"]);
}

fn shown(form: &Form) -> Vec<&str> {
    form.fields().filter(|field| field.is_shown).map(|field| field.name.as_str()).collect()
}

#[test]
fn of_fields_with_one_name_the_first_decides() {
    let form = form(
        "<Field name='a' defaultValue='1'/><Field name='a' defaultValue='2'/>\
         <Field name='b' parentKey='a' parentValue='1'/><Field name='c' parentKey='a' parentValue='2'/>",
        "",
    );
    assert_eq!(shown(&form), ["a", "a", "b"]);
}

#[test]
fn long_chains_and_circles_of_fields_are_followed_once() {
    let field =
        |n: usize, of: usize| format!("<Field name='f{n}' defaultValue='1' parentKey='f{of}' parentValue='1'/>");
    for first in [0, 11_999] {
        // From the last to the first, so that every chain is as long as it can be.
        let first_is_shown = first == 0;
        let first = if first_is_shown { "<Field name='f0' defaultValue='1'/>".to_owned() } else { field(0, first) };
        let fields = (1..12_000).rev().map(|n| field(n, n - 1)).collect::<Vec<_>>().concat() + &first;
        let config = format!("<Form xmlns=\"{FORM_NAMESPACE}\"><Menu><Section>{fields}</Section></Menu></Form>");
        let config = SourceConfig::parse(config.as_bytes()).expect("a form");
        let start = std::time::Instant::now();
        let form = config.form(&Translations::default(), Locale::En);
        assert_eq!(shown(&form).len(), if first_is_shown { 12_000 } else { 0 });
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}

#[test]
fn a_long_form_is_cut_after_so_many_parts_or_bytes() {
    let fields = "<Field name='a'><AllowedValues><Option value='1'/><Option value='2'/></AllowedValues></Field>";
    let whole = || form(&fields.repeat(3), "");
    let count = |form: &Form| (form.fields().count(), form.fields().map(|field| field.options.len()).sum::<usize>());
    for (parts, bytes, expected) in [
        (11, 1000, (3, 6, false)),
        (10, 1000, (3, 5, true)),
        (8, 1000, (2, 4, true)),
        (6, 1000, (2, 2, true)),
        (2, 1000, (0, 0, true)),
        (0, 1000, (0, 0, true)),
        // A menu and a section of a byte, and fields of six with options of two each.
        (100, 32, (3, 6, false)),
        (100, 31, (3, 5, true)),
        (100, 1, (0, 0, true)),
    ] {
        let mut form = whole();
        let was_cut = form.cut(parts, bytes);
        let (fields, options) = count(&form);
        assert_eq!((fields, options, was_cut), expected, "{parts} {bytes}");
    }
}

#[test]
fn a_text_of_many_fields_is_in_memory_once() {
    let form = form(&"<Field name='a' displayName='k'/>".repeat(1000), &format!("k={}", "x".repeat(100_000)));
    let label = &form.fields().next().expect("a field").label;
    assert!(form.fields().all(|field| Arc::ptr_eq(&field.label, label)));
}
