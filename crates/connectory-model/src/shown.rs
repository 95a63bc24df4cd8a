//! Quoting what a client sent.

/// The beginning of a text, as a message quotes it: up to so many characters.
pub fn shown(text: &str, max_chars: usize) -> &str {
    text.char_indices().nth(max_chars).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((shown("äöü", 2), shown("äöü", 3), shown("", 1)), ("äö", "äöü", ""));
    }
}
