//! The file names of a connector's documents and translations: in its folder, in answers and in the history.

use crate::Locale;
use crate::document::DocumentKind;

/// The folder of the translations.
const TRANSLATIONS: &str = "translations/";
/// How the file names of translations end.
const PROPERTIES: &str = ".properties";

impl DocumentKind {
    /// The document's file name in a connector folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::SourceConfig => "source-config.xml",
            Self::SourceTemplate => "source-template.xml",
            Self::CorrelationConfig => "correlation-config.xml",
        }
    }
}

/// The path of a locale's texts in a connector folder.
pub fn locale_file(locale: Locale) -> String {
    format!("{TRANSLATIONS}{locale}{PROPERTIES}")
}

/// The locale's tag in the path of its texts.
pub fn locale_tag(path: &str) -> Option<&str> {
    path.strip_prefix(TRANSLATIONS)?.strip_suffix(PROPERTIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_locale_has_its_tag() {
        for locale in Locale::ALL {
            assert_eq!(locale_tag(&locale_file(*locale)), Some(locale.tag()));
        }
        for other in ["translations/de.txt", "de.properties", "translations/", "source-config.xml"] {
            assert_eq!(locale_tag(other), None, "{other}");
        }
    }
}
