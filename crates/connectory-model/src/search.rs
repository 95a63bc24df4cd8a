//! A search in lists: a text that a connector's name, type, script name or description contains.

use crate::limits::MEMBER_CHARS;
use crate::name_key::name_key;

/// A text to search for. Texts are compared by the rule for names: without case, and however accents are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search(String);

/// The text to search for is longer than a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text to search for may have {MEMBER_CHARS} characters")]
pub struct SearchTooLong;

impl Search {
    /// Searches for a text, without white space around it. None if nothing is left, which every connector contains.
    pub fn new(text: &str) -> Result<Option<Self>, SearchTooLong> {
        let text = text.trim();
        if text.chars().count() > MEMBER_CHARS {
            return Err(SearchTooLong);
        }
        Ok(Some(text).filter(|text| !text.is_empty()).map(|text| Self(name_key(text))))
    }

    /// Whether a text contains what is searched for.
    pub fn is_in(&self, text: &str) -> bool {
        self.is_in_key(&name_key(text))
    }

    /// Whether the text of a name key contains what is searched for.
    pub fn is_in_key(&self, key: &str) -> bool {
        key.contains(&self.0)
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
            let search = Search::new(search).expect("short").expect("a text");
            assert_eq!(search.is_in(text), is_found, "{search:?} in {text}");
        }
        assert_eq!(Search::new(" \t"), Ok(None));
        assert!(Search::new(&"ä".repeat(255)).is_ok());
        assert_eq!(Search::new(&"ä".repeat(256)), Err(SearchTooLong));
    }
}
