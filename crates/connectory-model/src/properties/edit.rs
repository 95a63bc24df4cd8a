//! Changing one key of a `.properties` text, while every other line stays as it is.

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
        let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
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
            if !edited.is_empty() && !edited.ends_with(['\n', '\r']) {
                edited.push_str(ending);
            }
            // The last line may have a backslash in front of its end, and would be continued by the new one.
            if continues(&edited) {
                // A line feed after a carriage return is part of the same end.
                edited.push_str(if edited.ends_with('\r') { "\r" } else { ending });
            }
            edited.push_str(written);
        }
        self.with_text(edited)
    }
}
