//! The script name: a connector's identity in every path.
//!
//! It is derived from the name once, on create, and never changes. The rule is our decision D13 (the specification
//! only asks for "URL friendly" and unique): transliterated to ASCII, lower case, runs of anything else become
//! one `-`, trimmed, at most 100 characters, and `-2`, `-3`… on a clash. What a database, a service, a path, a folder or
//! a file holds is read as it is found (D58): the vendor's tenants have capitals, UUIDs and longer ones.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{FOUND_SCRIPT_NAME_BYTES, SCRIPT_NAME_CHARS};

/// A segment of a path. Parsing accepts every segment; [`ScriptName::derive`] makes URL-friendly ones only. A clone shares
/// the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScriptName(Arc<str>);

impl ScriptName {
    /// The script name for a connector's name, if it is free.
    pub fn derive(name: &str) -> Self {
        Self(slug(name).into())
    }

    /// This derived script name, or the first one after it that is free.
    #[must_use]
    pub fn avoiding(&self, is_taken: impl Fn(&ScriptName) -> bool) -> Self {
        if !is_taken(self) {
            return self.clone();
        }
        (2..=u64::MAX)
            .map(|n| {
                let suffix = format!("-{n}");
                let kept = self.0[..self.0.len().min(SCRIPT_NAME_CHARS - suffix.len())].trim_end_matches('-');
                Self(format!("{kept}{suffix}").into())
            })
            .find(|candidate| !is_taken(candidate))
            .expect("fewer connectors than u64 values")
    }

    /// Reads a name that stands in an address as it is: `a-z` and `0-9`, after the first character also `-`, `_` and `.`.
    /// None if it is another one.
    pub fn plain(text: &str) -> Option<Self> {
        let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let valid = text.len() <= SCRIPT_NAME_CHARS
            && text.as_bytes().first().is_some_and(|&first| is_word(first))
            && text.bytes().all(|b| is_word(b) || matches!(b, b'-' | b'_' | b'.'));
        valid.then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in deunicode::deunicode(name).chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == SCRIPT_NAME_CHARS {
            break;
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    if slug.is_empty() { "connector".to_owned() } else { slug }
}

/// A text that is no segment of a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a script name: it has 1 to {FOUND_SCRIPT_NAME_BYTES} bytes, no `/` and no control character, and is \
     not `.` or `..`"
)]
pub struct UnreadableScriptName(String);

impl FromStr for ScriptName {
    type Err = UnreadableScriptName;

    /// Reads a script name as it is found.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_segment = (1..=FOUND_SCRIPT_NAME_BYTES).contains(&text.len())
            && !matches!(text, "." | "..")
            && !text.chars().any(|c| c == '/' || c.is_control());
        if is_segment { Ok(Self(text.into())) } else { Err(UnreadableScriptName(shortened(text))) }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(SCRIPT_NAME_CHARS).collect()
}

impl TryFrom<String> for ScriptName {
    type Error = UnreadableScriptName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ScriptName> for String {
    fn from(name: ScriptName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn derived(name: &str) -> String {
        ScriptName::derive(name).to_string()
    }

    #[test]
    fn a_name_becomes_url_friendly() {
        assert_eq!(derived("Atlassian Suite - Cloud"), "atlassian-suite-cloud");
        assert_eq!(derived("  Größe & Ärzte (v2) "), "grosse-arzte-v2");
        assert_eq!(derived("東京"), "dong-jing");
        assert_eq!(derived("!!!"), "connector");
    }

    #[test]
    fn a_clash_gets_the_next_free_number() {
        let taken = ["hr", "hr-2"];
        let is_taken = |name: &ScriptName| taken.contains(&name.as_str());
        assert_eq!(ScriptName::derive("HR").avoiding(is_taken).as_str(), "hr-3");
    }

    #[test]
    fn a_name_is_read_as_it_is_found() {
        for text in ["-", "A", "-a", "é", "a b", "a%2f", "...", &"é".repeat(127)] {
            assert_eq!(text.parse::<ScriptName>().map(String::from), Ok(text.to_owned()));
            assert_eq!(ScriptName::plain(text), None, "{text}");
        }
        for text in ["", ".", "..", "a/b", "a\n", "\u{85}", &"é".repeat(128)] {
            assert!(text.parse::<ScriptName>().is_err(), "{text}");
            assert_eq!(ScriptName::plain(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_gives_a_valid_script_name_that_is_free(name in ".*", clashes in 0..30_usize) {
            let mut taken = Vec::new();
            for _ in 0..=clashes {
                let next = ScriptName::derive(&name).avoiding(|candidate| taken.contains(candidate));
                prop_assert_eq!(ScriptName::plain(next.as_str()), Some(next.clone()));
                prop_assert!(!taken.contains(&next));
                taken.push(next);
            }
        }
    }
}
