//! The locales of connectors as readers know them: by the names of their languages.

use connectory_model::Locale;
use deunicode::deunicode;

use super::view::View;

/// The name of a locale's language, in the language of the reader.
pub fn locale_name(view: &View, locale: Locale) -> &'static str {
    view.text(&format!("locale.{locale}"))
}

/// All locales: English first, because all others are translated from it, and then by name.
pub fn in_order(view: &View) -> Vec<Locale> {
    let mut locales = Locale::ALL.to_vec();
    // A letter with an accent is beside the one without.
    locales.sort_by_cached_key(|locale| (*locale != Locale::En, deunicode(locale_name(view, *locale))));
    locales
}
