//! The share of a connector's keys that each locale has texts for.
//!
//! A key counts if the source config uses it or English has a text for it; the short description always counts.

use std::collections::{BTreeMap, HashMap};

use connectory_model::translations::SHORT_DESCRIPTION;
use connectory_model::{Connector, Locale};
use maud::{Markup, html};

use super::page::ConnectorPage;
use crate::frame::locales::{in_order, locale_name};
use crate::frame::view::View;

/// The keys of a connector, and for each locale the number of keys with a text.
pub struct Keys {
    /// In alphabetical order.
    pub all: Vec<String>,
    /// Where the form uses each of them first. None if it does not.
    pub in_form: Vec<Option<usize>>,
    /// For each locale the number of keys with a text.
    pub translated: BTreeMap<Locale, usize>,
}

impl Keys {
    /// The keys of a connector.
    pub fn of(connector: &Connector) -> Self {
        let translations = &connector.translations.0;
        let form = connector.source_config.translation_keys();
        let mut all = form.clone();
        if let Some(english) = translations.get(&Locale::En) {
            english.each(|entry| all.push(entry.key));
        }
        all.push(SHORT_DESCRIPTION.to_owned());
        all.sort_unstable();
        all.dedup();
        // An attribute holds a key or a text. It is a key if it has no space, or if a locale has a text for it.
        let mut are_keys: Vec<_> = all.iter().map(|key| !key.contains(' ')).collect();
        let mut translated = BTreeMap::new();
        for (locale, properties) in translations {
            let mut found = vec![false; all.len()];
            properties.each(|entry| {
                if let Ok(at) = all.binary_search(&entry.key) {
                    found[at] = true;
                }
            });
            translated.insert(*locale, found.iter().filter(|found| **found).count());
            are_keys.iter_mut().zip(found).for_each(|(is_key, found)| *is_key |= found);
        }
        let mut are_keys = are_keys.into_iter();
        all.retain(|_| are_keys.next() == Some(true));
        let mut places = HashMap::new();
        for (place, key) in form.iter().enumerate() {
            places.entry(key.as_str()).or_insert(place);
        }
        let in_form = all.iter().map(|key| places.get(key.as_str()).copied()).collect();
        Self { all, in_form, translated }
    }

    /// The number of keys with a text.
    pub fn there(&self, locale: Locale) -> usize {
        self.translated.get(&locale).copied().unwrap_or_default()
    }

    /// The number of keys with a text and of all keys, as words.
    pub fn count(&self, view: &View, locale: Locale) -> String {
        view.format("translations.coverage", &[&self.there(locale), &self.all.len()])
    }
}

/// The coverage of each locale that has texts: English first, and then the most complete ones.
pub fn coverage(page: &ConnectorPage, keys: &Keys) -> Markup {
    let view = &page.view;
    let mut locales = in_order(view);
    locales.retain(|locale| keys.translated.contains_key(locale));
    locales.sort_by_key(|locale| (*locale != Locale::En, std::cmp::Reverse(keys.there(*locale))));
    html! {
        @if locales.is_empty() { p.faint { (view.text("translations.none")) } }
        ul.coverage {
            @for locale in locales {
                li {
                    a href=(page.url(&format!("/translations?locale={locale}"))) { (locale_name(view, locale)) }
                    // The percentage is rounded down, so that 100 means all.
                    progress.meter max="100" value=((keys.there(locale) * 100).checked_div(keys.all.len()).unwrap_or(100)) aria-label=(locale_name(view, locale)) {}
                    span.count { (keys.count(view, locale)) }
                }
            }
        }
    }
}

/// The number of texts of a locale in all places of a page, after it has changed.
pub fn coverage_counts(view: &View, keys: &Keys, locale: Locale) -> Markup {
    html! { (column_count(view, keys, locale, true)) (choice_count(view, keys, locale, true)) }
}

/// The number of texts of a locale, in the head of its column.
pub fn column_count(view: &View, keys: &Keys, locale: Locale, is_update: bool) -> Markup {
    html! {
        span.count id=(format!("coverage-{locale}")) hx-swap-oob=[is_update.then_some("true")] { (keys.count(view, locale)) }
    }
}

/// The number of texts of a locale, in the choice of locales.
pub fn choice_count(view: &View, keys: &Keys, locale: Locale, is_update: bool) -> Markup {
    html! {
        small id=(format!("choice-{locale}")) hx-swap-oob=[is_update.then_some("true")] { (keys.count(view, locale)) }
    }
}
