//! The name key: by what names are unique, compared and sorted, and by what filters compare texts. It is computed here and never by a database, so that every
//! engine and every node agrees on it.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// The key of a name. Two names have the same key if they differ only in case, or in how accents are encoded: `Straße` and
/// `STRASSE`, or `é` as one character and as `e` with an accent. This is Unicode's canonical caseless matching (definition
/// D145): full case folding of the decomposed text, then NFC.
pub fn name_key(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(name);
    let folded = CaseMapper::new().fold_string(&decomposed);
    ComposingNormalizerBorrowed::new_nfc().normalize(&folded).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_differ_in_case_or_encoding_have_one_key() {
        for (one, other) in [("HR", "hr"), ("ÄRZTE", "ärzte"), ("Straße", "STRASSE"), ("caf\u{e9}", "CAFE\u{301}")] {
            assert_eq!(name_key(one), name_key(other), "{one} {other}");
        }
        // Final sigma, and an accent that is moved by folding.
        assert_eq!(name_key("ΣΊΣΥΦΟΣ"), name_key("Σίσυφος"));
        assert_eq!(name_key("\u{3b1}\u{345}\u{301}"), name_key("\u{3b1}\u{301}\u{345}"));
        for (one, other) in [("a", "ä"), ("I", "ı"), ("o", "0"), ("ﬁ1", "fi 1")] {
            assert_ne!(name_key(one), name_key(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(name in any::<String>()) {
            let key = name_key(&name);
            prop_assert_eq!(name_key(&key), key.clone());
            // It has a control character only if the name has, so none is part of a key.
            prop_assert_eq!(key.contains(char::is_control), name.contains(char::is_control));
        }

        #[test]
        fn ascii_is_no_special_case(name in "[ -~]*") {
            prop_assert_eq!(name_key(&format!("{name} é")), format!("{} é", name_key(&name)));
        }
    }
}
