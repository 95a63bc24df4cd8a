//! JSON of clients, bounded in values while it is parsed.
//!
//! A value takes 32 bytes in memory and as few as two in the text, so the length of a text does not bound the memory.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Syntax(serde_json::Error),
    /// It has more values than this.
    #[error("more than {0} values; send at most {0}, where each member, each item and each object or array counts")]
    TooManyValues(usize),
}

/// Reads a text of at most so many values.
pub fn from_slice(text: &[u8], max_values: usize) -> Result<Value, JsonError> {
    let left = Cell::new(Some(max_values));
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = Counted(&left).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| match left.get() {
        None => JsonError::TooManyValues(max_values),
        Some(_) => JsonError::Syntax(error),
    })
}

/// Reads a value and counts it. The cell has `None` after too many values.
#[derive(Clone, Copy)]
struct Counted<'a>(&'a Cell<Option<usize>>);

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(1)));
        if self.0.get().is_none() {
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

    proptest! {
        #[test]
        fn whatever_is_read_is_what_serde_json_reads(text in r#"([\[\]{},:0-9.e-]|"[a-z\\u0-9]{0,4}"|true|null|1.5|\{"a":|\[){0,20}"#) {
            match (from_slice(text.as_bytes(), usize::MAX), serde_json::from_slice::<Value>(text.as_bytes())) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(JsonError::Syntax(ours)), Err(theirs)) => prop_assert_eq!(ours.to_string(), theirs.to_string()),
                (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs),
            }
        }
    }
}
