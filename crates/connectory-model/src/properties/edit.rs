//! Changing keys of a `.properties` text, while every other line stays as it is.

use super::read::continues;
use super::text::Properties;
use super::write;
use crate::lines::Lines;

impl Properties {
    /// The text with a key's value replaced or added, or without the key. Every other line stays as it is.
    #[must_use]
    pub fn with(&self, key: &str, value: Option<&str>) -> Self {
        let text = self.text();
        let is_utf8 = matches!(self, Self::Utf8(_));
        let mut of_key = Vec::new();
        self.each(|entry| {
            if entry.key == key {
                of_key.push(entry.line);
            }
        });
        let ending = ending(text);
        let written = value.map(|value| write::line(key, value, is_utf8) + ending);
        // The last line of a key counts, so that line is changed. Without a value all lines of the key are removed.
        let changed = if value.is_some() { &of_key[of_key.len().saturating_sub(1)..] } else { &of_key };
        let lines = Lines::of_properties(text);
        let (mut edited, mut copied) = (String::with_capacity(text.len() + 64), 0);
        for line in changed {
            let mut range = lines.logical(*line);
            if *line == 1 && text.starts_with('\u{feff}') {
                range.start += '\u{feff}'.len_utf8();
            }
            let start = range.start.max(copied);
            edited.push_str(&text[copied..start]);
            edited.push_str(written.as_deref().unwrap_or_default());
            copied = range.end.max(start);
        }
        edited.push_str(&text[copied..]);
        if let (Some(written), true) = (&written, changed.is_empty()) {
            append(&mut edited, written, ending);
        }
        self.with_text(edited)
    }

    /// The text with keys that it does not have yet, at its end. Every line that there is stays as it is.
    #[must_use]
    pub fn with_added<'a>(&self, added: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let is_utf8 = matches!(self, Self::Utf8(_));
        let ending = ending(self.text());
        let written: String = added.into_iter().map(|(key, value)| write::line(key, value, is_utf8) + ending).collect();
        let mut edited = self.text().to_owned();
        if !written.is_empty() {
            append(&mut edited, &written, ending);
        }
        self.with_text(edited)
    }
}

/// The end of a text's lines.
fn ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Adds lines at the end of a text.
fn append(text: &mut String, lines: &str, ending: &str) {
    if !text.is_empty() && !text.ends_with(['\n', '\r']) {
        text.push_str(ending);
    }
    // The last line may have a backslash in front of its end, and would be continued by the new one.
    if continues(text) {
        // A line feed after a carriage return is part of the same end.
        text.push_str(if text.ends_with('\r') { "\r" } else { ending });
    }
    text.push_str(lines);
}
