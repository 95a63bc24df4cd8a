//! The share of a connector's keys that each locale has texts for.
//!
//! A key counts if the source config uses it or English has a text for it; the short description always counts.

use std::collections::BTreeMap;

use connectory_model::translations::SHORT_DESCRIPTION;
use connectory_model::{Connector, Locale};
use maud::{Markup, html};

use super::page::ConnectorPage;

/// The keys of a connector, and for each locale the number of keys with a text.
pub struct Keys {
    /// In alphabetical order.
    pub all: Vec<String>,
    /// For each locale the number of keys with a text.
    pub translated: BTreeMap<Locale, usize>,
}

impl Keys {
    /// The keys of a connector.
    pub fn of(connector: &Connector) -> Self {
        let translations = &connector.translations.0;
        let mut all = connector.source_config.translation_keys();
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
        Self { all, translated }
    }

    /// The percentage of keys with a text, rounded down, so that 100 means all.
    pub fn percent(&self, locale: Locale) -> usize {
        let there = self.translated.get(&locale).copied().unwrap_or_default();
        (there * 100).checked_div(self.all.len()).unwrap_or(100)
    }
}

/// The coverage of each locale that has texts.
pub fn coverage(page: &ConnectorPage, keys: &Keys) -> Markup {
    html! {
        @if keys.translated.is_empty() { p.faint { (page.view.text("translations.none")) } }
        ul.coverage {
            @for locale in keys.translated.keys() {
                @let percent = keys.percent(*locale);
                li { a href=(page.url(&format!("/translations?locale={locale}"))) { (locale) } " "
                    progress max="100" value=(percent) aria-label=(locale) {} " " (percent) " %" }
            }
        }
    }
}
