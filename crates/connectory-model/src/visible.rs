//! Names as pages and terminals show them. A name may have characters that nobody sees, and that change how other
//! characters are shown: after U+202E, `txt.exe` looks like `exe.txt`. Pages and terminals show such a character as
//! `\u{202e}`. What is stored never changes.

use std::borrow::Cow;

use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint};

/// The text with every character escaped that nobody sees and that may deceive a reader.
///
/// These are control characters except tabs and newlines, the controls of text direction, and what Unicode says that fonts leave
/// out (`Default_Ignorable_Code_Point`). Joiners such as U+200D and selectors of variants stay after a character that is not
/// ASCII: Persian, Hindi and emoji need them there.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) {
        return text.into();
    }
    let is_harmless = |(before, char)| !deceives(before, char);
    if std::iter::once('\0').chain(text.chars()).zip(text.chars()).all(is_harmless) {
        return text.into();
    }
    let (mut escaped, mut before) = (String::with_capacity(text.len() + 16), '\0');
    for char in text.chars() {
        if deceives(before, char) {
            escaped.extend(char.escape_default());
            before = '}';
        } else {
            escaped.push(char);
            before = char;
        }
    }
    escaped.into()
}

/// Whether a character is escaped after another one.
fn deceives(before: char, char: char) -> bool {
    match char {
        '\t' | '\n' => false,
        // Joiners and selectors of variants belong to the character before them.
        '\u{34f}'
        | '\u{180b}'..='\u{180d}'
        | '\u{180f}'
        | '\u{200c}'
        | '\u{200d}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}' => before.is_ascii(),
        // Tags after a black flag are the flag of a region.
        '\u{e0000}'..='\u{e007f}' => !matches!(before, '\u{1f3f4}' | '\u{e0000}'..='\u{e007f}'),
        // Separators of lines and paragraphs, the blank of Braille, and marks of annotations.
        '\u{2028}' | '\u{2029}' | '\u{2800}' | '\u{fff9}'..='\u{fffb}' => true,
        char => {
            char.is_control()
                || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char)
                || CodePointSetData::new::<BidiControl>().contains(char)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_cannot_deceive_a_reader() {
        for (name, seen) in [
            ("Pay\u{202e}llor", "Pay\\u{202e}llor"),
            ("HR\u{200b}", "HR\\u{200b}"),
            ("HR\u{200d}\u{200d}", "HR\\u{200d}\\u{200d}"),
            ("\u{feff}HR", "\\u{feff}HR"),
            ("HR\u{fe0f}", "HR\\u{fe0f}"),
            ("\u{3164}", "\\u{3164}"),
            ("人事\u{2800}", "人事\\u{2800}"),
            ("\u{1b}[2Ja\u{9b}b\r", "\\u{1b}[2Ja\\u{9b}b\\r"),
        ] {
            assert_eq!(visible(name), seen);
        }
    }

    #[test]
    fn a_name_in_any_language_is_shown_as_it_is() {
        let names = [
            "",
            "a\tb\nc",
            "Größe",
            "人事",
            "משאבי אנוש",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}💻",
            "🏴\u{e0067}\u{e007f}",
        ];
        for name in names {
            assert!(matches!(visible(name), Cow::Borrowed(same) if same == name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_control_of_direction_remains(text in "([ab\u{e4}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{61c}\u{feff}]|\\PC){0,20}") {
            let seen = visible(&text);
            let controls = ['\u{200b}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{feff}'];
            let is_control = |char: char| controls.contains(&char) || ('\u{202a}'..='\u{202e}').contains(&char) || ('\u{2066}'..='\u{2069}').contains(&char);
            prop_assert!(!seen.contains(is_control), "{:?}", seen);
            prop_assert_eq!(visible(&seen), seen.clone());
            let has_none = !text.contains(|char| is_control(char) || matches!(char, '\u{200c}' | '\u{200d}'));
            if has_none && text.chars().all(char::is_alphanumeric) {
                prop_assert!(matches!(seen, Cow::Borrowed(same) if same == text));
            }
        }
    }
}
