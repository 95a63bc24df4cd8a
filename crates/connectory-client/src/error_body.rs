//! The body of an error, in each of the shapes that services have, and what stands before them.
//!
//! The specification has one shape, `ErrorResponseDto`, and all of its members are optional. Gateways, the token endpoint and
//! older operations answer with others. So members are found by their names, in any case and with or without `_`.

use std::collections::HashSet;

use connectory_model::json::without_mark;
use serde_json::{Map, Value};

/// Characters of a text that are kept. A sentence of a service is shorter.
const LONGEST_TEXT: usize = 2000;
/// Texts that are kept. The answer to an apply has at most a thousand, and a sentence before them.
const MOST_TEXTS: usize = 1100;
/// Characters that are kept of a body that is not JSON.
const LONGEST_PLAIN: usize = 200;

/// Members with the text of an error, the best first: of the vendor's operations, RFC 6749, RFC 9457 and gateways.
const TEXTS: [&str; 15] = [
    "messages",
    "errordescription",
    "errormessage",
    "detailmessage",
    "formattedmsg",
    "message",
    "msg",
    "description",
    "detail",
    "title",
    "exceptionmessage",
    "reason",
    "fault",
    "error",
    "errors",
];
/// Members with a code, for bodies without a text.
const CODES: [&str; 5] = ["errorname", "detailcode", "errorcode", "errorid", "code"];
/// Members with the text of an object that stands where a text may stand.
const INNER: [&str; 4] = ["text", "message", "detail", "description"];

/// What the body of an error says. Each part may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    /// The code of the error, such as `400.1 Bad request content`.
    pub code: Option<String>,
    /// What was wrong.
    pub messages: Vec<String>,
    /// Further reasons.
    pub causes: Vec<String>,
    /// The id under which the service logged the call.
    pub tracking_id: Option<String>,
}

impl ErrorBody {
    /// Reads a body. What cannot be read is left out.
    pub fn read(body: &[u8]) -> Self {
        match serde_json::from_slice(without_mark(body)) {
            Ok(Value::Object(object)) => Self::of(&object),
            Ok(value @ (Value::Array(_) | Value::String(_))) => Self { messages: texts(&value), ..Self::default() },
            Ok(_) => Self::default(),
            Err(_) => Self { messages: plain(body).into_iter().collect(), ..Self::default() },
        }
    }

    fn of(object: &Map<String, Value>) -> Self {
        let code = CODES.iter().find_map(|name| text(member(object, name)?));
        let messages = TEXTS.iter().map(|name| member(object, name).map(texts).unwrap_or_default());
        Self {
            messages: messages.into_iter().find(|texts| !texts.is_empty()).unwrap_or_default(),
            causes: member(object, "causes").map(texts).unwrap_or_default(),
            tracking_id: ["trackingid", "requestid"].iter().find_map(|name| text(member(object, name)?)),
            code,
        }
    }

    /// The texts, each once: a service may say the same in the language of the request and in its own. The code, if there
    /// is no text.
    pub fn texts(&self) -> Vec<&str> {
        let mut said = HashSet::new();
        let all = self.messages.iter().chain(&self.causes).map(String::as_str);
        let texts: Vec<_> = all.filter(|text| said.insert(*text)).collect();
        if texts.is_empty() { self.code.as_deref().into_iter().collect() } else { texts }
    }
}

/// A member by its name in lower case without `_`.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let is_named = |other: &str| {
        let letters = other.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase());
        letters.eq(name.bytes())
    };
    object.iter().find(|(other, value)| !value.is_null() && is_named(other)).map(|(_, value)| value)
}

/// A text or a number as a text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            Some(text.trim().chars().take(LONGEST_TEXT).collect()).filter(|text: &String| !text.is_empty())
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The texts of a value: a text, an object with one, or an array of these.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(_) => text(value).into_iter().collect(),
        Value::Object(object) => {
            let names = INNER.iter().chain(&TEXTS).chain(&CODES);
            names
                .map(|name| member(object, name).map(texts).unwrap_or_default())
                .find(|texts| !texts.is_empty())
                .unwrap_or_default()
        }
        Value::Array(values) => values.iter().flat_map(texts).take(MOST_TEXTS).collect(),
        _ => Vec::new(),
    }
}

/// What a body is that should be JSON and is a page or another XML text.
pub(crate) fn page(body: &[u8]) -> Option<&'static str> {
    let body = without_mark(body).trim_ascii_start();
    let begins = |word: &str| body.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()));
    match body.first() {
        Some(b'<') if begins("<?xml") => Some("an XML text instead of an answer of the API"),
        Some(b'<') if begins("<html") || begins("<!doctype html") => {
            Some("an HTML page instead of an answer of the API")
        }
        Some(b'<') => Some("an HTML or XML text instead of an answer of the API"),
        _ => None,
    }
}

