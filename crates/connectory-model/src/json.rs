//! JSON of clients, bounded in values while it is parsed.
//!
//! A value takes 32 bytes in memory and as few as two in the text, so the length of a text does not bound the memory.
//!
//! Integers have 64 bits, and other numbers are doubles (IEEE 754). A number that is none of them is refused (D72), so that
//! nobody gets back another number than the one that was sent. A byte order mark in front of a text is no part of it (RFC
//! 8259, section 8.1).

mod digits;

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use self::digits::first_lost;
use crate::limits::QUOTED_CHARS;
use crate::shown;

/// Why a text is not read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Syntax(serde_json::Error),
    /// It has more values than this.
    #[error("more than {0} values; send at most {0}, where each member, each item and each object or array counts")]
    TooManyValues(usize),
    /// A number would lose digits.
    #[error(
        "the number `{}` at line {line}, column {column} would lose digits; integers have 64 bits, and other numbers are doubles \
         of 15 to 17 digits; send it as a string",
        shown(.number, QUOTED_CHARS)
    )]
    Digits {
        /// The number as it is written.
        number: String,
        /// Its line, from 1.
        line: usize,
        /// The byte of the line at which it begins, from 1.
        column: usize,
    },
    /// It is in UTF-16.
    #[error("not JSON: the text is in UTF-16; save it in UTF-8")]
    Utf16,
}

/// Whether a number keeps its digits as an integer of 64 bits or as a double (D72).
pub fn keeps_digits(number: &str) -> bool {
    digits::is_kept(number)
}

/// Reads a text of at most so many values.
pub fn from_slice(text: &[u8], max_values: usize) -> Result<Value, JsonError> {
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(JsonError::Utf16);
    }
    let text = without_mark(text);
    let (left, has_float) = (Cell::new(Some(max_values)), Cell::new(false));
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let counted = Counted { left: &left, has_float: &has_float };
    let read = counted.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    let value = read.map_err(|error| match left.get() {
        None => JsonError::TooManyValues(max_values),
        Some(_) => JsonError::Syntax(error),
    })?;
    match has_float.get().then(|| first_lost(text)).flatten() {
        None => Ok(value),
        Some(at) => Err(JsonError::Digits { number: at.number.to_owned(), line: at.line, column: at.column }),
    }
}

/// A text without the mark that some systems write in front of UTF-8. RFC 8259, section 8.1, lets a reader ignore it.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

/// Reads a value and counts it.
#[derive(Clone, Copy)]
struct Counted<'a> {
    /// How many more values there may be. `None` after too many.
    left: &'a Cell<Option<usize>>,
    /// Whether some number was read as a double.
    has_float: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(1)));
        if self.left.get().is_none() {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        self.has_float.set(true);
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            read.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_counted_while_they_are_read() {
        assert!(from_slice(b"[1, {\"a\": [null]}]", 5).is_ok());
        let error = from_slice(b"[1, {\"a\": [null]}]", 4).expect_err("five values").to_string();
        assert!(error.starts_with("more than 4 values; send at most 4"), "{error}");
        let text = format!("[{}0]", "0,".repeat(5 * 1024 * 1024));
        let start = Instant::now();
        assert!(matches!(from_slice(text.as_bytes(), 100_000), Err(JsonError::TooManyValues(100_000))));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        // Repeated members count as well, although only the last one stays.
        assert!(from_slice(b"{\"a\":1,\"a\":2}", 2).is_err());
    }

    #[test]
    fn a_text_that_is_not_json_is_an_error_with_its_place() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for (text, expected) in [
            (deep.as_str(), "not JSON: recursion limit exceeded"),
            ("[1] 2", "not JSON: trailing characters at line 1 column 5"),
            ("{\"a\" 1}", "not JSON: expected `:`"),
            ("", "not JSON: EOF while parsing a value"),
        ] {
            let error = from_slice(text.as_bytes(), 100_000).expect_err(text).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_number_that_would_lose_digits_is_refused_with_its_place() {
        let error = from_slice(b"{\"a\": 1.5,\n \"1e999\": [18446744073709551617]}", 10).expect_err("lost").to_string();
        assert!(
            error.starts_with("the number `18446744073709551617` at line 2, column 12 would lose digits; "),
            "{error}"
        );
        assert!(error.ends_with("send it as a string"), "{error}");
        let error = from_slice(b"[1e400]", 10).expect_err("out of range").to_string();
        assert!(error.starts_with("not JSON: number out of range"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_text_and_utf_16_is_named() {
        assert_eq!(from_slice(b"\xef\xbb\xbf[1]", 10).expect("read"), serde_json::json!([1]));
        for utf16 in [&b"\xff\xfe[\0]\0"[..], b"\xfe\xff\0[\0]"] {
            let error = from_slice(utf16, 10).expect_err("UTF-16").to_string();
            assert_eq!(error, "not JSON: the text is in UTF-16; save it in UTF-8");
        }
        assert!(from_slice(b"\xef\xbb\xbf\xef\xbb\xbf[1]", 10).is_err(), "one mark");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_what_serde_json_reads(text in r#"([\[\]{},:0-9.e-]|"[a-z\\u0-9]{0,4}"|true|null|1.5|\{"a":|\[){0,20}"#) {
            match (from_slice(text.as_bytes(), usize::MAX), serde_json::from_slice::<Value>(text.as_bytes())) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(JsonError::Syntax(ours)), Err(theirs)) => prop_assert_eq!(ours.to_string(), theirs.to_string()),
                (Err(JsonError::Digits { number, .. }), Ok(_)) => prop_assert!(text.contains(&number)),
                (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs),
            }
        }
    }
}
