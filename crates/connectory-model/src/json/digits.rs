//! Which numbers of a JSON text a double cannot hold.
//!
//! A double holds a number if it is written with the same digits: as the shortest text that reads back as this double, or, for
//! a number with a fraction or an exponent, with up to 17 digits, as `printf` and older serializers write doubles. So
//! `0.10000000000000001` is the double `0.1`, and `9007199254740993.0` is none.

/// The most digits that tell doubles apart.
const DOUBLE_DIGITS: usize = 17;

/// A number and its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost<'a> {
    /// As it is written.
    pub number: &'a str,
    /// The line, from 1.
    pub line: usize,
    /// The byte of the line at which it begins, from 1.
    pub column: usize,
}

/// The first number of a JSON text that would lose digits. The text was read before, so it is well-formed.
pub(super) fn first_lost(text: &[u8]) -> Option<Lost<'_>> {
    let (mut at, mut line, mut line_start) = (0, 1, 0);
    while let Some(byte) = text.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => at = string_end(text, at),
            b'\n' => (line, line_start) = (line + 1, at),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
                at += text[at..].iter().position(|byte| !is_part(byte)).unwrap_or(text.len() - at);
                let number = std::str::from_utf8(&text[start..at]).unwrap_or_default();
                if !is_kept(number) {
                    return Some(Lost { number, line, column: start - line_start + 1 });
                }
            }
            _ => {}
        }
    }
    None
}

/// The byte after the string that begins in front of `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += found + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at = text.len().min(at + 1);
    }
    text.len()
}

/// Whether a number keeps its digits as an integer of 64 bits or as a double.
pub(super) fn is_kept(number: &str) -> bool {
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    let Ok(double) = number.parse::<f64>() else { return false };
    let written = Decimal::of(number);
    let digits = written.digits.len();
    let is_integer = !number.contains(['.', 'e', 'E']);
    written == Decimal::of(&format!("{double:e}"))
        || !is_integer
            && (1..=DOUBLE_DIGITS).contains(&digits)
            && written == Decimal::of(&format!("{double:.*e}", digits - 1))
}

/// A number as its significant digits, and the power of ten of the first one.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(number: &str) -> Self {
        let unsigned = number.strip_prefix('-').unwrap_or(number);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let zeros = all.len() - all.trim_start_matches('0').len();
        let digits = all.trim_matches('0').to_owned();
        if digits.is_empty() {
            // All zeros are one number.
            return Self { is_negative: false, digits, exponent: 0 };
        }
        let place = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        // An exponent that has no 64 bits is that of no double.
        let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX);
        let exponent = exponent.saturating_add(place(whole.len()) - 1 - place(zeros));
        Self { is_negative: unsigned.len() < number.len(), digits, exponent }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_kept_if_a_double_or_64_bits_hold_it() {
        for kept in [
            "0",
            "-0",
            "0.000",
            "0e400",
            "1.10",
            "100e-2",
            "1E+2",
            "0.1",
            "0.30000000000000004",
            // As `printf("%.17g")` writes 0.1 and 0.2.
            "0.10000000000000001",
            "0.20000000000000001",
            "5e-324",
            "1.7976931348623157e308",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740993",
            "9007199254740992.0",
            "100000000000000000000",
            "1.8446744073709552e19",
            "0.1000000000000000000000",
        ] {
            assert!(is_kept(kept), "{kept}");
        }
        for lost in [
            "18446744073709551616",
            "18446744073709551617",
            "-9223372036854775809",
            "123456789012345678901234567890",
            "9007199254740993.0",
            "9.007199254740993e15",
            "0.1234567890123456789",
            "3.141592653589793238",
            "0.10000000000000000001",
            "1e-400",
            "2e-324",
        ] {
            assert!(!is_kept(lost), "{lost}");
        }
    }

    #[test]
    fn the_first_number_is_found_beside_strings_with_numbers() {
        let lost = "18446744073709551617";
        let text = format!("{{\"a{lost}\\\"\": [1.5, \"\\\\\",\n  -0.5, {lost}]}}");
        assert_eq!(first_lost(text.as_bytes()), Some(Lost { number: lost, line: 2, column: 9 }));
        assert_eq!(first_lost(lost.as_bytes()), Some(Lost { number: lost, line: 1, column: 1 }));
        assert_eq!(first_lost(format!("[\"\\u0022 {lost}\", 1e2]").as_bytes()), None);
    }

    proptest! {
        #[test]
        fn every_double_is_kept_as_it_is_usually_written(bits: u64) {
            let double = f64::from_bits(bits);
            if double.is_finite() {
                for written in [format!("{double:?}"), format!("{double:e}"), format!("{double:.16e}")] {
                    prop_assert!(is_kept(&written) || !written.contains(['.', 'e']), "{}", written);
                }
                let written = serde_json::to_string(&double).expect("finite");
                prop_assert!(is_kept(&written), "{}", written);
            }
        }

        #[test]
        fn what_is_kept_reads_back_as_the_same_double(number in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,22})?([eE][+-]?[0-9]{1,2})?") {
            if is_kept(&number) && number.parse::<i128>().is_err() {
                let double: f64 = number.parse().expect("a number");
                let shortest: f64 = format!("{double:e}").parse().expect("a number");
                prop_assert_eq!(shortest.to_bits(), double.to_bits());
            }
        }
    }
}
