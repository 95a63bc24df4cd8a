//! How long a text is in a page, before the page is made.

/// The bytes of a text as HTML: up to six for one of the text.
pub fn html_bytes(text: &str) -> usize {
    let more = |byte: u8| match byte {
        b'"' => "&quot;".len() - 1,
        b'&' => "&amp;".len() - 1,
        b'<' | b'>' => "&lt;".len() - 1,
        _ => 0,
    };
    text.len() + text.bytes().map(more).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::html_bytes;

    proptest::proptest! {
        #[test]
        fn a_text_is_as_long_as_it_is_rendered(text in r#"([<>&"'`/=]|\PC|\n){0,30}"#) {
            proptest::prop_assert_eq!(html_bytes(&text), html! { (text) }.into_string().len());
        }
    }
}
