//! The 19 locales of the specification.
//!
//! Tags are compared without case (BCP 47, section 2.1.1). Where a request only chooses texts, an unknown tag means
//! English. Where it names a text to store, an unknown tag is an error.

use crate::limits::QUOTED_CHARS;
use crate::shown;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! locales {
    ($($variant:ident = $tag:literal),+ $(,)?) => {
        /// A locale in which a connector can have texts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, enum_map::Enum)]
        pub enum Locale {
            $(#[serde(rename = $tag)] #[doc = concat!("`", $tag, "`")] $variant,)+
        }

        impl Locale {
            /// Every locale, in the specification's order.
            pub const ALL: &[Locale] = &[$(Locale::$variant,)+];

            /// The locale's tag, such as `zh-TW`.
            pub const fn tag(self) -> &'static str {
                match self { $(Locale::$variant => $tag,)+ }
            }
        }
    };
}

locales! {
    De = "de", No = "no", Fi = "fi", Sv = "sv", Ru = "ru", Pt = "pt", Ko = "ko", ZhTw = "zh-TW", En = "en",
    It = "it", Fr = "fr", ZhCn = "zh-CN", Hu = "hu", Es = "es", Cs = "cs", Ja = "ja", Pl = "pl", Da = "da",
    Nl = "nl",
}

impl Locale {
    /// The locale of a request's tag. Without a tag, or with an unknown one, it is English.
    pub fn or_english(tag: Option<&str>) -> Self {
        tag.and_then(|tag| tag.parse().ok()).unwrap_or(Self::En)
    }
}

