//! A search in lists: a text that a connector's name, type, script name or description contains.

use std::str::FromStr;

use crate::limits::MEMBER_CHARS;
use crate::name_key::name_key;

/// A text to search for. Texts are compared by the rule for names: without case, and however accents are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search(String);

/// Why a text cannot be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSearch {
    /// It has nothing but white space.
    #[error("the text to search for is blank")]
    Blank,
    /// It is longer than a name may be.
    #[error("the text to search for may have {MEMBER_CHARS} characters")]
    TooLong,
}

impl FromStr for Search {
    type Err = InvalidSearch;

    /// Searches for a text, without white space around it.
    fn from_str(text: &str) -> Result<Self, InvalidSearch> {
        match text.trim() {
            "" => Err(InvalidSearch::Blank),
            text if text.chars().count() > MEMBER_CHARS => Err(InvalidSearch::TooLong),
            text => Ok(Self(name_key(text))),
        }
    }
}

impl Search {
    /// The text, as a name key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text contains what is searched for.
    pub fn is_in(&self, text: &str) -> bool {
        name_key(text).contains(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_the_rule_for_names() {
        for (search, text, is_found) in [
            ("acme", "The ACME service", true),
            (" acme\t", "acme", true),
            ("STRASSE", "Hauptstraße 5", true),
            ("caf\u{e9}", "CAFE\u{301} du Nord", true),
            ("a b", "a  b", false),
            ("acme", "acm", false),
            ("%", "100 % sure", true),
            (".*", "acme", false),
        ] {
            let search: Search = search.parse().expect("a text");
            assert_eq!(search.is_in(text), is_found, "{search:?} in {text}");
        }
        assert_eq!(" \t".parse::<Search>(), Err(InvalidSearch::Blank));
        assert!("ä".repeat(255).parse::<Search>().is_ok());
        assert_eq!("ä".repeat(256).parse::<Search>(), Err(InvalidSearch::TooLong));
    }
}
