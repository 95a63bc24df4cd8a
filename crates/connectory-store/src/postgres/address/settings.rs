//! The settings of an address: the options in its text, and libpq's variables for those that the text does not have.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use super::AddressError;
use super::text;

/// What is done with an option.
#[derive(Clone, Copy)]
enum Use {
    /// Its value is used.
    Read,
    /// It changes nothing, and these are its only values. The first is proposed.
    Only(&'static [&'static str]),
    /// It is refused.
    Refuse,
}
use Use::{Only, Read, Refuse};

/// The options: libpq's, and one of ours. Those of which libpq has a variable have its name.
const OPTIONS: &[(&str, Option<&str>, Use)] = &[
    ("application_name", Some("PGAPPNAME"), Read),
    ("channel_binding", Some("PGCHANNELBINDING"), Read),
    ("client_encoding", None, Only(&["UTF8", "utf8", "UTF-8", "utf-8", "auto"])),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Read),
    ("connectory_insecure", None, Read),
    ("dbname", Some("PGDATABASE"), Read),
    ("fallback_application_name", None, Read),
    ("gssdelegation", None, Only(&["0"])),
    ("gssencmode", None, Only(&["disable", "prefer"])),
    ("gsslib", None, Refuse),
    ("host", Some("PGHOST"), Read),
    ("hostaddr", None, Read),
    ("keepalives", None, Read),
    ("keepalives_count", None, Read),
    ("keepalives_idle", None, Read),
    ("keepalives_interval", None, Read),
    ("krbsrvname", None, Refuse),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Read),
    ("max_protocol_version", None, Refuse),
    ("min_protocol_version", None, Refuse),
    ("options", Some("PGOPTIONS"), Read),
    ("passfile", Some("PGPASSFILE"), Read),
    ("password", Some("PGPASSWORD"), Read),
    ("port", Some("PGPORT"), Read),
    ("replication", None, Only(&["false", "off", "no", "0"])),
    ("require_auth", Some("PGREQUIREAUTH"), Refuse),
    ("requirepeer", Some("PGREQUIREPEER"), Refuse),
    ("requiressl", None, Refuse),
    ("service", Some("PGSERVICE"), Refuse),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Refuse),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), Only(&["TLSv1.2", "TLSv1.1", "TLSv1"])),
    ("sslcert", Some("PGSSLCERT"), Read),
    ("sslcertmode", None, Only(&["allow"])),
    ("sslcompression", None, Only(&["0"])),
    ("sslcrl", Some("PGSSLCRL"), Refuse),
    ("sslcrldir", Some("PGSSLCRLDIR"), Refuse),
    ("sslkey", Some("PGSSLKEY"), Read),
    ("sslkeylogfile", None, Refuse),
    ("sslmode", Some("PGSSLMODE"), Read),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Only(&["postgres"])),
    ("sslpassword", None, Refuse),
    ("sslrootcert", Some("PGSSLROOTCERT"), Read),
    ("sslsni", None, Only(&["1"])),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Read),
    ("tcp_user_timeout", None, Read),
    ("user", Some("PGUSER"), Read),
];

/// The name of a setting, as its author wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// An option in the text of the address.
    Option(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A file at its usual place.
    Default(&'static str),
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => write!(formatter, "the option {name}"),
            Self::Variable(name) => write!(formatter, "the variable {name}"),
            Self::Default(what) => write!(formatter, "the {what}"),
        }
    }
}

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

/// Finds the option with a name.
pub(super) fn known(name: &str) -> Option<&'static str> {
    OPTIONS.iter().map(|(known, ..)| *known).find(|known| *known == name)
}

/// Finds the option whose name is most like a misspelled one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let read = OPTIONS.iter().filter(|(.., what)| matches!(what, Read)).map(|(known, ..)| *known);
    let distances = read.map(|known| (strsim::osa_distance(&name.to_ascii_lowercase(), known), known));
    distances.min().filter(|(distance, known)| *distance <= 3 && *distance * 2 < known.len()).map(|(_, known)| known)
}
