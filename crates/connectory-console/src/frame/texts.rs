//! The console's own words, in `.properties` files as connectors have them.
//!
//! A language without a text shows the English one. A test compares the files with the keys that the pages use.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use connectory_model::translations::Properties;
use connectory_model::{reason, visible};

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

    fn texts(self) -> &'static Texts {
        match self {
            Self::En => LazyLock::force(&ENGLISH),
            Self::De => LazyLock::force(&GERMAN),
        }
    }

    /// The text of a key.
    pub fn text(self, key: &str) -> Option<&'static str> {
        self.texts().get(key).or_else(|| ENGLISH.get(key)).map(String::as_str)
    }

    /// The text of a key with values in the places of `{0}`, `{1}` and so on. A value may be a name, so it is made visible.
    pub fn format(self, key: &str, values: &[&dyn Display]) -> String {
        let mut rest = self.text(key).unwrap_or(key);
        let mut text = String::with_capacity(rest.len() + 16);
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let place =
                after.split_once('}').and_then(|(at, after)| Some((values.get(at.parse::<usize>().ok()?)?, after)));
            rest = if let Some((value, after)) = place {
                text.push_str(&visible(&value.to_string()));
                after
            } else {
                text.push('{');
                after
            };
        }
        text + rest
    }
}

/// Texts by their keys.
type Texts = HashMap<String, String>;

static ENGLISH: LazyLock<Texts> = LazyLock::new(|| read(include_str!("texts/en.properties")));
static GERMAN: LazyLock<Texts> = LazyLock::new(|| read(include_str!("texts/de.properties")));

fn read(file: &str) -> Texts {
    Properties::parse(file.as_bytes()).expect("the console's texts are properties").entries()
}

/// A text that is written before its reader's language is known: its key and the values in it.
#[derive(Debug, Clone)]
pub struct Message {
    key: Cow<'static, str>,
    values: Vec<Value>,
}

/// A value in a message.
#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Message(Message),
}

impl Message {
    /// The message of a key, without values.
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), values: Vec::new() }
    }

    /// Adds the next value. Of a very long one it takes the beginning, so that no page repeats what was sent as it is.
    pub fn with(mut self, value: &(impl Display + ?Sized)) -> Self {
        self.values.push(Value::Text(reason(value)));
        self
    }

    /// Adds a message as the next value. It is in the same language.
    pub fn with_message(mut self, message: Self) -> Self {
        self.values.push(Value::Message(message));
        self
    }

    /// Whether it is the message of a key.
    pub fn is(&self, key: &str) -> bool {
        self.key == key
    }

    /// The message in a language.
    pub fn text(&self, language: Language) -> String {
        let in_language = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::Message(message) => message.text(language),
        };
        let values: Vec<_> = self.values.iter().map(in_language).collect();
        let values: Vec<_> = values.iter().map(|value| value as &dyn Display).collect();
        language.format(&self.key, &values)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The keys that the sources ask for, and every text in quotation marks.
    fn used() -> (BTreeSet<String>, BTreeSet<String>) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut asked, mut mentioned) = (BTreeSet::new(), BTreeSet::new());
        let mut folders = vec![sources];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).expect("sources").flatten().map(|entry| entry.path()) {
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
            let source = fs::read_to_string(file).expect("a source");
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            for opening in [".text(\"", ".format(\"", "Message::new(\""] {
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
        let english: BTreeSet<_> = ENGLISH.keys().cloned().collect();
        let german: BTreeSet<_> = GERMAN.keys().cloned().collect();
        assert_eq!(english, german);
        let prefixes: BTreeSet<_> =
            english.iter().filter_map(|key| key.split_once('.')).map(|(prefix, _)| prefix).collect();
        let is_key = |text: &&String| {
            text.split_once('.').is_some_and(|(prefix, rest)| {
                prefixes.contains(prefix)
                    && !rest.is_empty()
                    && !rest.ends_with("css")
                    && rest.chars().all(|char| char.is_ascii_lowercase() || char == '_')
            })
        };
        let asked: BTreeSet<_> = mentioned.iter().filter(is_key).cloned().chain(asked).collect();
        assert_eq!(asked.difference(&english).collect::<Vec<_>>(), Vec::<&String>::new(), "asked for without a text");
        // The pages make these keys of a word for what was done, of the tag of a locale, and of the id of a rule.
        let by_word = |key: &str| {
            ["done.", "action.", "locale.", "sentence.", "lint."].iter().any(|start| key.starts_with(start))
        };
        let unused: Vec<_> = english.difference(&mentioned).filter(|key| !by_word(key)).collect();
        assert_eq!(unused, Vec::<&String>::new(), "texts that nothing shows");
    }

    #[test]
    fn values_are_in_their_places_whatever_they_are() {
        assert_eq!(Language::En.format("{1} of {0}{", &[&"{1}", &7]), "7 of {1}{");
        assert_eq!(Language::from_accept_language("fr, de-AT;q=0.8, en"), Language::De);
    }
}
