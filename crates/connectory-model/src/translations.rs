//! The translations of a connector: a `.properties` text for each locale.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::Locale;
pub use crate::properties::{Doubt, Properties, PropertiesError, Property, SHORT_DESCRIPTION};

/// The translations of a connector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Translations(pub BTreeMap<Locale, Properties>);

impl Translations {
    /// The text of each key in a locale: the locale's own, or else the English one.
    pub fn texts(&self, locale: Locale) -> HashMap<String, String> {
        let mut texts = self.0.get(&Locale::En).map(Properties::entries).unwrap_or_default();
        if locale != Locale::En
            && let Some(own) = self.0.get(&locale)
        {
            texts.extend(own.entries());
        }
        texts
    }

    /// The properties text that `GET …/translations/{locale}` answers: the locale's own, or else the English one.
    pub fn shown(&self, locale: Locale) -> Option<&Properties> {
        self.0.get(&locale).or_else(|| self.0.get(&Locale::En))
    }

    /// The short description of every locale that has one.
    pub fn short_descriptions(&self) -> BTreeMap<Locale, String> {
        self.0.iter().filter_map(|(locale, properties)| Some((*locale, properties.short_description()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_falls_back_to_english_key_by_key() {
        let properties = |text: &str| Properties::parse(text.as_bytes()).expect("valid");
        let translations = Translations(BTreeMap::from([
            (Locale::En, properties("a=one\nb=two\nShortDesc=d")),
            (Locale::De, properties("a=eins")),
        ]));
        let german = translations.texts(Locale::De);
        assert_eq!((german["a"].as_str(), german["b"].as_str()), ("eins", "two"));
        assert_eq!(translations.shown(Locale::Fr), translations.0.get(&Locale::En));
        assert_eq!(translations.short_descriptions(), BTreeMap::from([(Locale::En, "d".to_owned())]));
    }
}
