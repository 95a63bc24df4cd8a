//! Reading the query of a page.

/// The first value of a parameter, or an empty text.
pub fn parameter(query: &str, name: &str) -> String {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(of, _)| of == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}
