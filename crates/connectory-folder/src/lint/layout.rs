//! Which files a connector folder has. A file that looks like one of them has its name and its place: a misspelt one would
//! be left out without a word.

use connectory_model::Locale;
use connectory_model::document::DocumentKind;
use connectory_model::file_names::{locale_file, locale_tag};

use super::findings::Findings;
use super::rules::UNKNOWN_FILE;
use crate::description::CONNECTOR_FILE;
use crate::folder::Files;
use crate::similar::{closest, question};

/// The folder of the translations.
pub(crate) const TRANSLATIONS: &str = "translations";

/// What is wrong with a connector folder in a connector folder.
pub(crate) const NESTED: &str = "a connector folder is in another one; move it out";

/// The files directly in a connector folder.
const FILES: [&str; 4] = [
    CONNECTOR_FILE,
    DocumentKind::SourceConfig.file_name(),
    DocumentKind::SourceTemplate.file_name(),
    DocumentKind::CorrelationConfig.file_name(),
];

/// How the names begin that mean a part of a connector, and the part. `connector.svg` is none.
const STEMS: &[(&str, &str)] = &[
    ("connector.y", CONNECTOR_FILE),
    ("source-config", DocumentKind::SourceConfig.file_name()),
    ("source-template", DocumentKind::SourceTemplate.file_name()),
    ("correlation-config", DocumentKind::CorrelationConfig.file_name()),
    (TRANSLATIONS, TRANSLATIONS),
];

/// How the names of a connector's files end. No other file in the folder may end like that.
const ENDINGS: &[&str] = &["xml", "yaml", "yml", "properties"];

/// Checks the paths of a folder's files.
pub(super) fn check(findings: &mut Findings<'_>, files: &Files<'_>) {
    for path in files.keys() {
        if let Some(message) = wrong(path, |other| files.contains_key(other)) {
            findings.push(&UNKNOWN_FILE, path, 0..0, message);
        }
    }
}

/// Whether a file is part of a connector. The locale of a translations file may be unknown.
pub(crate) fn is_part(path: &str) -> bool {
    let is_texts = |tag: &str| match tag.parse::<Locale>() {
        Ok(locale) => locale.tag() == tag,
        Err(_) => !tag.contains('/') && !is_hidden(path),
    };
    FILES.contains(&path) || locale_tag(path).is_some_and(is_texts)
}

/// Whether a name in a folder is that of a connector's file, or almost.
pub(crate) fn is_like_file(name: &str) -> bool {
    let is_description = name.to_ascii_lowercase().starts_with(CONNECTOR_FILE);
    is_description || has_ending(name) && similar(name, FILES.into_iter()).is_some()
}

/// Whether a name in a folder is that of the folder of translations, or almost.
pub(crate) fn is_like_translations(name: &str) -> bool {
    similar(name, [TRANSLATIONS].into_iter()).is_some()
}

/// What is wrong with the name or the place of a file. `has` says whether the folder has another file.
pub(crate) fn wrong(path: &str, has: impl Fn(&str) -> bool) -> Option<String> {
    if is_part(path) || is_hidden(path) {
        return None;
    }
    let Some((folder, name)) = path.split_once('/') else {
        let lower = path.to_ascii_lowercase();
        let stem = STEMS.iter().find(|(stem, _)| lower.starts_with(stem)).map(|(_, meant)| *meant);
        let meant = similar(path, FILES.into_iter()).or(stem);
        // `source-config.xml~` beside `source-config.xml` is a copy that an editor made. `source-config.txt` is none.
        let is_copy = |meant| has(meant) && (stem.is_none() || FILES.contains(&meant) && lower.starts_with(meant));
        let is_other = !has_ending(path) && meant.is_none_or(is_copy);
        let question = question(meant.filter(|meant| !has(meant)));
        return (!is_other).then(|| {
            let known = if question.is_empty() {
                format!("; it has {} and {TRANSLATIONS}/", FILES.join(", "))
            } else {
                question
            };
            format!("a connector folder has no file of this name{known}")
        });
    };
    if folder == TRANSLATIONS {
        let files = Locale::ALL.iter().map(|locale| locale_file(*locale)).collect::<Vec<_>>();
        // A copy that an editor made.
        if !has_ending(path) && files.iter().any(|file| path.starts_with(file) && has(file)) {
            return None;
        }
        let question = question(similar(path, files.iter().map(String::as_str)));
        return Some(format!("{TRANSLATIONS}/ has nothing but a file LOCALE.properties for each locale{question}"));
    }
    let meant = similar(name, FILES.into_iter()).filter(|_| has_ending(name));
    if meant == Some(CONNECTOR_FILE) {
        return Some(NESTED.to_owned());
    }
    let in_place = format!("{TRANSLATIONS}/{name}");
    let is_texts = is_part(&in_place) && locale_tag(&in_place).is_some_and(|tag| tag.parse::<Locale>().is_ok());
    let meant = meant.or_else(|| is_texts.then_some(in_place.as_str()))?;
    Some(format!("a file of a connector is in a folder where it is not read{}", question(Some(meant))))
}

