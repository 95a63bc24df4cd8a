//! Texts of the translations, by key and locale.

use std::collections::HashMap;

use connectory_model::{Connector, Locale};

/// The texts of some keys in some locales, by locale and place among the keys.
pub fn texts_of(connector: &Connector, keys: &[&str], locales: &[Locale]) -> HashMap<(Locale, usize), String> {
    let places: HashMap<_, _> = keys.iter().enumerate().map(|(at, key)| (*key, at)).collect();
    let mut texts = HashMap::new();
    for locale in locales {
        if let Some(properties) = connector.translations.0.get(locale) {
            properties.each(|entry| {
                if let Some(at) = places.get(entry.key.as_str()) {
                    texts.insert((*locale, *at), entry.value);
                }
            });
        }
    }
    texts
}

/// The text of a key in a locale.
pub fn text_of(connector: &Connector, key: &str, locale: Locale) -> Option<String> {
    texts_of(connector, &[key], &[locale]).remove(&(locale, 0))
}
