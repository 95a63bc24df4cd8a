//! The scalars of a YAML text as they are written. YAML reads `No` as false, `1.10` as 1.1, and a number of many digits as the
//! double next to it. So a text is read again, guided by what the first reading found.

use std::fmt;

use connectory_model::json::keeps_digits;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What a text was read as, with each boolean and number as it is written, and null for all else.
pub(crate) fn as_written(bytes: &[u8], read: &Value) -> Value {
    serde_saphyr::with_deserializer_from_slice(bytes, |deserializer| Written(read).deserialize(deserializer))
        .unwrap_or_default()
}

/// The first number of a text that would lose digits, as it is written.
pub(crate) fn lost_digits(bytes: &[u8], read: &Value) -> Option<String> {
    has_float(read).then(|| first_lost(read, &as_written(bytes, read))).flatten()
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        _ => false,
    }
}

fn first_lost(read: &Value, written: &Value) -> Option<String> {
    match (read, written) {
        (Value::Number(number), Value::String(text)) if number.is_f64() => {
            let plain = text.replace('_', "");
            (!keeps_digits(plain.strip_prefix('+').unwrap_or(&plain))).then(|| text.clone())
        }
        (Value::Array(read), Value::Array(written)) => {
            read.iter().zip(written).find_map(|(read, written)| first_lost(read, written))
        }
        (Value::Object(read), Value::Object(written)) => {
            read.iter().find_map(|(name, read)| first_lost(read, written.get(name)?))
        }
        _ => None,
    }
}

/// Reads a value that was read as this one.
#[derive(Clone, Copy)]
struct Written<'a>(&'a Value);

impl<'de> DeserializeSeed<'de> for Written<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0 {
            Value::Bool(_) | Value::Number(_) => deserializer.deserialize_str(self),
            Value::Array(_) => deserializer.deserialize_seq(self),
            Value::Object(_) => deserializer.deserialize_map(self),
            Value::String(_) | Value::Null => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null),
        }
    }
}

impl<'de> Visitor<'de> for Written<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was read before")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut written = Vec::new();
        while let Some(item) = items.next_element_seed(Written(&self.0[written.len()]))? {
            written.push(item);
        }
        Ok(Value::Array(written))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut written = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Written(&self.0[&name]))?;
            written.insert(name, value);
        }
        Ok(Value::Object(written))
    }
}
