//! The console's own words, in `.properties` files as connectors have them.
//!
//! A language that lacks a text shows the English one. A test holds the files against the keys that the pages use.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use connectory_model::translations::Properties;

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The language's tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The language's name in itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::De => "Deutsch",
        }
    }

    /// The language of a tag such as `de-AT`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['-', ';']).next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|known| known.tag().eq_ignore_ascii_case(language))
    }

    /// The first known language that a browser accepts; browsers send the preferred one first.
    pub fn from_accept_language(header: &str) -> Self {
        header.split(',').find_map(Self::from_tag).unwrap_or(Self::En)
    }

    /// The text of a key.
    pub fn text(self, key: &str) -> Option<&'static str> {
        let own = &TEXTS[self as usize];
        own.get(key).or_else(|| TEXTS[Self::En as usize].get(key)).map(String::as_str)
    }

    /// The text of a key with values in the places of `{0}`, `{1}` and so on.
    pub fn format(self, key: &str, values: &[&dyn Display]) -> String {
        let mut rest = self.text(key).unwrap_or(key);
        let mut text = String::with_capacity(rest.len() + 16);
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let place =
                after.split_once('}').and_then(|(at, after)| Some((values.get(at.parse::<usize>().ok()?)?, after)));
            rest = if let Some((value, after)) = place {
                text.push_str(&value.to_string());
                after
            } else {
                text.push('{');
                after
            };
        }
        text + rest
    }
}

static TEXTS: LazyLock<[HashMap<String, String>; 2]> = LazyLock::new(|| {
    [include_str!("texts/en.properties"), include_str!("texts/de.properties")]
        .map(|text| Properties::parse(text.as_bytes()).expect("the console's texts are properties").entries())
});

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The keys that the sources ask for, and whatever else in them looks like a key.
    fn used() -> (BTreeSet<String>, BTreeSet<String>) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut asked, mut mentioned) = (BTreeSet::new(), BTreeSet::new());
        let folders = ["", "frame", "sign_in", "connector"].map(|folder| sources.join(folder));
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("sources").flatten());
        for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rs")) {
            let source = fs::read_to_string(file.path()).expect("a source");
            for opening in [".text(\"", ".format(\""] {
                let found = source.match_indices(opening).map(|(at, _)| &source[at + opening.len()..]);
                asked.extend(found.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
            mentioned.extend(source.split('"').map(str::to_owned));
        }
        (asked, mentioned)
    }

    #[test]
    fn every_key_that_is_used_has_a_text_in_every_language_and_every_text_is_used() {
        let (asked, mentioned) = used();
        let english: BTreeSet<_> = TEXTS[0].keys().cloned().collect();
        let german: BTreeSet<_> = TEXTS[1].keys().cloned().collect();
        assert_eq!(english, german);
        assert_eq!(asked.difference(&english).collect::<Vec<_>>(), Vec::<&String>::new(), "asked for without a text");
        // These are made of the word for what was done.
        let by_word = |key: &str| key.starts_with("done.") || key.starts_with("action.");
        let unused: Vec<_> = english.difference(&mentioned).filter(|key| !by_word(key)).collect();
        assert_eq!(unused, Vec::<&String>::new(), "texts that nothing shows");
    }

    #[test]
    fn values_stand_in_their_places_whatever_they_are() {
        assert_eq!(Language::En.format("{1} of {0}{", &[&"{1}", &7]), "7 of {1}{");
        assert_eq!(Language::from_accept_language("fr, de-AT;q=0.8, en"), Language::De);
    }
}
