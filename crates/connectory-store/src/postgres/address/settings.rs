//! The settings of an address: the options in its text, and libpq's variables for those that the text does not have.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::AddressError;
use super::options::Use::{Only, Read, Refuse};
use super::options::{Name, OPTIONS};
use super::text;

/// A setting. It has no `Debug`, because it may be the password.
pub(in crate::postgres) struct Setting {
    pub(in crate::postgres) name: Name,
    pub(in crate::postgres) value: String,
}

impl Setting {
    /// Makes the error that says which values the setting may have.
    pub(super) fn must_be(&self, expected: impl Into<String>) -> AddressError {
        AddressError::Value { setting: self.name, expected: expected.into() }
    }

    /// Reads one of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, AddressError> {
        let found = words.iter().find(|(word, _)| *word == self.value);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.must_be(one_of(&words))
        })
    }

    /// Reads a whole number with bounds.
    pub(super) fn number(&self, least: u32, most: u32) -> Result<u32, AddressError> {
        let number = self.value.trim().parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.must_be(format!("a whole number from {least} to {most}")))
    }
}

/// Lists words in a sentence.
fn one_of(words: &[&str]) -> String {
    match words {
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
        [] => String::new(),
    }
}

/// The settings of an address. An empty value is the same as none, as it is for libpq.
pub(in crate::postgres) struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// Reads the settings: those of the text first.
    pub(super) fn read(text: &str, environment: &impl Fn(&str) -> Option<OsString>) -> Result<Self, AddressError> {
        let mut settings = Self(BTreeMap::new());
        for (name, value) in text::read(text)? {
            settings.insert(Setting { name: Name::Option(name), value }, name)?;
        }
        for &(name, variable, _) in OPTIONS {
            let Some(variable) = variable else { continue };
            if settings.0.contains_key(name) {
                continue;
            }
            let Some(value) = environment(variable).filter(|value| !value.is_empty()) else { continue };
            let name_of = Name::Variable(variable);
            let value = value
                .into_string()
                .map_err(|_| AddressError::Value { setting: name_of, expected: "UTF-8".to_owned() })?;
            settings.insert(Setting { name: name_of, value }, name)?;
        }
        Ok(settings)
    }

    fn insert(&mut self, setting: Setting, name: &'static str) -> Result<(), AddressError> {
        let known = OPTIONS.iter().find(|(known, ..)| *known == name);
        match known.map_or(Refuse, |&(.., what)| what) {
            Refuse => return Err(AddressError::Unsupported(setting.name)),
            Only(values) if !values.contains(&setting.value.as_str()) => return Err(setting.must_be(one_of(values))),
            Read | Only(_) => {}
        }
        if setting.value.contains('\0') {
            return Err(setting.must_be("without NUL"));
        }
        self.0.insert(name, setting);
        Ok(())
    }

    /// Finds a setting that has a value.
    pub(in crate::postgres) fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name).filter(|setting| !setting.value.is_empty())
    }

    /// Finds the value of a setting.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|setting| setting.value.as_str())
    }
}