/// Written by hand, because the derived one does not see through the macro to the tags.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Locale {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let tags = Self::ALL.iter().map(|locale| locale.tag());
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(tags))
            .description(Some("A locale in which a connector can have texts."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Locale {}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// A tag that is not one of the 19.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a supported locale; {hint}", hint = hint(.0))]
pub struct UnknownLocale(pub String);

/// What other systems call a locale: languages and countries by ISO 639 and 3166 that are not our tags, Chinese by its script,
/// and what YAML and spreadsheets make of `no`.
const OTHER_TAGS: &[(&str, Locale)] = &[
    ("false", Locale::No),
    ("nb", Locale::No),
    ("nn", Locale::No),
    ("nor", Locale::No),
    ("nob", Locale::No),
    ("zh", Locale::ZhCn),
    ("zh-hans", Locale::ZhCn),
    ("zh-sg", Locale::ZhCn),
    ("cn", Locale::ZhCn),
    ("zh-hant", Locale::ZhTw),
    ("zh-hk", Locale::ZhTw),
    ("zh-mo", Locale::ZhTw),
    ("tw", Locale::ZhTw),
    ("jp", Locale::Ja),
    ("kr", Locale::Ko),
    ("cz", Locale::Cs),
    ("dk", Locale::Da),
    ("se", Locale::Sv),
    ("german", Locale::De),
    ("deutsch", Locale::De),
    ("norwegian", Locale::No),
    ("norsk", Locale::No),
    ("finnish", Locale::Fi),
    ("suomi", Locale::Fi),
    ("swedish", Locale::Sv),
    ("svenska", Locale::Sv),
    ("russian", Locale::Ru),
    ("portuguese", Locale::Pt),
    ("português", Locale::Pt),
    ("korean", Locale::Ko),
    ("chinese", Locale::ZhCn),
    ("taiwanese", Locale::ZhTw),
    ("italian", Locale::It),
    ("italiano", Locale::It),
    ("french", Locale::Fr),
    ("français", Locale::Fr),
    ("hungarian", Locale::Hu),
    ("magyar", Locale::Hu),
    ("spanish", Locale::Es),
    ("español", Locale::Es),
    ("czech", Locale::Cs),
    ("japanese", Locale::Ja),
    ("polish", Locale::Pl),
    ("polski", Locale::Pl),
    ("danish", Locale::Da),
    ("dansk", Locale::Da),
    ("english", Locale::En),
    ("dutch", Locale::Nl),
    ("nederlands", Locale::Nl),
];

/// The locale that the author of an unknown tag probably meant: the tag with `_`, with a script or a region, or what other
/// systems call it.
fn meant(tag: &str) -> Option<Locale> {
    let tag = tag.trim().replace('_', "-").to_ascii_lowercase();
    // `zh-Hant-TW` and `de-DE.UTF-8`: what is behind the first parts is left out, one part after the other.
    let ends = tag.match_indices(['-', '.', '@']).map(|(at, _)| at).rev();
    std::iter::once(tag.len()).chain(ends).map(|end| &tag[..end]).find_map(|tag| {
        let known = Locale::ALL.iter().copied().find(|locale| locale.tag().eq_ignore_ascii_case(tag));
        known.or_else(|| OTHER_TAGS.iter().find(|(other, _)| *other == tag).map(|(_, locale)| *locale))
    })
}

/// The question whether a locale was meant, as the end of a sentence.
fn hint(tag: &str) -> String {
    let Some(locale) = meant(tag) else {
        let tags = Locale::ALL.iter().map(|locale| locale.tag()).collect::<Vec<_>>();
        return format!("the locales are {}", tags.join(", "));
    };
    let yaml =
        if tag.eq_ignore_ascii_case("false") { " (YAML reads `no` as false; put it in quotes there)" } else { "" };
    format!("did you mean `{locale}`?{yaml}")
}

impl FromStr for Locale {
    type Err = UnknownLocale;

    fn from_str(tag: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|locale| locale.tag().eq_ignore_ascii_case(tag))
            .ok_or_else(|| UnknownLocale(shown(tag, QUOTED_CHARS).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_tag_reads_back_in_any_case() {
        assert_eq!(Locale::ALL.len(), 19);
        for locale in Locale::ALL {
            assert_eq!(locale.tag().to_uppercase().parse(), Ok(*locale));
        }
    }

    #[test]
    fn an_unknown_locale_falls_back_to_english_or_says_what_is_known() {
        assert_eq!(Locale::or_english(Some("tlh")), Locale::En);
        assert_eq!(Locale::or_english(None), Locale::En);
        assert_eq!(Locale::or_english(Some("ja")), Locale::Ja);
        let error = "xx".parse::<Locale>().unwrap_err().to_string();
        assert!(error.starts_with("`xx` is not a supported locale; the locales are de, no, fi"), "{error}");
    }

    #[test]
    fn what_other_systems_call_a_locale_is_proposed_and_not_taken() {
        for (tag, locale) in [
            ("nb", "no"),
            ("nb-NO", "no"),
            ("nn_NO", "no"),
            ("no-NO", "no"),
            ("de-DE", "de"),
            ("de_AT", "de"),
            ("de_DE.UTF-8", "de"),
            ("en-US", "en"),
            ("pt_BR", "pt"),
            ("zh_CN", "zh-CN"),
            ("zh", "zh-CN"),
            ("zh-Hans", "zh-CN"),
            ("zh-Hans-CN", "zh-CN"),
            ("zh_TW", "zh-TW"),
            ("zh-Hant-TW", "zh-TW"),
            ("ZH-HK", "zh-TW"),
            ("jp", "ja"),
            ("cz", "cs"),
            ("German", "de"),
            ("Deutsch", "de"),
            ("Chinese", "zh-CN"),
            (" de ", "de"),
        ] {
            let error = tag.parse::<Locale>().unwrap_err().to_string();
            assert_eq!(error, format!("`{tag}` is not a supported locale; did you mean `{locale}`?"));
        }
        let error = "false".parse::<Locale>().unwrap_err().to_string();
        assert!(error.ends_with("did you mean `no`? (YAML reads `no` as false; put it in quotes there)"), "{error}");
        for tag in ["", "xx", "tlh-DE", "true", "d-e", "-", "é"] {
            assert!(tag.parse::<Locale>().unwrap_err().to_string().contains("; the locales are de, no"), "{tag}");
        }
        // A read of another locale stays a read of English, as the specification says.
        assert_eq!(Locale::or_english(Some("de-DE")), Locale::En);
    }

    proptest! {
        #[test]
        fn a_tag_is_a_locale_only_if_it_is_the_tag_of_one(tag in "([a-zA-Z]{2}(-[a-zA-Z]{2})?|.{0,60})") {
            let known = Locale::ALL.iter().copied().find(|locale| locale.tag().to_lowercase() == tag.to_lowercase());
            prop_assert_eq!(tag.parse::<Locale>().ok(), known);
        }
    }
}
