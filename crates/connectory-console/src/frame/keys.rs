//! The keys of the keyboard that the scripts of the console know.

/// A key of the keyboard, and the key of the text that says what it does.
pub type Key = (&'static str, &'static str);

/// All keys, in groups with the keys of their titles.
pub const KEYS: [(&str, &[Key]); 3] = [
    ("keys.everywhere", &[("/", "keys.search"), ("?", "keys.help")]),
    (
        "keys.editor",
        &[
            ("Ctrl S", "action.save"),
            ("Ctrl F", "keys.find"),
            ("F3", "keys.find_next"),
            ("Ctrl Space", "keys.complete"),
            ("Shift Alt F", "keys.format"),
            ("Alt Z", "keys.wrap"),
            ("F8", "keys.problem"),
        ],
    ),
    ("tab.translations", &IN_TRANSLATIONS),
];

/// The keys in the cells of the translations.
pub const IN_TRANSLATIONS: [Key; 5] = [
    ("Tab", "translations.key_next"),
    ("Alt ↓", "translations.key_missing"),
    ("Alt ↑", "translations.key_missing_before"),
    ("Ctrl Enter", "translations.key_below"),
    ("Esc", "translations.key_back"),
];
