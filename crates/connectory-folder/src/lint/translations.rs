//! Checks the translations: their syntax, and how they fit the source config and each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use connectory_model::Locale;
use connectory_model::document::DocumentKind;
use connectory_model::file_names::locale_tag;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::lines::Lines;
use connectory_model::shown;
use connectory_model::translations::{Properties, PropertiesError, Property, SHORT_DESCRIPTION};

use super::findings::Findings;
use super::form::Keys;
use super::properties;
use super::rules::{MISSING_TRANSLATION, PROPERTIES_SYNTAX, UNKNOWN_LOCALE, UNTRANSLATED, UNUSED_TRANSLATION};
use super::text::{Fix, Text};
use crate::folder::Files;

/// How keys begin that cannot be texts themselves.
const KEY_PREFIXES: &[&str] =
    &["menuLabel_", "sectionLabel_", "sectionInfo_", "placeHolder_", "docLinkLabel_", "helpKey_"];

/// The texts of a locale that could be read.
struct Texts<'f> {
    file: &'f str,
    properties: Properties,
    entries: Vec<Property>,
}

impl Texts<'_> {
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }
}

/// Checks every locale's file. `used` are the keys of the source config, if it could be read.
pub(super) fn check(findings: &mut Findings<'_>, files: &Files<'_>, used: Option<&Keys<'_>>) {
    let locales = read(findings, files);
    let mut misread = BTreeMap::new();
    for (locale, Texts { file, properties, entries }) in &locales {
        misread.insert(*locale, properties::check(findings, file, properties, entries, used));
    }
    let Some(used) = used else { return };
    let english: HashMap<_, _> = locales
        .get(&Locale::En)
        .into_iter()
        .flat_map(|texts| texts.entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())))
        .collect();
    let translated: BTreeSet<_> = locales.values().flat_map(Texts::keys).collect();
    let has_slips = check_untranslated(findings, used, &translated);
    let none = HashSet::new();
    for (locale, texts) in &locales {
        if !findings.wants(texts.file) {
            continue;
        }
        let own: HashSet<_> = texts.keys().collect();
        let unused = own.iter().copied().filter(|key| !is_used(used, key)).collect();
        let mut has_slips = has_slips;
        for key in used.keys().filter(|key| translated.contains(**key) && !own.contains(**key)) {
            let suggestion = findings.suggestion(key, &unused);
            has_slips |= !suggestion.is_empty();
            let key = shown(key, QUOTED_CHARS);
            let message = format!("the key `{key}`, which the source config uses, has no text{suggestion}");
            findings.push(&MISSING_TRANSLATION, texts.file, 0..0, message);
        }
        let has_fix = !has_slips && findings.has_suggestions();
        let misread = misread.get(locale).unwrap_or(&none);
        check_entries(findings, texts, used, misread, (*locale != Locale::En).then_some(&english), has_fix);
    }
}

/// Reports the keys of the source config that have no text in any locale, and returns whether there are some. One of them
/// is perhaps a slip: then the texts that seem to be unused are its texts.
fn check_untranslated(findings: &mut Findings<'_>, used: &Keys<'_>, translated: &BTreeSet<&str>) -> bool {
    let unused = translated.iter().copied().filter(|key| !is_used(used, key)).collect();
    let mut is_found = false;
    for (key, span) in used.iter().filter(|(key, _)| !translated.contains(**key)) {
        let suggestion = findings.suggestion(key, &unused);
        // Without a prefix it is a text itself, unless it is almost a key.
        if suggestion.is_empty() && !KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            continue;
        }
        is_found = true;
        let key = shown(key, QUOTED_CHARS);
        let message = format!("the key `{key}` has no text in any locale; users would see the key{suggestion}");
        findings.push(&MISSING_TRANSLATION, DocumentKind::SourceConfig.file_name(), span.clone(), message);
    }
    is_found
}

/// Whether the source config uses a key, or every connector does.
fn is_used(used: &Keys<'_>, key: &str) -> bool {
    key == SHORT_DESCRIPTION || used.contains_key(key)
}

/// Reads every locale's file.
fn read<'f>(findings: &mut Findings<'_>, files: &'f Files<'_>) -> BTreeMap<Locale, Texts<'f>> {
    let mut locales = BTreeMap::new();
    for (file, bytes) in files {
        let Some(tag) = locale_tag(file) else { continue };
        let locale = match tag.parse::<Locale>() {
            Ok(locale) => locale,
            Err(error) => {
                findings.push(&UNKNOWN_LOCALE, file, 0..0, error.to_string());
                continue;
            }
        };
        match Properties::parse(bytes) {
            Ok(properties) => {
                locales.insert(locale, Texts { file, entries: properties.lines(), properties });
            }
            Err(PropertiesError::Line { line, reason }) => {
                let text = Text::decode(bytes);
                findings.push(&PROPERTIES_SYNTAX, file, Lines::of_properties(&text.text).span(line), reason);
            }
            Err(error @ (PropertiesError::Binary(_) | PropertiesError::Utf16)) => {
                findings.push(&PROPERTIES_SYNTAX, file, 0..0, error.to_string());
            }
        }
    }
    locales
}

/// Checks each text of a locale: whether its key is used, and whether it differs from the English text, if there are
/// any to compare with. It leaves out the lines whose key is probably another one. With `has_fix`, the fix of an unused text
/// removes it.
fn check_entries(
    findings: &mut Findings<'_>,
    texts: &Texts<'_>,
    used: &Keys<'_>,
    misread: &HashSet<usize>,
    english: Option<&HashMap<&str, &str>>,
    has_fix: bool,
) {
    let lines = Lines::of_properties(texts.properties.text());
    for Property { line, key, value } in texts.entries.iter().filter(|entry| !misread.contains(&entry.line)) {
        if !findings.wants(texts.file) {
            break;
        }
        if !is_used(used, key) {
            let fix = has_fix.then(|| Fix::Replace { range: lines.logical(*line), text: String::new() });
            let key = shown(key, QUOTED_CHARS);
            let message = format!("the source config does not use the key `{key}`");
            findings.push_with(&UNUSED_TRANSLATION, texts.file, lines.span(*line), message, fix);
        } else if english.is_some_and(|english| english.get(key.as_str()) == Some(&value.as_str()))
            // An example, such as an address, is the same in every language.
            && !key.starts_with("placeHolder_")
            && value.chars().any(char::is_alphabetic)
        {
            let key = shown(key, QUOTED_CHARS);
            let message = format!("the text of `{key}` is the English one");
            findings.push(&UNTRANSLATED, texts.file, lines.span(*line), message);
        }
    }
}