/// What a body says that is not JSON: that it is a page, or the beginning of its text.
fn plain(body: &[u8]) -> Option<String> {
    if let Some(page) = page(body) {
        return Some(page.to_owned());
    }
    // A character may be cut at the end.
    let begin = &body[..body.len().min(4 * LONGEST_PLAIN)];
    let text = String::from_utf8_lossy(without_mark(begin));
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().take(LONGEST_PLAIN).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> (String, Option<String>) {
        let body = ErrorBody::read(body.to_string().as_bytes());
        (body.texts().join("; "), body.tracking_id)
    }

    #[test]
    fn every_shape_of_an_error_says_its_text_once_and_its_tracking_id() {
        let message = |origin: &str, text: &str| json!({"locale": "en-US", "localeOrigin": origin, "text": text});
        for (body, text, id) in [
            (json!({"detailCode": "x", "trackingId": "t", "messages": [message("REQUEST", "no")]}), "no", "t"),
            (json!({"messages": [message("REQUEST", "no"), message("DEFAULT", " no ")], "causes": null}), "no", ""),
            (json!({"messages": [message("REQUEST", "nein"), message("DEFAULT", "no")]}), "nein; no", ""),
            (
                json!({"messages": [message("LATER", "no")], "causes": [message("x", "no"), {"text": "why"}]}),
                "no; why",
                "",
            ),
            (
                json!({"messages": [{"text": null}], "detailCode": "400.1 Bad request content"}),
                "400.1 Bad request content",
                "",
            ),
            (json!({"messages": [], "message": "no"}), "no", ""),
            (json!({"messages": "no", "trackingId": null}), "no", ""),
            (json!({"detailMessage": "no", "stackTrace": [], "cause": null}), "no", ""),
            (json!({"errorName": "Bad", "errorMessage": "no", "trackingId": "t"}), "no", "t"),
            (json!({"errorName": "Bad", "errorMessage": null}), "Bad", ""),
            (json!({"message": " Rate Limit Exceeded "}), "Rate Limit Exceeded", ""),
            (json!({"Message": "no"}), "no", ""),
            (json!({"error": "JWT is expired"}), "JWT is expired", ""),
            (json!({"error": "invalid_client", "error_description": "no such client"}), "no such client", ""),
            (json!({"error": {"code": 400, "message": "no"}}), "no", ""),
            (json!({"error": {"code": 403}}), "", ""),
            (json!({"errors": [{"detail": "a"}, {"message": "b"}, "c", 4]}), "a; b; c", ""),
            (json!({"type": "about:blank", "title": "Bad", "status": 400, "detail": "no"}), "no", ""),
            (json!({"error_code": "E1", "formatted_msg": "no", "tracking_id": "t"}), "no", "t"),
            (json!({"fault": {"faultstring": "no", "detail": {"errorcode": "E2"}}}), "E2", ""),
            (json!({"code": 17}), "17", ""),
            (json!({"trackingId": 5}), "", "5"),
            (json!(["a", {"text": "b"}]), "a; b", ""),
            (json!("no"), "no", ""),
            (json!({}), "", ""),
            (json!(null), "", ""),
            (json!(4), "", ""),
        ] {
            let id = (!id.is_empty()).then(|| id.to_owned());
            assert_eq!(read(&body), (text.to_owned(), id), "{body}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_named_or_cut() {
        let long = "ä".repeat(1000);
        for (body, text) in [
            (b"".as_slice(), ""),
            (b" \r\n", ""),
            (b"no\n", "no"),
            (b"<Error><Code>AccessDenied</Code></Error>", "an HTML or XML text instead of an answer of the API"),
            (b"<h1>502</h1>", "an HTML or XML text instead of an answer of the API"),
            (b"<html>", "an HTML page instead of an answer of the API"),
            (b"\xef\xbb\xbf\n <!DOCTYPE html>", "an HTML page instead of an answer of the API"),
            (b"<?XML version='1.0'?><Error/>", "an XML text instead of an answer of the API"),
            (b"\xef\xbb\xbf{\"message\":\"no\"}", "no"),
            (b"{\"message\":\"n", "{\"message\":\"n"),
            (b"\xff", "\u{fffd}"),
            (long.as_bytes(), &long[..2 * LONGEST_PLAIN]),
        ] {
            assert_eq!(ErrorBody::read(body).texts().join("; "), text);
        }
    }

    #[test]
    fn a_hostile_body_is_bounded() {
        let text = "x".repeat(3000);
        let body = ErrorBody::read(json!({"messages": vec![text; 2000]}).to_string().as_bytes());
        assert_eq!(body.messages.len(), MOST_TEXTS);
        assert_eq!(body.texts(), ["x".repeat(LONGEST_TEXT)]);
        let deep = format!("{}\"a\"{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(ErrorBody::read(deep.as_bytes()).messages.len(), 1, "its beginning");
    }

    proptest! {
        #[test]
        fn any_body_is_read(body in r#"(\{|\}|\[|\]|:|,|"(error|messages|causes|text|trackingId|a)"|null|1|<|\PC){0,24}"#) {
            let read = ErrorBody::read(body.as_bytes());
            prop_assert!(read.texts().iter().all(|text| !text.is_empty()));
        }
    }
}
