//! The findings of the linter in the reader's language. What the linter says of a finding is English, so another language has
//! the rule in its own words, and the finding in quotation marks.

use std::fmt::Display;

use connectory_folder::lint::rules::Rule;

use super::texts::Message;
use super::view::View;

/// What is wrong, for a message of a finding of a rule.
pub fn finding_message(rule: &Rule, message: &(impl Display + ?Sized)) -> Message {
    Message::new(key(rule)).with(message)
}

/// The same in the language of a reader.
pub fn finding_text(view: &View, rule: &Rule, message: &str) -> String {
    finding_message(rule, message).text(view.language)
}

/// The key of the text of a rule.
fn key(rule: &Rule) -> String {
    format!("lint.{}", rule.id.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use connectory_folder::lint::rules::RULES;

    use super::*;
    use crate::frame::texts::Language;

    #[test]
    fn every_rule_has_its_words_in_every_language() {
        for rule in RULES {
            let format = |language: Language| language.format(&key(rule), &[&"it"]);
            assert_eq!(format(Language::En), "it", "{}", rule.id);
            assert!(format(Language::De).ends_with(": „it“"), "{}", rule.id);
        }
    }
}