/// What is wrong with the name of a folder in a connector folder.
pub(crate) fn wrong_folder(path: &str) -> Option<String> {
    match path.split_once('/') {
        _ if path == TRANSLATIONS || is_hidden(path) => None,
        Some((TRANSLATIONS, _)) => Some(format!(
            "{TRANSLATIONS}/ has nothing but a file LOCALE.properties for each locale; move the folder out"
        )),
        _ => is_like_translations(path)
            .then(|| format!("a connector folder has no folder of this name{}", question(Some(TRANSLATIONS)))),
    }
}

/// Whether the last name of a path begins with `.`, as those do that editors and git make.
fn is_hidden(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with('.'))
}

fn has_ending(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

/// The name that an author probably meant, whatever the case.
fn similar<'n>(name: &str, names: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    closest(name, names.clone()).or_else(|| closest(&name.to_ascii_lowercase(), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_looks_like_part_of_a_connector_has_its_name_and_place() {
        for (path, meant) in [
            ("source-confg.xml", Some("source-config.xml")),
            ("Source-Config.xml", Some("source-config.xml")),
            ("source-config.XML", Some("source-config.xml")),
            ("sourceConfig.xml", Some("source-config.xml")),
            ("SOURCE_CONFIG.XML", Some("source-config.xml")),
            ("source-config.xm", Some("source-config.xml")),
            ("conector.yaml", Some("connector.yaml")),
            ("Connector.yml", Some("connector.yaml")),
            ("translations/DE.properties", Some("translations/de.properties")),
            ("translations/zh-tw.properties", Some("translations/zh-TW.properties")),
            ("translations/de.propertis", Some("translations/de.properties")),
            ("translations/a/de.properties", Some("translations/de.properties")),
            ("texts/de.properties", Some("translations/de.properties")),
            ("de.properties", None),
            ("source-config", Some("source-config.xml")),
            ("source-config.txt", Some("source-config.xml")),
            ("Source-Template.xml.bak", Some("source-template.xml")),
            ("correlation-config copy", Some("correlation-config.xml")),
            ("connector.yaml.txt", Some("connector.yaml")),
            ("translations.zip", Some("translations")),
            ("old/source-config.xml", Some("source-config.xml")),
            ("old/connector.yaml", None),
            ("form.xml", None),
            ("ci.YML", None),
            ("translations/notes.txt", None),
        ] {
            let message = wrong(path, |_| false).expect(path);
            let question = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            assert!(message.ends_with(&question) && message.contains("mean") == meant.is_some(), "{path}: {message}");
        }
        for path in [
            "connector.yaml",
            "translations/de.properties",
            "translations/xx.properties",
            "README.md",
            "logo.svg",
            "connector.svg",
            ".gitattributes",
            ".source-config.xml.swp",
            "translations/.gitkeep",
            "docs/form.xml",
            "docs/notes.properties",
        ] {
            assert_eq!(wrong(path, |_| false), None, "{path}");
        }
        let copy = "source-config.xml~";
        assert!(wrong(copy, |_| false).is_some() && wrong(copy, |path| path == "source-config.xml").is_none());
        assert!(wrong("source-config.xml.bak", |path| path == "source-config.xml").is_none());
        for copy in ["translations/de.properties~", "translations/de.properties.orig"] {
            assert!(wrong(copy, |_| false).is_some(), "{copy}");
            assert_eq!(wrong(copy, |path| path == "translations/de.properties"), None, "{copy}");
        }
        assert!(wrong("source-config.txt", |_| true).is_some() && wrong("translations.zip", |_| true).is_some());
        assert!(wrong("source-confg.xml", |_| true).is_some_and(|message| !message.contains("did you mean")));
        for (folder, is_right) in [
            ("translations", true),
            ("docs", true),
            ("translation", false),
            ("Translations", false),
            ("translations/a", false),
        ] {
            assert_eq!(wrong_folder(folder).is_none(), is_right, "{folder}");
        }
    }
}
