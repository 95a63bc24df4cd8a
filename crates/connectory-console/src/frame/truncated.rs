//! Cutting a text after a number of characters.

/// The text, or its first `chars` characters.
pub fn truncated(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}
