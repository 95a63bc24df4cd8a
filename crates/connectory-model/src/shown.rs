//! Quoting what a client sent. A message never has more of it than its beginning.

use std::fmt::{self, Display, Write};

use crate::limits::REASON_CHARS;

/// The beginning of a text, as a message quotes it: up to so many characters.
pub fn shown(text: &str, max_chars: usize) -> &str {
    text.char_indices().nth(max_chars).map_or(text, |(end, _)| &text[..end])
}

/// The beginning of an error that a library made, with an ellipsis if there is more: such an error may quote what the
/// client sent as long as it is. What is beyond is not even written.
pub fn reason(error: &(impl Display + ?Sized)) -> String {
    let mut beginning = Beginning { text: String::new(), left: REASON_CHARS };
    if write!(beginning, "{error}").is_err() {
        beginning.text.push('…');
    }
    beginning.text
}

/// Takes a number of characters, and then no more.
struct Beginning {
    text: String,
    left: usize,
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let taken = shown(text, self.left);
        self.text.push_str(taken);
        self.left -= taken.chars().count();
        if taken.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::access::{Scopes, UserLevel};
    use crate::create::NewConnector;
    use crate::document::{Document, DocumentKind, FORM_NAMESPACE};
    use crate::filter::Filter;
    use crate::patch::{PatchScope, PatchSet};
    use crate::translations::Properties;
    use crate::wire::{ConnectorDetail, DetailShape, Origin};
    use crate::{Locale, Part, ScriptName, Status, import, json as json_text};

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((shown("äöü", 2), shown("äöü", 3), shown("", 1)), ("äö", "äöü", ""));
    }

    #[test]
    fn a_reason_is_cut_and_says_so() {
        let whole = "ä".repeat(REASON_CHARS);
        assert_eq!(reason(&whole), whole);
        assert_eq!(reason(&format_args!("{whole}{}", "b")), format!("{whole}…"));
    }

    /// The error of a document, whatever its kind.
    fn document_errors(long: &str) -> Vec<String> {
        let texts = [
            format!("<{long}></b>"),
            format!("<a></{long}>"),
            format!("<a {long}='' {long}=''/>"),
            format!("<a {long}/>"),
            format!("<{long}:a/>"),
            format!("<a {long}:b=''/>"),
            format!("<a xmlns:b='c' xmlns:{long}='http://www.w3.org/2000/xmlns/'/>"),
            format!("<a>&{long};</a>"),
            format!("<a b='&{long};'/>"),
            format!("<{long}/>"),
            format!("<?xml version='1.0' encoding='{long}'?><a>ä</a>"),
            format!("<?xml version='{long}'?><a/>"),
            format!("<?{long}"),
            format!("<!{long}><a/>"),
            format!("<!DOCTYPE {long}"),
            format!("<!DOCTYPE {long} [<!ENTITY {long} '{long}'>]><a/>"),
            format!("<a>{}</a>", "\"".repeat(long.len())) + long,
            format!("<a/>{long}"),
            long.to_owned(),
            format!("<Form xmlns='{FORM_NAMESPACE}' type='{long}'/>"),
            format!("<Form xmlns='{long}'/>"),
        ];
        let parse = |kind, text: &String| Document::parse(kind, text.as_bytes()).err().map(|error| error.to_string());
        texts.iter().flat_map(|text| DocumentKind::ALL.into_iter().filter_map(move |kind| parse(kind, text))).collect()
    }

    fn patch_errors(long: &str) -> Vec<String> {
        let connector = NewConnector::from_request(&json!({"name": "a", "className": "b"})).expect("valid");
        let connector = connector.build("a".parse().expect("valid"), &[]);
        let tilde = format!("/connectorMetadata/~{long}");
        let below = format!("/connectorMetadata/{long}/{long}");
        let from = json!({"op": "move", "from": below, "path": "/connectorMetadata/a"});
        let operations = [
            json!({"op": long, "path": "/"}),
            json!({"op": "add", "path": long, "value": 1}),
            json!({"op": "test", "path": long, "value": 1}),
            json!({"op": "add", "path": format!("/{long}"), "value": 1}),
            json!({"op": "replace", "path": tilde, "value": 1}),
            json!({"op": "test", "path": tilde, "value": long}),
            json!({"op": "replace", "path": below, "value": 1}),
            json!({"op": "copy", "from": long, "path": "/connectorMetadata/a"}),
            json!({"op": "copy", "from": tilde, "path": "/connectorMetadata/a"}),
            json!({"op": "move", "from": long, "path": "/connectorMetadata/a"}),
            from,
            json!({"op": "test", "path": "/name", "value": long}),
            json!({"op": "add", "path": "/applicationXml", "value": {long: long}}),
            json!({"op": "add", "path": "/applicationXml", "value": long}),
            json!({"op": "add", "path": "/applicationXml", "value": format!("<{long}/>")}),
            json!({"op": "replace", "path": "/connectorMetadata", "value": long}),
            json!({long: long}),
            json!(long),
        ];
        let detail = |connector: &_| ConnectorDetail::new(connector, Origin::Custom, Locale::En, DetailShape::Plain);
        let apply = |patch: PatchSet| patch.apply(&connector, detail, usize::MAX).map(drop);
        let mut errors: Vec<_> = operations
            .into_iter()
            .map(|operation| {
                PatchSet::from_json(json!([operation]), PatchScope::Specified)
                    .and_then(apply)
                    .expect_err("wrong")
                    .to_string()
            })
            .collect();
        errors.extend(PatchSet::from_json(json!(long), PatchScope::Specified).err().map(|error| error.to_string()));
        errors
    }

    #[test]
    fn no_error_repeats_a_long_text() {
        let long = "\u{10ffff}ä".repeat(50_000);
        let letters = "n".repeat(100_000);
        let mut errors = Vec::new();
        for long in [long.as_str(), letters.as_str()] {
            errors.extend(document_errors(long));
            errors.extend(patch_errors(long));
            for text in [format!("a=\\u{long}"), format!("{long}\\u"), format!("a\0{long}")] {
                errors.extend(Properties::parse(text.as_bytes()).err().map(|error| error.to_string()));
            }
            for body in [
                json!({"name": long, "className": "x"}),
                json!({"name": "a", "className": long}),
                json!({"name": "a", "className": "x", "status": long}),
                json!({"name": "a", "className": "x", "directConnect": long}),
                json!({"name": {long: long}, "className": "x"}),
                json!(long),
            ] {
                errors.push(NewConnector::from_request(&body).expect_err("wrong").to_string());
                errors.push(import::from_json(body.to_string().as_bytes()).expect_err("wrong").to_string());
            }
            for object in [
                json!({"name": long}),
                json!({"name": long, "scriptName": long}),
                json!({"name": "a", "scriptName": long}),
                json!({"name": "a", "translationProperties": {long: ""}}),
                json!({"name": "a", "applicationXml": format!("<{long}/>")}),
            ] {
                errors.push(import::from_json(json!([object]).to_string().as_bytes()).expect_err("wrong").to_string());
            }
            for text in [long.to_owned(), format!("\"{long}"), format!("{{\"{long}\" 1}}"), "1".repeat(100_000) + "x"] {
                errors.push(json_text::from_slice(text.as_bytes(), 10).expect_err("wrong").to_string());
            }
            errors.push(long.parse::<Locale>().expect_err("wrong").to_string());
            errors.push(long.parse::<Status>().expect_err("wrong").to_string());
            errors.push(long.parse::<Part>().expect_err("wrong").to_string());
            errors.push(long.parse::<UserLevel>().expect_err("wrong").to_string());
            errors.push(long.parse::<Scopes>().expect_err("wrong").to_string());
            errors.push(long.parse::<ScriptName>().expect_err("wrong").to_string());
            let short = shown(long, 1500);
            for filter in [
                format!("{short} eq true"),
                format!("name {short} \"a\""),
                format!("{short} pr"),
                format!("pr {short}"),
                format!("name co a {short}"),
                format!("directConnect eq {short}"),
                format!("directConnect eq \"{short}\""),
                long.to_owned(),
            ] {
                errors.push(Filter::parse(&filter).expect_err(&filter).to_string());
            }
        }
        let longest = errors.iter().max_by_key(|error| error.chars().count()).expect("errors");
        assert!(longest.chars().count() < 1500, "{} characters: {longest:.200}", longest.chars().count());
        assert!(errors.len() > 150, "{}", errors.len());
    }

    #[test]
    fn a_value_of_another_type_is_not_repeated() {
        for value in [Value::from("x".repeat(100_000)), json!(["x".repeat(100_000)]), json!(f64::MAX)] {
            let error = NewConnector::from_request(&json!({"name": "a", "className": "b", "status": value}));
            assert!(error.expect_err("wrong").to_string().len() < 500);
        }
    }
}
