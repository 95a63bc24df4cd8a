//! Equality of JSON values as JSON Patch defines it (RFC 6902, section 4.6): numbers are equal if their values are, however
//! they are written. For `serde_json`, `1` and `1.0` are two values.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether two values are equal. A value that was read nests 128 levels at most.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => equal_numbers(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        // The order of members does not count.
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| equal(value, other)))
        }
        (one, other) => one == other,
    }
}

fn equal_numbers(one: &Number, other: &Number) -> bool {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one == other,
        (Some(integer), None) => other.as_f64().is_some_and(|float| is_integer(float, integer)),
        (None, Some(integer)) => one.as_f64().is_some_and(|float| is_integer(float, integer)),
        (None, None) => one
            .as_f64()
            .zip(other.as_f64())
            .is_some_and(|(one, other)| one.partial_cmp(&other) == Some(Ordering::Equal)),
    }
}

/// Whether a number with a fraction or an exponent has the value of an integer. All integers of JSON values have 64 bits, so
/// one that is made of 128 is exact.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond the range becomes the end of it, which no integer here is"
)]
fn is_integer(float: f64, integer: i128) -> bool {
    float.fract() == 0.0 && float as i128 == integer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect(text)
    }

    #[test]
    fn numbers_are_equal_if_their_values_are() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("0", "-0.0"),
            ("0.10", "1E-1"),
            ("-5", "-5.0"),
            ("9007199254740992", "9007199254740992.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("[1, {\"a\": 2.0, \"b\": null}]", "[1.0, {\"b\": null, \"a\": 2}]"),
        ] {
            assert!(equal(&read(one), &read(other)) && equal(&read(other), &read(one)), "{one} {other}");
        }
    }

    #[test]
    fn what_differs_is_not_equal() {
        for (one, other) in [
            ("1", "2"),
            ("1", "1.5"),
            ("1", "\"1\""),
            ("1", "true"),
            ("0", "null"),
            ("0", "false"),
            // The float next to an integer that has none of its own.
            ("9007199254740993", "9007199254740992.0"),
            ("18446744073709551615", "1.8446744073709552e19"),
            ("-9223372036854775808", "9.3e18"),
            ("[1]", "[1, 1]"),
            ("[1, 2]", "[2, 1]"),
            ("{\"a\": 1}", "{\"a\": 1, \"b\": 1}"),
            ("{\"a\": 1}", "{\"b\": 1}"),
            // Strings are compared character by character, not by the key of a name.
            ("\"\u{e9}\"", "\"e\u{301}\""),
            ("\"a\"", "\"A\""),
        ] {
            assert!(!equal(&read(one), &read(other)) && !equal(&read(other), &read(one)), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn an_integer_that_a_float_holds_is_equal_to_it(integer in -(1_i64 << 53)..=(1_i64 << 53), exponent in 0..30_i32) {
            let float = format!("{integer}{}e-{exponent}", "0".repeat(usize::try_from(exponent).expect("positive")));
            prop_assert!(equal(&read(&integer.to_string()), &read(&float)), "{float}");
            let next = read(&(integer + 1).to_string());
            prop_assert!(!equal(&next, &read(&float)), "{float}");
        }
    }
}
